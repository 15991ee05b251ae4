"""The limiter of one worker, against a plain log of everything that happened, and against a library where the two overlap."""

import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from proxy.limits.memory import MemoryLimitStore
from proxy.policy.rules import Charge, Denial, Reservation, Rule
from tests.contract.limits.asking import rule as limit
from tests.support.clock import FakeClock

T = TypeVar("T")

PERIOD = 60.0
BUCKET = 1.0
"""A period's sixtieth. Times are multiples of an eighth of a second, which floating point adds up exactly."""

STEPS = st.sampled_from([0.125, 0.5, 1.0, 7.0, 20.0, 59.0, 60.0, 61.0, 3600.0])
AMOUNTS = st.integers(0, 8)
SLACK = 1e-3
"""Of one token: what the rounding of a steady limit may make of it."""


def now_or_never(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that may not wait."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


class Under:
    """A reservation as the model knows it: for each rule, what is held and what was spent."""

    def __init__(self, reservation: Reservation, held: dict[str, int], lease: float, deadline: float) -> None:
        self.reservation = reservation
        self.held = held
        self.spent = dict.fromkeys(held, 0)
        self.lease = lease
        self.deadline = deadline
        self.over = False
        self.lapsed = False


class Limiter(RuleBasedStateMachine):
    """Random requests, streams, leases and clocks. Time that a clock goes back is time that did not pass."""

    under_way = Bundle("under_way")

    @initialize(
        requests=st.integers(1, 6),
        tokens=st.integers(1, 20),
        steady=st.integers(1, 20),
        slots=st.integers(1, 4),
        money=st.integers(1, 60),
    )
    def begin(self, requests: int, tokens: int, steady: int, slots: int, money: int) -> None:
        self.clock = FakeClock(7200.0)
        self.store = MemoryLimitStore(self.clock, lambda: 1.8e9)
        self.now = 0.0
        self.numbers = count()
        self.rules: dict[str, Rule] = {
            "requests": limit("rpm", requests),
            "tokens": limit("tpm", tokens),
            "steady": limit("steady_tpm", steady),
            "slots": limit("concurrency", slots),
            "money": limit("budget", money),
        }
        self.log: dict[str, list[tuple[float, int]]] = {name: [] for name in self.rules}
        self.level, self.drained = 0.0, 0.0
        self.reservations: list[Under] = []
        self.overrun = False
        """Did somebody use more than was held, or use it after the lease had ended?"""

    # ---- the model --------------------------------------------------------------------------------------------------

    def used(self, name: str, within: float) -> int:
        """In the last ``within`` seconds, both ends included."""
        return sum(amount for moment, amount in self.log[name] if self.now - moment <= within)

    def held(self, name: str) -> int:
        return sum(each.held.get(name, 0) for each in self.reservations)

    def note(self, name: str, amount: int) -> None:
        if amount and name != "slots":
            self.log[name].append((self.now, amount))
        if name == "steady":
            self.drain()
            self.level = max(self.level + amount, 0.0)

    def drain(self) -> None:
        self.level = max(self.level - (self.now - self.drained) * self.rules["steady"].limit / PERIOD, 0.0)
        self.drained = self.now

    def lapse(self) -> None:
        for each in self.reservations:
            if not each.over and each.deadline <= self.now:
                each.lapsed = True
                each.held = dict.fromkeys(each.held, 0)

    def bounds(self, name: str) -> tuple[float, float]:
        """The least and the most that the store may count as used and held."""
        held = self.held(name)
        if name in ("requests", "tokens"):
            return held + self.used(name, PERIOD - 1e-9), held + self.used(name, PERIOD + BUCKET)
        if name == "steady":
            self.drain()
            return held + self.level - SLACK, held + self.level + 1 - SLACK
        return (held + self.used(name, float("inf")),) * 2

    def possible(self, name: str, amount: int) -> tuple[bool, bool]:
        """(may it be granted, must it be granted)"""
        if name == "steady":
            self.drain()
            room = self.rules[name].limit - self.level - self.held(name)
            return amount <= room + SLACK, amount <= room - SLACK
        least, most = self.bounds(name)
        return amount + least <= self.rules[name].limit, amount + most <= self.rules[name].limit

    def charge(self, name: str, amount: int) -> Charge:
        return Charge(self.rules[name], amount, amount, "total" if name == "money" else "")

    # ---- what happens -----------------------------------------------------------------------------------------------

    @rule(
        target=under_way,
        asked=st.dictionaries(st.sampled_from(["requests", "tokens", "steady", "slots", "money"]), AMOUNTS, min_size=1),
        lease=st.sampled_from([0.5, 30.0, 60.0, 1e6]),
    )
    def reserve(self, asked: dict[str, int], lease: float) -> Any:
        asked = {name: min(amount, 1) if name in ("requests", "slots") else amount for name, amount in asked.items()}
        charges = [self.charge(name, amount) for name, amount in asked.items()]
        answer = now_or_never(self.store.reserve(f"{next(self.numbers)}", charges, lease))
        verdicts = {name: self.possible(name, amount) for name, amount in asked.items() if amount}
        if isinstance(answer, Denial):
            assert not all(must for _, must in verdicts.values())
            self.check_denial(answer)
            return multiple()
        assert all(may for may, _ in verdicts.values())
        held = {name: 0 if name == "requests" else amount for name, amount in asked.items()}
        if asked.get("requests"):
            self.note("requests", asked["requests"])
        made = Under(answer, held, lease, self.now + lease)
        self.reservations.append(made)
        return made

    def check_denial(self, denial: Denial) -> None:
        assert denial.left < denial.need
        if denial.rule.method == "money" or denial.need > denial.rule.limit:
            assert denial.retry_after is None
        else:
            assert denial.retry_after is not None
            assert 0 < denial.retry_after <= (10**6 if self.overrun else PERIOD + BUCKET)

    @rule(each=under_way, share=st.floats(0, 1.5))
    def spend(self, each: Under, share: float) -> None:
        amounts = []
        for name, held in each.held.items():
            amount = int(held * share)
            amounts.append(amount)
            if each.over or name in ("requests", "slots"):
                continue
            self.overrun |= amount > held
            each.held[name] -= min(amount, held)
            each.spent[name] += amount
            self.note(name, amount)
        now_or_never(self.store.spend(each.reservation, amounts))

    @rule(each=under_way, more=AMOUNTS)
    def extend(self, each: Under, more: int) -> None:
        amounts = [0 if name in ("requests", "slots") else more for name in each.held]
        verdicts = [self.possible(name, amount) for name, amount in zip(each.held, amounts, strict=True) if amount]
        answer = now_or_never(self.store.extend(each.reservation, amounts))
        if each.over:
            assert isinstance(answer, Denial) == any(amounts)
        elif isinstance(answer, Denial):
            assert not all(must for _, must in verdicts)
            self.check_denial(answer)
        else:
            assert all(may for may, _ in verdicts)
            for name, amount in zip(each.held, amounts, strict=True):
                each.held[name] += amount
            if each.lapsed:
                each.lapsed, each.deadline = False, self.now + each.lease

    @rule(each=consumes(under_way), share=st.floats(0, 1.5), times=st.integers(1, 3))
    def settle(self, each: Under, share: float, times: int) -> None:
        used = []
        for name, held in each.held.items():
            amount = each.spent[name] + int(held * share)
            used.append(amount)
            self.overrun |= amount > each.spent[name] + held
            if name not in ("requests", "slots"):
                self.note(name, amount - each.spent[name])
            each.held[name] = 0
        each.over = True
        for _ in range(times):
            now_or_never(self.store.settle(each.reservation, used))

    @rule(each=under_way, lease=st.sampled_from([0.5, 60.0]))
    def renew(self, each: Under, lease: float) -> None:
        now_or_never(self.store.renew([each.reservation], lease))
        if not each.over:
            each.lapsed, each.deadline = False, self.now + lease

    @rule(step=STEPS)
    def forward(self, step: float) -> None:
        self.clock.advance(step)
        self.now += step
        self.lapse()

    @rule(step=STEPS)
    def back(self, step: float) -> None:
        """The store looks at the clock before and after: what it did not see cannot be known to it."""
        now_or_never(self.store.levels([]))
        self.clock.advance(-step)
        now_or_never(self.store.levels([]))

    @rule()
    def sweep(self) -> None:
        self.store.sweep()

    @precondition(lambda self: not self.overrun)
    @rule(name=st.sampled_from(["requests", "tokens", "steady"]), amount=st.integers(1, 8))
    def come_back_when_told(self, name: str, amount: int) -> None:
        """Who waits as long as was said is granted, where time alone decides."""
        if self.held(name) or any(not each.over and name in each.held for each in self.reservations):
            return
        charge = self.charge(name, amount)
        answer = now_or_never(self.store.reserve("back", [charge], 60.0))
        if isinstance(answer, Denial):
            if answer.retry_after is None:
                return
            before = answer.retry_after - answer.retry_after % 0.125
            self.forward(before + 0.125)
            answer = now_or_never(self.store.reserve("back", [charge], 60.0))
        assert isinstance(answer, Reservation)
        if name == "requests":
            self.note(name, amount)
        now_or_never(self.store.settle(answer, [0]))

    # ---- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def counters_say_what_happened(self) -> None:
        asked = [(each, "total" if name == "money" else "") for name, each in self.rules.items()]
        for name, found in zip(self.rules, now_or_never(self.store.levels(asked)), strict=True):
            least, most = self.bounds(name)
            assert found.held == self.held(name) >= 0
            assert found.used >= 0
            assert least <= found.used + found.held <= most
            assert found.reset >= 0

    @invariant()
    def no_period_passed_more_than_the_limit(self) -> None:
        if self.overrun:
            return
        for name in ("requests", "tokens"):
            log = self.log[name]
            for end, _ in log:
                passed = sum(amount for moment, amount in log if end - PERIOD < moment <= end)
                assert passed <= self.rules[name].limit

    @invariant()
    def money_is_not_overspent(self) -> None:
        if not self.overrun:
            assert self.used("money", float("inf")) + self.held("money") <= self.rules["money"].limit

    def teardown(self) -> None:
        """Everything ends: nothing is held, all that was used is there, and in time nothing but money is remembered."""
        if not hasattr(self, "store"):
            return
        for each in self.reservations:
            spent = [each.spent[name] for name in each.held]
            now_or_never(self.store.settle(each.reservation, spent))
            if not each.over:
                each.held = {}
        self.counters_say_what_happened()
        self.clock.advance(2 * 86_400.0)
        self.store.sweep()
        assert self.store.reservations == 0
        assert self.store.counters <= 1, "money"


TestLimiter = Limiter.TestCase
TestLimiter.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


# ---- beside the library `limits`: requests only, and a clock that does not jump back ------------------------------------


class _NoTimer:
    """The library's storage cleans up in a thread; here its log is short."""

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Nothing to do."""

    def is_alive(self) -> bool:
        return True


@contextmanager
def library(clock: FakeClock) -> Iterator[MovingWindowRateLimiter]:
    """Its moving window, on our clock."""
    with (
        patch("limits.storage.memory.time", SimpleNamespace(time=clock)),
        patch("limits.storage.memory.threading", SimpleNamespace(RLock=threading.RLock, Timer=_NoTimer)),
    ):
        yield MovingWindowRateLimiter(MemoryStorage())


@settings(max_examples=150, deadline=None)
@given(
    most=st.integers(1, 8),
    pauses=st.lists(
        st.sampled_from([0.0, 0.0, 0.125, 0.5, 0.875, 1.0, 5.0, 20.0, 58.875, 60.0, 60.125, 61.0, 120.0]), max_size=80
    ),
)
def test_beside_a_moving_window(most: int, pauses: list[float]) -> None:
    """We admit nothing that it refuses; we refuse what it admits only for what is older than a period by less than a bucket."""
    clock = FakeClock(3600.0)
    store, asked = MemoryLimitStore(clock, clock), limit("rpm", most)
    item, admitted = RateLimitItemPerMinute(most), list[float]()
    with library(clock) as oracle:
        for number, pause in enumerate(pauses):
            clock.advance(pause)
            answer = now_or_never(store.reserve(f"{number}", [Charge(asked, 1, 1)], 60.0))
            if isinstance(answer, Reservation):
                assert oracle.hit(item, "key")
                admitted.append(clock.now)
            elif oracle.test(item, "key"):
                ages = [clock.now - moment for moment in admitted]
                assert sum(age <= PERIOD + BUCKET for age in ages) >= most
                assert any(PERIOD <= age <= PERIOD + BUCKET for age in ages)
