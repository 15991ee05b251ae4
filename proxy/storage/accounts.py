"""Accounts: made, changed against their version, read. Their credit moves with the ledger, never by a change."""

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import changes, trail, versioned
from .engine import Engine
from .errors import StorageConflict
from .loading import in_portions
from .paging import newest_first
from .records import AccountRecord, AuditRecord
from .rows import account_of, account_values
from .tables import accounts

FIXED = ("id", "created", "granted", "included_used")
"""What no change touches: ``granted`` and ``included_used`` are the ledger's."""


async def create(engine: Engine, record: AccountRecord, audit: AuditRecord) -> None:
    """Raises ``StorageConflict`` where its name or id is taken."""
    row, note = account_values(record), trail.values(audit)

    async def work(connection: AsyncConnection) -> None:
        insert = engine.insert(accounts).on_conflict_do_nothing().returning(accounts.c.id)
        if (await connection.execute(insert, row)).first() is None:
            raise StorageConflict(f"There is an account named {record.name!r} already, or one with this id.")
        await trail.add(connection, note)
        await changes.append(connection, [("account", record.id)])

    await engine.write(work)


async def ensure(engine: Engine, record: AccountRecord) -> AccountRecord:
    """The stored account with this id, made where there is none."""
    row = account_values(record)

    async def work(connection: AsyncConnection) -> AccountRecord:
        insert = engine.insert(accounts).on_conflict_do_nothing().returning(accounts.c.id)
        if (await connection.execute(insert, row)).first() is not None:
            await changes.append(connection, [("account", record.id)])
        found = (await connection.execute(select(accounts).where(accounts.c.id == record.id))).first()
        if found is None:
            raise StorageConflict(f"There is another account named {record.name!r} already.")
        return account_of(found)

    return await engine.write(work, replayable=True)


async def update(engine: Engine, record: AccountRecord, expected_version: int, audit: AuditRecord) -> AccountRecord:
    """Everything but ``FIXED`` becomes as in ``record``. Raises ``StorageConflict`` or ``StorageMissing``."""
    row, note = account_values(record), trail.values(audit)
    values = {name: value for name, value in row.items() if name not in FIXED}
    namesake = select(accounts.c.id).where(accounts.c.name == record.name, accounts.c.id != record.id)

    async def work(connection: AsyncConnection) -> AccountRecord:
        if (await connection.execute(namesake)).first() is not None:
            raise StorageConflict(f"There is an account named {record.name!r} already.")
        changed = await versioned.change(connection, accounts, record.id, expected_version, values)
        await trail.add(connection, note)
        await changes.append(connection, [("account", record.id)])
        return account_of(changed)

    return await engine.write(work)


async def by_id(engine: Engine, id: str) -> AccountRecord | None:
    """One account."""
    return await _one(engine, accounts.c.id == id)


async def by_name(engine: Engine, name: str) -> AccountRecord | None:
    """One account."""
    return await _one(engine, accounts.c.name == name)


async def page(engine: Engine, *, limit: int, after: str | None, name: str) -> list[AccountRecord]:
    """Newest first; ``name`` is part of the name, taken literally."""
    query = select(accounts)
    if name:
        query = query.where(func.lower(accounts.c.name).contains(name.lower(), autoescape=True))
    query = newest_first(query, accounts.c.id, accounts.c.created, accounts.c.id, limit=limit, after=after)

    async def work(connection: AsyncConnection) -> list[AccountRecord]:
        return [account_of(row) for row in await connection.execute(query)]

    return await engine.read(work)


async def everything(engine: Engine) -> list[AccountRecord]:
    """All accounts."""
    return [record async for record in in_portions(engine, accounts, account_of)]


async def _one(engine: Engine, condition: ColumnElement[bool]) -> AccountRecord | None:
    async def work(connection: AsyncConnection) -> AccountRecord | None:
        row = (await connection.execute(select(accounts).where(condition))).first()
        return None if row is None else account_of(row)

    return await engine.read(work)
