"""The double-entry ledger: transactions whose legs add up to zero, each once by its ``ref``, with the balances they make."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from . import changes, checks, holds, once, trail
from .adding import add
from .engine import Engine
from .errors import StorageConflict, StorageMissing
from .paging import newest_first
from .portions import portions
from .queries import Answer, Idempotency, TransactionFilter
from .records import AuditRecord, Posting, Transaction, account_book
from .tables import CREDIT, AnyRow, accounts, entries, postings, transactions
from .tables import balances as kept

GRANTING = frozenset(("top_up", "voucher", "refund", "adjustment"))
"""Kinds that change what an account was ever granted."""


async def post(
    engine: Engine,
    wanted: Sequence[Transaction],
    *,
    audit: AuditRecord | None,
    idempotency: Idempotency | None,
) -> list[bool]:
    """All or none; for each, is it new?"""
    for transaction in wanted:
        checks.transaction(transaction)
    note = None if audit is None else trail.values(audit)
    if idempotency is not None:
        once.check(idempotency)
    at = wanted[0].at if wanted else 0.0

    async def work(connection: AsyncConnection) -> list[bool]:
        if idempotency is not None and not await once.begin(engine, connection, idempotency, at):
            return [False] * len(wanted)
        holding = [each.request for each in wanted if each.kind == "hold" and each.request]
        new = await write(engine, connection, wanted, skip=await settled(connection, holding))
        if any(new):
            await trail.add(connection, note)
        if idempotency is not None:
            await answer(connection, idempotency, wanted)
        return new

    return await engine.write(work, replayable=True)


async def answer(connection: AsyncConnection, idempotency: Idempotency, posted: Sequence[Transaction]) -> None:
    """Stores what the first request with this key is answered."""
    books = {posting.book for transaction in posted for posting in transaction.postings}
    await once.finish(connection, idempotency, idempotency.answer(posted, await _balances(connection, books)))


async def answered(engine: Engine, idempotency: Idempotency) -> Answer | None:
    """What it was answered before."""
    once.check(idempotency)

    async def work(connection: AsyncConnection) -> Answer | None:
        return await once.found(connection, idempotency)

    return await engine.read(work)


async def settled(connection: AsyncConnection, requests: Iterable[str]) -> set[str]:
    """Those that have an entry: a hold that came after it would stay for ever."""
    found: set[str] = set()
    for portion in portions(requests):
        found.update((await connection.execute(select(entries.c.ident).where(entries.c.ident.in_(portion)))).scalars())
    return found


async def write(
    engine: Engine, connection: AsyncConnection, wanted: Sequence[Transaction], *, skip: set[str] | None = None
) -> list[bool]:
    """Writes those whose ``ref`` is not there, with balances, holds and grants: for each, is it new?

    ``skip``: requests whose holds are not wanted any more.
    """
    first: dict[str, int] = {}
    for index, each in enumerate(wanted):
        if not (each.kind == "hold" and skip and each.request in skip):
            first.setdefault(each.ref, index)
    if not first:
        return [False] * len(wanted)
    numbers = await _insert(engine, connection, [wanted[index] for _, index in sorted(first.items())])
    fresh = [each for index, each in enumerate(wanted) if each.ref in numbers and first[each.ref] == index]
    if fresh:
        fresh = await holds.resolve(engine, connection, fresh)
        await _book(engine, connection, [(numbers[each.ref], each) for each in fresh])
        await _grant(connection, fresh)
    return [each.ref in numbers and first.get(each.ref) == index for index, each in enumerate(wanted)]


async def _insert(engine: Engine, connection: AsyncConnection, wanted: Sequence[Transaction]) -> dict[str, int]:
    """The numbers of those that are new, by ``ref``. Raises ``StorageConflict`` for an id that another movement has."""
    insert = engine.insert(transactions).on_conflict_do_nothing().returning(transactions.c.ref, transactions.c.seq)
    numbers: dict[str, int] = dict((await connection.execute(insert, [_values(each) for each in wanted])).all())
    there: set[str] = set()
    for portion in portions(each.ref for each in wanted if each.ref not in numbers):
        there.update(
            (await connection.execute(select(transactions.c.ref).where(transactions.c.ref.in_(portion)))).scalars()
        )
    for each in wanted:
        if each.ref not in numbers and each.ref not in there:
            raise StorageConflict(f"Another transaction has the id {each.id!r}: nothing was written.")
    return numbers


def _values(transaction: Transaction) -> dict[str, object]:
    values = structs.asdict(transaction)
    del values["postings"]
    return values


async def _book(engine: Engine, connection: AsyncConnection, numbered: Sequence[tuple[int, Transaction]]) -> None:
    legs, sums = [], defaultdict[tuple[str], int](int)
    for number, transaction in numbered:
        for line, posting in enumerate(transaction.postings):
            legs.append({"txn": number, "line": line, "book": posting.book, "amount": posting.amount})
            sums[(posting.book,)] += posting.amount
    await connection.execute(postings.insert(), legs)
    moved = {book: {"amount": checks.amount("The sum on one book", total)} for book, total in sums.items() if total}
    await add(engine, connection, kept, moved)


async def _grant(connection: AsyncConnection, fresh: Sequence[Transaction]) -> None:
    granted: dict[str, int] = defaultdict(int)
    for transaction in fresh:
        if transaction.kind in GRANTING:
            own = account_book(transaction.account)
            granted[transaction.account] += sum(leg.amount for leg in transaction.postings if leg.book == own)
    for account, amount in sorted(granted.items()):
        more = update(accounts).where(accounts.c.id == account).values(granted=accounts.c.granted + amount)
        if (await connection.execute(more.returning(accounts.c.id))).first() is None:
            raise StorageMissing(f"There is no account {account!r} to give credit to.")
    await changes.append(connection, [("account", account) for account in sorted(granted)])


async def balances(engine: Engine, books: Iterable[str]) -> dict[str, int]:
    """Of each book that has postings."""
    wanted = list(books)

    async def work(connection: AsyncConnection) -> dict[str, int]:
        return await _balances(connection, wanted)

    return await engine.read(work)


async def _balances(connection: AsyncConnection, books: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for portion in portions(books):
        query = select(kept.c.book, kept.c.amount).where(kept.c.book.in_(portion))
        found.update((book, amount) for book, amount in await connection.execute(query))
    return found


async def page(engine: Engine, filters: TransactionFilter, *, limit: int, after: str | None) -> list[Transaction]:
    """In the order they were written, newest first."""
    table = transactions.c
    query = select(*table)
    if filters.account is not None:
        query = query.where(table.account == filters.account)
    if filters.kinds:
        query = query.where(table.kind.in_(filters.kinds))
        if not {"hold", "capture", "release"} & set(filters.kinds):
            query = query.where(text(CREDIT))
    if filters.request is not None:
        query = query.where(table.request == filters.request)
    if filters.since is not None:
        query = query.where(table.at >= filters.since)
    if filters.until is not None:
        query = query.where(table.at < filters.until)
    query = newest_first(query, table.id, table.seq, limit=limit, after=after)

    async def work(connection: AsyncConnection) -> list[Transaction]:
        rows = (await connection.execute(query)).all()
        legs = await _legs(connection, [row.seq for row in rows])
        return [_transaction(row, legs[row.seq]) for row in rows]

    return await engine.read(work)


async def by_ref(connection: AsyncConnection, ref: str) -> Transaction | None:
    """One transaction."""
    row = (await connection.execute(select(transactions).where(transactions.c.ref == ref))).first()
    return None if row is None else _transaction(row, (await _legs(connection, [row.seq]))[row.seq])


async def _legs(connection: AsyncConnection, numbers: Sequence[int]) -> Mapping[int, list[Posting]]:
    found: dict[int, list[Posting]] = defaultdict(list)
    for portion in portions(numbers):
        query = select(postings).where(postings.c.txn.in_(portion)).order_by(postings.c.txn, postings.c.line)
        for number, _, book, amount in await connection.execute(query):
            found[number].append(Posting(book, amount))
    return found


def _transaction(row: AnyRow, legs: Sequence[Posting]) -> Transaction:
    _, id, ref, kind, account, at, request, note, actor = row
    return Transaction(
        id=id,
        ref=ref,
        kind=kind,
        account=account,
        at=at,
        postings=tuple(legs),
        request=request,
        note=note,
        actor=actor,
    )


async def trial_balance(engine: Engine) -> tuple[int, list[str]]:
    """(sum of all postings, books whose balance is not what their postings add up to)."""
    summed = select(postings.c.book, func.sum(postings.c.amount)).group_by(postings.c.book)
    stored = select(kept.c.book, kept.c.amount)

    async def work(connection: AsyncConnection) -> tuple[int, list[str]]:
        sums = {book: int(total) for book, total in await connection.execute(summed)}
        amounts = dict((await connection.execute(stored)).all())
        wrong = [book for book in {*sums, *amounts} if sums.get(book, 0) != amounts.get(book, 0)]
        return sum(sums.values()), sorted(wrong)

    return await engine.read(work)
