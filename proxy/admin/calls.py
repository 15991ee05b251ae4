"""One call of the admin API, decoded, and the table's row that serves it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct

from ..storage.records import AuditRecord, Json
from .access import Role
from .desk import Desk, new_id
from .replay import Repeat

B = TypeVar("B", bound=Struct)
Q = TypeVar("Q", bound=Struct)


class Call(Struct, Generic[B, Q], frozen=True, kw_only=True):
    """Who asks, for what: the body and query are what the route's Structs say. ``at`` in unix seconds."""

    actor: str
    client: str
    request_id: str
    path: Mapping[str, str]
    query: Q
    body: B
    at: float
    expected: int | None = None
    """The version that ``If-Match`` names."""
    repeat: Repeat | None = None

    def audit(self, action: str, object: str, before: Json | None, after: Json | None) -> AuditRecord:
        """The row of the audit log that goes with a change."""
        return AuditRecord(
            id=new_id("aud"),
            at=self.at,
            actor=self.actor,
            action=action,
            object=object,
            before=before,
            after=after,
            client=self.client,
            request_id=self.request_id,
        )


Handle: TypeAlias = Callable[[Desk, Call[B, Q]], Awaitable[Struct]]
"""What serves a route: raises ``TollwayError``, or the database's errors."""


class Route(Struct, Generic[B, Q], frozen=True, kw_only=True):
    """A method on a path: who may, what goes in, what comes out. ``once``: takes an ``Idempotency-Key``."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    role: Role
    summary: str
    handle: Handle[B, Q]
    body: type[B]
    query: type[Q]
    answer: Any
    """The type of the answer, for the OpenAPI document."""
    status: int = 200
    once: bool = False
    versioned: bool = False
    """Takes ``If-Match``."""


AnyRoute: TypeAlias = Route[Any, Any]
