"""What keys and accounts spent in calendar periods (counters begin with it), and what plans' allowances paid each month."""

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..policy.rules import window_of
from ..policy.terms import Per
from ..protocols import Entry
from . import changes
from .adding import add
from .engine import Engine
from .queries import Spent
from .tables import accounts, allowances, spending

PERIODS: tuple[Per, ...] = get_args(Per)


async def add_up(engine: Engine, connection: AsyncConnection, fresh: Sequence[tuple[Entry, int]]) -> None:
    """Adds entries, each with its included part."""
    spent: dict[tuple[str, str, str], int] = defaultdict(int)
    used: dict[tuple[str, str], int] = defaultdict(int)
    for entry, included in fresh:
        for per in PERIODS if entry.charge else ():
            period = window_of(per, entry.at)
            for scope, id in (("key", entry.key), ("account", entry.account)):
                if id:
                    spent[period, scope, id] += entry.charge
        if included:
            used[window_of("month", entry.at), entry.account] += included
    await add(engine, connection, spending, {ident: {"micro": micro} for ident, micro in spent.items()})
    await add(engine, connection, allowances, {ident: {"used": micro} for ident, micro in used.items()})


async def current(engine: Engine, now: float) -> list[Spent]:
    """In the periods that ``now`` is in."""
    periods = [window_of(per, now) for per in PERIODS]
    query = select(spending.c.scope, spending.c.id, spending.c.period, spending.c.micro)

    async def work(connection: AsyncConnection) -> list[Spent]:
        rows = await connection.stream(query.where(spending.c.period.in_(periods)))
        return [Spent(*row) async for row in rows]

    return await engine.read(work)


async def included(engine: Engine, account: str, month: str) -> int:
    """What one account used of its allowance."""
    return (await _included(engine, month, account)).get(account, 0)


async def all_included(engine: Engine, month: str) -> dict[str, int]:
    """What every account used, where it used some."""
    return await _included(engine, month, None)


async def _included(engine: Engine, month: str, account: str | None) -> dict[str, int]:
    query = select(allowances.c.account, allowances.c.used).where(allowances.c.month == month)
    if account is not None:
        query = query.where(allowances.c.account == account)

    async def work(connection: AsyncConnection) -> dict[str, int]:
        return dict((await connection.execute(query)).all())

    return await engine.read(work)


async def roll(engine: Engine, now: float) -> list[str]:
    """Past months' allowances, as far as they are not there yet, become part of ``included_used``."""
    due = (
        select(allowances.c.month, allowances.c.account, allowances.c.used, allowances.c.rolled)
        .where(allowances.c.month < window_of("month", now), allowances.c.used != allowances.c.rolled)
        .order_by(allowances.c.month, allowances.c.account)
        .with_for_update()
    )

    async def work(connection: AsyncConnection) -> list[str]:
        rolled: dict[str, int] = defaultdict(int)
        for month, account, used, before in (await connection.execute(due)).all():
            this = (allowances.c.month == month) & (allowances.c.account == account)
            await connection.execute(update(allowances).where(this).values(rolled=used))
            rolled[account] += used - before
        for account, more in sorted(rolled.items()):
            past = accounts.c.included_used + more
            await connection.execute(update(accounts).where(accounts.c.id == account).values(included_used=past))
        await changes.append(connection, [("account", account) for account in sorted(rolled)])
        return sorted(rolled)

    return await engine.write(work, replayable=True)
