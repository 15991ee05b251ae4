"""Headers of our own: who answered, after how many tries, why, at what cost, and how long each part took."""

from collections.abc import Container, Sequence
from functools import lru_cache

from msgspec import Struct

from ..context import RequestContext
from ..errors import RawHeaders
from .reasons import fallbacks, reason_header, slo_header, tries

PAUSED = ("upstream", "backoff", "shared")
"""Parts of a request's time that are no overhead of the gateway: it waited for a provider, because one asked it to, or for an answer
that was being made for another."""


class RelaySettings(Struct, frozen=True, kw_only=True):
    """What the configuration says about relaying. Seconds, 0 turns keepalive off."""

    keepalive: float
    send_timeout: float
    include_usage: str
    server_timing: bool
    gateway_headers: bool


def own_headers(
    ctx: RequestContext,
    settings: RelaySettings,
    theirs: Container[bytes],
    now: float,
    draining: bool,
) -> list[tuple[bytes, bytes]]:
    """What is added to an answer with headers of the names ``theirs``; ``now`` on the request's clock."""
    raw_id = ctx.request_id.encode()
    headers = [(b"x-tollway-request-id", raw_id), *ctx.response_headers]
    charge = None
    if ctx.costing is not None and ctx.usage.input_source == "reported":
        charge = ctx.costing(ctx.usage)
        if charge is not None:
            headers.append((b"x-tollway-cost-usd", b"%d.%06d" % divmod(charge, 1_000_000)))
    if ctx.dropped:
        headers.append((b"x-tollway-dropped", _list_text(ctx.dropped)))
    if ctx.rewritten:
        headers.append((b"x-tollway-rewritten", _list_text(ctx.rewritten)))
    if b"x-request-id" not in theirs:
        headers.append((b"x-request-id", raw_id))
    if ctx.request.stream and b"x-accel-buffering" not in theirs:
        headers.append((b"x-accel-buffering", b"no"))
    if draining:
        headers.append((b"connection", b"close"))
    if settings.gateway_headers:
        headers += way_headers(ctx)
        if ctx.plan is not None and ctx.plan.asking.slo is not None:
            met = slo_header(ctx, now, charge)
            if met is not None:
                headers.append((b"x-tollway-slo", met))
        spent = now - ctx.started - _waited(ctx, now)
        headers.append((b"x-tollway-overhead-ms", b"%.3f" % (spent * 1000 if spent > 0 else 0.0)))
    if settings.server_timing:
        headers.append((b"server-timing", server_timing(ctx.timings)))
    return headers


def server_timing(timings: Sequence[tuple[str, float]]) -> bytes:
    """Each part's name and milliseconds; ``timings`` in seconds."""
    if not timings:
        return b""
    names, times = zip(*timings)  # noqa: B905 - pairs all of them
    return _timing_form(names) % tuple([seconds * 1000.0 for seconds in times])


@lru_cache(maxsize=1024)
def _timing_form(names: tuple[str, ...]) -> bytes:
    return b", ".join([b"%b;dur=%%.3f" % name.encode() for name in names])


def _waited(ctx: RequestContext, now: float) -> float:
    """Seconds of a request, up to ``now``, that are no overhead."""
    if len(ctx.attempts) == 1 and ctx.timings:
        name, seconds = ctx.timings[-1]
        if name == "upstream":
            # The only such part, and the last.
            return seconds
    cached = ctx.cached
    if cached is not None and cached.status == "hit" and not cached.reason:
        # It was here.
        return 0.0
    waited = 0.0
    for name, seconds in ctx.timings:
        if name in PAUSED:
            waited += seconds
    # An answer that begins with a comment, in silence: somebody is still being waited for.
    asked = [attempt.started for attempt in ctx.attempts if not attempt.status and not attempt.error]
    return waited + now - min(asked) if asked else waited


def way_headers(ctx: RequestContext) -> Sequence[tuple[bytes, bytes]]:
    """Which way the request went: its route, who was tried last, how many tries it took, and why."""
    plan, target, attempts = ctx.plan, ctx.target, ctx.attempts
    if plan is not None and target is not None and len(attempts) == 1 and not plan.bound:
        only = attempts[0]
        if only.fault is None and only.role == "first":
            # The usual case: the first try answers, and says the same as the one before it.
            return _straight(ctx.route, target.provider, target.model, plan.policy)
    if not attempts and plan is not None and target is not None and not plan.bound:
        return _unasked(ctx.route, target.provider, target.model, plan.policy)
    headers: list[tuple[bytes, bytes]] = []
    if target is not None:
        headers += _of_target(ctx.route, target.provider, target.model)
    headers.append((b"x-tollway-attempts", b"%d" % tries(ctx)))
    if plan is not None:
        headers.append((b"x-tollway-fallbacks", b"%d" % fallbacks(ctx)))
        headers.append((b"x-tollway-reason", reason_header(ctx)))
    return headers


@lru_cache(maxsize=1024)
def _unasked(route: str, provider: str, model: str, policy: str) -> tuple[tuple[bytes, bytes], ...]:
    """Nobody was asked: the answer was here."""
    return (
        *_of_target(route, provider, model),
        (b"x-tollway-attempts", b"0"),
        (b"x-tollway-fallbacks", b"0"),
        (b"x-tollway-reason", _header_text(f"policy={policy}")),
    )


@lru_cache(maxsize=1024)
def _straight(route: str, provider: str, model: str, policy: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        *_of_target(route, provider, model),
        (b"x-tollway-attempts", b"1"),
        (b"x-tollway-fallbacks", b"0"),
        (b"x-tollway-reason", _header_text(f"policy={policy}")),
    )


@lru_cache(maxsize=1024)
def _of_target(route: str, provider: str, model: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that say who answered."""
    pairs = [(b"x-tollway-route", _header_text(route)), (b"x-tollway-provider", _header_text(provider))]
    if model:
        pairs.append((b"x-tollway-model", _header_text(model)))
    return tuple(pairs)


_NOTICES = (b"x-tollway-model-tier", b"deprecation", b"sunset")


def renotice(ctx: RequestContext, notices: RawHeaders) -> None:
    """Another target answers than was planned: its model's standing takes the place of the first one's."""
    ctx.response_headers[:] = [pair for pair in ctx.response_headers if pair[0] not in _NOTICES]
    ctx.response_headers += notices


def _list_text(names: list[str]) -> bytes:
    """Field names as a header value, bounded."""
    return b", ".join([_header_text(name) for name in names[:64]])[:4096]


def _header_text(value: str) -> bytes:
    """A model name as a header value: printable ASCII, the rest replaced, bounded."""
    if value.isascii() and value.isprintable() and len(value) <= 256:
        return value.encode()
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in value[:256]).encode()
