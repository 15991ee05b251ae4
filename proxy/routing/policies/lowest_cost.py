"""``lowest_cost``: the target at which this request should cost the operator least."""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..costs import cheapest


def lowest_cost(candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
    """Price times expected tokens, cached ones at their own price; unknown prices last, equals in their order."""
    return cheapest(candidates, asking)
