"""How one of several targets is chosen: pure functions of the candidates, the request, the live figures and a random source.

The same four give the same choice. Candidates are never none, and already filtered.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from ...policy.routes import PolicyName
from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..scores import Scores
from ..slo import Measured, meeting
from .balanced import balanced
from .best import Best
from .least_busy import least_busy
from .lowest_cost import lowest_cost
from .lowest_latency import lowest_latency
from .priority import priority
from .sticky import Sticky
from .weighted import weighted

Policy = Callable[[Sequence[Candidate], Asking, Board, Random], Candidate]

QUALITY = 0.9
"""Of the best score, for ``balanced``."""


def policies(scores: Scores | None, *, quality: float = QUALITY) -> Mapping[PolicyName, Policy]:
    """Every policy by its name. What holds for all of them is part of each: see ``_ruled``."""
    found: Mapping[PolicyName, Policy] = {
        "priority": priority,
        "weighted": weighted,
        "least_busy": least_busy,
        "lowest_latency": lowest_latency,
        "lowest_cost": lowest_cost,
        "best": Best(scores),
        "balanced": balanced(scores, quality=quality),
        "sticky": Sticky(),
    }
    measured = scores.ttft if scores is not None and scores.timed else None
    return {name: _ruled(policy, measured) for name, policy in found.items()}


def _ruled(policy: Policy, measured: Measured | None) -> Policy:
    """A target of weight 0 stands by for the others; a request with an SLO gets the cheapest target that meets it."""

    def choose(candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
        if len(candidates) == 1:
            return candidates[0]
        active = [candidate for candidate in candidates if candidate.weight] or candidates
        if asking.slo is not None:
            return meeting(active, asking, board, asking.slo, measured)
        return policy(active, asking, board, rng)

    return choose
