"""What many times come to: percentiles, summaries, and how far two samples or several runs are apart. Pure arithmetic."""

import math
import random
from collections.abc import Sequence
from statistics import fmean, pstdev, stdev

from msgspec import Struct

PERCENTS = (50.0, 90.0, 95.0, 99.0)
RESAMPLES = 2000
"""Draws of a bootstrap interval."""

_LIMIT_OF_REPETITION = 1.96 * math.sqrt(2)
"""Times the standard deviation of runs: what two runs differ by at most, 95 times in 100 (ISO 5725-6, 4.1.4)."""


class Summary(Struct, frozen=True, kw_only=True):
    """Figures of one sample, in its unit. ``std`` is the population's, ``percentiles`` by percent."""

    count: int
    mean: float
    median: float
    std: float
    least: float
    most: float
    percentiles: dict[float, float]


class Difference(Struct, frozen=True, kw_only=True):
    """How much greater a percentile of one sample is than that of another, with a 95 % interval."""

    percent: float
    value: float
    low: float
    high: float


class Repetition(Struct, frozen=True, kw_only=True):
    """A figure over several runs. ``variation`` is std / mean; two runs differ by less than ``limit`` 95 times in 100."""

    runs: int
    mean: float
    std: float
    variation: float
    limit: float


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of values in ascending order, by linear interpolation between neighbours, as numpy and vLLM do it."""
    if not ordered:
        raise ValueError("no values")
    place = (len(ordered) - 1) * percent / 100.0
    below = math.floor(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    # Written so that the result never leaves the neighbours, whatever rounding does.
    return min(max(low + (high - low) * (place - below), low), high)


def summarise(values: Sequence[float], percents: Sequence[float] = PERCENTS) -> Summary | None:
    """``None`` for no values: a figure nobody measured is not 0."""
    if not values:
        return None
    ordered = sorted(values)
    return Summary(
        count=len(ordered),
        mean=fmean(ordered),
        median=percentile(ordered, 50.0),
        std=pstdev(ordered),
        least=ordered[0],
        most=ordered[-1],
        percentiles={percent: percentile(ordered, percent) for percent in percents},
    )


def difference(
    measured: Sequence[float], direct: Sequence[float], percent: float, *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """``measured`` minus ``direct`` at a percentile; the interval is a bootstrap's, of samples taken as independent.

    Nothing is resampled: the k-th smallest of n draws with replacement is the sample's value at ⌊nU⌋, where U is the k-th
    smallest of n uniform numbers and so beta-distributed with k and n + 1 - k (David and Nagaraja, Order Statistics, 2.1).
    """
    chance = random.Random(seed)  # noqa: S311 - an interval, no secret
    first, second = sorted(measured), sorted(direct)
    drawn = sorted(_drawn(first, percent, chance) - _drawn(second, percent, chance) for _ in range(resamples))
    value = percentile(first, percent) - percentile(second, percent)
    return Difference(
        percent=percent,
        value=value,
        low=min(percentile(drawn, 2.5), value),
        high=max(percentile(drawn, 97.5), value),
    )


def _drawn(ordered: Sequence[float], percent: float, chance: random.Random) -> float:
    """The percentile of one bootstrap sample."""
    count = len(ordered)
    rank = (count - 1) * percent / 100.0 + 1.0
    return ordered[min(int(count * chance.betavariate(rank, count + 1.0 - rank)), count - 1)]


def repetition(values: Sequence[float]) -> Repetition | None:
    """Of one figure of each run; ``None`` for fewer than two runs."""
    if len(values) < 2:
        return None
    mean, spread = fmean(values), stdev(values)
    return Repetition(
        runs=len(values),
        mean=mean,
        std=spread,
        variation=spread / abs(mean) if mean else 0.0,
        limit=_LIMIT_OF_REPETITION * spread,
    )
