"""``lowest_latency``: of two targets drawn by lot the one that should answer sooner.

Two are enough to keep off slow ones, and, unlike the one best of all, do not send every request at once to whoever was
fastest a moment ago. The peak EWMA rises at once with a slow answer and sinks slowly with fast ones.
"""

from collections.abc import Sequence
from random import Random

from ...policy.targets import Asking, Candidate
from ...protocols import Board


def lowest_latency(candidates: Sequence[Candidate], asking: Asking, board: Board, rng: Random) -> Candidate:
    """The lesser of TTFT times (requests under way + 1).

    A target whose latency is not known yet is tried while nothing is under way there; until its first answer comes it
    counts as fast as the one it is compared with, so that it is neither starved nor flooded.
    """
    count = len(candidates)
    if count == 1:
        return candidates[0]
    first = int(rng.random() * count)
    second = int(rng.random() * (count - 1))
    one, other = candidates[first], candidates[second + (second >= first)]
    busy_one, busy_other = board.inflight(one), board.inflight(other)
    ttft_one, ttft_other = board.ttft(one), board.ttft(other)
    if not ttft_one or not ttft_other:
        if not ttft_one and not busy_one:
            return one
        if not ttft_other and not busy_other:
            return other
        ttft_one = ttft_other = ttft_one or ttft_other or 1.0
    return one if ttft_one * (busy_one + 1) <= ttft_other * (busy_other + 1) else other
