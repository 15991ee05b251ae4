"""The strict sliding window: what counts, for how long, and what a clock that jumps does to it."""

import random

import pytest

from proxy.limits.window import BUCKETS, Window

HOUR = 3600.0


def at(window: Window, now: float) -> int:
    """What counts as used at ``now``."""
    window.advance(now, 0)
    return window.used


def test_what_was_used_counts_for_a_period_and_at_most_a_bucket_longer() -> None:
    window = Window(60, 0.0)
    window.advance(10.9, 0)
    window.add(5)
    assert at(window, 70.9) == 5, "a period later, to the instant"
    assert at(window, 70.999) == 5
    assert at(window, 71.0) == 0


@pytest.mark.parametrize("period", [1, 3, 60, 3600, 86_400])
def test_no_period_passes_more_than_was_let(period: int) -> None:
    """A greedy caller takes what is free at random moments; every period of the log is looked at."""
    source = random.Random(period)
    limit, now = 50, 1000.0
    window = Window(period, now)
    log: list[tuple[float, int]] = []
    for _ in range(3000):
        now += source.expovariate(100 / period)
        window.advance(now, limit)
        free = limit - window.used
        amount = min(free, source.randint(1, 20))
        window.add(amount)
        log.append((now, amount))
        while log[0][0] <= now - period:
            log.pop(0)
        assert sum(amount for _, amount in log) <= limit
        assert free >= 0


def test_amounts_of_one_bucket_add_up_and_leave_together() -> None:
    window = Window(60, 0.0)
    for now in (5.0, 5.2, 5.9, 6.0):
        window.advance(now, 0)
        window.add(1)
    assert at(window, 65.9) == 4
    assert at(window, 66.0) == 1
    assert at(window, 67.0) == 0


def test_the_wait_is_until_enough_has_aged_out() -> None:
    window = Window(60, 0.0)
    for now, amount in ((0.0, 3), (10.0, 4), (20.0, 5)):
        window.advance(now, 0)
        window.add(amount)
    for excess, moment in ((1, 61.0), (3, 61.0), (4, 71.0), (7, 71.0), (8, 81.0), (12, 81.0)):
        wait = window.wait(excess, 20.0)
        assert wait == pytest.approx(moment - 20.0)
    assert window.wait(13, 20.0) is None


def test_after_the_wait_there_is_room_and_just_before_there_is_none() -> None:
    source = random.Random(7)
    for _ in range(300):
        now = source.uniform(0, 1e6)
        window = Window(source.choice([1, 60, 3600]), now)
        for _ in range(source.randint(1, 30)):
            now += source.uniform(0, 3)
            window.advance(now, 0)
            window.add(source.randint(1, 9))
        excess = source.randint(1, window.used)
        before = window.used
        wait = window.wait(excess, now)
        assert wait is not None
        assert at(window, now + wait - 1e-4) > before - excess
        assert at(window, now + wait + 1e-4) <= before - excess


def test_reset_is_when_nothing_counts() -> None:
    window = Window(60, 0.0)
    assert window.reset(0.0) == 0.0
    window.add(1)
    window.advance(30.5, 0)
    window.add(1)
    assert window.reset(30.5) == pytest.approx(91.0 - 30.5)
    window.advance(50.0, 0)
    assert window.reset(50.0) == pytest.approx(41.0)
    window.held = 4
    assert window.reset(50.0) == pytest.approx(61.0), "what is held may be used now"


def test_what_is_held_does_not_age() -> None:
    window = Window(60, 0.0)
    window.held = 7
    window.advance(10 * HOUR, 0)
    assert window.held == 7
    assert not window.idle(10 * HOUR)


def test_idle_once_nothing_counts_and_nothing_is_held() -> None:
    window = Window(60, 0.0)
    assert window.idle(0.0)
    window.add(1)
    assert not window.idle(60.9)
    assert window.idle(61.0)


def test_undone_at_once_leaves_what_was_there() -> None:
    window = Window(60, 0.0)
    window.add(3)
    window.add(2)
    window.undo(2)
    assert window.used == 3
    assert at(window, 60.0) == 3
    assert at(window, 61.0) == 0


def test_nothing_is_ever_given_back_by_a_negative_amount() -> None:
    window = Window(60, 0.0)
    window.add(3)
    window.add(-2)
    window.undo(-2)
    assert window.used == 3


def test_a_step_back_of_an_hour_forgets_nothing_and_makes_nobody_wait_for_it() -> None:
    window = Window(60, 2 * HOUR)
    window.add(6)
    window.advance(2 * HOUR + 20, 0)
    window.add(4)
    window.advance(HOUR + 20, 0)
    assert window.used == 10
    wait = window.wait(10, HOUR + 20)
    assert wait is not None
    assert 0 <= wait <= 61
    assert at(window, HOUR + 20 + 40.0) == 10
    assert at(window, HOUR + 20 + 41.0) == 4
    assert at(window, HOUR + 20 + 61.0) == 0


def test_a_step_forward_of_an_hour_is_an_hour() -> None:
    window = Window(86_400, 0.0)
    window.add(10)
    assert at(window, HOUR) == 10
    minute = Window(60, 0.0)
    minute.add(10)
    assert at(minute, HOUR) == 0
    assert minute.wait(1, HOUR) is None


def test_there_and_back_again_never_goes_below_zero() -> None:
    source = random.Random(3)
    window, now = Window(60, 10 * HOUR), 10 * HOUR
    for _ in range(3000):
        now += source.choice([HOUR, -HOUR, 0.5, 1.0, 20.0])
        window.advance(now, 0)
        window.add(source.randint(0, 3))
        assert 0 <= window.used
        wait = window.wait(max(window.used, 1), now)
        assert wait is None or 0 <= wait <= 60 + 60 / BUCKETS + 1e-6
        assert 0 <= window.reset(now) <= 60 + 60 / BUCKETS + 1e-6


def test_memory_is_bounded_by_the_buckets() -> None:
    window = Window(60, 0.0)
    for step in range(10_000):
        window.advance(step * 0.3, 0)
        window.add(1)
    assert len(window._buckets) == BUCKETS, "beside the current one"
    assert window.used == sum(window._buckets.values()) + window._fresh


def test_absurd_amounts_stay_exact() -> None:
    window = Window(60, 0.0)
    window.add(10**15)
    window.add(1)
    window.add(10**30)
    assert window.used == 10**30 + 10**15 + 1
    assert at(window, 61.0) == 0
