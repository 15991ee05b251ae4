"""The store stops, dies, refuses, hangs and crawls: what the first failure costs, the calls after it, and the way back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvloop

from proxy.limits.failover import FailoverStore
from proxy.limits.redis import SCRIPTS
from proxy.state.connection import BULKHEAD
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings, StoreDown
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.valkey import Server

from .conftest import SLACK, Fleet, ask, charge, cost, costs, fleet, granted, rule

pytestmark = pytest.mark.e2e

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

FIRST = 0.05
"""Seconds that the first failure may cost."""

LATER = 0.001
"""Seconds that a call may cost while the breaker is open."""

BACK = 3.0
"""Seconds after which a store that is back is used."""


@dataclass
class Broken:
    """A way to break the store, and to mend it."""

    hurt: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]]


def at_once(work: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        await asyncio.to_thread(work)

    return run


def ways(server: Server, proxy: TcpProxy) -> dict[str, Broken]:
    async def swallow() -> None:
        proxy.swallow = True

    async def pass_again() -> None:
        proxy.swallow = False
        proxy.reset()

    async def crawl() -> None:
        proxy.delay = 0.2

    async def run_again() -> None:
        proxy.delay = 0.0

    return {
        "stopped": Broken(at_once(server.stop), at_once(server.go_on)),
        "killed": Broken(at_once(server.kill), at_once(server.restart)),
        "refusing": Broken(proxy.refuse, proxy.listen),
        "half-open": Broken(swallow, pass_again),
        "slow": Broken(crawl, run_again),
    }


WAYS = ("stopped", "killed", "refusing", "half-open", "slow")


@asynccontextmanager
async def through_proxy(server: Server) -> AsyncIterator[tuple[Fleet, TcpProxy]]:
    async with tcp_proxy(server.port) as proxy, fleet(proxy.url) as found:
        yield found, proxy


def one(store: FailoverStore) -> Callable[[], Awaitable[object]]:
    asked = charge(rule())
    return lambda: ask(store, asked)


@pytest.mark.parametrize("way", WAYS)
async def test_the_figures_of_an_outage(engine: Server, way: str) -> None:
    async with through_proxy(engine) as (found, proxy):
        broken = ways(engine, proxy)[way]
        call = one(found.store)
        await costs(call, 50)
        await broken.hurt()
        assert await cost(call) <= FIRST + SLACK
        await found.until(up=False, within=2)
        assert found.store.degraded
        spent = await costs(call)
        assert spent[-4] <= LATER, spent[-5:]
        # Through several attempts of the link to get back.
        end = time.monotonic() + 1.5
        spent = []
        while time.monotonic() < end:
            spent.append(await cost(call))
            await asyncio.sleep(0.002)
        spent.sort()
        assert spent[len(spent) * 98 // 100] <= LATER, spent[-20:]
        assert not found.link.up
        await broken.mend()
        await found.until(up=True, within=BACK)
        assert not (await granted(found.store, charge(rule()))).local
        assert found.states == [True, False, True]


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_raised_whatever_is_asked_when(valkey: Server, way: str) -> None:
    """Every method, before, during and after the outage; also for what was reserved at another time."""
    async with through_proxy(valkey) as (found, proxy):
        broken = ways(valkey, proxy)[way]
        store = found.store
        asked = charge(rule("tpm", 10**9, unit="tokens"), 100)

        async def life() -> None:
            reservation = await granted(store, asked)
            await asyncio.sleep(0.01)
            await store.spend(reservation, [30])
            await store.extend(reservation, [50])
            await store.renew([reservation], 60.0)
            await store.levels([(asked.rule, "")])
            await store.wants_seed()
            await store.settle(reservation, [90])

        over = asyncio.Event()

        async def load() -> None:
            while not over.is_set():
                await life()

        workers = [asyncio.create_task(load()) for _ in range(8)]
        await asyncio.sleep(0.3)
        await broken.hurt()
        await found.until(up=False, within=2)
        await asyncio.sleep(0.5)
        await broken.mend()
        await found.until(up=True, within=BACK)
        await asyncio.sleep(0.2)
        over.set()
        await asyncio.gather(*workers)
        await found.until(up=True, within=BACK)
        await life()


async def test_a_crowd_before_a_slow_store_is_let_go_in_time(valkey: Server) -> None:
    async with through_proxy(valkey) as (found, proxy):
        call = one(found.store)
        await costs(call, 50)
        proxy.delay = 0.2
        first = [asyncio.create_task(cost(call)) for _ in range(BULKHEAD)]
        await asyncio.sleep(0.03)
        # By now the store is known to be slow: nobody else waits for it.
        spent = await asyncio.gather(*(cost(call) for _ in range(200)))
        assert max(spent) < 0.04, "the bulkhead let them wait"
        assert max(await asyncio.gather(*first)) <= FIRST + SLACK
        proxy.delay = 0.0
        await found.until(up=True, within=BACK)


async def test_a_connection_that_the_store_closes_is_replaced_unnoticed(engine: Server) -> None:
    async with fleet(engine.url) as found:
        await costs(one(found.store), 10)
        await asyncio.sleep(1.1)
        await asyncio.to_thread(engine.ask, "CLIENT", "KILL", "TYPE", "normal")
        await asyncio.sleep(0.05)
        for _ in range(20):
            assert not (await granted(found.store, charge(rule()))).local
        assert found.states == [True]
        assert found.errors == ["lost"]


async def test_one_that_is_closed_again_and_again_is_not_hammered(valkey: Server) -> None:
    async with through_proxy(valkey) as (found, proxy):
        end = time.monotonic() + 2.2
        while time.monotonic() < end:
            proxy.reset()
            await asyncio.sleep(0.02)
        assert proxy.connections <= 5
        await found.until(up=True, within=BACK)


async def test_a_late_start(valkey: Server) -> None:
    """The gateway starts while the store is down, and finds it."""
    valkey.kill()
    link = StateLink(LinkSettings(url=valkey.url), scripts=SCRIPTS)
    assert not await link.open()
    with pytest.raises(StoreDown):
        await link.call("PING")
    valkey.restart()
    async with asyncio.timeout(BACK):
        await link.back()
    assert await link.call("PING") == b"PONG"
    await link.close()
    with pytest.raises(StoreDown):
        await link.call("PING")


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_gateway_that_was_busy_does_not_blame_the_store(valkey: Server, factory: LoopFactory) -> None:
    """The answer has been in the socket for long when the loop looks at its clock."""

    async def busy() -> None:
        async with fleet(valkey.url) as found:
            await costs(one(found.store), 10)
            for _ in range(5):
                asking = asyncio.create_task(granted(found.store, charge(rule())))
                for _ in range(3):
                    await asyncio.sleep(0)
                time.sleep(0.12)  # noqa: ASYNC251 - that is the point
                assert not (await asking).local
            assert found.errors == []

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(busy())
