"""Settled requests: entries by their ident, with their transactions and every sum they change, in one SQL transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import structs
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..protocols import Entry
from . import checks, ledger, spending, usage
from .engine import Engine
from .paging import newest_first
from .queries import EntryFilter
from .records import ALLOWANCE, Posting, Transaction
from .tables import AnyRow, entries

TEXTS = (
    "request_id", "upstream_id", "account", "key", "key_name", "endpoint", "route", "provider", "model", "outcome", "ending", "price_version",
)  # fmt: skip
"""Fields whose words may come from outside, and are made to fit."""

FLAGS = 50
"""Flags kept of an entry."""

SETTLING = frozenset(("hold", "capture", "release", "included"))
"""Kinds that belong to a request's entry: an entry that is there already has had them."""

_flags = msgspec.json.Decoder(tuple[str, ...])


async def record(engine: Engine, found: Sequence[Entry], transactions: Sequence[Transaction]) -> list[bool]:
    """For each entry, is it new?"""
    settled = {entry.ident: entry for entry in reversed([storable(entry) for entry in found])}
    moved = [_storable(transaction) for transaction in transactions]
    included = _included(moved)
    rows = [_values(entry, included.get(ident, 0)) for ident, entry in sorted(settled.items())]

    async def work(connection: AsyncConnection) -> list[bool]:
        new = await _insert(engine, connection, rows)
        old = settled.keys() - new
        due = [each for each in moved if not (each.request in old and each.kind in SETTLING)]
        held = {each.request for each in due if each.kind == "hold" and each.request and each.request not in new}
        await ledger.write(engine, connection, due, skip=await ledger.settled(connection, held))
        fresh = [(entry, included.get(ident, 0)) for ident, entry in settled.items() if ident in new]
        await usage.add_up(engine, connection, fresh)
        await spending.add_up(engine, connection, fresh)
        return _firsts([entry.ident for entry in found], new)

    return await engine.write(work, replayable=True)


def storable(entry: Entry) -> Entry:
    """Its text made to fit. Raises ``ValueError`` for figures that cannot be."""
    checks.entry(entry)
    words = [getattr(entry, name) for name in TEXTS]
    if checks.fits(words) and checks.fits(entry.flags):
        return entry
    cleaned = dict(zip(TEXTS, map(checks.clean, words), strict=True))
    return structs.replace(entry, flags=tuple(map(checks.clean, entry.flags[:FLAGS])), **cleaned)


def _storable(transaction: Transaction) -> Transaction:
    books = [leg.book for leg in transaction.postings]
    if not checks.fits([transaction.account, transaction.note, *books]):
        transaction = structs.replace(
            transaction,
            account=checks.clean(transaction.account),
            note=checks.clean(transaction.note),
            postings=tuple(Posting(checks.clean(leg.book), leg.amount) for leg in transaction.postings),
        )
    checks.transaction(transaction)
    return transaction


def _included(transactions: Sequence[Transaction]) -> Mapping[str, int]:
    """What the plan's allowance paid, by request."""
    found: dict[str, int] = defaultdict(int)
    for transaction in transactions:
        for leg in transaction.postings:
            if leg.book == ALLOWANCE and transaction.request is not None:
                found[transaction.request] -= leg.amount
    return found


def _firsts(idents: Sequence[str], new: set[str]) -> list[bool]:
    rest = set(new)
    told = []
    for ident in idents:
        told.append(ident in rest)
        rest.discard(ident)
    return told


def _values(entry: Entry, included: int) -> dict[str, object]:
    flags = msgspec.json.encode(entry.flags).decode() if entry.flags else None
    return {**structs.asdict(entry), "flags": flags, "included": included}


async def _insert(engine: Engine, connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> set[str]:
    if not rows:
        return set()
    insert = engine.insert(entries).on_conflict_do_nothing(index_elements=["ident"]).returning(entries.c.ident)
    return set((await connection.execute(insert, rows)).scalars())


async def known(engine: Engine, idents: Iterable[str]) -> set[str]:
    """Which of these are there."""
    wanted = list(idents)

    async def work(connection: AsyncConnection) -> set[str]:
        return await ledger.settled(connection, wanted)

    return await engine.read(work)


async def entry(engine: Engine, ident: str) -> Entry | None:
    """One entry."""

    async def work(connection: AsyncConnection) -> Entry | None:
        row = (await connection.execute(select(entries).where(entries.c.ident == ident))).first()
        return None if row is None else _of(row)

    return await engine.read(work)


async def page(engine: Engine, filters: EntryFilter, *, limit: int, after: str | None) -> list[Entry]:
    """By the requests' begin, newest first."""
    query = select(entries)
    for name in ("account", "key", "route", "model", "provider", "outcome", "request_id", "upstream_id"):
        value = getattr(filters, name)
        if value is not None:
            query = query.where(entries.c[name] == value)
    if filters.since is not None:
        query = query.where(entries.c.at >= filters.since)
    if filters.until is not None:
        query = query.where(entries.c.at < filters.until)
    query = newest_first(query, entries.c.ident, entries.c.at, entries.c.ident, limit=limit, after=after)

    async def work(connection: AsyncConnection) -> list[Entry]:
        return [_of(row) for row in await connection.execute(query)]

    return await engine.read(work)


_FIELDS = Entry.__struct_fields__


def _of(row: AnyRow) -> Entry:
    values = {name: value for name, value in row._mapping.items() if name in _FIELDS}
    values["flags"] = () if row.flags is None else _flags.decode(row.flags)
    return Entry(**values)
