"""Roll-ups: what was used of a model in a day, in all, by account and by key. Reports read them, never the entries."""

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

Ident = tuple[int, str, str, str, str, str, str]
"""Level, account, key, day, route, model, provider: as the primary key. What a level does not tell apart is ""."""

ALL, ACCOUNTS, MODELS, KEYS = 0, 1, 2, 3
"""Levels: models of all; accounts; models of accounts; models of accounts' keys."""

SAME = tuple(name for name in SUMS if name not in ("requests", "unpriced", "included", "cache_hits"))
"""Sums of an entry's field of the same name."""

OF_HITS = tuple(name for name in SAME if not name.endswith("_tokens"))
"""The same of an answer from the cache: no provider had its tokens, which are among what was saved."""

FILTERS = ("account", "key", "route", "model", "provider")


async def add_up(engine: Engine, connection: AsyncConnection, fresh: Sequence[tuple[Entry, int]]) -> None:
    """Adds entries, each with its included part."""
    sums: dict[Ident, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    for entry, included in fresh:
        day = window_of("day", entry.at)
        models = (entry.route, entry.model, entry.provider)
        for ident in (
            (ALL, "", "", day, *models),
            (ACCOUNTS, entry.account, "", day, "", "", ""),
            (MODELS, entry.account, "", day, *models),
            (KEYS, entry.account, entry.key, day, *models),
        ):
            row = sums[ident]
            row["requests"] += 1
            row["unpriced"] += entry.unpriced
            row["included"] += included
            row["cache_hits"] += bool(entry.cache)
            for name in OF_HITS if entry.cache else SAME:
                row[name] += getattr(entry, name)
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


def _level(query: UsageQuery) -> int:
    """The coarsest level that tells apart what is asked for."""
    asked = {*query.group_by, *(name for name in FILTERS if getattr(query, name) is not None)}
    if "key" in asked:
        return KEYS
    if "account" not in asked:
        return ALL
    return MODELS if asked & {"route", "model", "provider"} else ACCOUNTS


def _conditions(query: UsageQuery) -> list[ColumnElement[bool]]:
    level = _level(query)
    found: list[ColumnElement[bool]] = [usage.c.level == level]
    # True anyway; with it the primary key leads to the days.
    if level != KEYS:
        found.append(usage.c.key == "")
    if level == ALL:
        found.append(usage.c.account == "")
    if query.first is not None:
        found.append(usage.c.day >= _day(query.first))
    if query.last is not None:
        found.append(usage.c.day <= _day(query.last))
    for name in FILTERS:
        value = getattr(query, name)
        if value is not None:
            found.append(usage.c[name] == value)
    return found


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a day: write it as 2026-11-23.") from None
