"""What every ``LimitStore`` promises, whatever it keeps its counters in."""

import asyncio

import pytest

from proxy.policy.rules import Denial, Reservation, Rule
from proxy.protocols import LimitStore

from .asking import KINDS, ask, charge, figures, granted, level, refused, rule
from .conftest import FACTORIES

HELD = ("tpm", "steady_tpm", "concurrency", "budget")
"""Kinds that are held until the end."""

COUNTED = ("tpm", "steady_tpm", "budget")
"""Kinds of which something is used in the end."""

MONTH = "2126-11"


def test_every_store_is_under_contract() -> None:
    assert set(FACTORIES) == {"memory", "valkey", "redis"}


# ---- admission ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_exactly_the_limit_is_admitted_at_once(store: LimitStore, kind: str) -> None:
    """200 at the same time for 10. Of a steady limit nothing comes back meanwhile: a second gives a sixth of one."""
    asked = rule(kind, 10)
    answers = await asyncio.gather(*(ask(store, charge(asked, 1)) for _ in range(200)))
    assert sum(isinstance(answer, Reservation) for answer in answers) == 10
    found = await level(store, asked)
    assert found.used + found.held == 10


@pytest.mark.parametrize("kind", KINDS)
async def test_a_grant_says_what_is_left_for_others(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    lefts = []
    for _ in range(3):
        (grant,) = (await granted(store, charge(asked, 30))).grants
        lefts.append(grant.left)
        assert grant.reset >= 0
        if asked.period:
            assert grant.reset <= asked.period * 61 / 60 + 1e-3
    assert lefts == [70, 40, 10]


@pytest.mark.parametrize("kind", HELD)
async def test_what_is_granted_is_held(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    (grant,) = (await granted(store, charge(asked, 30))).grants
    assert grant.held == 30
    assert await figures(store, [asked]) == [(0, 30)]


@pytest.mark.parametrize("kind", ["rpm", "steady_rpm"])
async def test_requests_are_used_at_once_and_for_good(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 2)
    reservation = await granted(store, charge(asked, 1))
    assert await figures(store, [asked]) == [(1, 0)]
    await store.settle(reservation, [0])
    assert await figures(store, [asked]) == [(1, 0)]
    await granted(store, charge(asked, 1))
    await refused(store, charge(asked, 1))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_denial_says_what_was_needed_what_there_is_and_when(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10)
    await granted(store, charge(asked, 7))
    denial = await refused(store, charge(asked, 5))
    assert (denial.rule, denial.need, denial.left, denial.reason) == (asked, 5, 3, "limit")
    if asked.method == "money":
        assert denial.retry_after is None, "waiting brings no money"
    else:
        assert denial.retry_after is not None
        assert 0 < denial.retry_after <= 61


@pytest.mark.parametrize("kind", KINDS)
async def test_more_than_the_limit_is_never_granted_and_waiting_does_not_help(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10)
    denial = await refused(store, charge(asked, 11))
    assert (denial.need, denial.left, denial.retry_after) == (11, 10, None)


async def test_a_request_without_limits_is_granted(store: LimitStore) -> None:
    reservation = await granted(store)
    assert await store.extend(reservation, []) is None
    await store.spend(reservation, [])
    await store.settle(reservation, [])


async def test_all_rules_or_none(store: LimitStore) -> None:
    roomy = [rule(kind, 10) for kind in KINDS]
    full = rule("concurrency", 1)
    await granted(store, charge(full, 1))
    for place in (0, 3, len(roomy)):
        asked = [charge(each, 4) for each in roomy]
        asked.insert(place, charge(full, 1))
        assert (await refused(store, *asked)).rule == full
        assert await figures(store, roomy) == [(0, 0)] * len(roomy)
    await granted(store, *(charge(each, 10) for each in roomy))


async def test_a_denial_by_one_of_many_at_once_leaves_nothing_held(store: LimitStore) -> None:
    first, second = rule("tpm", 1000), rule("rpm", 10)
    answers = await asyncio.gather(*(ask(store, charge(first, 10), charge(second, 1)) for _ in range(60)))
    assert sum(isinstance(answer, Reservation) for answer in answers) == 10
    assert await figures(store, [first, second]) == [(0, 100), (10, 0)]


async def test_of_several_that_refuse_the_longest_is_named(store: LimitStore) -> None:
    minute, day, broke = rule("rpm", 1), rule("rpm", 1, period=86_400), rule("budget", 5)
    await granted(store, charge(minute, 1), charge(day, 1), charge(broke, 5))
    assert (await refused(store, charge(minute, 1), charge(day, 1))).rule == day
    assert (await refused(store, charge(day, 1), charge(minute, 1))).rule == day
    assert (await refused(store, charge(minute, 1), charge(broke, 1), charge(day, 1))).rule == broke


@pytest.mark.parametrize("kind", HELD)
async def test_two_charges_of_one_rule_add_up(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10)
    await refused(store, charge(asked, 6), charge(asked, 6))
    assert await figures(store, [asked]) == [(0, 0)]
    await granted(store, charge(asked, 6), charge(asked, 4))
    assert await figures(store, [asked]) == [(0, 10)]


async def test_whoever_shares_a_counter_is_limited_together(store: LimitStore) -> None:
    one = rule("tpm", 10)
    other = rule("tpm", 20, ident=one.ident)
    await granted(store, charge(one, 8))
    await refused(store, charge(one, 3))
    await granted(store, charge(other, 12))
    await refused(store, charge(other, 1))


@pytest.mark.parametrize("kind", COUNTED)
async def test_as_much_as_is_left_where_that_is_enough(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    await granted(store, charge(asked, 70))
    denial = await refused(store, charge(asked, 50, 31))
    assert (denial.need, denial.left) == (31, 30)
    (grant,) = (await granted(store, charge(asked, 50, 20))).grants
    assert (grant.held, grant.left) == (30, 0)
    await refused(store, charge(asked, 50, 1))
    (grant,) = (await granted(store, charge(asked, 50, 0))).grants
    assert grant.held == 0


# ---- shadow and soft ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_shadow_is_counted_and_never_refuses(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10, shadow=True)
    for _ in range(3):
        (grant,) = (await granted(store, charge(asked, 8))).grants
    # Below zero: what it would have refused. A steady limit has refilled a little meanwhile.
    assert -14 <= grant.left <= -13
    found = await level(store, asked)
    assert found.used + found.held == 24


@pytest.mark.parametrize("soft", [{"shadow": True}, {"soft": True}])
async def test_what_is_left_of_a_lenient_budget_goes_below_zero(store: LimitStore, soft: dict[str, bool]) -> None:
    asked = rule("budget", 10, **soft)
    reservation = await granted(store, charge(asked, 8))
    assert await store.extend(reservation, [5]) is None
    assert (reservation.grants[0].held, reservation.grants[0].left) == (13, -3)
    (grant,) = (await granted(store, charge(asked, 1))).grants
    assert grant.left == -4


async def test_a_shadow_beside_a_rule_that_refuses_is_not_counted(store: LimitStore) -> None:
    shadow, full = rule("tpm", 10, shadow=True), rule("rpm", 1)
    await granted(store, charge(full, 1))
    assert (await refused(store, charge(shadow, 50), charge(full, 1))).rule == full
    assert await figures(store, [shadow]) == [(0, 0)]


async def test_soft_money_is_counted_and_never_refuses(store: LimitStore) -> None:
    asked = rule("budget", 10, soft=True)
    reservation = await granted(store, charge(asked, 25))
    await store.settle(reservation, [20])
    await granted(store, charge(asked, 5))
    assert await figures(store, [asked]) == [(20, 5)]


@pytest.mark.parametrize("kind", ["tpm", "steady_tpm"])
async def test_a_soft_rate_refuses_requests_but_cuts_no_stream(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10, soft=True)
    reservation = await granted(store, charge(asked, 10))
    await refused(store, charge(asked, 1))
    assert await store.extend(reservation, [15]) is None
    assert reservation.grants[0].held == 25
    assert await figures(store, [asked]) == [(0, 25)]


# ---- the end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COUNTED)
@pytest.mark.parametrize("used", [0, 12, 30, 45])
async def test_settled_with_less_as_much_and_more_than_was_held(store: LimitStore, kind: str, used: int) -> None:
    asked = rule(kind, 40)
    reservation = await granted(store, charge(asked, 30))
    await store.settle(reservation, [used])
    assert await figures(store, [asked]) == [(used, 0)]
    room = max(40 - used, 0)
    await refused(store, charge(asked, room + 1))
    if room:
        await granted(store, charge(asked, room))


@pytest.mark.parametrize("kind", KINDS)
async def test_settled_twice_counts_once(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    first = await granted(store, charge(asked, 10))
    other = await granted(store, charge(asked, 10))
    await store.settle(first, [7])
    before = await figures(store, [asked])
    await store.settle(first, [7])
    await asyncio.gather(*(store.settle(first, [9]) for _ in range(5)))
    assert await figures(store, [asked]) == before
    await store.settle(other, [7])
    assert (await level(store, asked)).held == 0


async def test_a_slot_is_freed_exactly_once(store: LimitStore) -> None:
    asked = rule("concurrency", 2)
    first, second = await granted(store, charge(asked, 1)), await granted(store, charge(asked, 1))
    await refused(store, charge(asked, 1))
    for _ in range(3):
        await store.settle(first, [1])
    await granted(store, charge(asked, 1))
    await refused(store, charge(asked, 1))
    await store.settle(second, [0])
    assert await figures(store, [asked]) == [(0, 1)]


@pytest.mark.parametrize("kind", HELD)
async def test_after_the_end_nothing_is_held_by_it(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    reservation = await granted(store, charge(asked, 10))
    await store.settle(reservation, [10])
    before = await figures(store, [asked])
    assert isinstance(await store.extend(reservation, [5]), Denial)
    await store.spend(reservation, [5])
    await store.renew([reservation], 60.0)
    assert await figures(store, [asked]) == before


# ---- a stream under way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COUNTED)
async def test_what_is_spent_is_used_now_and_held_no_more(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    reservation = await granted(store, charge(asked, 50))
    await store.spend(reservation, [20])
    assert reservation.grants[0].held == 30
    assert await figures(store, [asked]) == [(20, 30)]
    await store.spend(reservation, [10])
    await store.settle(reservation, [45])
    assert await figures(store, [asked]) == [(45, 0)], "in all, what was spent before included"


@pytest.mark.parametrize("kind", COUNTED)
async def test_more_may_be_spent_than_is_held(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    reservation = await granted(store, charge(asked, 10))
    await store.spend(reservation, [25])
    assert reservation.grants[0].held == 0
    assert await figures(store, [asked]) == [(25, 0)]
    await store.settle(reservation, [25])
    assert await figures(store, [asked]) == [(25, 0)]


@pytest.mark.parametrize("kind", COUNTED)
async def test_settled_with_less_than_was_spent(store: LimitStore, kind: str) -> None:
    """Money is exact. A window forgets nothing that it once counted before its time."""
    asked = rule(kind, 100)
    reservation = await granted(store, charge(asked, 50))
    await store.spend(reservation, [40])
    await store.settle(reservation, [25])
    found = await level(store, asked)
    assert found.held == 0
    assert found.used == (40 if kind == "tpm" else 25)


async def test_slots_and_requests_are_not_spent(store: LimitStore) -> None:
    slots, requests = rule("concurrency", 2), rule("rpm", 5)
    reservation = await granted(store, charge(slots, 1), charge(requests, 1))
    await store.spend(reservation, [1, 1])
    assert await figures(store, [slots, requests]) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("kind", COUNTED)
async def test_more_is_held_while_there_is_room(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 100)
    reservation = await granted(store, charge(asked, 50))
    assert await store.extend(reservation, [30]) is None
    assert (reservation.grants[0].held, reservation.grants[0].left) == (80, 20)
    denial = await store.extend(reservation, [21])
    assert denial is not None
    assert (denial.rule, denial.need, denial.left) == (asked, 21, 20)
    assert await store.extend(reservation, [20]) is None
    assert reservation.grants[0].held == 100
    await store.settle(reservation, [60])
    assert await figures(store, [asked]) == [(60, 0)]


async def test_more_is_held_of_all_or_of_none(store: LimitStore) -> None:
    tokens, money = rule("tpm", 100), rule("budget", 60)
    reservation = await granted(store, charge(tokens, 50), charge(money, 50))
    denial = await store.extend(reservation, [20, 20])
    assert denial is not None
    assert denial.rule == money
    assert [grant.held for grant in reservation.grants] == [50, 50]
    assert await figures(store, [tokens, money]) == [(0, 50), (0, 50)]
    assert await store.extend(reservation, [20, 0]) is None
    assert await figures(store, [tokens, money]) == [(0, 70), (0, 50)]


async def test_nothing_more_is_never_refused(store: LimitStore) -> None:
    asked = rule("tpm", 10)
    reservation = await granted(store, charge(asked, 5))
    other = await granted(store, charge(asked, 5))
    await store.settle(other, [50])
    assert await store.extend(reservation, [0]) is None


# ---- money ----------------------------------------------------------------------------------------------------------


async def test_each_calendar_period_has_money_of_its_own(store: LimitStore) -> None:
    asked = rule("budget", 100)
    november = await granted(store, charge(asked, 100, window=MONTH))
    await refused(store, charge(asked, 1, window=MONTH))
    december = await granted(store, charge(asked, 60, window="2126-12"))
    await store.settle(november, [90])
    await store.settle(december, [10])
    assert (await level(store, asked, MONTH)).used == 90, "settled where it was held, whatever month it is"
    assert (await level(store, asked, "2126-12")).used == 10


@pytest.mark.parametrize("window", ["2126-11-23", "2126-W48", "2126-11", "total"])
async def test_every_name_of_a_calendar_period(store: LimitStore, window: str) -> None:
    asked = rule("budget", 10)
    reservation = await granted(store, charge(asked, 10, window=window))
    await store.settle(reservation, [4])
    assert (await level(store, asked, window)).used == 4
    assert (await refused(store, charge(asked, 7, window=window))).left == 6


async def test_a_ledgered_rule_waits_for_the_ledger(store: LimitStore) -> None:
    asked, other = rule("budget", 100, ledgered=True), rule("tpm", 100)
    denial = await refused(store, charge(other, 5), charge(asked, 1))
    assert (denial.rule, denial.reason) == (asked, "unseeded")
    assert denial.retry_after is not None
    assert 0 < denial.retry_after <= 3
    assert await figures(store, [other]) == [(0, 0)]
    await granted(store, charge(other, 5))
    await store.seed([(asked.ident, MONTH, 70)])
    assert (await level(store, asked)).used == 70
    await refused(store, charge(asked, 31))
    await granted(store, charge(asked, 30))


async def test_once_seeded_what_the_ledger_did_not_name_is_zero(store: LimitStore) -> None:
    asked = rule("budget", 100, ledgered=True)
    await store.seed([])
    await granted(store, charge(asked, 100))


async def test_a_second_seed_changes_nothing_that_is_known(store: LimitStore) -> None:
    known, new = rule("budget", 100, ledgered=True), rule("budget", 100, ledgered=True)
    await store.seed([(known.ident, MONTH, 10)])
    reservation = await granted(store, charge(known, 50))
    await store.settle(reservation, [40])
    await store.seed([(known.ident, MONTH, 10), (known.ident, "2126-10", 99), (new.ident, MONTH, 5)])
    assert await figures(store, [known, new]) == [(50, 0), (5, 0)]
    assert (await level(store, known, "2126-10")).used == 99


async def test_the_whole_ledger_is_seeded(store: LimitStore) -> None:
    rules = [rule("budget", 10**9, ledgered=True) for _ in range(3000)]
    await store.seed([(each.ident, MONTH, place) for place, each in enumerate(rules)])
    assert await figures(store, rules[::500]) == [(place, 0) for place in range(0, 3000, 500)]


# ---- bad input and sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_negative_amount_makes_no_room(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10)
    await granted(store, charge(asked, 10))
    answer = await ask(store, charge(asked, -5))
    if isinstance(answer, Reservation):
        await store.extend(answer, [-5])
        await store.spend(answer, [-5])
        await store.settle(answer, [-5])
    found = await level(store, asked)
    assert found.used + found.held == 10
    await refused(store, charge(asked, 1))


async def test_absurd_amounts(store: LimitStore) -> None:
    asked = rule("budget", 10**15)
    assert (await refused(store, charge(asked, 10**15 + 1))).retry_after is None
    reservation = await granted(store, charge(asked, 10**15 - 1))
    assert reservation.grants[0].left == 1
    await store.settle(reservation, [10**15 - 1])
    assert await figures(store, [asked]) == [(10**15 - 1, 0)], "to the last micro-dollar"
    await refused(store, charge(asked, 2))
    await granted(store, charge(asked, 1))


@pytest.mark.parametrize("kind", ["tpm", "steady_tpm"])
async def test_absurd_usage_ends_somewhere(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10**12)
    reservation = await granted(store, charge(asked, 10**12))
    await store.settle(reservation, [10**15])
    denial = await refused(store, charge(asked, 1))
    assert denial.left == 0
    assert denial.retry_after is not None


async def test_thousands_of_rules(store: LimitStore) -> None:
    rules = [rule(list(KINDS)[place % len(KINDS)], 5) for place in range(3000)]
    for place in range(0, 3000, 100):
        together = rules[place : place + 100]
        reservation = await granted(store, *(charge(each, 3) for each in together))
        if place % 200:
            await store.settle(reservation, [2] * 100)
    found = await figures(store, rules[:6] + rules[102:108])
    assert found == [(3, 0), (0, 3), (3, 0), (0, 3), (0, 3), (0, 3), (3, 0), (2, 0), (3, 0), (2, 0), (0, 0), (2, 0)]


ODD = [
    "key/a b/rpm",
    "key/ключ/rpm",
    "key/}{/rpm",
    "key/{x}/rpm",
    "key/\r\n/rpm",
    "key/\0/rpm",
    "key/'; DROP TABLE keys;--/rpm",
    "key/" + "x" * 4096,
]


async def test_idents_are_any_text(store: LimitStore) -> None:
    rules = [rule("tpm", 10, ident=ident) for ident in ODD]
    for amount, each in enumerate(rules, 1):
        reservation = await granted(store, charge(each, 10))
        await store.settle(reservation, [amount])
    assert await figures(store, rules) == [(amount, 0) for amount in range(1, len(ODD) + 1)]


async def test_reservations_are_told_apart_by_any_name(store: LimitStore) -> None:
    asked = rule("concurrency", 10)
    made = [
        await store.reserve(ident, [charge(asked, 1)], 60.0) for ident in ("a", "a ", "A", "a/1", "a:1", "{a}", "ä", "")
    ]
    assert (await level(store, asked)).held == 8
    for reservation in made:
        assert isinstance(reservation, Reservation)
        await store.settle(reservation, [1])
    assert (await level(store, asked)).held == 0


async def test_levels_of_what_was_never_asked_for(store: LimitStore) -> None:
    rules: list[tuple[Rule, str]] = [(rule(kind, 10), MONTH if kind == "budget" else "") for kind in KINDS]
    found = await store.levels(rules)
    assert [(each.used, each.held) for each in found] == [(0, 0)] * len(rules)
    assert list(await store.levels([])) == []
