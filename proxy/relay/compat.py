"""Our answer headers under the names that other gateways gave them, for clients and dashboards that read those.

A guard of its own adds them, so that an answer without them costs nothing, and one with them has them whoever made it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from ..context import Message, RequestContext, Send
from .guard import ResponseGuard

Pairs = list[tuple[bytes, bytes]]
Own = Mapping[bytes, bytes]
"""Headers of an answer by name, ours among them."""

Guard = Callable[[Send, RequestContext, str], ResponseGuard]
"""What makes the guard of a request."""

_ID = b"x-tollway-request-id"
_CACHE = b"x-tollway-cache"
_HITS = (b"hit", b"semantic-hit")

_PORTKEY_CACHE = {
    b"hit": b"HIT",
    b"semantic-hit": b"SEMANTIC HIT",
    b"miss": b"MISS",
    b"refresh": b"REFRESH",
}


def _number(own: Own, name: bytes) -> int:
    text = own.get(name, b"")
    return int(text) if text.isdigit() else 0


def _litellm(own: Own, milliseconds: float) -> Pairs:
    pairs = [(b"x-litellm-call-id", own[_ID])]
    for theirs, ours in (
        (b"x-litellm-model-group", b"x-tollway-route"),
        (b"x-litellm-model-name", b"x-tollway-model"),
        (b"x-litellm-response-cost", b"x-tollway-cost-usd"),
        (b"x-litellm-cache-key", b"x-tollway-cache-key"),
        (b"x-litellm-overhead-duration-ms", b"x-tollway-overhead-ms"),
    ):
        if ours in own:
            pairs.append((theirs, own[ours]))
    if b"x-tollway-provider" in own:
        name = own[b"x-tollway-provider"] + b"/" + own.get(b"x-tollway-model", b"")
        pairs.append((b"x-litellm-model-id", name.rstrip(b"/")))
    if b"x-tollway-attempts" in own:
        fallbacks = _number(own, b"x-tollway-fallbacks")
        retries = max(0, _number(own, b"x-tollway-attempts") - 1 - fallbacks)
        pairs += [
            (b"x-litellm-attempted-retries", b"%d" % retries),
            (b"x-litellm-attempted-fallbacks", b"%d" % fallbacks),
        ]
    pairs.append((b"x-litellm-response-duration-ms", b"%.3f" % milliseconds))
    return pairs


def _portkey(own: Own, milliseconds: float) -> Pairs:
    del milliseconds
    status = _PORTKEY_CACHE.get(own.get(_CACHE, b""), b"DISABLED")
    if status == b"MISS" and b"x-tollway-cache-similarity" in own:
        status = b"SEMANTIC MISS"
    pairs = [(b"x-portkey-trace-id", own[_ID]), (b"x-portkey-cache-status", status)]
    if b"x-tollway-attempts" in own:
        pairs.append((b"x-portkey-retry-attempt-count", b"%d" % max(0, _number(own, b"x-tollway-attempts") - 1)))
    return pairs


def _helicone(own: Own, milliseconds: float) -> Pairs:
    del milliseconds
    pairs = [(b"helicone-id", own[_ID])]
    if _CACHE in own:
        pairs.append((b"helicone-cache", b"HIT" if own[_CACHE] in _HITS else b"MISS"))
    return pairs


def _cloudflare(own: Own, milliseconds: float) -> Pairs:
    del milliseconds
    pairs = [(b"cf-aig-log-id", own[_ID]), (b"cf-aig-event-id", own[_ID])]
    if _CACHE in own:
        pairs.append((b"cf-aig-cache-status", b"HIT" if own[_CACHE] in _HITS else b"MISS"))
    if b"x-tollway-attempts" in own:
        pairs.append((b"cf-aig-step", b"%d" % max(0, _number(own, b"x-tollway-attempts") - 1)))
    return pairs


DIALECTS: dict[str, Callable[[Own, float], Pairs]] = {
    "litellm": _litellm,
    "portkey": _portkey,
    "helicone": _helicone,
    "cloudflare": _cloudflare,
}
"""Value of ``telemetry.compat_headers`` to what it adds: our headers and the milliseconds until the head."""


class CompatGuard(ResponseGuard):
    """Adds the headers of ``dialects`` to every answer that has an id of ours; a provider's own of the same names make way."""

    __slots__ = ("_clock", "_dialects")

    def __init__(
        self, send: Send, ctx: RequestContext, method: str, *, dialects: Sequence[str], clock: Callable[[], float]
    ) -> None:
        super().__init__(send, ctx, method)
        self._dialects = dialects
        self._clock = clock

    def _start(self, message: Message) -> Awaitable[None]:
        headers: Pairs = message["headers"]
        own = dict(headers)
        if _ID in own:
            milliseconds = (self._clock() - self._ctx.started) * 1000
            added: dict[bytes, bytes] = {}
            for dialect in self._dialects:
                added.update(DIALECTS[dialect](own, milliseconds))
            message["headers"] = [pair for pair in headers if pair[0] not in added] + list(added.items())
        return super()._start(message)


def guard_for(dialects: Sequence[str], clock: Callable[[], float]) -> Guard:
    """What guards answers: with no dialect, the guard as it is."""
    return partial(CompatGuard, dialects=dialects, clock=clock) if dialects else ResponseGuard
