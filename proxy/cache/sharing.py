"""May a request follow another's that has the same key? Its answer is the same one; who gets how much of it need not be."""

from ..context import Principal, RequestContext
from ..policy.targets import Route
from .flight import Flight
from .wishes import USAGE_CHUNKS, asks_usage

SLACK = 1.0
"""Seconds by which a leader's deadline may come before its followers': those of clients that ask at the same time differ a little."""


def suits(flight: Flight, ctx: RequestContext, *, usage_known: bool) -> bool:
    """``usage_known``: are usage chunks asked for on everybody's behalf?"""
    leader, recording = flight.ctx, flight.recording
    if recording.blind or recording.gone or flight.stuck:
        return False
    if (leader.uncapped or ctx.uncapped) and leader.body != ctx.body:
        # A cap of ours is in one of them: it would be the other's, too.
        return False
    if not _same_reach(leader, ctx):
        return False
    if leader.deadline and (not ctx.deadline or leader.deadline + SLACK < ctx.deadline):
        # It would end this one's answer before its time.
        return False
    if usage_known or ctx.request.stream is not True or ctx.endpoint.dialect not in USAGE_CHUNKS:
        return True
    return asks_usage(leader) or not asks_usage(ctx) or leader.request.stream is not True


def _same_reach(leader: RequestContext, ctx: RequestContext) -> bool:
    """Would both be answered by the same targets? Their own are, since the keys are equal; whom they may fall back to is not in the key."""
    theirs, ours = leader.plan, ctx.plan
    if theirs is None or ours is None:
        return theirs is ours
    behind = _fallbacks(ours.route)
    if _fallbacks(theirs.route) != behind:
        return False
    return not any(behind) or (leader.controls == ctx.controls and _terms(leader.principal) == _terms(ctx.principal))


def _fallbacks(route: Route) -> tuple[tuple[str, ...], ...]:
    return route.fallbacks, route.on_context_length, route.on_content_policy


def _terms(principal: Principal) -> tuple[object, ...]:
    return principal.models, principal.providers, principal.regions, principal.stable_only, principal.max_price
