"""How soon a target begins to answer: a figure that rises at once and falls slowly, and percentiles of the recent past.

Both cost the same however many answers came: a float, and a row of buckets whose weights halve as time passes. A percentile is
kept: where so many answers come that one more makes no difference it is worked out once a second.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import exp2, log2

HALF_LIFE = 10.0
"""Seconds in which a peak loses half of its height, while others come and while none do: whoever was slow once is tried again."""

MEMORY = 120.0
"""Seconds in which an answer loses half of its weight among the percentiles."""

LEAST = 10.0
"""Answers (by weight) without which a percentile says nothing."""

FASTEST = 0.001
"""Seconds up to which everything is in the first bucket."""

PER_DOUBLING = 4
"""Buckets from one time to its double: a percentile is off by less than a tenth."""

BUCKETS = 82
"""Up to 20 minutes; what takes longer is in the last."""

HEAVY = 2.0**40
"""The weight of a new answer at which all weights are made smaller: old ones weigh less because new ones weigh more."""

ROUNDING = 1 - 1e-9
"""Sums of weights are a little off."""

HOLDS = 1.0
"""Seconds for which a percentile that was worked out is used although a few answers came since."""

FEW = 0.01
"""So few, as a share of the weight of all."""

_EDGES = tuple(FASTEST * exp2(number / PER_DOUBLING) for number in range(BUCKETS))


class Latency:
    """Seconds to the first output of one target."""

    __slots__ = ("_at", "_began", "_holds", "_peak", "_spare", "_total", "_weights", "share", "until", "value")

    def __init__(self) -> None:
        self._peak = 0.0
        self._at = 0.0
        self._began = 0.0
        self._weights: list[float] | None = None
        self._total = 0.0
        self.share = 0.0
        self.value: float | None = None
        """The percentile that was asked for last, of this share."""
        self.until = 0.0
        """When it is to be worked out again; ``_holds``: when, once another answer has come."""
        self._holds = 0.0
        self._spare = 0.0
        """The weight of answers that may come before."""

    def note(self, seconds: float, now: float) -> None:
        """One more answer began."""
        self.note_all(((None, seconds, now),))

    def note_all(self, lines: Sequence[tuple[object, float, float]]) -> None:
        """Several, in order: whose, its seconds, and when it began."""
        weights = self._weights
        if weights is None:
            weights = self._weights = [0.0] * BUCKETS
            self._began = lines[0][2]
        peak, at, added = self._peak, self._at, 0.0
        for _, seconds, now in lines:
            if seconds >= peak:
                peak = seconds
            else:
                kept = exp2((at - now) / HALF_LIFE)
                peak = peak * kept + seconds * (1 - kept)
            at = now
            weight = exp2((now - self._began) / MEMORY)
            if weight > HEAVY:
                self._count(added)
                added, weight = 0.0, self._lighten(weights, weight, now)
            bucket = int(log2(seconds / FASTEST) * PER_DOUBLING) + 1 if seconds > FASTEST else 0
            weights[bucket if bucket < BUCKETS else BUCKETS - 1] += weight
            added += weight
        self._peak, self._at = peak, at
        self._count(added)

    def _count(self, added: float) -> None:
        """So much weight more."""
        self._total += added
        self._spare -= added
        if self._spare < 0:
            self.until = 0.0
        elif self.until > self._holds:
            self.until = self._holds

    def peak(self, now: float) -> float:
        """Peak EWMA in seconds; 0: unknown."""
        return self._peak * exp2((self._at - now) / HALF_LIFE) if self._peak else 0.0

    def percentile(self, share: float, now: float) -> float | None:
        """Seconds within which ``share`` (0 to 1) of recent answers began; ``None``: too few."""
        if now < self.until and share == self.share:
            return self.value
        weights = self._weights
        if weights is None or self._total < LEAST * exp2((now - self._began) / MEMORY) * ROUNDING:
            return None
        self.value, self.share = self._found(weights, share), share
        # Then there are too few.
        self.until = self._began + MEMORY * log2(self._total / (LEAST * ROUNDING))
        self._holds, self._spare = now + HOLDS, self._total * FEW
        return self.value

    def _found(self, weights: list[float], share: float) -> float:
        sums = list(accumulate(weights))
        wanted = sums[-1] * min(max(share, 0.0), 1.0)
        bucket = min(bisect_left(sums, wanted), BUCKETS - 1)
        upper = _EDGES[bucket]
        if not bucket:
            return upper
        lower = _EDGES[bucket - 1]
        inside = (wanted - sums[bucket - 1]) / weights[bucket] if weights[bucket] else 1.0
        return lower + (upper - lower) * inside

    def _lighten(self, weights: list[float], weight: float, now: float) -> float:
        """All weights relative to now; the weight of a new answer."""
        for bucket, old in enumerate(weights):
            weights[bucket] = old / weight
        self._total /= weight
        self._began = now
        self._spare = 0.0
        return 1.0
