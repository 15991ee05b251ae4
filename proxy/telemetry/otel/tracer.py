"""The traces of requests under way. A request that is not recorded costs one decision; of one that is, only ids are made on its way,
for the providers that are to know them. Its spans are made when it has ended."""

from collections.abc import Callable
from contextvars import ContextVar
from random import getrandbits

from msgspec import structs

from ...context import Attempt, RequestContext
from ...protocols import Exchange, UpstreamRequest
from .heard import Heard
from .sampling import Sampler, lower_half
from .w3c import PARENT, SAMPLED, STATE, Parent, handed_on, parent_of, traceparent

_PARENT, _STATE = PARENT.decode(), STATE.decode()


class Sent:
    """One try as it was sent: its span's id and, once there is one, its answer."""

    __slots__ = ("heard", "span_id")

    def __init__(self, span_id: int) -> None:
        self.span_id = span_id
        self.heard: Heard | None = None


class Trace:
    """One recorded request. ``span_id`` is that of its server span; ``parent`` the caller's, if it named one."""

    __slots__ = ("ctx", "flags", "parent", "sent", "span_id", "trace_id")

    def __init__(self, ctx: RequestContext, trace_id: int, parent: Parent | None) -> None:
        self.ctx = ctx
        self.trace_id = trace_id
        self.parent = parent
        self.flags = handed_on(parent.flags) if parent is not None else SAMPLED
        self.span_id = new_span_id()
        self.sent: dict[int, Sent] = {}
        """By the identity of the ``Attempt``, which the context keeps."""

    def sending(self) -> Sent:
        """The try that is about to be sent: the one that was noted last."""
        attempts = self.ctx.attempts
        key = id(attempts[-1]) if attempts else 0
        sent = self.sent.get(key)
        if sent is None:
            sent = self.sent[key] = Sent(new_span_id())
        return sent

    def try_of(self, attempt: Attempt) -> Sent | None:
        """What was sent for it; ``None``: nothing was."""
        return self.sent.get(id(attempt))

    def carried(self, request: UpstreamRequest, sent: Sent) -> UpstreamRequest:
        """``request`` as the child of our span. A tracestate travels with the parent it came with, and with no other."""
        own = (_PARENT, traceparent(self.trace_id, sent.span_id, self.flags))
        given = self.ctx.headers
        if PARENT not in given and STATE not in given:
            return structs.replace(request, headers=[*request.headers, own])
        kept = self.parent is not None and bool(self.parent.state)
        headers = [own if pair[0] == _PARENT else pair for pair in request.headers if kept or pair[0] != _STATE]
        if own not in headers:
            headers.append(own)
        return structs.replace(request, headers=headers)

    def listening(self, sent: Sent, exchange: Exchange) -> Exchange:
        """``exchange``, listened to."""
        heard = sent.heard = Heard(exchange)
        return heard

    @property
    def header(self) -> bytes:
        """Our server span as a traceparent."""
        return traceparent(self.trace_id, self.span_id, self.flags).encode()


def new_span_id() -> int:
    """Random, never 0."""
    return getrandbits(64) or 1


class Tracer:
    """Decides which requests are recorded and knows those that are, until they end. One event loop."""

    def __init__(self, sampler: Sampler, *, bits: Callable[[int], int] = getrandbits) -> None:
        self._bound = sampler.bound
        self._heeded = sampler.heeded
        self._bits = bits
        self._open: dict[int, Trace] = {}
        self.current: ContextVar[Trace | None] = ContextVar("trace", default=None)
        """Whose try is being sent; set where the try is prepared."""

    def begin(self, ctx: RequestContext) -> None:
        """A request has come."""
        headers = ctx.headers
        if b"traceparent" in headers:
            parent = parent_of(headers, ctx.raw_headers)
            if parent is not None:
                recorded = parent.sampled if self._heeded else lower_half(parent.trace_id) < self._bound
                if recorded:
                    self._open[id(ctx)] = Trace(ctx, parent.trace_id, parent)
                return
        trace_id = self._bits(128)
        if lower_half(trace_id) < self._bound:
            self._open[id(ctx)] = Trace(ctx, trace_id or 1, None)

    def preparing(self, ctx: RequestContext) -> None:
        """A try of it, or of a request of our own, is being prepared in this task."""
        trace = self._open.get(id(ctx))
        if trace is not None or self.current.get() is not None:
            self.current.set(trace)

    def end(self, ctx: RequestContext) -> Trace | None:
        """It has ended. Its trace, if it has one; the tracer forgets it."""
        return self._open.pop(id(ctx), None)

    def __len__(self) -> int:
        return len(self._open)
