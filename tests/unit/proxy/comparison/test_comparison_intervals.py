"""Arithmetic: intervals of shares, differences on the same questions, and who is beaten by nobody."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.comparison.intervals import Placed, front, gap, mcnemar, wilson

COUNTS = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("passed", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3; and the two ends by hand: z² / (n + z²).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (29, 29, 0.8830, 1.0)],
)  # fmt: skip
def test_wilsons_interval_is_the_published_one(passed: int, n: int, low: float, high: float) -> None:
    assert wilson(passed, n) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS)
def test_wilsons_interval_holds_the_share_and_is_the_same_from_the_other_side(counts: tuple[int, int]) -> None:
    passed, n = counts
    low, high = wilson(passed, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= passed / n <= high
        other_low, other_high = wilson(n - passed, n)
        assert (1 - high, 1 - low) == pytest.approx((other_low, other_high), abs=1e-12)


@given(st.integers(1, 200), st.integers(1, 200))
def test_more_questions_make_wilsons_interval_narrower(passed: int, failed: int) -> None:
    low, high = wilson(passed, passed + failed)
    finer_low, finer_high = wilson(4 * passed, 4 * (passed + failed))
    assert low < finer_low < finer_high < high


def test_of_no_question_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    nothing = gap("a", "b", [])
    assert (nothing.low, nothing.high, nothing.p, nothing.n) == (-1.0, 1.0, 1.0, 0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(better: int, worse: int) -> None:
    n = better + worse
    tail = sum(Fraction(math.comb(n, k), 2**n) for k in range(min(better, worse) + 1))
    assert mcnemar(better, worse) == pytest.approx(float(min(2 * tail, Fraction(1))))
    assert mcnemar(better, worse) == mcnemar(worse, better)


def test_mcnemar_of_very_many_is_near_the_exact_one() -> None:
    n, less = 1002, 450
    exact = 2 * sum(Fraction(math.comb(n, k), 2**n) for k in range(less + 1))
    assert mcnemar(less, n - less) == pytest.approx(float(exact), rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40), st.integers(0, 5))
def test_a_difference_is_the_same_for_the_same_seed_and_turns_with_the_pair(
    verdicts: list[tuple[bool, bool]], seed: int
) -> None:
    found = gap("a", "b", verdicts, seed=seed)
    assert found == gap("a", "b", verdicts, seed=seed)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    turned = gap("b", "a", [(other, one) for one, other in verdicts], seed=seed)
    assert turned.difference == -found.difference
    assert (turned.better, turned.worse, turned.p) == (found.worse, found.better, found.p)


def test_another_seed_draws_other_samples() -> None:
    verdicts = [(at % 3 == 0, at % 5 == 0) for at in range(97)]
    drawn = {(found.low, found.high) for seed in range(8) if (found := gap("a", "b", verdicts, seed=seed))}
    assert len(drawn) > 1


def test_no_difference_seen_is_not_taken_for_none_there_is() -> None:
    few, many = gap("a", "b", [(True, True)] * 10), gap("a", "b", [(True, True)] * 1000)
    assert few.low < -0.05 < 0.05 < few.high
    assert -0.005 < many.low <= 0 <= many.high < 0.005


def test_the_interval_of_a_difference_is_near_the_one_of_wald() -> None:
    verdicts = [(True, False)] * 60 + [(False, True)] * 30 + [(True, True)] * 110
    found = gap("a", "b", verdicts)
    spread = math.sqrt((90 - 30 * 30 / 200) / 200**2)
    assert found.low == pytest.approx(0.15 - 1.96 * spread, abs=0.012)
    assert found.high == pytest.approx(0.15 + 1.96 * spread, abs=0.012)


PLACES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(PLACES)
def test_a_model_is_on_the_front_if_and_only_if_nobody_beats_it(places: list[tuple[int, int]]) -> None:
    given_places = [Placed(str(at), cost, quality) for at, (cost, quality) in enumerate(places)]

    def beaten(one: Placed) -> bool:
        return any(
            other.cost <= one.cost
            and other.quality >= one.quality
            and (other.cost < one.cost or other.quality > one.quality)
            for other in given_places
        )

    found = front(given_places)
    assert {each.model for each in found} == {each.model for each in given_places if not beaten(each)}
    assert [each.cost for each in found] == sorted(each.cost for each in found)
