"""The audit log, and how the stores are."""

from collections.abc import Sequence

from ..storage.errors import StorageError
from ..storage.records import AuditRecord
from . import answers, views
from .asked import Nothing
from .calls import Call
from .desk import Desk
from .pages import page
from .queries import AuditQuery


async def audit(desk: Desk, call: Call[Nothing, AuditQuery]) -> answers.Page[answers.Audit]:
    """Changes, the latest first."""
    asked = call.query

    async def fetch(*, limit: int, after: str | None) -> Sequence[AuditRecord]:
        return await desk.db.audit(object=asked.object, actor=asked.actor, limit=limit, after=after)

    return await page(fetch, views.audit, lambda record: record.id, limit=asked.limit, cursor=asked.cursor)


async def status(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Status:
    """Of the database by asking it, of everything else as this process reports it."""
    storage: dict[str, object] = {"status": "none"}
    if desk.database is not None:
        try:
            await desk.database.ping()
            storage = {"status": "ok"}
        except StorageError:
            storage = {"status": "down"}
    details = dict(desk.status())
    degraded = storage["status"] == "down" or details.get("degraded") is True
    return answers.Status(
        status="degraded" if degraded else "ok", version=desk.version, storage=storage, details=details
    )
