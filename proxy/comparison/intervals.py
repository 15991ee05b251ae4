"""How sure one can be: intervals of shares, differences between models on the same questions, and who is beaten by nobody."""

import math
import random
from collections.abc import Sequence

from msgspec import Struct

from ..benchmark.statistics import percentile

Z = 1.959963984540054
"""Standard deviations of a normal distribution that hold 95 %."""

RESAMPLES = 2000
_DRAWS = 4_000_000
"""Of one interval; with very many questions fewer samples are as good."""


class Gap(Struct, frozen=True, kw_only=True):
    """How one model's quality differs from another's on ``n`` questions that both answered.

    ``better`` and ``worse`` count the questions that only one of them got right; ``p`` is McNemar's exact, two-sided.
    """

    first: str
    second: str
    n: int
    better: int
    worse: int
    difference: float
    low: float
    high: float
    p: float


def wilson(passed: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, without a correction for continuity). Nothing is known of no questions."""
    if n == 0:
        return 0.0, 1.0
    share, square = passed / n, Z * Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # The ends meet 0, 1 and the share itself exactly, whatever rounding does.
    low = 0.0 if passed == 0 else min(max(middle - half, 0.0), share)
    return low, 1.0 if passed == n else max(min(middle + half, 1.0), share)


def mcnemar(better: int, worse: int) -> float:
    """How likely the questions on which two models differ fall so unevenly by chance: exact binomial, two-sided."""
    n, less = better + worse, min(better, worse)
    if n == 0:
        return 1.0
    if n > 1000:
        # The normal approximation, with a correction for continuity: exact sums of that many are a waste.
        return math.erfc(max(abs(better - worse) - 1, 0) / math.sqrt(2 * n))
    tail: int = sum(math.comb(n, k) for k in range(less + 1))
    return min(1.0, float(2 * tail / 2**n))


def gap(first: str, second: str, verdicts: Sequence[tuple[bool, bool]], *, seed: int = 0) -> Gap:
    """``verdicts``: of each question that both have answered, in the dataset's order. The interval is a paired bootstrap's."""
    better = sum(one and not other for one, other in verdicts)
    worse = sum(other and not one for one, other in verdicts)
    n = len(verdicts)
    difference = (better - worse) / n if n else 0.0
    # One question more for each side (Bonett and Price 2012): no difference seen must not read as none there is.
    low, high = _resampled([1, -1, *(one - other for one, other in verdicts)], seed) if n else (-1.0, 1.0)
    return Gap(
        first=first,
        second=second,
        n=n,
        better=better,
        worse=worse,
        difference=difference,
        low=min(low, difference),
        high=max(high, difference),
        p=mcnemar(better, worse),
    )


def _resampled(differences: Sequence[int], seed: int) -> tuple[float, float]:
    """The middle 95 % of the means of samples drawn with replacement; the same seed draws the same ones."""
    chance, n = random.Random(seed), len(differences)  # noqa: S311 - an interval, no secret
    times = min(RESAMPLES, max(200, _DRAWS // n))
    means = sorted(sum(chance.choices(differences, k=n)) / n for _ in range(times))
    return percentile(means, 2.5), percentile(means, 97.5)


class Placed(Struct, frozen=True):
    """A model in a plane: ``cost`` is whatever should be little, ``quality`` what should be much."""

    model: str
    cost: float
    quality: float


def front(places: Sequence[Placed]) -> list[Placed]:
    """Those to which no other is at least as good and as cheap, and better in one of the two; by cost, the cheapest first."""
    found: list[Placed] = []
    for each in sorted(places, key=lambda place: (place.cost, -place.quality)):
        if (
            not found
            or each.quality > found[-1].quality
            or (each.quality, each.cost) == (found[-1].quality, found[-1].cost)
        ):
            found.append(each)
    return found
