"""The log that workers follow. Versions are handed out under a row's lock, so they become visible in their order and none is missed."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .engine import Engine
from .records import Change
from .tables import changes, counters

MOST = 10_000
"""Changes told at once."""

COUNTER = "changes"


async def append(connection: AsyncConnection, found: list[tuple[str, str]]) -> None:
    """Notes that these (kind, id) changed. Last in a transaction: every other change waits from here to the commit."""
    if not found:
        return
    step = update(counters).where(counters.c.name == COUNTER).values(value=counters.c.value + len(found))
    last: int = (await connection.execute(step.returning(counters.c.value))).scalar_one()
    first = last - len(found) + 1
    rows = [{"version": first + index, "kind": kind, "object": id} for index, (kind, id) in enumerate(found)]
    await connection.execute(changes.insert(), rows)


async def latest(engine: Engine) -> int:
    """The newest version, 0 before the first change."""

    async def work(connection: AsyncConnection) -> int:
        found: int = (await connection.execute(select(counters.c.value).where(counters.c.name == COUNTER))).scalar_one()
        return found

    return await engine.read(work)


async def since(engine: Engine, version: int) -> tuple[list[Change], int]:
    """Changes after ``version``, oldest first, and the newest version among them (``version`` if there are none)."""
    query = (
        select(changes.c.version, changes.c.kind, changes.c.object)
        .where(changes.c.version > version)
        .order_by(changes.c.version)
        .limit(MOST)
    )

    async def work(connection: AsyncConnection) -> list[Change]:
        return [Change(*row) for row in await connection.execute(query)]

    found = await engine.read(work)
    return found, found[-1].version if found else version
