"""Virtual keys: made, changed against their version, read one by one or all at once."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import changes, trail, versioned
from .engine import Engine
from .errors import StorageConflict, StorageMissing
from .loading import in_portions
from .paging import newest_first
from .records import AuditRecord, KeyRecord
from .rows import Values, key_of, key_values
from .tables import accounts, keys

FIXED = ("id", "account", "digest", "hint", "created")
"""What no change touches: another key is another row."""


async def create(engine: Engine, record: KeyRecord, audit: AuditRecord) -> None:
    """Raises ``StorageMissing`` where its account is not there, ``StorageConflict`` where its id or digest is."""
    row, note = key_values(record), trail.values(audit)

    async def work(connection: AsyncConnection) -> None:
        await _add(engine, connection, row)
        await trail.add(connection, note)
        await changes.append(connection, [("key", record.id)])

    await engine.write(work)


async def update(engine: Engine, record: KeyRecord, expected_version: int, audit: AuditRecord) -> KeyRecord:
    """Everything but ``FIXED`` becomes as in ``record``. Raises ``StorageConflict`` or ``StorageMissing``."""
    values, note = _changeable(key_values(record)), trail.values(audit)

    async def work(connection: AsyncConnection) -> KeyRecord:
        changed = await versioned.change(connection, keys, record.id, expected_version, values)
        await trail.add(connection, note)
        await changes.append(connection, [("key", record.id)])
        return key_of(changed)

    return await engine.write(work)


async def rotate(
    engine: Engine, old: KeyRecord, expected_version: int, new: KeyRecord, audit: AuditRecord
) -> tuple[KeyRecord, KeyRecord]:
    """Both or neither: the old key as changed, and the new one."""
    values, row, note = _changeable(key_values(old)), key_values(new), trail.values(audit)

    async def work(connection: AsyncConnection) -> tuple[KeyRecord, KeyRecord]:
        changed = await versioned.change(connection, keys, old.id, expected_version, values)
        await _add(engine, connection, row)
        await trail.add(connection, note)
        await changes.append(connection, [("key", old.id), ("key", new.id)])
        return key_of(changed), new

    return await engine.write(work)


async def by_id(engine: Engine, id: str) -> KeyRecord | None:
    """One key."""
    return await _one(engine, keys.c.id == id)


async def by_digest(engine: Engine, digest: bytes) -> KeyRecord | None:
    """One key."""
    return await _one(engine, keys.c.digest == digest)


async def page(engine: Engine, account: str | None, *, limit: int, after: str | None) -> list[KeyRecord]:
    """Newest first; of all accounts or of one."""
    query = select(keys) if account is None else select(keys).where(keys.c.account == account)
    query = newest_first(query, keys.c.id, keys.c.created, keys.c.id, limit=limit, after=after)

    async def work(connection: AsyncConnection) -> list[KeyRecord]:
        return [key_of(row) for row in await connection.execute(query)]

    return await engine.read(work)


async def everything(engine: Engine) -> list[KeyRecord]:
    """All keys."""
    return [record async for record in in_portions(engine, keys, key_of)]


def _changeable(row: Values) -> Values:
    return {name: value for name, value in row.items() if name not in FIXED}


async def _add(engine: Engine, connection: AsyncConnection, row: Values) -> None:
    account = select(accounts.c.id).where(accounts.c.id == row["account"])
    if (await connection.execute(account)).first() is None:
        raise StorageMissing(f"There is no account {row['account']!r}.")
    insert = engine.insert(keys).on_conflict_do_nothing().returning(keys.c.id)
    if (await connection.execute(insert, row)).first() is None:
        raise StorageConflict("There is a key with this id or digest already.")


async def _one(engine: Engine, condition: ColumnElement[bool]) -> KeyRecord | None:
    async def work(connection: AsyncConnection) -> KeyRecord | None:
        row = (await connection.execute(select(keys).where(condition))).first()
        return None if row is None else key_of(row)

    return await engine.read(work)
