"""What is held for each request under way: a row while something is, kept by the same transactions that move the money."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import checks
from .engine import Engine
from .portions import portions
from .queries import OpenHold
from .records import Posting, Transaction, account_book, held_book
from .tables import holds


async def resolve(engine: Engine, connection: AsyncConnection, fresh: Sequence[Transaction]) -> list[Transaction]:
    """``fresh``, with what they take from holds that are not there taken from the account instead; keeps ``holds`` in step.

    Whoever settles need not know whether the hold was written here: it was not when both are in one batch, and after a crash
    nobody can say.
    """
    touching = [each for each in fresh if each.request and _touches(each)]
    if not touching:
        return list(fresh)
    before = await _left(connection, {each.request or "" for each in touching})
    left = defaultdict(int, before)
    resolved = [_take(each, left) if each.request and _touches(each) else each for each in fresh]
    await _keep(engine, connection, touching, {each: left[each] - before.get(each, 0) for each in left})
    return resolved


def _touches(transaction: Transaction) -> bool:
    held = held_book(transaction.account)
    return any(leg.book == held for leg in transaction.postings)


def _take(transaction: Transaction, left: dict[str, int]) -> Transaction:
    """One transaction against what is ``left`` of its request's hold, which changes."""
    request, held = transaction.request or "", held_book(transaction.account)
    legs = []
    for leg in transaction.postings:
        moved = leg.amount if leg.book != held else max(leg.amount, -max(left[request], 0))
        if leg.book == held:
            left[request] += moved
        if moved or moved == leg.amount:
            legs.append(Posting(leg.book, moved))
        if moved != leg.amount:
            legs.append(Posting(account_book(transaction.account), leg.amount - moved))
    return structs.replace(transaction, postings=tuple(legs))


async def _left(connection: AsyncConnection, requests: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for portion in portions(requests):
        query = select(holds.c.request, holds.c.amount).where(holds.c.request.in_(portion))
        found.update((request, amount) for request, amount in await connection.execute(query))
    return found


async def _keep(
    engine: Engine, connection: AsyncConnection, touching: Sequence[Transaction], moved: Mapping[str, int]
) -> None:
    first = {each.request or "": each for each in reversed(touching)}
    rows = [
        {"request": request, "account": first[request].account, "at": first[request].at, "amount": amount}
        for request, amount in sorted(moved.items())
        if amount
    ]
    if not rows:
        return
    insert = engine.insert(holds)
    more = {"amount": holds.c.amount + insert.excluded.amount}
    await connection.execute(insert.on_conflict_do_update(index_elements=["request"], set_=more), rows)
    for portion in portions(row["request"] for row in rows):
        await connection.execute(delete(holds).where(holds.c.request.in_(portion), holds.c.amount == 0))


async def of(engine: Engine, requests: Iterable[str]) -> dict[str, int]:
    """What is held for each of these that has a hold."""
    wanted = list(requests)

    async def work(connection: AsyncConnection) -> dict[str, int]:
        return await _left(connection, wanted)

    return await engine.read(work)


async def older(engine: Engine, than: float, *, limit: int) -> list[OpenHold]:
    """Held since before ``than``, oldest first."""
    query = (
        select(holds.c.request, holds.c.account, holds.c.amount, holds.c.at)
        .where(holds.c.at < than)
        .order_by(holds.c.at, holds.c.request)
        .limit(checks.rows(limit))
    )

    async def work(connection: AsyncConnection) -> list[OpenHold]:
        return [OpenHold(*row) for row in await connection.execute(query)]

    return await engine.read(work)
