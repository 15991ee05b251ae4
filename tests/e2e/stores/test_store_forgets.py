"""A store that has lost its scripts, its counters, its memory or its rank: 0 errors, and promises that hold again soon."""

import asyncio
import time

import pytest
from msgspec.structs import replace

from proxy.policy.rules import Denial, Reservation
from tests.support.rawhttp import eventually
from tests.support.valkey import Server, server

from .conftest import ask, budget, charge, fleet, granted, rule, slots

pytestmark = pytest.mark.e2e


async def test_scripts_that_were_flushed_are_loaded_again(engine: Server) -> None:
    async with fleet(engine.url) as found:
        asked = charge(rule("tpm", 10**9, unit="tokens"), 5)
        for _ in range(5):
            reservation = await granted(found.store, asked)
            assert engine.ask("SCRIPT", "FLUSH").startswith(b"+OK")
            several = await asyncio.gather(*(granted(found.store, asked) for _ in range(50)))
            assert not any(each.local for each in several)
            engine.ask("SCRIPT", "FLUSH")
            await found.store.settle(reservation, [5])
            assert found.store.late == 0
        assert found.states == [True]


async def test_a_flushed_store_is_unseeded_until_one_process_has_told_it(engine: Server) -> None:
    async with fleet(engine.url) as one, fleet(engine.url) as other:
        asked = budget(1000, ledgered=True)
        seeders = 0

        async def heal(found: object) -> None:
            nonlocal seeders
            store = one.store if found is one else other.store
            if await store.wants_seed():
                seeders += 1
                await store.seed([(asked.ident, "total", 900)])

        assert isinstance(answer := await ask(one.store, charge(asked, 10)), Denial)
        assert (answer.reason, answer.retry_after) == ("unseeded", 1.0)
        await asyncio.gather(heal(one), heal(other))
        assert seeders == 1
        await granted(other.store, charge(asked, 100))
        engine.ask("FLUSHALL")
        assert isinstance(answer := await ask(one.store, charge(asked, 10)), Denial)
        assert answer.reason == "unseeded"
        await asyncio.gather(heal(one), heal(other))
        assert seeders == 2
        assert isinstance(answer := await ask(one.store, charge(asked, 101)), Denial)
        assert (answer.reason, answer.left) == ("limit", 100)
        assert not await one.store.wants_seed()


async def test_a_seeder_that_died_is_followed_by_another(valkey: Server) -> None:
    async with fleet(valkey.url) as one, fleet(valkey.url) as other:
        assert await one.store.wants_seed()
        assert not await other.store.wants_seed()
        valkey.ask("PEXPIRE", "{tollway}:seeder", 1)
        await asyncio.sleep(0.01)
        assert await other.store.wants_seed()


async def test_many_figures_are_seeded_before_any_is_believed(valkey: Server) -> None:
    async with fleet(valkey.url) as found:
        figures = [(f"key/{number}/budget.total", "total", number) for number in range(2500)]
        await found.store.seed(figures)
        last = budget(10**9, ledgered=True)
        names = [(replace(last, ident=ident), "total") for ident, _, _ in figures]
        assert [level.used for level in await found.store.levels(names)] == list(range(2500))
        await found.store.seed([(figures[7][0], "total", 5)])
        assert (await found.store.levels(names[7:8]))[0].used == 7, "a counter that exists keeps what it has"


async def test_requests_under_way_are_held_again_after_a_flush(engine: Server) -> None:
    """Otherwise a flushed store would admit as many again; the workers' renewal tells it."""
    async with fleet(engine.url) as found:
        tokens = rule("tpm", 1000, unit="tokens")
        held = [await granted(found.store, charge(slots(10)), charge(tokens, 50)) for _ in range(10)]
        await found.store.spend(held[0], [0, 20])
        engine.ask("FLUSHALL")
        await found.store.renew(held, 60.0)
        await found.store.renew(held, 60.0)
        levels = await found.store.levels([(slots(10), ""), (tokens, "")])
        assert [(level.used, level.held) for level in levels] == [(0, 10), (0, 480)]
        assert isinstance(await ask(found.store, charge(slots(10))), Denial)
        for each in held:
            await found.store.settle(each, [1, 50])
        levels = await found.store.levels([(slots(10), ""), (tokens, "")])
        assert [(level.used, level.held) for level in levels] == [(0, 0), (480, 0)]


async def test_an_extension_after_a_flush_holds_the_rest_again(valkey: Server) -> None:
    async with fleet(valkey.url) as found:
        tokens = rule("tpm", 1000, unit="tokens")
        reservation = await granted(found.store, charge(tokens, 50))
        valkey.ask("FLUSHALL")
        assert await found.store.extend(reservation, [30]) is None
        assert (await found.store.levels([(tokens, "")]))[0].held == 80
        await found.store.settle(reservation, [60])
        level = (await found.store.levels([(tokens, "")]))[0]
        assert (level.used, level.held) == (60, 0)


async def test_what_was_used_counts_though_the_store_forgot_the_reservation(valkey: Server) -> None:
    async with fleet(valkey.url) as found:
        tokens = rule("tpm", 1000, unit="tokens")
        reservation = await granted(found.store, charge(tokens, 50))
        await found.store.spend(reservation, [20])
        valkey.ask("FLUSHALL")
        await found.store.settle(reservation, [45])
        assert (await found.store.levels([(tokens, "")]))[0].used == 25, "what was spent before went with the flush"


async def test_a_sleeping_store(engine: Server) -> None:
    async with fleet(engine.url) as found:
        sleeping = asyncio.create_task(asyncio.to_thread(engine.ask, "DEBUG", "SLEEP", "1"))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        assert (await granted(found.store, charge(rule()))).local
        assert time.monotonic() - began < 0.12
        await sleeping
        await found.until(up=True, within=3)


READ_ONLY = (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"))
FULL = (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"))
LONELY = (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0"))
"""Redis 6.2 lets scripts write without the replicas that it is to have."""


@pytest.mark.parametrize(
    ("kind", "hurt", "mend"),
    [("valkey", *READ_ONLY), ("redis", *READ_ONLY), ("valkey", *FULL), ("redis", *FULL), ("valkey", *LONELY)],
    ids=["valkey read-only", "redis read-only", "valkey full", "redis full", "valkey without replicas"],
)
async def test_a_store_that_does_not_write(kind: str, hurt: tuple[str, ...], mend: tuple[str, ...]) -> None:
    with server(kind) as engine:
        await _does_not_write(engine, hurt, mend)


async def _does_not_write(engine: Server, hurt: tuple[str, ...], mend: tuple[str, ...]) -> None:
    async with fleet(engine.url) as found:
        reservation = await granted(found.store, charge(slots(5)))
        assert engine.ask(*hurt).startswith(b"+OK")
        for _ in range(50):
            assert isinstance(answer := await ask(found.store, charge(rule())), Reservation)
            assert answer.local
        await found.until(up=False, within=0.5)
        await found.store.settle(reservation, [1])
        assert engine.ask(*mend).startswith(b"+OK")
        await found.until(up=True, within=3)
        assert not (await granted(found.store, charge(rule()))).local
        await eventually(lambda: not found.store.late, 2)
        assert (await found.store.levels([(slots(5), "")]))[0].held == 0


async def test_a_restarted_store_is_a_new_one(valkey: Server) -> None:
    """Counters may reset: no more than one window too much."""
    async with fleet(valkey.url) as found:
        asked = charge(rule(limit=3, on_failure="closed"))
        for _ in range(3):
            await granted(found.store, asked)
        valkey.kill()
        valkey.restart()
        await found.until(up=True, within=3)
        admitted = 0
        end = time.monotonic() + 3
        while time.monotonic() < end and admitted < 4:
            answer = await ask(found.store, asked)
            if isinstance(answer, Denial) and answer.reason == "limit":
                break
            admitted += isinstance(answer, Reservation)
            await asyncio.sleep(0.01)
        assert admitted == 3


async def test_a_clock_that_is_put_back_an_hour(engine: Server) -> None:
    """As the scripts see it: the server's time lies an hour before what they knew. Nothing waits for an hour, and windows go on."""
    async with fleet(engine.url) as found:
        asked, steady = rule(limit=5), rule("rpd", 5, method="steady")
        engine.ask("HSET", "{tollway}:clock", "behind", 3_600_000_000)
        await granted(found.store, charge(asked, 5), charge(steady, 5))
        engine.ask("HSET", "{tollway}:clock", "behind", 0)
        for each in (asked, steady):
            answer = await ask(found.store, charge(each))
            assert isinstance(answer, Denial)
            assert answer.retry_after is not None
            assert 0 < answer.retry_after <= 62
        # Time goes on from where it was: a minute later there is room again.
        engine.ask("HINCRBY", "{tollway}:clock", "behind", 62_000_000)
        await granted(found.store, charge(asked, 5), charge(steady, 5))


async def test_a_clock_that_is_put_forward_an_hour(engine: Server) -> None:
    async with fleet(engine.url) as found:
        asked = rule("tpm", 100, unit="tokens")
        reservation = await granted(found.store, charge(asked, 60))
        engine.ask("HINCRBY", "{tollway}:clock", "behind", 3_600_000_000)
        other = await granted(found.store, charge(asked, 100))
        await found.store.settle(reservation, [60])
        await found.store.settle(other, [40])
        level = (await found.store.levels([(asked, "")]))[0]
        assert (level.used, level.held) == (100, 0)
        assert 0 < level.reset <= 62


async def test_nothing_stays_for_ever(engine: Server) -> None:
    async with fleet(engine.url) as found:
        rules = [
            rule(), rule("rph", method="steady"), slots(5), rule("tpm", unit="tokens"),
            rule("budget.day", 10**9, unit="micro_usd", method="money"),
        ]  # fmt: skip
        day = time.strftime("%Y-%m-%d", time.gmtime())
        charges = [charge(each) for each in rules[:-1]]
        charges.append(type(charges[0])(rules[-1], 1, 1, day))
        for _ in range(3):
            kept = await granted(found.store, *charges)
        await found.store.settle(kept, [1] * 5)
        keys = [line for line in engine.ask("KEYS", "*").decode().split("\r\n") if line.startswith("{")]
        assert len(keys) >= 8
        lives = {key: int(engine.ask("TTL", key)[1:-2]) for key in keys}
        endless = {key for key, seconds in lives.items() if seconds < 0}
        assert endless <= {"{tollway}:clock", "{tollway}:leases"}
        assert max(lives.values()) <= 9 * 86_400 + 1
