"""Roll-ups: what a key used of a model in a day. Reports read them, never the entries."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..policy.rules import window_of
from ..protocols import Entry
from . import checks
from .adding import add
from .engine import Engine
from .queries import UsageQuery, UsageRow
from .tables import SUMS, AnyRow, usage

Ident = tuple[str, str, str, str, str, str]


async def add_up(engine: Engine, connection: AsyncConnection, fresh: Sequence[tuple[Entry, int]]) -> None:
    """Adds entries, each with its included part."""
    sums: dict[Ident, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    for entry, included in fresh:
        day = window_of("day", entry.at)
        row = sums[day, entry.account, entry.key, entry.route, entry.model, entry.provider]
        row["requests"] += 1
        row["input_tokens"] += entry.input_tokens
        row["output_tokens"] += entry.output_tokens
        row["cached_tokens"] += entry.cached_tokens
        row["cache_write_tokens"] += entry.cache_write_tokens
        row["reasoning_tokens"] += entry.reasoning_tokens
        row["charge"] += entry.charge
        row["included"] += included
        row["cost"] += entry.cost
        row["unpriced"] += entry.unpriced
    await add(engine, connection, usage, sums)


async def ask(engine: Engine, query: UsageQuery) -> list[UsageRow]:
    """Sums by group. Raises ``ValueError`` for a day that is none."""
    names = [*dict.fromkeys(query.group_by), *SUMS]
    by = [usage.c[name] for name in names[: -len(SUMS)]]
    totals = [func.sum(usage.c[name]).label(name) for name in SUMS]
    charge = totals[SUMS.index("charge")]
    newest = [usage.c.day.desc()] if "day" in query.group_by else []
    wanted = (
        select(*by, *totals)
        .where(*_conditions(query))
        .group_by(*by)
        .having(func.count() > 0)
        .order_by(*newest, charge.desc(), *by)
        .limit(checks.rows(query.limit))
    )

    async def work(connection: AsyncConnection) -> list[UsageRow]:
        return [_row(names, row) for row in await connection.execute(wanted)]

    return await engine.read(work)


def _row(names: Sequence[str], row: AnyRow) -> UsageRow:
    # PostgreSQL adds integers up to decimals.
    values = {name: int(value) if name in SUMS else value for name, value in zip(names, row, strict=True)}
    return msgspec.convert(values, UsageRow)


def _conditions(query: UsageQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.first is not None:
        found.append(usage.c.day >= _day(query.first))
    if query.last is not None:
        found.append(usage.c.day <= _day(query.last))
    for name in ("account", "key", "route", "model", "provider"):
        value = getattr(query, name)
        if value is not None:
            found.append(usage.c[name] == value)
    return found


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a day: write it as 2026-11-23.") from None
