"""What hedging may cost: never more than its share, whatever the traffic; and nothing while much fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.failover.hedging import GRACE, ROUTES, Hedging, expected_cost
from proxy.policy.routes import Hedge
from proxy.policy.targets import Asking, Candidate, Facts, Limits, Target
from tests.support.clock import FakeClock

HEDGE = Hedge(after=1.0)
LIMITS = Limits(connect=1, first_byte=1, idle=1, total=1)


def hedged(hedging: Hedging, requests: int, *, wishes: int = 1, cost: float = 0.0, hedge: Hedge = HEDGE) -> int:
    started = 0
    for _ in range(requests):
        hedging.requested("r", hedge, cost)
        for _ in range(wishes):
            if hedging.open("r", hedge, cost):
                hedging.settle(hedging.reserve("r", cost), None)
                started += 1
    return started


@pytest.mark.parametrize("cost", [0.0, 1.0, 1e6])
def test_the_share_is_kept_over_any_number_of_requests(cost: float) -> None:
    hedging = Hedging(FakeClock())
    assert hedged(hedging, GRACE, cost=cost) == 5
    assert hedged(hedging, 10_000 - GRACE, cost=cost) == 495


def test_the_grace_is_there_at_once() -> None:
    assert hedged(Hedging(FakeClock()), 1, wishes=50) == 5


def test_a_small_share_is_saved_up_for() -> None:
    rare = Hedge(after=1.0, extra_spend=0.001)
    assert hedged(Hedging(FakeClock()), 10_000, hedge=rare) == 10


def test_a_quiet_time_saves_up_little() -> None:
    hedging = Hedging(FakeClock())
    assert hedged(hedging, 100_000, wishes=0) == 0
    assert hedged(hedging, 1, wishes=1000) == 5


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 3), st.none() | st.integers(0, 10**6)), max_size=300))
def test_losers_never_cost_more_than_their_share(trace: list[tuple[float, int, int | None]]) -> None:
    """Whatever requests cost; a loser that turned out dearer than expected is made good before the next one."""
    hedging = Hedging(FakeClock())
    total = lost = 0.0
    requests = 0
    for cost, wishes, spent in trace:
        hedging.requested("r", HEDGE, cost)
        requests += 1
        total += cost
        for _ in range(wishes):
            if hedging.open("r", HEDGE, cost):
                advance = total / requests * max(0, GRACE - requests)
                assert lost + cost <= HEDGE.extra_spend * (total + advance) * (1 + 1e-6) + 1e-3
                hedging.settle(hedging.reserve("r", cost), spent)
                lost += cost if spent is None else spent


def test_what_a_loser_did_not_cost_may_be_spent_again() -> None:
    """Cancelled losers cost their prompt: requests are counted as well, so that they do not become free."""
    hedging = Hedging(FakeClock())
    started = 0
    for _ in range(1000):
        hedging.requested("r", HEDGE, 100.0)
        if hedging.open("r", HEDGE, 100.0):
            hedging.settle(hedging.reserve("r", 100.0), 0)
            started += 1
    assert started == 50


def test_it_ends_when_much_fails_and_comes_back() -> None:
    clock = FakeClock()
    hedging = Hedging(clock)
    for number in range(100):
        hedging.requested("r", HEDGE, 0.0)
        hedging.tried("r")
        if number % 9 == 0:
            hedging.failed("r")
    assert not hedging.open("r", HEDGE, 0.0)
    assert hedging.open("r", Hedge(after=1.0, error_rate=0.2), 0.0)
    clock.advance(11)
    assert hedging.open("r", HEDGE, 0.0)


def test_a_single_error_says_nothing() -> None:
    hedging = Hedging(FakeClock())
    hedging.requested("r", HEDGE, 0.0)
    hedging.tried("r")
    hedging.failed("r")
    assert hedging.open("r", HEDGE, 0.0)


def test_routes_are_apart_and_bounded_in_number() -> None:
    hedging = Hedging(FakeClock())
    hedged(hedging, 1, wishes=50)
    hedging.requested("other", HEDGE, 0.0)
    assert not hedging.open("r", HEDGE, 0.0)
    assert hedging.open("other", HEDGE, 0.0)
    for number in range(ROUTES + 10):
        hedging.tried(f"r{number}")
    assert len(hedging._routes) == ROUTES


def test_a_price_that_is_not_known_is_no_price() -> None:
    target = Target(provider="p", model="m", limits=LIMITS)
    asking = Asking(prompt=1000, output=500)
    priced = Candidate(target=target, model="m", facts=Facts(input_price=2_000_000, output_price=10_000_000))
    assert expected_cost(priced, asking) == 7000.0
    assert expected_cost(Candidate(target=target, model="m", facts=Facts(input_price=2)), asking) == 0.0
