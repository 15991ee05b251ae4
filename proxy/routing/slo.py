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
    for cost, at in sorted([(cost, at) for at, cost in enumerate(costs)]):
        if cost > ceiling:
            break
        if slo.ttft is None or (board.percentile(candidates[at], SHARE) or 0.0) <= slo.ttft:
            return candidates[at]
    missed = [_missed(candidate, cost, board, slo) for candidate, cost in zip(candidates, costs, strict=True)]
    return candidates[missed.index(min(missed))]


def _missed(candidate: Candidate, cost: float, board: Board, slo: Slo) -> tuple[float, float, float]:
    """How many times over the target that it misses most; then over that of latency; then its cost."""
    late = (board.percentile(candidate, SHARE) or 0.0) / slo.ttft if slo.ttft is not None else 0.0
    dear = cost / (slo.cost_usd * DOLLAR) if slo.cost_usd is not None else 0.0
    return max(late, dear), late, cost
