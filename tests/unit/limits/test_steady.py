"""GCRA: an even refill, a burst of the whole limit, and what a clock that jumps does to it."""

import random

import pytest

from proxy.limits.steady import Steady

HOUR = 3600.0


def full(limit: int, period: float, now: float = 0.0) -> Steady:
    """One that has just been used up."""
    steady = Steady(period, now, limit)
    steady.add(limit)
    return steady


def test_a_burst_is_the_whole_limit() -> None:
    steady = Steady(60, 100.0, 30)
    for used in range(30):
        assert steady.used == used
        steady.add(1)
    assert steady.used == 30


def test_it_refills_evenly() -> None:
    steady = full(30, 60)
    for step in range(1, 31):
        steady.advance(step * 2 - 0.01, 30)
        assert steady.used == 30 - (step - 1)
        steady.advance(step * 2.0, 30)
        assert steady.used == 30 - step


def test_the_wait_is_until_enough_has_drained() -> None:
    steady = full(30, 60)
    assert steady.wait(1, 0.0) == pytest.approx(2.0)
    assert steady.wait(30, 0.0) == pytest.approx(60.0)
    assert steady.wait(31, 0.0) is None
    steady.advance(1.0, 30)
    assert steady.used == 30, "half a one does not count"
    assert steady.wait(1, 1.0) == pytest.approx(1.0)


def test_after_the_wait_there_is_room_and_just_before_there_is_none() -> None:
    source = random.Random(11)
    for _ in range(500):
        limit, period, now = source.randint(1, 5000), source.choice([1, 60, 3600]), source.uniform(0, 1e6)
        steady = Steady(period, now, limit)
        steady.add(source.randint(1, limit))
        now += source.uniform(0, 0.5)
        steady.advance(now, limit)
        if not steady.used:
            continue
        excess = source.randint(1, steady.used)
        before = steady.used
        wait = steady.wait(excess, now)
        assert wait is not None
        if wait > 1e-3:
            steady.advance(now + wait - 1e-3 * period / limit, limit)
            assert steady.used > before - excess
        steady.advance(now + wait + 1e-5 * period / limit, limit)
        assert steady.used <= before - excess


def test_no_period_passes_more_than_the_burst_and_what_refills() -> None:
    source = random.Random(5)
    limit, period, now = 40, 60.0, 0.0
    steady = Steady(period, now, limit)
    log: list[tuple[float, int]] = []
    for _ in range(3000):
        now += source.expovariate(2)
        steady.advance(now, limit)
        amount = min(limit - steady.used, source.randint(1, 9))
        assert amount >= 0
        steady.add(amount)
        log.append((now, amount))
    for place, (begun, _) in enumerate(log):
        passed = 0
        for moment, amount in log[place : place + 200]:
            passed += amount
            assert passed <= limit + (moment - begun) * limit / period + 1e-3


def test_the_arrival_time_is_that_of_the_textbook() -> None:
    """TAT' = max(now, TAT) + amount x period / limit."""
    source = random.Random(9)
    limit, period, now, arrival = 25, 60.0, 500.0, 500.0
    steady = Steady(period, now, limit)
    for _ in range(500):
        now += source.expovariate(1)
        amount = source.randint(0, 4)
        steady.advance(now, limit)
        if amount > limit - steady.used:
            assert arrival + amount * period / limit - now > period - 1e-3
            continue
        steady.add(amount)
        arrival = max(now, arrival) + amount * period / limit
        assert max(steady.arrival, now) == pytest.approx(arrival, abs=1e-6)


def test_what_is_held_does_not_drain_and_puts_off_the_reset() -> None:
    steady = Steady(60, 0.0, 30)
    steady.held = 15
    assert steady.reset(0.0) == pytest.approx(30.0)
    steady.advance(HOUR, 30)
    assert steady.held == 15
    assert not steady.idle(HOUR)


def test_what_is_given_back_is_room_again_but_never_more_than_the_limit() -> None:
    steady = full(30, 60)
    steady.add(-10)
    assert steady.used == 20
    steady.undo(5)
    assert steady.used == 15
    steady.add(-100)
    assert steady.used == 0
    assert steady.wait(1, 0.0) is None


def test_another_limit_drains_at_its_own_pace_from_then_on() -> None:
    steady = full(30, 60)
    steady.advance(20.0, 30)
    assert steady.used == 20
    steady.advance(20.0, 60)
    steady.advance(30.0, 60)
    assert steady.used == 10


def test_idle_once_everything_has_drained() -> None:
    steady = full(30, 60, now=10.0)
    assert not steady.idle(69.9)
    assert steady.idle(70.0)
    assert steady.arrival == pytest.approx(70.0)


def test_a_step_back_of_an_hour_drains_nothing_and_makes_nobody_wait_for_it() -> None:
    steady = full(30, 60, now=2 * HOUR)
    steady.advance(HOUR, 30)
    assert steady.used == 30
    wait = steady.wait(30, HOUR)
    assert wait == pytest.approx(60.0)
    steady.advance(HOUR + 30, 30)
    assert steady.used == 15


def test_a_step_forward_of_an_hour_gives_the_limit_once() -> None:
    steady = full(30, 60)
    steady.advance(HOUR, 30)
    assert steady.used == 0
    steady.add(30)
    assert steady.used == 30, "what was left over does not add up"


def test_there_and_back_again_never_goes_below_zero() -> None:
    source = random.Random(3)
    steady, now = Steady(60, 10 * HOUR, 30), 10 * HOUR
    for _ in range(3000):
        now += source.choice([HOUR, -HOUR, 0.5, 1.0, 20.0])
        steady.advance(now, 30)
        steady.add(min(source.randint(0, 9), 30 - steady.used))
        assert 0 <= steady.used <= 30
        assert 0 <= steady.reset(now) <= 60 + 1e-6
        wait = steady.wait(steady.used, now)
        assert wait is not None
        assert 0 <= wait <= 60 + 1e-6


def test_absurd_amounts_do_not_break_it() -> None:
    steady = Steady(60, 1e9, 10**12)
    steady.add(10**15)
    assert steady.used == 10**15
    wait = steady.wait(10**15, 1e9)
    assert wait == pytest.approx(60_000.0)
    steady.advance(1e9 + 60_000.0, 10**12)
    assert steady.used <= 1000, "rounding, of 10^15"
