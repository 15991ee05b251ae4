"""``best``: the target with the highest quality score for this kind of prompt."""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..costs import cheapest
from ..scores import NO_SCORES, Scores


class Best:
    """Holds the scores that were loaded with the configuration."""

    def __init__(self, scores: Scores | None) -> None:
        self._scores = scores or NO_SCORES

    def __call__(self, candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
        """The highest; of equals the cheapest. Those without a score come last; where none has one, the first named."""
        scores = self._scores.of_all(candidates, asking.kind)
        highest = max(scores)
        if highest < 0:
            return candidates[0]
        if scores.count(highest) == 1:
            return candidates[scores.index(highest)]
        return cheapest([each for each, score in zip(candidates, scores, strict=True) if score == highest], asking)
