"""What each limit does while the store is down, by its ``on_failure``, and what becomes of reservations on both sides of an outage."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.limits import failover
from proxy.policy.rules import Denial, Reservation
from tests.support.rawhttp import eventually
from tests.support.valkey import Server

from .conftest import Fleet, ask, budget, charge, fleet, granted, rule, slots

pytestmark = pytest.mark.e2e


@pytest.fixture
async def outage(valkey: Server) -> AsyncIterator[Fleet]:
    """One of four replicas, whose store has died."""
    async with fleet(valkey.url, replicas=4) as found:
        valkey.kill()
        await found.until(up=False, within=2)
        yield found


async def test_closed_refuses(outage: Fleet) -> None:
    closed = rule(limit=10, on_failure="closed")
    assert await ask(outage.store, charge(rule("tpm")), charge(closed)) == Denial(closed, 1, 0, 1.0, "store")


async def test_open_lets_pass_uncounted(outage: Fleet) -> None:
    for _ in range(20):
        reservation = await granted(outage.store, charge(rule(limit=10, on_failure="open"), 3))
        assert (reservation.degraded, reservation.local) == ("open", True)
        assert [(grant.held, grant.left) for grant in reservation.grants] == [(3, 10)]


@pytest.mark.parametrize(("limit", "share"), [(12, 3), (10, 3), (1, 1)])
async def test_share_divides_by_the_replicas_and_rounds_up(outage: Fleet, limit: int, share: int) -> None:
    asked = rule(limit=limit)
    for _ in range(share):
        reservation = await granted(outage.store, charge(asked))
        assert (reservation.degraded, reservation.local) == ("share", True)
    answer = await ask(outage.store, charge(asked))
    assert isinstance(answer, Denial)
    assert (answer.rule, answer.reason) == (asked, "limit")
    assert 0 < (answer.retry_after or 0) <= 61


async def test_each_rule_has_its_own_mode(outage: Fleet) -> None:
    shared, free = rule(limit=8), rule("tpm", 10, on_failure="open", unit="tokens")
    reservation = await granted(outage.store, charge(free, 500), charge(shared))
    assert [grant.rule for grant in reservation.grants] == [free, shared]
    assert [grant.left for grant in reservation.grants] == [10, 1]
    await outage.store.settle(reservation, [300, 1])


async def test_rules_that_never_refuse_do_not_begin_to(outage: Fleet) -> None:
    shadow = rule(limit=1, on_failure="closed", shadow=True)
    soft = rule("budget.day", 1, unit="micro_usd", method="money", on_failure="closed", soft=True)
    for _ in range(3):
        await granted(outage.store, charge(shadow, 5), charge(soft, 5))


async def test_a_local_reservation_lives_and_ends_here(outage: Fleet) -> None:
    store, asked = outage.store, rule("tpm", 400, unit="tokens")
    reservation = await granted(store, charge(asked, 40))
    assert await store.extend(reservation, [40]) is None
    assert (reservation.grants[0].held, reservation.grants[0].left) == (80, 20)
    refused = await store.extend(reservation, [40])
    assert isinstance(refused, Denial)
    assert refused.rule is asked
    await store.spend(reservation, [30])
    assert reservation.grants[0].held == 50
    await store.renew([reservation], 60.0)
    await store.settle(reservation, [50])
    (level,) = await store.levels([(asked, "")])
    assert (level.used, level.held) == (50, 0)
    await store.settle(reservation, [50])
    assert (await store.levels([(asked, "")]))[0].used == 50
    assert store.late == 0


async def test_slots_come_back_when_requests_end_here(outage: Fleet) -> None:
    asked = charge(slots(4))
    reservation = await granted(outage.store, asked)
    assert isinstance(await ask(outage.store, asked), Denial)
    await outage.store.settle(reservation, [1])
    await granted(outage.store, asked)


async def test_a_budget_is_shared_by_what_was_left_of_it(valkey: Server) -> None:
    async with fleet(valkey.url, replicas=4) as found:
        asked = budget(1000, "share", ledgered=True)
        await found.store.seed([(asked.ident, "total", 500)])
        first = await granted(found.store, charge(asked, 100))
        await found.store.settle(first, [100])
        valkey.kill()
        await found.until(up=False, within=2)
        # 400 were left: 100 for each of four.
        await granted(found.store, charge(asked, 100))
        answer = await ask(found.store, charge(asked, 1))
        assert isinstance(answer, Denial)
        assert (answer.rule, answer.left, answer.retry_after) == (asked, 0, None)


async def test_a_reservation_of_the_store_goes_on_without_it(valkey: Server) -> None:
    """A stream under way when the store dies: what it may still have, each rule's mode says."""
    async with fleet(valkey.url, replicas=2) as found:
        store = found.store
        shared, closed = rule("tpm", 100, unit="tokens"), budget(10_000)
        free = rule("tph", 100, unit="tokens", on_failure="open")
        soft = rule("tpd", 100, unit="tokens", on_failure="closed", soft=True)
        reservation = await granted(store, *(charge(each, 10) for each in (shared, closed, free, soft)))
        assert not reservation.local
        valkey.kill()
        await found.until(up=False, within=2)
        assert await store.extend(reservation, [20, 0, 500, 500]) is None
        assert reservation.degraded == "share"
        refused = await store.extend(reservation, [40, 0, 0, 0])
        assert isinstance(refused, Denial)
        assert (refused.rule, refused.reason) == (shared, "limit")
        assert await store.extend(reservation, [0, 20, 0, 0]) == Denial(closed, 20, 0, 1.0, "store")
        await store.spend(reservation, [5, 5, 5, 5])
        await store.settle(reservation, [30, 20, 510, 510])
        assert store.late == 1
        (level,) = await found.local.levels([(shared, "")])
        assert (level.used, level.held) == (20, 0)


async def test_what_could_not_be_settled_is_settled_later_once(valkey: Server) -> None:
    async with fleet(valkey.url) as found:
        store, asked = found.store, rule("tpm", 1000, unit="tokens")
        held = [await granted(store, charge(asked, 10), charge(slots(100))) for _ in range(5)]
        await store.spend(held[0], [4, 0])
        valkey.stop()
        await asyncio.gather(*(store.settle(each, [7, 1]) for each in held))
        assert store.late == 5
        await found.until(up=False, within=2)
        valkey.go_on()
        # Hung, not dead: it also reads what was sent before, so each of these may reach it twice.
        await eventually(lambda: not store.late, 5)
        await found.until(up=True, within=1)
        levels = await found.shared.levels([(asked, ""), (slots(100), "")])
        assert [(level.used, level.held) for level in levels] == [(35, 0), (0, 0)]
        assert store.dropped == 0


async def test_what_the_store_may_have_granted_unheard_is_given_back(valkey: Server) -> None:
    async with fleet(valkey.url) as found:
        asked = slots(5, "open")
        await granted(found.store, charge(asked))
        valkey.stop()
        assert (await granted(found.store, charge(asked))).local
        valkey.go_on()
        await eventually(lambda: found.link.up and not found.store.late, 5)
        assert (await found.shared.levels([(asked, "")]))[0].held == 1


async def test_settlements_that_wait_are_bounded(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "QUEUE", 3)
    async with fleet(valkey.url) as found:
        held = [await granted(found.store, charge(slots(100))) for _ in range(5)]
        valkey.kill()
        await found.until(up=False, within=2)
        for each in held:
            await found.store.settle(each, [1])
        assert (found.store.late, found.store.dropped) == (3, 2)
    assert found.store.dropped == 5


async def test_a_short_outage_keeps_promises_made_before(valkey: Server) -> None:
    """Stopped and not dead: the counters are there again, and with them what was held."""
    async with fleet(valkey.url) as found:
        kept: list[Reservation] = [await granted(found.store, charge(slots(10))) for _ in range(10)]
        valkey.stop()
        assert (await granted(found.store, charge(slots(10)))).degraded == "share"
        valkey.go_on()
        await found.until(up=True, within=3)
        await eventually(lambda: not found.store.late, 5)
        assert isinstance(await ask(found.store, charge(slots(10))), Denial)
        await found.store.settle(kept[0], [1])
        await granted(found.store, charge(slots(10)))


async def test_a_caller_that_leaves_while_it_is_decided_holds_nothing(valkey: Server) -> None:
    async with fleet(valkey.url) as found:
        asked = charge(slots(5))
        asking = asyncio.create_task(ask(found.store, asked))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await eventually(lambda: not found.store.late)
        await granted(found.store, asked)
        assert (await found.shared.levels([(asked.rule, "")]))[0].held == 1
