"""``sticky``: requests that share something go to one target, by a rendezvous hash over ``provider/model``.

Each target draws a number from the shared value and its own name; the highest wins. When a target goes, only its requests
move; when it comes back, they return. The same value gives the same target in every process and on every machine.
"""

from collections.abc import Sequence
from math import log
from random import Random
from zlib import crc32

from ...policy.targets import Asking, Candidate
from ...protocols import Board
from ..remembered import Remembered
from .weighted import weighted


class Sticky:
    """Remembers the numbers of the targets' names."""

    def __init__(self) -> None:
        self._factors = Remembered(lambda each: (_number(each.place) / _SPAN, 1 / (each.weight or 1)))

    def __call__(self, candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
        """Who draws highest, the weight heeded; by lot where the request has nothing to share."""
        if not asking.sticky:
            return weighted(candidates, asking, board, rng)
        shared = _number(asking.sticky)
        # The fraction of a product with an arbitrary factor is as good as a draw; log(u)/w: the chances are as the weights.
        drawn = [log(1.0 - shared * factor % 1.0) * share for factor, share in self._factors(candidates)]
        return candidates[drawn.index(max(drawn))]


_SPAN = 2.0**32


def _number(text: str) -> int:
    """Of 32 bits, the same everywhere: its product with a fraction of 32 bits is exact enough."""
    return crc32(text.encode("utf-8", "replace"))
