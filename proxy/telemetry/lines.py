"""What the access log says of a request: one JSON object, its fields in this order. No bodies, no credentials."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs

from ..context import Attempt, RequestContext
from ..policy.attainment import Objective, Result
from ..policy.rules import MICRO
from ..wire.usage import NO_USAGE
from .attainment import judged

_PATH = 512
"""Characters of a path that are logged."""

_REMEMBERED = 1024
"""Kinds that are kept."""

_MILLISECONDS = tuple(f".{number:03d}+00:00" for number in range(1000))


class Kind(Struct, gc=False):
    """What requests that went and ended alike have in common."""

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


class Line(Struct, gc=False):
    """The fields, made in their order: by name they take thirty times as long. Money in dollars, ``_ms`` milliseconds."""

    time: str
    request_id: str
    trace_id: str | None
    key: str
    client: str
    method: str
    path: str
    endpoint: msgspec.Raw
    """It goes on with all other fields of ``Kind``, as they were written once."""
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


def line_of(ctx: RequestContext, ended: float, now: float, waited: float) -> Line:
    """The line of one request; ``now`` is the wall clock at ``ended``, in unix seconds; ``waited``: as ``waited_for`` says."""
    usage, cached, settled, reservation = ctx.usage, ctx.cached, ctx.settled, ctx.reservation
    principal, attempts, started = ctx.principal, ctx.attempts, ctx.started
    charge = cost = ending = saved = status = reason = similarity = None
    if settled is not None:
        charge, cost, ending, saved = settled.charge, settled.cost, settled.ending, settled.saved
    if cached is not None:
        status, reason, similarity = cached.status, cached.reason or None, cached.similarity
        if cached.usage is not NO_USAGE and ctx.outcome == "ok" and ctx.from_cache:
            usage = cached.usage
    return Line(
        _clock.told(now),
        ctx.request_id,
        _trace_id(ctx.headers[b"traceparent"]) if b"traceparent" in ctx.headers else None,
        principal.name,
        ctx.client,
        ctx.method,
        ctx.path[:_PATH],
        _kind_of(ctx),
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
        reservation.degraded if reservation is not None else None,
        _ms(ctx.first_token_at - started) if ctx.first_token_at else None,
        _ms(ended - started),
        _ms(waited) if waited else 0.0,
        _ms(attempts[0].started - started) if attempts else None,
    )


_kinds: dict[tuple[object, ...], msgspec.Raw] = {}


def _kind_of(ctx: RequestContext) -> msgspec.Raw:
    """Kept where the request has nothing of its own to say there, as nearly all."""
    target, plan, attempts = ctx.target, ctx.plan, ctx.attempts
    slo = plan is not None and plan.asking.slo is not None
    if slo or ctx.error is not None or len(attempts) > 1 or ctx.dropped or ctx.rewritten:
        return _written(ctx)
    alike = (
        ctx.endpoint.name,
        ctx.route,
        target.provider if target is not None else None,
        target.model if target is not None else None,
        ctx.request.stream,
        ctx.status,
        ctx.outcome,
        len(attempts),
        plan.policy if plan is not None else None,
    )
    kind = _kinds.get(alike)
    if kind is None:
        if len(_kinds) >= _REMEMBERED:
            _kinds.clear()
        kind = _kinds[alike] = _written(ctx)
    return kind


def _written(ctx: RequestContext) -> msgspec.Raw:
    """All fields of ``Kind``, behind the name of its first."""
    target, error, plan, attempts = ctx.target, ctx.error, ctx.plan, ctx.attempts
    kind = Kind(
        ctx.endpoint.name,
        ctx.route or None,
        target.provider if target is not None else None,
        (target.model or None) if target is not None else None,
        ctx.request.stream is True,
        ctx.status or (error.status if error is not None else 0),
        ctx.outcome,
        (error.code or error.type) if error is not None else None,
        (error.detail or None) if error is not None else None,
        len(attempts),
        plan.policy if plan is not None else None,
        tried(attempts) if len(attempts) > 1 else None,
        (judged(ctx) or None) if plan is not None else None,
        ctx.dropped or None,
        ctx.rewritten or None,
    )
    return msgspec.Raw(encoded(kind)[len(b'{"endpoint":') : -len(b"}")])


def waited_for(ctx: RequestContext) -> float:
    """Seconds that providers took."""
    timings = ctx.timings
    if len(ctx.attempts) == 1 and timings and timings[-1][0] == "upstream":
        # The only such part, and the last.
        return timings[-1][1]
    waited = 0.0
    for name, seconds in timings:
        if name == "upstream":
            waited += seconds
    return waited


def encoded(line: Line | Kind) -> bytes:
    """Without the line's end."""
    try:
        _encode_into(line, _page)
        return bytes(_page)
    except (TypeError, ValueError, OverflowError):
        # A lone surrogate, from a path or a model name, is the usual reason.
        return msgspec.json.encode(_printable(structs.asdict(line)))


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


_encode_into = msgspec.json.Encoder().encode_into

_page = bytearray(2048)
"""What lines are written on: one that has the room already takes less time than one that grows."""


class _Clock:
    """Puts moments into words; to do that with a second takes as long as half a line."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def told(self, now: float) -> str:
        """ISO 8601, to the millisecond."""
        since = now - self._second
        if not 0.0 <= since < 1.0:
            self._second = int(now)
            self._text = datetime.fromtimestamp(self._second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            since = now - self._second
        return self._text + _MILLISECONDS[int(since * 1000)]


_clock = _Clock()


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
    if value is None or isinstance(value, bool | float | msgspec.Raw):
        return value
    if isinstance(value, int) and abs(value) < 1 << 63:
        return value
    return str(value).encode("utf-8", "replace").decode()
