"""The last decisions, kept to be asked for. On the request path only references are taken; words are made when somebody asks."""

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from ..context import Attempt, Controls, RequestContext, Settled
from ..policy.targets import Plan


class Trace(Struct, frozen=True, kw_only=True):
    """One request as it was routed. Times in seconds on the request's clock; ``ended`` 0: it has only been planned.

    No body, no header, no error object, whose traceback would keep both alive.
    """

    request_id: str
    tenant: str
    key: str
    model: str | None
    endpoint: str
    plan: Plan
    controls: Controls
    started: float
    attempts: Sequence[Attempt] = ()
    ended: float = 0.0
    status: int = 0
    outcome: str = ""
    error: str = ""
    waited: float | None = None
    """Seconds to the first output."""
    settled: Settled | None = None


def trace_of(ctx: RequestContext, plan: Plan, ended: float = 0.0) -> Trace:
    """What is kept of a request, or shown of one that is only planned."""
    first, error = ctx.first_token_at or ctx.first_byte_at, ctx.error
    return Trace(
        request_id=ctx.request_id,
        tenant=ctx.principal.tenant,
        key=ctx.principal.name,
        model=ctx.request.model,
        endpoint=ctx.endpoint.name,
        plan=plan,
        controls=ctx.controls,
        started=ctx.started,
        attempts=ctx.attempts,
        ended=ended,
        status=ctx.status,
        outcome=ctx.outcome,
        error=(error.code or error.type) if error is not None else "",
        waited=first - ctx.started if first else None,
        settled=ctx.settled,
    )


class Traces:
    """A ring of ``size`` traces; the oldest makes room."""

    def __init__(self, size: int) -> None:
        self._ring: deque[Trace] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._ring)

    def keep(self, ctx: RequestContext, ended: float) -> None:
        """At a request's end. One that was refused before it was routed leaves no trace."""
        if ctx.plan is not None:
            self._ring.append(trace_of(ctx, ctx.plan, ended))

    def find(self, request_id: str) -> Trace | None:
        """The latest of this id, which clients may choose and so repeat."""
        return next((trace for trace in reversed(self._ring) if trace.request_id == request_id), None)

    def resized(self, size: int) -> "Traces":
        """As many of these as fit into ``size``."""
        if size == self._ring.maxlen:
            return self
        found = Traces(size)
        found._ring.extend(self._ring)
        return found
