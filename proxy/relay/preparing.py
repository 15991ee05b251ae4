"""What a try sends: the request as its provider wants it, with what is left of the client's time, or of an answer to go on with."""

from typing import TYPE_CHECKING

from msgspec import structs

from ..context import RequestContext, Target
from ..protocols import Prepared, Provider, UpstreamRequest
from ..wire.headers import TIME_LEFT
from ..wire.stream import Withholder
from .continuation import Part, Said, Seam, continued

if TYPE_CHECKING:
    from .relay import Relay


def with_time_left(request: UpstreamRequest, ctx: RequestContext, now: float) -> UpstreamRequest:
    """``request`` with what is left of the client's own limit; without it where the client may not set one, or set none that can be read."""
    name = TIME_LEFT.decode()
    headers = [pair for pair in request.headers if pair[0] != name]
    if ctx.controls.timeout is not None and ctx.deadline and len(headers) < len(request.headers):
        headers.append((name, str(max(1, int((ctx.deadline - now) * 1000)))))
    return structs.replace(request, headers=headers)


def new_part(inner: Withholder | Part | None, after: Said | None, place: str) -> Part:
    """What keeps the books of an answer that may be continued, or that goes on with ``after``."""
    within = inner if isinstance(inner, Withholder) else None
    return Part(within) if after is None else Seam(within, after, place)


def prepared_as_part(
    provider: Provider, ctx: RequestContext, target: Target, after: Said | None, relay: "Relay"
) -> Prepared:
    """For an answer whose events must be readable: nothing compressed; ``after`` is put before the model as its beginning."""
    body = ctx.body
    if after is not None:
        ctx.body = continued(body, after) or body
    try:
        found = provider.prepare(ctx, target, include_usage=relay.wants_usage, now=int(relay.wall()))
    finally:
        ctx.body = body
    headers = [pair for pair in found.request.headers if pair[0] != "accept-encoding"]
    return structs.replace(found, request=structs.replace(found.request, headers=headers))
