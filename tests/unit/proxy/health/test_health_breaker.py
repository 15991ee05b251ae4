"""When a target is given up and taken back: thresholds to the fault, cooldowns to the second."""

from random import Random

import pytest

from proxy.health.breaker import JITTER, SILENCE, Breaker
from proxy.policy.routes import Breaker as Settings


def breaker(**settings: float) -> Breaker:
    return Breaker(Settings(**settings), Random(1))  # type: ignore[arg-type]


def fail(it: Breaker, now: float, times: int = 1) -> bool:
    return [it.faulted(it.turn, 0, now) for _ in range(times)][-1]


def succeed(it: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        it.succeeded(it.turn, now)


def reopen(it: Breaker, now: float) -> float:
    """One probe that fails: the cooldown that follows."""
    assert it.faulted(it.turn, it.begin_probe(now), now)
    return it.until - now


def test_five_in_a_row_open_it_and_one_success_begins_anew() -> None:
    it = breaker()
    assert not fail(it, 100.0, 4)
    succeed(it, 100.0)
    assert not fail(it, 100.0, 4)
    assert fail(it, 100.0)
    assert not it.takes(100.0)
    assert 24.0 <= it.until - 100.0 <= 36.0


@pytest.mark.parametrize(
    ("successes", "faults", "opens"), [(10, 10, True), (10, 9, False), (11, 10, False), (9, 9, False)]
)
def test_half_of_at_least_twenty_open_it(successes: int, faults: int, opens: bool) -> None:
    it = breaker(consecutive=1000)
    succeed(it, 100.0, successes)
    fail(it, 105.0, faults)
    assert (it.until > 0) is opens


def test_what_is_older_than_the_window_does_not_count() -> None:
    it = breaker(consecutive=1000)
    succeed(it, 100.0, 100)
    fail(it, 109.5, 19)
    assert not it.until
    fail(it, 110.0)
    assert it.until, "the hundred successes are ten seconds old"


def test_a_jump_over_several_cells_forgets_those_between() -> None:
    it = breaker(consecutive=1000, minimum=4)
    for now in (100.0, 101.0, 102.0):
        fail(it, now)
    assert not fail(it, 111.5), "one of 102.0, this one: two"
    assert not fail(it, 111.6)
    assert not fail(it, 112.0), "102.0 is gone by now"
    assert fail(it, 112.1)


@pytest.mark.parametrize(("window", "at", "counted"), [(0.5, 0.6, False), (90.0, 85.0, True), (90.0, 92.0, False)])
def test_windows_of_any_length(window: float, at: float, counted: bool) -> None:
    it = breaker(consecutive=1000, minimum=2, window=window)
    fail(it, 900.0)
    assert fail(it, 900.0 + at) is counted


def test_each_cooldown_is_twice_the_one_before_up_to_the_longest() -> None:
    it = breaker()
    now = 100.0
    fail(it, now, 5)
    cooldowns = [it.until - now]
    for _ in range(6):
        now = it.until
        cooldowns.append(reopen(it, now))
    for cooldown, wanted in zip(cooldowns, (30, 60, 120, 240, 300, 300, 300), strict=True):
        assert wanted * (1 - JITTER) <= cooldown <= min(wanted * (1 + JITTER), 300)
    assert len(set(cooldowns)) > 4, "no two targets come back in step"


@pytest.mark.parametrize(("healthy", "first"), [(299.0, False), (300.0, True)])
def test_growth_is_forgotten_after_a_healthy_stretch(healthy: float, first: bool) -> None:
    it = breaker()
    fail(it, 100.0, 5)
    now = it.until
    it.begin_probe(now)
    assert it.succeeded(it.turn, now)
    fail(it, now + healthy, 5)
    assert (it.times == 1) is first


def test_exactly_one_probe_and_its_success_closes() -> None:
    it = breaker()
    fail(it, 100.0, 5)
    now = it.until
    assert not it.takes(now - 0.001)
    assert it.takes(now)
    number = it.begin_probe(now)
    assert not it.takes(now)
    assert it.succeeded(it.turn, now + 1)
    assert it.takes(now + 1)
    assert not it.until
    assert not it.silent(number), "it has told something"


def test_a_silent_probe_gives_its_place_back_at_once_or_in_the_end() -> None:
    it = breaker()
    fail(it, 100.0, 5)
    now = it.until
    assert it.silent(it.begin_probe(now))
    assert it.takes(now)
    lost = it.begin_probe(now)
    assert not it.takes(now + SILENCE - 0.1)
    assert it.takes(now + SILENCE)
    it.begin_probe(now + SILENCE)
    assert not it.silent(lost), "the place is another's"
    assert not it.takes(now + SILENCE)


def test_what_began_before_the_opening_neither_closes_nor_extends_it() -> None:
    it = breaker()
    turn = it.turn
    fail(it, 100.0, 5)
    until = it.until
    assert not it.succeeded(turn, 101.0)
    assert not it.faulted(turn, 0, 101.0)
    assert it.until == until
    it.begin_probe(until)
    it.succeeded(it.turn, until)
    assert not any(it.faulted(turn, 0, until + 1) for _ in range(20)), "stragglers of the bad time"
    assert not it.until


def test_faults_of_the_last_target_do_not_lengthen_its_cooldown() -> None:
    it = breaker()
    fail(it, 100.0, 5)
    until = it.until
    assert not fail(it, 110.0, 100)
    assert it.until == until
    assert it.succeeded(it.turn, 111.0), "but it may prove that it is well"


def test_other_settings_hold_from_the_next_fault() -> None:
    it = breaker()
    fail(it, 100.0, 3)
    it.use(Settings(consecutive=4, cooldown=100.0, window=20.0))
    assert fail(it, 100.0)
    assert it.until - 100.0 >= 80.0


def test_hearsay_opens_once_and_holds_the_probe_back() -> None:
    it = breaker()
    assert it.heard_open(100.0, 20.0, 3)
    assert not it.heard_open(101.0, 5.0, 3), "it ends sooner than what is known"
    assert it.until == 120.0
    assert it.heard_probe(121.0)
    assert not it.takes(121.0)
    assert it.silent(-1)
    assert it.takes(121.0)
    assert 192.0 <= reopen(it, 121.0) <= 288.0, "the cooldown goes on growing from what was heard"


@pytest.mark.parametrize("seconds", [1e9, -5.0])
def test_hearsay_is_bounded(seconds: float) -> None:
    it = breaker()
    it.heard_open(100.0, seconds, 10**6)
    assert it.until <= 400.0
    assert it.times <= 30
