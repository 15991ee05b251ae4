"""May a request follow another's that has the same key? Its answer is the same one; who gets how much of it need not be."""

from ..context import RequestContext
from .flight import Flight
from .wishes import USAGE_CHUNKS, asks_usage


def suits(flight: Flight, ctx: RequestContext, *, usage_known: bool) -> bool:
    """``usage_known``: are usage chunks asked for on everybody's behalf?"""
    leader, recording = flight.ctx, flight.recording
    if recording.blind or recording.gone:
        return False
    if (leader.uncapped or ctx.uncapped) and leader.body != ctx.body:
        # A cap of ours is in one of them: it would be the other's, too.
        return False
    if usage_known or ctx.request.stream is not True or ctx.endpoint.dialect not in USAGE_CHUNKS:
        return True
    return asks_usage(leader) or not asks_usage(ctx) or leader.request.stream is not True
