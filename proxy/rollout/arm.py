"""What the requests of one arm of a trial came to: those that can tell something about its configuration, and how fast they were."""

from collections import deque
from typing import Literal

from ..context import RequestContext
from ..policy.faults import FaultKind
from .verdict import Figures

Result = Literal["ok", "error", ""]
"""``""``: it says nothing about the configuration."""

KEPT = 4096
"""Times of the latest answers that are kept."""

_NOT_THE_ROUTING: frozenset[FaultKind] = frozenset(
    ("client", "context_length", "content_policy", "too_large", "limited_here", "conflict", "slow")
)
"""Faults that are the request's, or a limit's."""


def result_of(ctx: RequestContext) -> Result:
    """A client's mistake, a limit of ours and a client that left count nowhere. A fault that another target made good is an error."""
    if ctx.outcome in ("rejected", "client_closed"):
        return ""
    if any(attempt.fault is not None and attempt.fault.kind not in _NOT_THE_ROUTING for attempt in ctx.attempts):
        return "error"
    if ctx.outcome == "ok":
        return "ok" if ctx.attempts else ""
    if ctx.outcome in ("timeout", "internal_error") or ctx.status >= 500:
        return "error"
    return ""


class Arm:
    """One of the two generations of a trial. ``name`` is what the ``x-tollway-canary`` header says."""

    def __init__(self, name: Literal["base", "trial"]) -> None:
        self.name = name
        self._requests = 0
        self._errors = 0
        self._times: deque[float] = deque(maxlen=KEPT)

    def note(self, ctx: RequestContext) -> Result:
        """A request has ended."""
        result = result_of(ctx)
        if not result:
            return result
        self._requests += 1
        if result == "error":
            self._errors += 1
        first = ctx.first_token_at or ctx.first_byte_at
        if ctx.outcome == "ok" and first:
            self._times.append(first - ctx.started)
        return result

    def figures(self) -> Figures:
        """So far."""
        times = sorted(self._times)
        p95 = times[min(len(times) - 1, len(times) * 95 // 100)] if times else 0.0
        return Figures(requests=self._requests, errors=self._errors, timed=len(times), p95=p95)
