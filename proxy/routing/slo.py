"""The choice for a request with targets of its own: the cheapest that meets them by what is true now."""

from collections.abc import Sequence

from ..policy.routes import Slo
from ..policy.targets import Asking, Candidate
from ..protocols import Board
from .costs import DOLLAR, UNKNOWN, expected_costs

SHARE = 0.95
"""Of recent requests, that got their first token in time."""


def meeting(candidates: Sequence[Candidate], asking: Asking, board: Board, slo: Slo) -> Candidate:
    """The cheapest whose 95th percentile of TTFT and expected cost are within ``slo``; where none is, the one nearest to it.

    A latency that is not known yet counts as met, a price that is not known as missed. Of equals the first named.
    """
    ceiling = slo.cost_usd * DOLLAR if slo.cost_usd is not None else UNKNOWN
    costs = expected_costs(candidates, asking)
    late = [0.0] * len(costs)
    for cost, at in sorted([(cost, at) for at, cost in enumerate(costs)]):
        if slo.ttft is not None:
            late[at] = (board.percentile(candidates[at], SHARE) or 0.0) / slo.ttft
        if late[at] <= 1 and cost <= ceiling:
            return candidates[at]
    # How many times over the target that it misses most; then over that of latency; then the cost.
    dear = [cost / ceiling if slo.cost_usd is not None else 0.0 for cost in costs]
    missed = list(zip(map(max, late, dear), late, costs, strict=True))
    return candidates[missed.index(min(missed))]
