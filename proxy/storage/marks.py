"""Numbers that the database keeps about itself, each written once: the first to write one decides."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from .engine import Engine
from .tables import counters


async def first(engine: Engine, name: str, value: int) -> int:
    """The number under ``name``; ``value``, where there was none before."""

    async def work(connection: AsyncConnection) -> int:
        await connection.execute(engine.insert(counters).values(name=name, value=value).on_conflict_do_nothing())
        found: int = (await connection.execute(select(counters.c.value).where(counters.c.name == name))).scalar_one()
        return found

    return await engine.write(work, replayable=True)
