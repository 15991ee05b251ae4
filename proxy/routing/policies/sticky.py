"""``sticky``: requests that share something go to one target, by a rendezvous hash over ``provider/model``.

Each target draws a number from the shared value and its own name; the highest wins. When a target goes, only its requests
move; when it comes back, they return. The same value gives the same target in every process and on every machine.
"""

from collections.abc import Sequence
from math import log
from operator import mul
from random import Random
from zlib import crc32

from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..remembered import Remembered
from .weighted import weighted

_SPAN = 2.0**32


class Sticky:
    """Remembers the factors of the targets' names."""

    def __init__(self) -> None:
        self._factors = Remembered(_factors)

    def __call__(self, candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
        """Who draws highest, the weight heeded; by lot where the request has nothing to share."""
        if not asking.sticky:
            return weighted(candidates, asking, board, rng)
        shared = _number(asking.sticky)
        factors, shares = self._factors(candidates)
        # The fraction of a product with an arbitrary factor is as good as a draw.
        drawn = [1.0 - shared * factor % 1.0 for factor in factors]
        if shares is not None:
            # The root by the weight makes the chances as the weights are; so does the logarithm over it.
            drawn = list(map(mul, map(log, drawn), shares))
        return candidates[drawn.index(max(drawn))]


def _factors(candidates: list[Candidate]) -> tuple[list[float], list[float] | None]:
    """Fractions by name, and one over each weight; ``None`` where all weigh the same."""
    weights = [each.weight or 1 for each in candidates]
    shares = [1 / weight for weight in weights] if len(set(weights)) > 1 else None
    return [_number(each.place) / _SPAN for each in candidates], shares


def _number(text: str) -> int:
    """Of 32 bits, the same everywhere: its product with a fraction of 32 bits is exact enough."""
    return crc32(text.encode("utf-8", "replace"))
