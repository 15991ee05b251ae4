"""Rates per threshold, their exact intervals, and the lowest threshold that meets the bound."""

from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.semantic.calibration import GRID, Calibration, calibrated, needed, rate, upper
from proxy.semantic.proof.pairs import Pair
from proxy.semantic.proof.scoring import Scored


def row(similarity: float, same: bool = True, guard: str = "") -> Scored:
    return Scored(pair=Pair(a="a", b="b", same=same, similarity=similarity), guard=guard)


def found(*rows: Scored, bound: float = 0.01, confidence: float = 0.95) -> Calibration:
    return calibrated(rows, bound=bound, confidence=confidence)


def cumulated(count: int, of: int, share: float) -> float:
    """The chance of ``count`` or fewer, term by term."""
    return sum(comb(of, each) * share**each * (1 - share) ** (of - each) for each in range(count + 1))


# ---- intervals ------------------------------------------------------------------------------------------------------
@settings(max_examples=150, deadline=None)
@given(st.integers(1, 400), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.999]))
def test_the_upper_bound_is_exact(of: int, data: st.DataObject, confidence: float) -> None:
    """Where the true share is the bound, so few are seen in just 1 - confidence of all cases."""
    count = data.draw(st.integers(0, of - 1))
    assert cumulated(count, of, upper(count, of, confidence)) == pytest.approx(1 - confidence, rel=1e-6)


def test_published_values() -> None:
    """5 of 100: 1.64 % to 11.28 % at 95 % (any table of exact binomial intervals)."""
    of_100 = rate(5, 100, 0.95)
    assert (round(of_100.low, 4), round(of_100.high, 4)) == (0.0164, 0.1128)
    assert of_100.share == 0.05


def test_nothing_and_everything() -> None:
    assert rate(0, 0, 0.95).share is None
    assert (rate(0, 0, 0.95).low, rate(0, 0, 0.95).high) == (0.0, 1.0)
    assert rate(10, 10, 0.95).high == 1.0
    assert rate(10, 10, 0.95).low == pytest.approx(0.6915, abs=1e-4)
    assert rate(0, 10, 0.95).low == pytest.approx(0.0, abs=1e-12)
    assert upper(50, 1_000_000, 0.95) == pytest.approx(63.287e-6, rel=1e-3), "as Poisson's, of so many"


def test_an_interval_covers_as_often_as_it_says() -> None:
    rng = Random(3)
    seen = [sum(rng.random() < 0.02 for _ in range(200)) for _ in range(1000)]
    assert sum(upper(count, 200, 0.95) >= 0.02 for count in seen) >= 930


@pytest.mark.parametrize(("bound", "confidence", "pairs"), [(0.01, 0.95, 299), (0.001, 0.95, 2995), (0.05, 0.99, 90)])
def test_the_rule_of_three(bound: float, confidence: float, pairs: int) -> None:
    assert needed(bound, confidence) == pairs
    assert upper(0, pairs, confidence) <= bound < upper(0, pairs - 1, confidence)


def test_any_share_of_wrong_answers_needs_a_pair() -> None:
    assert needed(1.0, 0.95) == 1


# ---- rows -----------------------------------------------------------------------------------------------------------
def test_rates_with_and_without_guards() -> None:
    of = found(row(0.90), row(0.95), row(0.95, False, "numbers"), row(0.97, False), row(0.5), row(0.85, True, "words"))
    assert [one.threshold for one in of.guarded] == list(GRID)
    at = {one.threshold: one for one in of.guarded}
    assert (at[0.80].hits.count, at[0.80].hits.of, at[0.80].wrong.count, at[0.80].wrong.of) == (3, 6, 1, 3)
    assert (at[0.96].hits.count, at[0.96].wrong.count) == (1, 1)
    assert (at[0.95].hits.count, at[0.98].hits.count) == (2, 0), "a pair at the threshold is served"
    assert at[0.98].most == 1.0
    bare = {one.threshold: one for one in of.bare}
    assert (bare[0.80].hits.count, bare[0.80].wrong.count) == (5, 2)
    assert (of.right, of.false) == (4, 2)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans(), st.sampled_from(["", "numbers"])), min_size=1, max_size=60))
def test_counts_are_those_of_a_plain_count(pairs: list[tuple[float, bool, str]]) -> None:
    rows = [row(*pair) for pair in pairs]
    of = found(*rows, bound=0.3, confidence=0.5)
    assert of.picked is None or of.picked.most <= 0.3
    for one in (*of.guarded, *([of.picked] if of.picked else ())):
        served = [each for each in rows if each.served(one.threshold)]
        assert one.hits.count == one.wrong.of == len(served)
        assert one.wrong.count == sum(not each.pair.same for each in served)


# ---- picking --------------------------------------------------------------------------------------------------------
def test_the_lowest_threshold_that_meets_the_bound() -> None:
    rows = [row(0.95 + number / 10_000) for number in range(300)]
    assert found(*rows).picked == found(*rows).guarded[0]
    picked = found(*rows, *[row(0.8543, False)] * 10).picked
    assert picked is not None
    assert picked.threshold == 0.8544, "just above the last that is wrong"
    assert (picked.hits.count, picked.wrong.count) == (300, 0)
    assert picked.most <= 0.01


def test_a_wrong_pair_at_the_very_top_is_borne_if_enough_are_right() -> None:
    rows = [row(0.9)] * 600
    assert found(*rows, row(1.0, False)).picked is not None
    assert found(*rows[:400], row(1.0, False)).picked is None


def test_what_a_guard_refuses_is_not_held_against_the_threshold() -> None:
    picked = found(*[row(0.9)] * 299, *[row(0.99, False, "numbers")] * 50).picked
    assert picked is not None
    assert picked.threshold == GRID[0]


def test_too_few_pairs_promise_nothing() -> None:
    of = found(*[row(0.99)] * 298)
    assert of.picked is None
    assert of.needed == 299


def test_nothing_served_is_nothing_picked() -> None:
    assert found(row(0.5), bound=1.0).picked is None
    assert found(row(0.81), bound=1.0).picked is not None


def test_many_pairs_are_quickly_sorted_out() -> None:
    rng = Random(1)
    rows = [row(rng.random(), rng.random() < 0.5) for _ in range(20_000)]
    assert found(*rows).picked is None
