"""How soon a target begins to answer, as far as it is known."""

from random import Random

import pytest

from proxy.health.latency import FASTEST, FEW, HALF_LIFE, HOLDS, LEAST, MEMORY, Latency


def noted(values: list[float], now: float = 100.0) -> Latency:
    it = Latency()
    for value in values:
        it.note(value, now)
    return it


def test_nothing_is_known_at_first() -> None:
    assert Latency().peak(100.0) == 0.0
    assert Latency().percentile(0.5, 100.0) is None


def test_it_rises_at_once_and_halves_in_ten_seconds() -> None:
    it = noted([0.2, 4.0])
    assert it.peak(100.0) == 4.0
    assert it.peak(100.0 + HALF_LIFE) == pytest.approx(2.0)
    it.note(0.2, 100.0 + HALF_LIFE)
    assert it.peak(100.0 + HALF_LIFE) == pytest.approx(2.1)


def test_a_percentile_is_off_by_less_than_a_fifth() -> None:
    rng = Random(3)
    values = [rng.lognormvariate(-0.5, 0.8) for _ in range(5000)]
    it, values = noted(values), sorted(values)
    for share in (0.05, 0.5, 0.95, 0.99):
        assert it.percentile(share, 100.0) == pytest.approx(values[int(share * len(values))], rel=0.19)


def test_few_answers_say_nothing_and_old_ones_fade() -> None:
    it = noted([1.0] * (int(LEAST) - 1))
    assert it.percentile(0.95, 100.0) is None
    it.note(1.0, 100.0)
    assert it.percentile(0.95, 100.0) is not None
    assert it.percentile(0.95, 100.0 + MEMORY) is None


def test_the_recent_past_outweighs_the_rest() -> None:
    it = noted([5.0] * 100)
    for _ in range(100):
        it.note(0.1, 100.0 + 10 * MEMORY)
    late = it.percentile(0.95, 100.0 + 10 * MEMORY)
    assert late is not None
    assert late < 0.2


def test_an_answer_changes_a_percentile_that_was_asked_for() -> None:
    it = noted([0.1] * 20)
    first = it.percentile(0.95, 100.0)
    for _ in range(20):
        it.note(3.0, 100.0)
    last = it.percentile(0.95, 100.0)
    assert first is not None
    assert last is not None
    assert first < 0.2 < last


def test_among_many_answers_a_few_more_count_within_a_second() -> None:
    it = noted([0.1] * 1000)
    first = it.percentile(0.998, 100.0)
    for _ in range(int(1000 * FEW)):
        it.note(3.0, 100.0)
        assert it.percentile(0.998, 100.0) == first
    late = it.percentile(0.998, 100.0 + HOLDS)
    assert first is not None
    assert late is not None
    assert first < 0.2 < 2.0 < late


def test_more_than_a_few_count_at_once() -> None:
    it = noted([0.1] * 1000)
    first = it.percentile(0.998, 100.0)
    for _ in range(int(1000 * FEW) + 1):
        it.note(3.0, 100.0)
    assert it.percentile(0.998, 100.0) != first


def test_a_percentile_that_was_asked_for_fades_like_any_other_and_is_of_its_own_share() -> None:
    it = noted([0.1] * 6 + [3.0] * 4)
    half, most = it.percentile(0.5, 100.0), it.percentile(0.95, 100.0)
    assert half is not None
    assert most is not None
    assert half < 0.2 < 2.0 < most
    assert it.percentile(0.95, 100.0) == most
    assert it.percentile(0.95, 100.5) is None


def test_a_year_of_answers_loses_no_precision() -> None:
    it = Latency()
    for day in range(366):
        for _ in range(20):
            it.note(0.5, day * 86_400.0)
    assert it.percentile(0.5, 365 * 86_400.0) == pytest.approx(0.5, rel=0.19)


def test_answers_of_long_ago_do_not_make_up_for_few() -> None:
    it = noted([0.5] * 1000)
    it.note(0.5, 100.0 + 86_400.0)
    assert it.percentile(0.5, 100.0 + 86_400.0) is None


@pytest.mark.parametrize("seconds", [0.0, FASTEST / 2, 1e6])
def test_absurd_times_have_a_bucket(seconds: float) -> None:
    found = noted([seconds] * 20).percentile(0.5, 100.0)
    assert found is not None
    assert FASTEST <= found <= 1300.0


def test_many_at_once_come_to_the_same_as_one_by_one() -> None:
    rng = Random(7)
    lines = [(None, rng.lognormvariate(-1, 1), 100.0 + number / 7) for number in range(400)]
    # A pause after which what came before weighs next to nothing.
    lines += [(None, seconds, now + 50 * MEMORY) for _, seconds, now in lines]
    singly, together = Latency(), Latency()
    for _, seconds, now in lines:
        singly.note(seconds, now)
    for begin in range(0, len(lines), 64):
        together.note_all(lines[begin : begin + 64])
    end = lines[-1][2]
    assert together.peak(end) == singly.peak(end)
    for share in (0.05, 0.5, 0.95):
        assert together.percentile(share, end) == pytest.approx(singly.percentile(share, end))
