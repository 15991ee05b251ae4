"""The store of one worker: what it does beyond the contract of every store."""

import asyncio
import random
import sys
import tracemalloc

import pytest

from proxy.limits.counters import LINGER, end_of
from proxy.limits.memory import SOON, MemoryLimitStore
from proxy.policy.rules import Reservation, window_end, window_of
from proxy.policy.terms import Per
from tests.bench import limits as bench
from tests.contract.limits.asking import KINDS, ask, charge, figures, granted, level, refused, rule
from tests.support.clock import FakeClock

HOUR = 3600.0
NOW = 1_795_400_000.0
"""2026-11-23, in unix seconds."""


class Made:
    """A store and its clocks."""

    def __init__(self, share: int = 1) -> None:
        self.clock = FakeClock(50_000.0)
        self.wall = FakeClock(NOW)
        self.store = MemoryLimitStore(self.clock, self.wall, share=share)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wall.advance(seconds)


@pytest.fixture
def made() -> Made:
    return Made()


async def test_nothing_ever_waits(made: Made) -> None:
    """One step: no other request comes between."""
    work = made.store.reserve("a", [charge(rule(kind, 5), 1) for kind in KINDS], 60.0)
    with pytest.raises(StopIteration) as end:
        work.send(None)
    reservation = end.value.value
    for each in (
        made.store.extend(reservation, [0] * 6),
        made.store.spend(reservation, [0] * 6),
        made.store.renew([reservation], 60.0),
        made.store.settle(reservation, [0] * 6),
        made.store.levels([]),
        made.store.seed([]),
        made.store.close(),
    ):
        with pytest.raises(StopIteration):
            each.send(None)


# ---- leases ---------------------------------------------------------------------------------------------------------


async def test_a_lease_ends_to_the_instant_whatever_the_others(made: Made) -> None:
    asked = rule("concurrency", 4)
    for lease in (60.0, 5.0, 600.0, 30.0):
        await granted(made.store, charge(asked, 1), lease=lease)
    held = []
    for _ in range(1202):
        made.advance(0.5)
        held.append((await level(made.store, asked)).held)
    assert [held.index(count) for count in (3, 2, 1, 0)] == [9, 59, 119, 1199]


async def test_a_denial_never_rests_on_a_lease_that_has_ended(made: Made) -> None:
    asked = rule("concurrency", 1)
    await granted(made.store, charge(asked, 1), lease=60.0)
    made.advance(59.999)
    await refused(made.store, charge(asked, 1))
    made.advance(0.001)
    await granted(made.store, charge(asked, 1))


async def test_what_lapsed_still_counts_what_it_used(made: Made) -> None:
    money, slots = rule("budget", 100), rule("concurrency", 2)
    late = await granted(made.store, charge(money, 40), charge(slots, 1), lease=10.0)
    made.advance(10)
    assert await figures(made.store, [money, slots]) == [(0, 0), (0, 0)]
    await made.store.spend(late, [15, 0])
    assert await figures(made.store, [money, slots]) == [(15, 0), (0, 0)]
    await made.store.settle(late, [35, 1])
    await made.store.settle(late, [35, 1])
    assert await figures(made.store, [money, slots]) == [(35, 0), (0, 0)]


async def test_what_lapsed_and_asks_for_more_has_a_lease_again(made: Made) -> None:
    asked = rule("tpm", 100)
    late = await granted(made.store, charge(asked, 40), lease=10.0)
    made.advance(10)
    assert await made.store.extend(late, [30]) is None
    assert await figures(made.store, [asked]) == [(0, 30)]
    made.advance(9)
    await made.store.renew([late], 10.0)
    made.advance(9)
    assert await figures(made.store, [asked]) == [(0, 30)]
    made.advance(1)
    assert await figures(made.store, [asked]) == [(0, 0)]


async def test_a_name_that_is_used_again_leaves_nothing_behind(made: Made) -> None:
    asked = rule("concurrency", 2)
    await made.store.reserve("same", [charge(asked, 1)], 60.0)
    second = await made.store.reserve("same", [charge(asked, 1)], 60.0)
    assert isinstance(second, Reservation)
    assert await figures(made.store, [asked]) == [(0, 1)]
    await made.store.settle(second, [1])
    assert await figures(made.store, [asked]) == [(0, 0)]


async def test_a_stranger_s_reservation_changes_nothing(made: Made) -> None:
    asked = rule("tpm", 100)
    theirs = await granted(Made().store, charge(asked, 10))
    copy = Reservation(ident=theirs.ident, grants=theirs.grants)
    await made.store.spend(copy, [5])
    await made.store.settle(copy, [5])
    await made.store.renew([copy], 60.0)
    assert await made.store.extend(copy, [5]) is not None
    assert await figures(made.store, [asked]) == [(0, 0)]


@pytest.mark.parametrize("late", ["spend", "settle"])
async def test_tokens_count_from_when_they_were_used(made: Made, late: str) -> None:
    asked = rule("tpm", 100)
    reservation = await granted(made.store, charge(asked, 10))
    made.advance(30.0)
    await (made.store.spend if late == "spend" else made.store.settle)(reservation, [10])
    made.advance(60.0)
    assert (await level(made.store, asked)).used == 10
    made.advance(1.0)
    assert (await level(made.store, asked)).used == 0


async def test_settled_with_less_than_nothing_takes_back_only_what_was_spent(made: Made) -> None:
    asked = rule("budget", 100)
    await made.store.settle(await granted(made.store, charge(asked, 20)), [20])
    reservation = await granted(made.store, charge(asked, 10))
    await made.store.spend(reservation, [5])
    await made.store.settle(reservation, [-3])
    assert await figures(made.store, [asked]) == [(20, 0)]


# ---- clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_clock_that_jumps_an_hour(made: Made, kind: str, step: float) -> None:
    """Nothing negative, no endless wait; put back, nothing that was used is free again before its time."""
    asked = rule(kind, 10)
    reservation = await granted(made.store, charge(asked, 10))
    if kind != "concurrency":
        await made.store.settle(reservation, [10])
    made.advance(step)
    found = await level(made.store, asked)
    assert found.used >= 0
    assert found.held >= 0
    if step < 0:
        assert found.used + found.held == 10
        denial = await refused(made.store, charge(asked, 1))
        if kind == "budget":
            assert denial.retry_after is None
            return
        assert denial.retry_after is not None
        assert 0 < denial.retry_after <= 61
        made.advance(61.0)
        await granted(made.store, charge(asked, 10))


async def test_leases_last_as_long_after_a_clock_was_put_back(made: Made) -> None:
    asked = rule("concurrency", 1)
    await granted(made.store, charge(asked, 1), lease=60.0)
    made.advance(-HOUR)
    assert (await level(made.store, asked)).held == 1
    made.advance(59.0)
    assert (await level(made.store, asked)).held == 1
    made.advance(1.0)
    assert (await level(made.store, asked)).held == 0


async def test_a_clock_that_goes_to_and_fro_lets_nothing_through(made: Made) -> None:
    asked, passed = rule("rpm", 10), 0
    for turn in range(200):
        made.advance(HOUR if turn % 2 else -HOUR)
        await made.store.levels([])
        if turn % 2:
            made.clock.advance(-HOUR)
            await made.store.levels([])
        passed += isinstance(await ask(made.store, charge(asked, 1)), Reservation)
    assert passed >= 10


# ---- calendar periods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["day", "week", "month"])
def test_the_end_of_a_calendar_period_is_in_its_name(per: Per) -> None:
    source = random.Random(per)
    for _ in range(300):
        now = source.uniform(0, 4e9)
        assert end_of(window_of(per, now)) == window_end(per, now)


@pytest.mark.parametrize(
    "name", ["total", "", "2026", "2026-13", "2026-W60", "W", "-W", "2026-11-99", "a-b-c", "money"]
)
def test_other_names_have_no_end(name: str) -> None:
    assert end_of(name) is None


async def test_money_says_when_its_period_ends(made: Made) -> None:
    for per in ("day", "week", "month"):
        asked = rule("budget", 10, per=per)
        window = window_of(per, NOW)
        end = window_end(per, NOW)
        assert end is not None
        (grant,) = (await granted(made.store, charge(asked, 1, window=window))).grants
        assert grant.reset == pytest.approx(end - NOW)
        assert (await level(made.store, asked, window)).reset == pytest.approx(end - NOW)
    (grant,) = (await granted(made.store, charge(rule("budget", 10), 1, window="total"))).grants
    assert grant.reset == 0.0


# ---- the ledger -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lenient", [{"soft": True}, {"shadow": True}])
async def test_unseeded_what_never_refuses_lets_pass_and_keeps_the_ledgers_figure(
    made: Made, lenient: dict[str, bool]
) -> None:
    asked = rule("budget", 100, ledgered=True, **lenient)
    early = await granted(made.store, charge(asked, 30))
    assert await made.store.extend(early, [5]) is None
    await made.store.spend(early, [2])
    await made.store.seed([(asked.ident, "2126-11", 70)])
    await made.store.settle(early, [10])
    assert await figures(made.store, [asked]) == [(80, 0)]


# ---- a share of the limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "limit", "mine"), [(1, 10, 10), (3, 10, 4), (4, 10, 3), (100, 10, 1), (10, 10, 1)])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_share_of_each_limit_rounded_up(share: int, limit: int, mine: int, kind: str) -> None:
    store = Made(share).store
    asked = rule(kind, limit)
    answers = [await ask(store, charge(asked, 1)) for _ in range(limit + 2)]
    assert sum(isinstance(answer, Reservation) for answer in answers) == mine


async def test_more_than_a_share_may_be_had_later_but_never_more_than_the_limit() -> None:
    store = Made(4).store
    asked = rule("tpm", 100)
    denial = await refused(store, charge(asked, 26))
    assert (denial.need, denial.left, denial.retry_after) == (26, 25, SOON)
    assert (await refused(store, charge(asked, 101))).retry_after is None
    reservation = await granted(store, charge(asked, 20))
    assert reservation.grants[0].left == 5
    assert await store.extend(reservation, [6]) is not None
    assert await store.extend(reservation, [5]) is None
    assert reservation.grants[0].left == 0


async def test_a_share_refills_at_its_own_pace() -> None:
    made = Made(2)
    asked = rule("steady_rpm", 60)
    for _ in range(30):
        await granted(made.store, charge(asked, 1))
    assert (await refused(made.store, charge(asked, 1))).retry_after == pytest.approx(2.0)


# ---- limits that change ---------------------------------------------------------------------------------------------


async def test_a_limit_that_is_lowered_or_raised_keeps_what_was_used(made: Made) -> None:
    asked = rule("tpm", 100)
    await made.store.settle(await granted(made.store, charge(asked, 60)), [60])
    lower, higher = (rule("tpm", most, ident=asked.ident) for most in (50, 70))
    assert (await refused(made.store, charge(lower, 1))).left == 0
    assert (await granted(made.store, charge(higher, 10))).grants[0].left == 0


async def test_a_limit_that_becomes_steady_begins_anew_and_what_was_held_is_given_back(made: Made) -> None:
    asked = rule("tpm", 10)
    before = await granted(made.store, charge(asked, 10))
    steady = rule("steady_tpm", 10, ident=asked.ident)
    after = await granted(made.store, charge(steady, 10))
    await made.store.settle(before, [4])
    await made.store.settle(after, [5])
    assert await figures(made.store, [asked, steady]) == [(4, 0), (5, 0)]


# ---- memory ---------------------------------------------------------------------------------------------------------


async def test_counters_do_not_grow_with_the_keys_ever_seen(made: Made) -> None:
    most = 0
    for _ in range(20_000):
        made.advance(0.01)
        await made.store.settle(
            await granted(made.store, charge(rule("rpm", 5), 1), charge(rule("concurrency", 5), 1)), [1, 1]
        )
        most = max(most, made.store.counters)
    assert most <= 2 * 6200, "twice the keys of a period"
    made.advance(62)
    made.store.sweep()
    assert made.store.counters == 0


async def test_renewals_drop_idle_counters_too(made: Made) -> None:
    for _ in range(3000):
        await granted(made.store, charge(rule("rpm", 5), 1))
    made.advance(62)
    for _ in range(4):
        await made.store.renew([], 60.0)
    assert made.store.counters == 0


async def test_nothing_that_says_something_is_dropped(made: Made) -> None:
    """Money of a period that is not long over, what is held, and what was used within a period."""
    rules = [
        rule("tpm", 100),
        rule("tpm", 100, period=86_400),
        rule("budget", 100),
        rule("concurrency", 5),
        rule("steady_rpm", 5),
    ]
    windows = ["", "", window_of("month", NOW), "", ""]
    await granted(
        made.store, *(charge(each, 4, window=window) for each, window in zip(rules, windows, strict=True)), lease=1e9
    )
    await made.store.settle(await granted(made.store, charge(rules[2], 7, window=windows[2])), [7])
    for seconds in (0.0, 40 * 86_400.0):
        made.advance(seconds)
        made.store.sweep()
        found = await made.store.levels(list(zip(rules, windows, strict=True)))
        assert [each.held for each in found] == [4, 4, 4, 4, 0]
        assert found[2].used == 7
        assert found[4].used == (0 if seconds else 4)


async def test_money_is_forgotten_a_day_after_its_period_and_a_total_never(made: Made) -> None:
    month, total = rule("budget", 100), rule("budget", 100, per="total")
    window = window_of("month", NOW)
    reservation = await granted(made.store, charge(month, 7, window=window), charge(total, 7, window="total"))
    await made.store.settle(reservation, [7, 7])
    end = window_end("month", NOW)
    assert end is not None
    made.advance(end - NOW + LINGER - 1)
    made.store.sweep()
    assert (await level(made.store, month, window)).used == 7
    made.advance(2)
    made.store.sweep()
    assert (await level(made.store, month, window)).used == 0
    made.advance(1e9)
    made.store.sweep()
    assert (await level(made.store, total, "total")).used == 7


async def test_money_settled_after_its_counter_was_dropped_is_not_lost(made: Made) -> None:
    """A price that was not known is held as nothing."""
    asked = rule("budget", 100, per="total")
    reservation = await granted(made.store, charge(asked, 0, window="total"))
    made.store.sweep()
    assert made.store.counters == 0
    await made.store.settle(reservation, [12])
    assert (await level(made.store, asked, "total")).used == 12


async def test_reservations_that_end_leave_nothing(made: Made) -> None:
    asked = [charge(rule(kind, 10**9), 3) for kind in KINDS]

    async def some(count: int) -> None:
        for number in range(count):
            made.advance(0.01)
            reservation = await made.store.reserve(f"{number}", asked, 60.0)
            assert isinstance(reservation, Reservation)
            await made.store.settle(reservation, [1] * len(asked))

    await some(10_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await some(10_000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert made.store.reservations == 0
    assert grown < 20_000, f"{grown} bytes for 10,000 requests"


async def test_as_many_tasks_as_you_like(made: Made) -> None:
    """Interleaved at every await; all of it ends."""
    asked = [charge(rule(kind, 400), 7) for kind in KINDS]
    source = random.Random(2)

    async def request(number: int) -> bool:
        reservation = await made.store.reserve(f"{number}", asked, 60.0)
        if not isinstance(reservation, Reservation):
            return False
        for _ in range(source.randint(0, 3)):
            await asyncio.sleep(0)
            await made.store.extend(reservation, [0, 2, 0, 2, 0, 2])
            await asyncio.sleep(0)
            await made.store.spend(reservation, [0, 1, 0, 1, 0, 1])
        await made.store.settle(reservation, [1, 5, 1, 5, 1, 5])
        return True

    passed = sum(await asyncio.gather(*(request(number) for number in range(300))))
    assert passed > 0
    found = await figures(made.store, [each.rule for each in asked])
    assert [held for _, held in found] == [0] * 6
    assert [used for used, _ in found] == [7 * passed, 5 * passed, 7 * passed, 5 * passed, 0, 5 * passed]


# ---- the benchmark --------------------------------------------------------------------------------------------------


def test_the_figures_are_there() -> None:
    figures = bench.measure(count=200, rounds=1)
    assert {"reserve and settle", "reserve", "settle", "refused"} <= set(figures)
    assert all(value > 0 for value in figures.values())


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["limits", "--json", "--count", "50", "--rounds", "1"])
    monkeypatch.setattr(bench.gc, "collect", lambda: 0)
    monkeypatch.setattr(bench.gc, "freeze", lambda: None)
    bench.main()
    assert '"reserve and settle"' in capsys.readouterr().out
