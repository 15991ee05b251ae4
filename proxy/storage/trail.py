"""Who changed what: one row with each change, in its transaction."""

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import checks
from .engine import Engine
from .records import AuditRecord, Json
from .tables import AnyRow, audit

_json = msgspec.json.Decoder(Json)


def values(record: AuditRecord) -> dict[str, object]:
    """Its columns. Raises ``ValueError``; called before a transaction begins."""
    checks.audit(record)
    return {
        "id": record.id,
        "at": record.at,
        "actor": record.actor,
        "action": record.action,
        "object": record.object,
        "before": None if record.before is None else checks.json("before", record.before),
        "after": None if record.after is None else checks.json("after", record.after),
        "client": record.client,
        "request_id": record.request_id,
    }


async def add(connection: AsyncConnection, row: dict[str, object] | None) -> None:
    """Writes what ``values`` made."""
    if row is not None:
        await connection.execute(audit.insert(), row)


async def note(engine: Engine, record: AuditRecord) -> None:
    """One row on its own."""
    row = values(record)

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(engine.insert(audit).on_conflict_do_nothing(index_elements=["id"]), row)

    await engine.write(work, replayable=True)


async def page(
    engine: Engine, *, object: str | None, actor: str | None, limit: int, after: str | None
) -> list[AuditRecord]:
    """Newest first."""
    query = select(audit).order_by(audit.c.seq.desc()).limit(checks.rows(limit))
    if object is not None:
        query = query.where(audit.c.object == object)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if after is not None:
        query = query.where(audit.c.seq < select(audit.c.seq).where(audit.c.id == after).scalar_subquery())

    async def work(connection: AsyncConnection) -> list[AuditRecord]:
        return [_of(row) for row in await connection.execute(query)]

    return await engine.read(work)


def _of(row: AnyRow) -> AuditRecord:
    _, id, at, actor, action, object, before, after, client, request_id = row
    return AuditRecord(
        id=id,
        at=at,
        actor=actor,
        action=action,
        object=object,
        before=None if before is None else _json.decode(before),
        after=None if after is None else _json.decode(after),
        client=client,
        request_id=request_id,
    )
