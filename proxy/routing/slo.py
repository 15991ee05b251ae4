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
    costs = expected_costs(candidates, asking)
    if slo.ttft is None:
        return candidates[costs.index(min(costs))]
    ceiling = slo.cost_usd * DOLLAR if slo.cost_usd is not None else UNKNOWN
    found, least = None, UNKNOWN
    percentile, late = board.percentile, []
    for candidate, cost in zip(candidates, costs, strict=True):
        if found is not None and cost >= least:
            continue
        seconds = percentile(candidate, SHARE) or 0.0
        late.append(seconds)
        if seconds <= slo.ttft and cost <= ceiling:
            found, least = candidate, cost
    return found if found is not None else candidates[_nearest(late, costs, slo.ttft, ceiling)]


def _nearest(late: list[float], costs: list[float], ttft: float, ceiling: float) -> int:
    """How many times over the target that it misses most; then over that of latency; then the cost."""
    over = late
    if ceiling != UNKNOWN:
        over = [
            slow if (slow := seconds / ttft) > (dear := cost / ceiling) else dear
            for seconds, cost in zip(late, costs, strict=True)
        ]
    least = min(over)
    if over.count(least) == 1:
        return over.index(least)
    missed = list(zip(over, late, costs, strict=True))
    return missed.index(min(missed))
