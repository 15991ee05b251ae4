"""``best``: the target with the highest quality score for this kind of prompt."""

from collections.abc import Sequence
from functools import partial
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..costs import cheapest
from ..kinds import KINDS
from ..remembered import Remembered
from ..scores import GENERAL, NO_SCORES, Scores


class Best:
    """``quality``: which share of the highest score is good enough; of those the cheapest is taken."""

    def __init__(self, scores: Scores | None, *, quality: float = 1.0) -> None:
        self._scores = scores or NO_SCORES
        self._quality = quality
        self._good: dict[str, Remembered[list[Candidate]]] = {
            kind: Remembered(partial(self._good_enough, kind)) for kind in KINDS
        }

    def __call__(self, candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
        """Quality that is not known is never good enough; where none is known, the first named is taken."""
        good = (self._good.get(asking.kind) or self._good[GENERAL])(candidates)
        return good[0] if len(good) == 1 else cheapest(good, asking)

    def _good_enough(self, kind: str, candidates: list[Candidate]) -> list[Candidate]:
        scores = [self._scores.of(candidate, kind) for candidate in candidates]
        highest = max((score for score in scores if score is not None), default=None)
        if highest is None:
            return candidates[:1]
        floor = highest * self._quality
        return [each for each, score in zip(candidates, scores, strict=True) if score is not None and score >= floor]
