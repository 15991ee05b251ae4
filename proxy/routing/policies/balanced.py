"""``balanced``: the cheapest target that is nearly as good as the best one."""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..costs import cheapest
from ..scores import NO_SCORES, Scores


class Balanced:
    """``quality``: which share of the best score is good enough."""

    def __init__(self, scores: Scores | None, *, quality: float) -> None:
        self._scores = scores or NO_SCORES
        self._quality = quality

    def __call__(self, candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
        """Quality that is not known is not good enough; where none is known, the first named."""
        scores = self._scores.of_all(candidates, asking.kind)
        floor = max(scores) * self._quality
        if floor < 0:
            return candidates[0]
        return cheapest([each for each, score in zip(candidates, scores, strict=True) if score >= floor], asking)
