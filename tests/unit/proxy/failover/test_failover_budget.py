"""The retry budget over any trace, and pauses with full jitter."""

from collections import deque
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.failover.backoff import LEAST, pause
from proxy.failover.budget import SECONDS, UPSTREAMS, Budgets
from proxy.policy.routes import Retries, Retry
from tests.support.clock import FakeClock

STEPS = st.sampled_from([0.0, 0.0, 0.001, 0.4, 1.0, 3.0, 9.0, 10.0, 11.0, 3600.0])
TRACE = st.lists(st.tuples(STEPS, st.integers(0, 20), st.integers(0, 20)), max_size=40)
RULES = st.builds(Retries, ratio=st.sampled_from([0.0, 0.2, 1.0]), per_second=st.sampled_from([0.0, 0.1, 3.0]))


@given(TRACE, RULES)
def test_over_any_trace_retries_stay_within_the_bound(trace: list[tuple[float, int, int]], rule: Retries) -> None:
    """Against a plain log: a retry is granted only where it fits into the bound of the ten cells that end with it."""
    clock = FakeClock()
    budgets = Budgets(clock)
    log: deque[tuple[int, bool]] = deque()
    for passed, requests, wishes in trace:
        clock.advance(passed)
        for _ in range(requests):
            budgets.requested("p")
            log.append((int(clock.now), False))
        for _ in range(wishes):
            recent = [retry for cell, retry in log if cell > int(clock.now) - SECONDS]
            bound = max(rule.ratio * recent.count(False), rule.per_second * SECONDS)
            fits = recent.count(True) + 1 <= bound
            allowed = budgets.allows("p", rule)
            assert budgets.take("p", rule) is allowed
            assert fits or not allowed
            if allowed:
                log.append((int(clock.now), True))


@given(st.lists(st.tuples(STEPS, st.sampled_from("pqr"), st.integers(0, 40), st.integers(0, 20)), max_size=40))
def test_all_upstreams_together_retry_no_more_than_their_share(trace: list[tuple[float, str, int, int]]) -> None:
    clock = FakeClock()
    budgets = Budgets(clock)
    requests = retries = 0
    for passed, upstream, begun, wishes in trace:
        clock.advance(passed)
        for _ in range(begun):
            budgets.requested(upstream)
        requests += begun
        retries += sum(budgets.take(upstream, Retries(per_second=0)) for _ in range(wishes))
    assert retries <= 0.2 * requests


def test_what_was_granted_ahead_is_paid_for() -> None:
    """Three upstreams, each with its floor at once, under a steady load: over a minute it is still a share of the requests."""
    clock = FakeClock()
    budgets = Budgets(clock)
    retries = 0
    for number in range(60 * 200):
        clock.now = number / 200
        budgets.requested("pqr"[number % 3])
        retries += sum(budgets.take("pqr"[number % 3], Retries()) for _ in range(2))
    assert 0.19 * 12_000 < retries <= 0.2 * 12_000


def test_a_try_elsewhere_costs_its_own_upstream_nothing() -> None:
    budgets = Budgets(FakeClock())
    rule = Retries(per_second=0)
    for upstream in ("p", "q", "q", "q", "q") * 20:
        budgets.requested(upstream)
    assert sum(budgets.take("p", rule) for _ in range(100)) == 4
    assert sum(budgets.take("p", rule, elsewhere=True) for _ in range(100)) == 16


def test_a_quiet_upstream_adds_nothing_to_a_busy_one() -> None:
    budgets = Budgets(FakeClock())
    for _ in range(1000):
        budgets.requested("busy")
    granted = sum(budgets.take(upstream, Retries()) for upstream in ("busy", "quiet") for _ in range(1000))
    assert granted == 200


def test_a_quiet_upstream_has_its_floor() -> None:
    budgets = Budgets(FakeClock())
    granted = sum(budgets.take("p", Retries()) for _ in range(100))
    assert granted == 30
    assert Budgets(FakeClock()).take("p", Retries(ratio=1, per_second=0)) is False


def test_upstreams_have_budgets_of_their_own() -> None:
    budgets = Budgets(FakeClock())
    while budgets.take("p", Retries()):
        pass
    assert budgets.take("q", Retries())
    assert not budgets.allows("p", Retries())


def test_budgets_are_bounded_in_number() -> None:
    budgets = Budgets(FakeClock())
    for number in range(UPSTREAMS + 50):
        budgets.requested(f"p{number}")
    assert len(budgets._windows) + len(budgets._begun) <= UPSTREAMS + 50
    assert budgets.allows(f"p{number}", Retries())
    assert len(budgets._windows) == UPSTREAMS
    assert "p0" not in budgets._windows


def test_a_clock_that_goes_back_forgets_nothing_and_breaks_nothing() -> None:
    clock = FakeClock()
    budgets = Budgets(clock)
    rule = Retries(per_second=0.1)
    assert budgets.take("p", rule)
    clock.now -= 500
    assert not budgets.take("p", rule)


@given(
    st.floats(0, 300),
    st.floats(0, 300),
    st.integers(0, 10_000),
    st.floats(0, 1e6) | st.just(float("inf")),
    st.integers(),
)
def test_a_pause_never_outlasts_its_bounds(base: float, longest: float, again: int, left: float, seed: int) -> None:
    found = pause(Retry(base=base, longest=longest), again, Random(seed), left=left)
    assert 0.0 <= found <= longest
    assert found <= max(0.0, left - LEAST)


def test_the_jitter_is_full_and_doubles() -> None:
    rng = Random(1)
    for again, most in ((0, 0.25), (1, 0.5), (5, 8.0), (9, 8.0)):
        drawn = [pause(Retry(), again, rng, left=1e9) for _ in range(2000)]
        assert max(drawn) <= most
        assert sum(drawn) / len(drawn) == pytest.approx(most / 2, rel=0.1)
        assert min(drawn) < most * 0.02
