"""The choice for a request with targets of its own: the cheapest that meets them by what is true now."""

from collections.abc import Callable, Sequence

from ..policy.routes import Slo
from ..policy.targets import Asking, Candidate
from ..protocols import Board
from .costs import DOLLAR, UNKNOWN, expected_costs

SHARE = 0.95
"""Of recent requests, that got their first token in time."""


Measured = Callable[[Candidate], float | None]
"""The 95th percentile of seconds to the first token as somebody measured it before; ``None``: nobody did."""


def meeting(
    candidates: Sequence[Candidate], asking: Asking, board: Board, slo: Slo, measured: Measured | None = None
) -> Candidate:
    """The cheapest whose 95th percentile of TTFT and expected cost are within ``slo``; where none is, the one nearest to it.

    Until this gateway knows a latency itself, what was ``measured`` before holds; without that it counts as met. A price that is
    not known counts as missed. Of equals the first named.
    """
    costs, ttft = expected_costs(candidates, asking), slo.ttft
    if ttft is None:
        return candidates[costs.index(min(costs))]
    ceiling = slo.cost_usd * DOLLAR if slo.cost_usd is not None else UNKNOWN
    least = min(costs)
    cheapest = candidates[costs.index(least)]
    known = board.percentile(cheapest, SHARE) or (measured(cheapest) if measured is not None else None)
    if least <= ceiling and (known or 0.0) <= ttft:
        return cheapest
    late = [seconds or 0.0 for seconds in board.percentiles(candidates, SHARE)]
    if measured is not None:
        late = [seconds or measured(each) or 0.0 for seconds, each in zip(late, candidates, strict=True)]
    if least <= ceiling and min(late) <= ttft:
        figures = enumerate(zip(late, costs, strict=True))
        meets = [(cost, at) for at, (seconds, cost) in figures if seconds <= ttft and cost <= ceiling]
        if meets:
            return candidates[min(meets)[1]]
    return candidates[_nearest(late, costs, ttft, ceiling)]


def _nearest(late: list[float], costs: list[float], ttft: float, ceiling: float) -> int:
    """By how many times over the target that it misses most; then over that of latency; then the cost."""
    # A latency times this is a cost that is as far over its target.
    scale = ceiling / ttft
    # Whoever is first in what it misses most is nearest. Almost always that is all there is to find out.
    least, cheapest = min(late), min(costs)
    soonest = late.index(least)
    if costs[soonest] <= least * scale and late.count(least) == 1:
        return soonest
    at = costs.index(cheapest)
    if late[at] * scale <= cheapest and costs.count(cheapest) == 1:
        return at
    missed = [(max(seconds * scale, cost), seconds, cost) for seconds, cost in zip(late, costs, strict=True)]
    return missed.index(min(missed))
