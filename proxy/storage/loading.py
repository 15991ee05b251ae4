"""Whole tables into memory in portions, so that the event loop gets its turns in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .engine import Engine
from .errors import StorageError
from .tables import AnyRow

T = TypeVar("T")

PORTION = 2_000
"""Rows: about 10 ms of the loop's time."""


async def in_portions(engine: Engine, table: Table, of: Callable[[AnyRow], T]) -> AsyncIterator[T]:
    """Every row of ``table`` (primary key ``id``) as ``of`` makes it, in the order of ids."""
    query = select(*table.c).order_by(table.c.id).limit(PORTION)
    last = ""
    while True:
        portion = await engine.read(_fetch(query.where(table.c.id > last)))
        for row in portion:
            try:
                yield of(row)
            except msgspec.MsgspecError:
                what = table.name.removesuffix("s")
                raise StorageError(
                    f"The {what} {row.id!r} holds JSON that cannot be read: repair or remove it."
                ) from None
        if len(portion) < PORTION:
            return
        last = portion[-1].id
        await asyncio.sleep(0)


def _fetch(query: Any) -> Callable[[AsyncConnection], Any]:
    async def work(connection: AsyncConnection) -> Any:
        return (await connection.execute(query)).all()

    return work
