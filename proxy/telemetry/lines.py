"""What the access log says of a request: one JSON object, its fields in this order. No bodies, no credentials."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from msgspec import Struct, structs

from ..context import Attempt, RequestContext
from ..policy.attainment import Objective, Result
from ..policy.rules import MICRO
from .attainment import judged

_PATH = 512
"""Characters of a path that are logged."""

_MILLISECONDS = tuple(f".{number:03d}+00:00" for number in range(1000))


class Line(Struct, gc=False):
    """The fields, made in their order: by name they take thirty times as long. Money in dollars, ``_ms`` milliseconds."""

    time: str
    request_id: str
    trace_id: str | None
    key: str
    client: str
    method: str
    path: str
    endpoint: str
    route: str | None
    provider: str | None
    model: str | None
    stream: bool
    status: int
    outcome: str
    error: str | None
    detail: str | None
    attempts: int
    route_policy: str | None
    tried: list[dict[str, object]] | None
    slo: Mapping[Objective, Result] | None
    dropped: list[str] | None
    rewritten: list[str] | None
    input_tokens: int
    input_source: str
    output_tokens: int
    output_source: str
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    account: str | None
    charge_usd: float | None
    cost_usd: float | None
    ending: str | None
    cache: str | None
    cache_reason: str | None
    similarity: float | None
    saved_usd: float | None
    limits: str | None
    ttft_ms: float | None
    duration_ms: float
    upstream_ms: float
    overhead_ms: float | None


def line_of(ctx: RequestContext, ended: float, now: float) -> Line:
    """The line of one request; ``now`` is the wall clock at ``ended``, in unix seconds."""
    target, usage, error, cached, settled = ctx.target, ctx.usage, ctx.error, ctx.cached, ctx.settled
    principal, attempts, started, plan = ctx.principal, ctx.attempts, ctx.started, ctx.plan
    provider = model = fault = detail = charge = cost = ending = saved = status = reason = similarity = None
    if target is not None:
        provider, model = target.provider, target.model or None
    if error is not None:
        fault, detail = error.code or error.type, error.detail or None
    if settled is not None:
        charge, cost, ending, saved = settled.charge, settled.cost, settled.ending, settled.saved
    if cached is not None:
        status, reason, similarity = cached.status, cached.reason or None, cached.similarity
        if ctx.outcome == "ok" and ctx.from_cache:
            usage = cached.usage
    waited = 0.0
    for name, seconds in ctx.timings:
        if name == "upstream":
            waited += seconds
    return Line(
        _told(now),
        ctx.request_id,
        _trace_id(ctx.headers[b"traceparent"]) if b"traceparent" in ctx.headers else None,
        principal.name,
        ctx.client,
        ctx.method,
        ctx.path[:_PATH],
        ctx.endpoint.name,
        ctx.route or None,
        provider,
        model,
        ctx.request.stream is True,
        ctx.status or (error.status if error is not None else 0),
        ctx.outcome,
        fault,
        detail,
        len(attempts),
        plan.policy if plan is not None else None,
        tried(attempts) if len(attempts) > 1 else None,
        (judged(ctx) or None) if plan is not None else None,
        ctx.dropped or None,
        ctx.rewritten or None,
        usage.input,
        usage.input_source,
        usage.output,
        usage.output_source,
        usage.cached,
        usage.cache_write,
        usage.reasoning,
        principal.account or None,
        charge / MICRO if charge is not None else None,
        cost / MICRO if cost is not None else None,
        ending,
        status,
        reason,
        similarity,
        saved / MICRO if saved else None,
        ctx.reservation.degraded if ctx.reservation is not None else None,
        _ms(ctx.first_token_at - started) if ctx.first_token_at else None,
        _ms(ended - started),
        _ms(waited) if waited else 0.0,
        _ms(attempts[0].started - started) if attempts else None,
    )


def encoded(line: Line) -> bytes:
    """With the line's end."""
    try:
        return _encode(line) + b"\n"
    except (TypeError, ValueError, OverflowError):
        # A lone surrogate, from a path or a model name, is the usual reason.
        return _encode(_printable(structs.asdict(line))) + b"\n"


def tried(attempts: Sequence[Attempt]) -> list[dict[str, object]]:
    """Each try of a request that needed several, in the order in which they ended, the answer last."""
    return [
        {
            "provider": attempt.provider,
            "model": attempt.model,
            "key": attempt.key,
            "role": attempt.role,
            "status": attempt.status or None,
            "fault": attempt.fault.kind if attempt.fault is not None else None,
            "detail": (attempt.fault.detail or None) if attempt.fault is not None else None,
            "ms": _ms(attempt.ended - attempt.started) if attempt.ended else None,
        }
        for attempt in attempts
    ]


_encode = msgspec.json.Encoder().encode


def _told(now: float) -> str:
    """ISO 8601, to the millisecond."""
    second = int(now)
    return _second(second) + _MILLISECONDS[int((now - second) * 1000)]


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    """Putting it into words takes as long as all the rest of a line."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _ms(seconds: float) -> float:
    """Milliseconds with three decimals; ``round`` takes four times as long."""
    return (seconds * 1_000_000 + 0.5) // 1 / 1000


def _trace_id(traceparent: bytes) -> str | None:
    """The W3C trace id, when the header has its form."""
    if len(traceparent) < 55 or traceparent[2:3] != b"-":
        return None
    found = traceparent[3:35]
    return found.decode("ascii", "replace") if found.isalnum() else None


def _printable(value: object) -> object:
    """The nearest to it that JSON can say."""
    if isinstance(value, dict):
        return {name: _printable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 1 << 63:
        return value
    return str(value).encode("utf-8", "replace").decode()
