"""Vouchers: credit for whoever knows a code. Redeemed atomically, each account once."""

from secrets import token_hex

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from . import checks, ledger, once, trail
from .engine import Engine
from .errors import StorageConflict, StorageMissing
from .paging import newest_first
from .queries import Idempotency, Voucher
from .records import FUNDING, AuditRecord, Posting, Transaction, account_book
from .tables import AnyRow, vouchers

COLUMNS = [column for column in vouchers.c if column.name != "code_digest"]


async def create(engine: Engine, voucher: Voucher, code_digest: bytes, audit: AuditRecord) -> None:
    """Raises ``StorageConflict`` where its id or code is taken."""
    row, note = {**_values(voucher), "code_digest": code_digest}, trail.values(audit)

    async def work(connection: AsyncConnection) -> None:
        insert = engine.insert(vouchers).on_conflict_do_nothing().returning(vouchers.c.id)
        if (await connection.execute(insert, row)).first() is None:
            raise StorageConflict("There is a voucher with this id or code already.")
        await trail.add(connection, note)

    await engine.write(work)


def _values(voucher: Voucher) -> dict[str, object]:
    return {
        "id": checks.text("The voucher's id", voucher.id, checks.ID),
        "micro_usd": checks.positive("The voucher's worth", voucher.micro_usd, checks.MOST_CHARGE),
        "uses": checks.positive("The voucher's uses", voucher.uses, checks.MOST_USES),
        "used": 0,
        "created": checks.moment("The voucher's creation", voucher.created),
        "expires": None if voucher.expires is None else checks.moment("expires", voucher.expires),
        "revoked": None,
        "note": checks.text("The voucher's note", voucher.note, checks.NOTE, empty=True),
    }


async def redeem(
    engine: Engine,
    code_digest: bytes,
    account: str,
    now: float,
    actor: str,
    *,
    audit: AuditRecord | None,
    idempotency: Idempotency | None,
) -> Transaction:
    """The transaction that gave the credit."""
    note = None if audit is None else trail.values(audit)
    if idempotency is not None:
        once.check(idempotency)

    async def work(connection: AsyncConnection) -> Transaction:
        voucher = await _by_code(connection, code_digest)
        given = _credit(voucher, account, now, actor)
        if idempotency is not None and not await once.begin(engine, connection, idempotency, now):
            return await _given(connection, given.ref)
        if not (await ledger.write(engine, connection, [given]))[0]:
            raise StorageConflict("This account has redeemed this voucher already.")
        taken = update(vouchers).where(
            vouchers.c.id == voucher.id,
            vouchers.c.used < vouchers.c.uses,
            vouchers.c.revoked.is_(None),
            (vouchers.c.expires.is_(None)) | (vouchers.c.expires > now),
        )
        if (await connection.execute(taken.values(used=vouchers.c.used + 1).returning(vouchers.c.id))).first() is None:
            raise StorageConflict(_why_not(voucher, now))
        await trail.add(connection, note)
        if idempotency is not None:
            await ledger.answer(connection, idempotency, [given])
        return given

    return await engine.write(work, replayable=idempotency is not None)


def _credit(voucher: Voucher, account: str, now: float, actor: str) -> Transaction:
    credit = Transaction(
        id=f"txn_{token_hex(12)}",
        ref=f"voucher/{voucher.id}/{account}",
        kind="voucher",
        account=account,
        at=now,
        postings=(Posting(FUNDING, -voucher.micro_usd), Posting(account_book(account), voucher.micro_usd)),
        note=voucher.note,
        actor=actor,
    )
    checks.transaction(credit)
    return credit


async def _given(connection: AsyncConnection, ref: str) -> Transaction:
    found = await ledger.by_ref(connection, ref)
    if found is None:
        raise StorageConflict("This Idempotency-Key was used for another request: take a new one.")
    return found


def _why_not(voucher: Voucher, now: float) -> str:
    if voucher.revoked is not None:
        return "This voucher was revoked."
    if voucher.expires is not None and voucher.expires <= now:
        return "This voucher has expired."
    return "This voucher is used up."


async def _by_code(connection: AsyncConnection, code_digest: bytes) -> Voucher:
    found = await _one(connection, vouchers.c.code_digest == code_digest)
    if found is None:
        raise StorageMissing("There is no voucher with this code.")
    return found


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> Voucher | None:
    row = (await connection.execute(select(*COLUMNS).where(condition))).first()
    return None if row is None else _of(row)


def _of(row: AnyRow) -> Voucher:
    return Voucher(**row._mapping)


async def by_id(engine: Engine, id: str) -> Voucher | None:
    """One voucher."""

    async def work(connection: AsyncConnection) -> Voucher | None:
        return await _one(connection, vouchers.c.id == id)

    return await engine.read(work)


async def page(engine: Engine, *, limit: int, after: str | None) -> list[Voucher]:
    """Newest first."""
    query = newest_first(select(*COLUMNS), vouchers.c.id, vouchers.c.created, vouchers.c.id, limit=limit, after=after)

    async def work(connection: AsyncConnection) -> list[Voucher]:
        return [_of(row) for row in await connection.execute(query)]

    return await engine.read(work)


async def revoke(engine: Engine, id: str, now: float, audit: AuditRecord) -> Voucher:
    """From ``now`` on; the first time counts."""
    note = trail.values(audit)
    checks.moment("The revocation", now)
    first = update(vouchers).where(vouchers.c.id == id, vouchers.c.revoked.is_(None)).values(revoked=now)

    async def work(connection: AsyncConnection) -> Voucher:
        if (await connection.execute(first.returning(vouchers.c.id))).first() is not None:
            await trail.add(connection, note)
        found = await _one(connection, vouchers.c.id == id)
        if found is None:
            raise StorageMissing(f"There is no voucher {id!r}.")
        return found

    return await engine.write(work)
