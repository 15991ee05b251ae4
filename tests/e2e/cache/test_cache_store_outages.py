"""The shared store dies, hangs, is emptied or comes late: every lookup is a miss in time, and nothing is ever raised."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from proxy.cache.fleet import MemoryCacheOfFleet
from proxy.cache.memory import MemoryCacheStore
from proxy.cache.redis import SCRIPTS, SharedCacheStore
from proxy.protocols import CacheEntry, Purge
from proxy.state.link import StateLink
from proxy.state.push import Push
from proxy.state.settings import LinkSettings
from tests.support.cache_stores import NOW, Records, answer, new_key
from tests.support.clock import FakeClock
from tests.support.valkey import Server, server

pytestmark = pytest.mark.e2e

TIMEOUT = 0.05
"""Seconds: ``state.timeout`` where nobody sets it."""

SLACK = 0.06
"""Seconds by which a test's own machine may be late."""

NEXT_TO_NOTHING = 0.001
"""Seconds that a lookup takes once it is known that the store is down."""

BACK = 3.0


@pytest.fixture
def valkey() -> Iterator[Server]:
    """One that may be hurt."""
    with server() as found:
        yield found


class Process:
    """A gateway process's store with the product's time limit."""

    def __init__(self, url: str) -> None:
        self.records = Records()
        self.wall = FakeClock(NOW)
        self.link = StateLink(LinkSettings(url=url, timeout=TIMEOUT), scripts=SCRIPTS)
        self.store = SharedCacheStore(self.link, max_entry=1 << 20, wall=self.wall, records=self.records)

    async def timed(self, key: bytes) -> tuple[float, CacheEntry | None]:
        """Seconds that a lookup took, and what it found."""
        began = time.perf_counter()
        found = await self.store.get(key)
        return time.perf_counter() - began, found

    async def until(self, true: Callable[[], bool], within: float) -> None:
        """Waits, with a deadline."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < within, self.records.counts
            await asyncio.sleep(0.005)

    async def found_again(self, key: bytes, within: float = BACK) -> CacheEntry:
        """What is under ``key`` once the store is back."""
        began = time.monotonic()
        while (found := await self.store.get(key)) is None:
            assert time.monotonic() - began < within, self.records.counts
            await asyncio.sleep(0.005)
        return found


@asynccontextmanager
async def processes(url: str, count: int = 1) -> AsyncIterator[list[Process]]:
    """Some, opened."""
    async with AsyncExitStack() as stack:
        found = [Process(url) for _ in range(count)]
        for each in found:
            await each.store.open()
            stack.push_async_callback(each.store.close)
        yield found


async def down_costs_nothing(process: Process, key: bytes) -> None:
    """Of a hundred lookups that know that the store is down. One of them may be the test's machine's."""
    times = sorted([(await process.timed(key))[0] for _ in range(100)])
    assert times[98] < NEXT_TO_NOTHING, times[-5:]


async def test_killed_in_the_middle_of_traffic(valkey: Server) -> None:
    async with processes(valkey.unix) as (process,):
        store, keys, slowest, hits, stop = process.store, [new_key() for _ in range(20)], 0.0, 0, False
        before = store.secret()

        async def client(key: bytes) -> None:
            nonlocal slowest, hits
            while not stop:
                took, found = await process.timed(key)
                slowest, hits = max(slowest, took), hits + (found is not None)
                assert found is None or found.body == key
                await store.put(key, answer(key))
                await asyncio.sleep(0.001)

        clients = [asyncio.create_task(client(key)) for key in keys]
        await process.until(lambda: hits > 200, 2.0)
        valkey.kill()
        await process.until(lambda: not process.link.up, 1.0)
        await down_costs_nothing(process, keys[0])
        valkey.restart()
        assert (await process.found_again(keys[0])).body == keys[0]
        stop = True
        await asyncio.gather(*clients)
        assert slowest < TIMEOUT + SLACK
        assert store.secret() == before
        assert set(process.records.failures) <= {"down", "busy"}


async def test_a_store_that_hangs(valkey: Server) -> None:
    async with processes(valkey.unix) as (process,):
        key = new_key()
        await process.store.put(key, answer())
        valkey.stop()
        took, found = await process.timed(key)
        assert found is None
        assert took < TIMEOUT + SLACK
        assert process.records.failures == {"down": 1}
        await process.until(lambda: not process.link.up, 1.0)
        await down_costs_nothing(process, key)
        valkey.go_on()
        assert await process.found_again(key) == answer()


async def test_a_store_that_comes_late(valkey: Server) -> None:
    valkey.kill()
    async with processes(valkey.unix) as (process,):
        key = new_key()
        assert await process.store.get(key) is None
        assert await process.store.get_many([key, key]) == [None, None]
        await process.store.put(key, answer())
        valkey.restart()
        await process.until(lambda: process.link.up, BACK)
        await process.store.get(key)
        await process.store.get(key)
        await process.store.put(key, answer())
        assert await process.store.get(key) == answer()


async def test_emptied_in_the_middle(valkey: Server) -> None:
    async with processes(valkey.unix, 2) as (one, other):
        key = new_key()
        await one.store.put(key, answer())
        valkey.ask("FLUSHALL")
        valkey.ask("SCRIPT", "FLUSH")
        assert await other.store.get(key) is None
        await one.store.put(key, answer(b"anew"))
        assert await other.store.get(key) == answer(b"anew")
        assert one.records.failures == other.records.failures == {}


@pytest.mark.parametrize("what", [Purge(account="acme"), Purge(key="{key}")], ids=["account", "key"])
async def test_a_purge_while_the_store_hangs_holds_here_at_once_and_everywhere_when_it_is_back(
    valkey: Server, what: Purge
) -> None:
    async with processes(valkey.unix, 2) as (one, other):
        key = new_key()
        what = Purge(account=what.account, key=key.hex() if what.key else "")
        await one.store.put(key, answer())
        assert await other.store.get(key) is not None
        valkey.stop()
        assert await one.store.get(key) is None
        await one.until(lambda: not one.link.up, 1.0)
        assert await one.store.purge(what) is None
        assert one.store.owed
        valkey.go_on()
        await one.until(lambda: not one.store.owed, BACK)
        await one.until(lambda: one.link.up and other.link.up, BACK)
        assert await one.store.get(key) is None
        assert await other.store.get(key) is None
        one.wall.advance(10.0)
        later = answer(now=one.wall())
        await one.store.put(key, later)
        assert await other.store.get(key) == later


async def test_answers_in_memory_are_forgotten_everywhere_once_the_store_is_back(valkey: Server) -> None:
    settings, records = LinkSettings(url=valkey.unix, timeout=TIMEOUT), Records()
    async with AsyncExitStack() as stack:
        fleet = []
        for _ in range(2):
            link = StateLink(settings)
            stack.push_async_callback(link.close)
            await link.open()
            store = MemoryCacheOfFleet(
                MemoryCacheStore(1 << 20, time.time, records),
                link,
                Push(settings, link, channel="{tollway}:cache"),
                wall=time.time,
                records=records,
            )
            stack.push_async_callback(store.close)
            await store.open()
            fleet.append(store)
        began = time.monotonic()
        while not valkey.ask("PUBSUB", "NUMSUB", "{tollway}:cache").endswith(b":2\r\n"):
            assert time.monotonic() - began < BACK
            await asyncio.sleep(0.005)
        for store in fleet:
            await store.put(new_key(), answer(now=time.time()))
        one, other = fleet
        # It hangs so briefly that nobody who listens for words notices.
        valkey.stop()
        assert await one.purge(Purge(account="acme")) is None
        assert one.owed
        assert [store.figures()[0] for store in fleet] == [0, 1]
        valkey.go_on()
        began = time.monotonic()
        while other.figures()[0] or one.owed:
            assert time.monotonic() - began < 2 * BACK
            await asyncio.sleep(0.005)


async def test_closing_while_the_store_is_down_leaves_nothing_running(valkey: Server) -> None:
    async with processes(valkey.unix) as (process,):
        valkey.kill()
        await process.until(lambda: not process.link.up, 1.0)
        await process.store.purge(Purge())
        assert process.store.owed
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
