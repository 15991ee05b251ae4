"""``priority``: the order in which the configuration names the targets."""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board


def priority(candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
    """The first."""
    return candidates[0]
