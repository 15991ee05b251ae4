"""What the cache says of a request in headers: ``x-tollway-cache`` and its kin, and ``Cache-Status`` (RFC 9211)."""

from ..context import Cached, CacheStatus, RequestContext

_STATUS: dict[CacheStatus, tuple[bytes, bytes]] = {
    status: (b"x-tollway-cache", status.encode())
    for status in ("hit", "semantic-hit", "miss", "bypass", "refresh", "disabled")
}

_FORWARDED: dict[CacheStatus, bytes] = {
    "miss": b"tollway; fwd=miss",
    "refresh": b"tollway; fwd=request",
    "bypass": b"tollway; fwd=bypass",
    "disabled": b"tollway; fwd=bypass",
}

SHARED = "shared"
"""The reason of a hit whose answer was still being made for another."""


def say(ctx: RequestContext, cached: Cached, *, status_header: bool, ttl: float = 0.0) -> None:
    """Notes it, and has it said with the answer; what is not known is not said. ``ttl``: seconds that a stored answer is still kept."""
    ctx.cached = cached
    headers = ctx.response_headers
    headers.append(_STATUS[cached.status])
    if cached.key:
        headers.append((b"x-tollway-cache-key", cached.key.encode()))
    if cached.age is not None:
        headers.append((b"x-tollway-cache-age", b"%d" % cached.age))
    if cached.reason:
        headers.append((b"x-tollway-cache-reason", cached.reason.encode()))
    if cached.similarity is not None:
        headers.append((b"x-tollway-cache-similarity", b"%.4f" % cached.similarity))
    if cached.guard:
        headers.append((b"x-tollway-cache-guard", cached.guard.encode()))
    if status_header:
        headers.append((b"cache-status", cache_status(cached, ttl)))


def cache_status(cached: Cached, ttl: float) -> bytes:
    """RFC 9211: where the answer came from; ``ttl`` seconds of freshness left."""
    if cached.reason == SHARED:
        return b"tollway; fwd=miss; collapsed"
    if cached.served:
        return b"tollway; hit; ttl=%d" % ttl
    return _FORWARDED[cached.status]
