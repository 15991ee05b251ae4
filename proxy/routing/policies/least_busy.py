"""``least_busy``: the target with the fewest requests under way for its weight."""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board


def least_busy(candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
    """The least of requests under way over weight; equals by lot."""
    inflight = board.inflight
    load = [inflight(candidate) / (candidate.weight or 1) for candidate in candidates]
    least = min(load)
    if load.count(least) == 1:
        return candidates[load.index(least)]
    equals = [candidate for candidate, busy in zip(candidates, load, strict=True) if busy == least]
    return equals[int(rng.random() * len(equals))]
