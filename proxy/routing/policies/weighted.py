"""``weighted``: by lot, each target as often as its weight says."""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board


def weighted(candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
    """One by lot; all alike where none has a weight."""
    total = sum([candidate.weight for candidate in candidates])
    if not total:
        return candidates[int(rng.random() * len(candidates))]
    drawn = rng.random() * total
    for candidate in candidates:
        drawn -= candidate.weight
        if drawn < 0:
            return candidate
    return candidates[-1]
