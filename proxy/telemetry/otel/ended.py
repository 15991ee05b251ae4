"""A recorded request that has ended, as it is handed from the event loop to the exporter's thread: figures and names, no bodies."""

from msgspec import Struct

from ...context import Attempt, RequestContext
from ...wire.endpoints import MODELS, NATIVE, PASSTHROUGH, REALTIME
from ...wire.usage import NO_USAGE, Usage
from .facts import NOTHING, SILENT, Asked, Told, asked_in
from .tracer import Trace
from .w3c import Parent

_PATH, _NAME = 512, 256
"""Characters of a path and of a model's name that are told."""

ROUTES = {PASSTHROUGH.name: "/v1/*", NATIVE.name: "/native/*", REALTIME.name: "/v1/*", MODELS.name: "/v1/models"}
"""Routes of the endpoints whose path comes with the request."""

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))

BROKEN = frozenset(("upstream_error", "timeout", "internal_error"))
"""Outcomes that are nobody's fault but ours or a provider's."""

NANO = 1_000_000_000


class Try(Struct, frozen=True):
    """One try that was sent. ``error``: what it failed of, "" where it did not. Times in unix nanoseconds."""

    span_id: int
    attempt: Attempt
    started: int
    ended: int
    error: str
    told: Told
    usage: Usage
    first: float
    """Seconds to the first generated token; 0: there was none, or it is no stream."""


class Ended(Struct, frozen=True):
    """One request, made in the order of its fields: by name it takes twice as long. Times in unix nanoseconds, money in dollars."""

    trace_id: int
    span_id: int
    flags: int
    parent: Parent | None
    started: int
    ended: int
    method: str
    route: str
    path: str
    """Where it is not the route itself."""
    endpoint: str
    operation: str
    model: str
    """As it was asked for."""
    stream: bool
    choices: int
    cap: int
    """Tokens that the client wants at most; 0: it does not say."""
    asked: Asked
    request_id: str
    client: str
    key: str
    account: str
    public: str
    """The route's name in the configuration."""
    policy: str
    status: int
    outcome: str
    error: str
    cache: str
    cost: float | None
    charge: float | None
    overhead: float | None
    """Seconds before a provider was asked."""
    tries: list[Try]
    unsent: list[tuple[str, str, str, int]]
    """Targets that could not be given the request: provider, model, why, when."""

    @property
    def spans(self) -> int:
        """How many it becomes."""
        return 1 + len(self.tries)


def route_of(ctx: RequestContext) -> str:
    """The path as a template: one of few, whatever clients send."""
    return ROUTES.get(ctx.endpoint.name) or "/v1" + ctx.path


def path_of(ctx: RequestContext) -> str:
    """The path below ``/v1`` as it is written in full; provider-native paths stand beside it."""
    return ctx.path if ctx.endpoint is NATIVE else "/v1" + ctx.path


def method_of(ctx: RequestContext) -> str:
    """The method, where it is one."""
    return ctx.method if ctx.method in METHODS else "_OTHER"


def failed(attempt: Attempt, *, last: bool, outcome: str) -> str:
    """What a try failed of: an HTTP status, a kind of fault, a type of error; "" where it did not fail."""
    fault = attempt.fault
    if attempt.status >= 400:
        return str(attempt.status)
    if fault is not None and not (fault.kind == "slow" and last and outcome == "ok"):
        return fault.kind
    return attempt.error or (outcome if last and outcome in BROKEN else "")


def broken(status: int, outcome: str, code: str) -> str:
    """What a request failed of, on our side of the client's connection; "" where it did not, or the client is to blame."""
    if outcome not in BROKEN or 400 <= status < 500:
        return "" if status < 500 else code or str(status)
    return code or (str(status) if status >= 500 else outcome)


def ended_as(ctx: RequestContext, trace: Trace, ended: float, since: float) -> Ended:
    """``since``: unix seconds at which the request's clock showed 0."""
    request, settled, plan, attempts = ctx.request, ctx.settled, ctx.plan, ctx.attempts
    route, error = route_of(ctx), ctx.error
    return Ended(
        trace.trace_id,
        trace.span_id,
        trace.flags,
        trace.parent,
        int((since + ctx.started) * NANO),
        int((since + ended) * NANO),
        method_of(ctx),
        route,
        path_of(ctx)[:_PATH] if ctx.endpoint.name in ROUTES else "",
        ctx.endpoint.name,
        ctx.endpoint.operation,
        (request.model or "")[:_NAME],
        request.stream is True,
        request.n or 1,
        request.max_completion_tokens or request.max_output_tokens or request.max_tokens or 0,
        asked_in(ctx.body) if ctx.endpoint.body == "json" else NOTHING,
        ctx.request_id,
        ctx.client,
        ctx.principal.name,
        ctx.principal.account,
        ctx.route,
        plan.policy if plan is not None else "",
        ctx.status or (error.status if error is not None and ctx.outcome != "client_closed" else 0),
        ctx.outcome,
        (error.code or error.type) if error is not None else "",
        ctx.cached.status if ctx.cached is not None else "",
        settled.cost / 1e6 if settled is not None and settled.cost is not None else None,
        settled.charge / 1e6 if settled is not None and settled.charge is not None else None,
        attempts[0].started - ctx.started if attempts else None,
        [found for attempt in attempts if (found := _try(ctx, trace, attempt, ended, since)) is not None],
        [
            (each.provider, each.model, each.fault.kind if each.fault is not None else each.error, _at(each, since))
            for each in attempts
            if trace.try_of(each) is None
        ],
    )


def _at(attempt: Attempt, since: float) -> int:
    return int((since + attempt.started) * NANO)


def _try(ctx: RequestContext, trace: Trace, attempt: Attempt, ended: float, since: float) -> Try | None:
    sent = trace.try_of(attempt)
    if sent is None:
        return None
    last = attempt is ctx.attempts[-1]
    streamed = last and ctx.request.stream is True and ctx.first_token_at
    return Try(
        sent.span_id,
        attempt,
        _at(attempt, since),
        int((since + (attempt.ended or ended)) * NANO),
        failed(attempt, last=last, outcome=ctx.outcome),
        sent.heard.told() if sent.heard is not None else SILENT,
        (ctx.usage if last and attempt.status < 400 else attempt.usage) or NO_USAGE,
        ctx.first_token_at - attempt.started if streamed else 0.0,
    )
