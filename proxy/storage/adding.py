"""Adds to sums that are kept: one statement a table, rows in one order, so that two writers cannot lock each other out."""

from collections.abc import Mapping
from typing import TypeVar

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from .engine import Engine

Ident = TypeVar("Ident", bound=tuple[str | int, ...])


async def add(
    engine: Engine, connection: AsyncConnection, table: Table, sums: Mapping[Ident, Mapping[str, int]]
) -> None:
    """Adds ``sums`` (primary key to amounts by column), making rows where there are none."""
    if not sums:
        return
    names = [column.name for column in table.primary_key]
    rows = [{**dict(zip(names, ident, strict=True)), **amounts} for ident, amounts in sorted(sums.items(), key=_ident)]
    insert = engine.insert(table)
    changed = [name for name in rows[0] if name not in names]
    together = {name: table.c[name] + insert.excluded[name] for name in changed}
    await connection.execute(insert.on_conflict_do_update(index_elements=names, set_=together), rows)


def _ident(item: tuple[Ident, Mapping[str, int]]) -> Ident:
    return item[0]
