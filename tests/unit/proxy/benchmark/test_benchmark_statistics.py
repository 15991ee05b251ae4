"""Percentiles, summaries, bootstrap intervals and repetition, against definitions and against brute force."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.benchmark.statistics import difference, percentile, repetition, summarise

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
PERCENT = st.floats(0, 100)


def test_percentiles_are_those_of_numpy() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile([1, 2, 3, 4], 90) == pytest.approx(3.7)
    assert percentile([10, 20], 99) == pytest.approx(19.9)
    assert percentile([7], 99) == 7


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    assert summarise([]) is None


@given(VALUES, PERCENT, PERCENT)
def test_a_percentile_lies_among_the_values_and_rises(values: list[float], one: float, other: float) -> None:
    values.sort()
    low, high = sorted((one, other))
    assert values[0] <= percentile(values, low) <= percentile(values, high) <= values[-1]
    assert percentile(values, 0) == values[0]
    assert percentile(values, 100) == values[-1]


@given(VALUES, PERCENT)
def test_about_so_many_values_lie_at_or_below_a_percentile(values: list[float], percent: float) -> None:
    values.sort()
    at = percentile(values, percent)
    assert sum(value <= at for value in values) >= math.floor((len(values) - 1) * percent / 100)
    assert sum(value >= at for value in values) >= math.floor((len(values) - 1) * (1 - percent / 100))


@given(VALUES)
def test_a_summary_does_not_depend_on_the_order(values: list[float]) -> None:
    found = summarise(values)
    assert found == summarise(sorted(values, reverse=True))
    assert found is not None
    assert found.count == len(values)
    assert found.least <= found.median <= found.most
    assert found.percentiles[50.0] == found.median
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-3)


def test_std_is_that_of_the_population() -> None:
    found = summarise([2, 4, 4, 4, 5, 5, 7, 9])
    assert found is not None
    assert (found.mean, found.std) == (5, 2)


def resampled(first: list[float], second: list[float], percent: float, chance: random.Random) -> list[float]:
    """The bootstrap as it is defined: samples drawn with replacement, their nearest-rank percentiles compared."""
    found = []
    for _ in range(3000):
        one, other = (sorted(chance.choices(values, k=len(values))) for values in (first, second))
        rank = round((len(one) - 1) * percent / 100)
        found.append(one[rank] - other[rank])
    return sorted(found)


@pytest.mark.parametrize("percent", [50.0, 90.0])
def test_the_interval_is_that_of_brute_force(percent: float) -> None:
    chance = random.Random(7)
    first = [chance.gauss(110, 10) for _ in range(201)]
    second = [chance.gauss(100, 10) for _ in range(201)]
    drawn = resampled(first, second, percent, chance)
    found = difference(first, second, percent, seed=3)
    width = drawn[2925] - drawn[75]
    assert found.low == pytest.approx(drawn[75], abs=width * 0.15)
    assert found.high == pytest.approx(drawn[2925], abs=width * 0.15)
    assert found.low <= found.value <= found.high


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(11)
    hits = 0
    for seed in range(100):
        first = [chance.expovariate(1) + 2.0 for _ in range(120)]
        second = [chance.expovariate(1) for _ in range(120)]
        found = difference(first, second, 50.0, seed=seed, resamples=400)
        hits += found.low <= 2.0 <= found.high
    assert 88 <= hits <= 100


def test_a_difference_follows_from_its_seed() -> None:
    first, second = [1.0, 2.0, 5.0, 9.0], [1.0, 1.5, 2.0]
    assert difference(first, second, 95.0, seed=4) == difference(first, second, 95.0, seed=4)


@given(VALUES, VALUES, st.floats(-1000, 1000))
def test_a_shift_shifts_the_difference(first: list[float], second: list[float], by: float) -> None:
    plain = difference(first, second, 95.0, resamples=20)
    moved = difference([value + by for value in first], second, 95.0, resamples=20)
    assert moved.value == pytest.approx(plain.value + by, abs=1e-3)
    assert moved.low <= moved.value <= moved.high


def test_repetition() -> None:
    found = repetition([10.0, 12.0, 14.0])
    assert found is not None
    assert (found.runs, found.mean, found.std) == (3, 12, 2)
    assert found.variation == pytest.approx(1 / 6)
    assert found.limit == pytest.approx(2 * 2.7718, abs=1e-3)
    assert repetition([1.0]) is None
    assert repetition([0.0, 0.0]).variation == 0  # type: ignore[union-attr]
