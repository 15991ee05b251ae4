"""What a settled request came to under its own targets."""

from collections.abc import Mapping

from ..context import RequestContext
from ..policy.attainment import Objective, Result, attained

NONE: Mapping[Objective, Result] = {}


def judged(ctx: RequestContext) -> Mapping[Objective, Result]:
    """The result of each of the request's objectives that can be judged; none for a request without targets."""
    slo = ctx.plan.asking.slo if ctx.plan is not None else None
    if slo is None:
        return NONE
    first = ctx.first_token_at or ctx.first_byte_at
    return attained(
        slo,
        outcome=ctx.outcome,
        waited=first - ctx.started if first else None,
        charge=ctx.settled.charge if ctx.settled is not None else None,
    )
