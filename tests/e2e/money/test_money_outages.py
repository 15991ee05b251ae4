"""Stores that fail under load: who goes on, who is refused and how fast, how soon all is well again, and that no money is lost."""

import asyncio
import contextlib
import random
import resource
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from tests.support.gateways import (
    Books,
    Call,
    Load,
    Witness,
    costed,
    fleet,
    load,
    postgres_at,
    sqlite_in,
)
from tests.support.observed import metric, workers
from tests.support.postgres import server as postgres_server
from tests.support.processes import KEY, Gateway, Mock
from tests.support.tcp_proxy import tcp_proxy
from tests.support.valkey import Server
from tests.support.valkey import server as valkey_server

pytestmark = pytest.mark.e2e

SHARED, OPEN, CLOSED = "sk-tw-shared", "sk-tw-open", "sk-tw-closed"
HEALED = 3.0
"""Seconds after which a store that is back is used again."""


@pytest.fixture
def valkey() -> Iterator[Server]:
    """One for each test, to be hurt."""
    with valkey_server() as found:
        yield found


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    """A mock that nobody else asks."""
    with contextlib.closing(Mock()) as mock:
        yield mock


def keys(budget: float = 1000.0) -> list[dict[str, Any]]:
    """One for each thing that a limit can do while the store is down, and one under a budget."""
    many = 1_000_000
    return [
        {"name": "app", "key": KEY, "budget": {"usd": budget, "per": "total"}},
        {"name": "shared", "key": SHARED, "limits": {"rpm": many}},
        {"name": "open", "key": OPEN, "limits": {"rpm": many, "open": ["rpm"]}},
        {"name": "closed", "key": CLOSED, "limits": {"rpm": many, "closed": ["rpm"]}},
    ]


class Traffic:
    """Clients that ask without end, and what they were answered."""

    def __init__(self, clients: Load, gateways: list[Gateway]) -> None:
        self._clients = clients
        self._gateways = gateways
        self._tasks: list[asyncio.Task[None]] = []
        self._over = False
        self.calls: dict[str, list[Call]] = {}

    def start(self, *names: str, each: int = 2, pause: float = 0.01, **asked: Any) -> None:
        """``each`` clients with every one of these keys."""
        for name in names:
            self.calls[name] = []
            for number in range(each):
                gateway = self._gateways[number % len(self._gateways)]
                self._tasks.append(asyncio.create_task(self._ask(name, gateway, pause, asked)))

    async def _ask(self, name: str, gateway: Gateway, pause: float, asked: dict[str, Any]) -> None:
        while not self._over:
            self.calls[name].append(await self._clients.ask(gateway, key=name, **asked))
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """After the requests under way."""
        self._over = True
        await asyncio.gather(*self._tasks)

    def between(self, name: str, begin: float, end: float) -> list[Call]:
        """Calls that began and ended then."""
        return [call for call in self.calls[name] if begin <= call.begun and call.ended <= end]

    def every(self) -> list[Call]:
        """All of them."""
        return [call for calls in self.calls.values() for call in calls]

    async def until_good(self, name: str, since: float, within: float) -> float:
        """Seconds from ``since`` to the first good answer that began after it."""
        while True:
            found = [call.ended for call in self.calls[name] if call.begun >= since and call.status == 200]
            if found:
                return min(found) - since
            assert time.monotonic() < since + within, f"{name} is not served {within} s after {self.calls[name][-1]}"
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def traffic(gateways: list[Gateway]) -> AsyncIterator[Traffic]:
    """Traffic that ends with the block."""
    async with load() as clients:
        found = Traffic(clients, gateways)
        try:
            await clients.until_ready(gateways)
            yield found
        finally:
            await found.stop()


def times(calls: list[Call]) -> str:
    """Milliseconds, for whoever reads the run's output."""
    took = sorted((call.ended - call.begun) * 1000 for call in calls)
    if len(took) < 2:
        return f"{len(took)} calls"
    return (
        f"{len(took)} calls, p50 {median(took):.0f} ms, p99 {quantiles(took, n=100)[98]:.0f} ms, max {took[-1]:.0f} ms"
    )


# ---- the shared store -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_the_store_of_limits_goes_and_comes_back(
    upstream: Mock, tmp_path: Path, valkey: Server, how: str
) -> None:
    state = {"type": "redis", "url": valkey.url, "replicas": 2}
    async with fleet(costed(upstream.url, sqlite_in(tmp_path), state, keys=keys()), 2) as gateways:
        async with traffic(gateways) as found:
            found.start(KEY, SHARED, OPEN, CLOSED)
            before = time.monotonic()
            await asyncio.sleep(0.7)
            gone = time.monotonic()
            (valkey.stop if how == "stopped" else valkey.kill)()
            await asyncio.sleep(2.5)
            back = time.monotonic()
            (valkey.go_on if how == "stopped" else valkey.restart)()
            healed = {name: await found.until_good(name, back, 10) for name in (CLOSED, KEY)}
            await asyncio.sleep(1.0)
            end = time.monotonic()
        up = [metric(gateway, "tollway_store_up") for gateway in gateways]
    print(f"{how}: healed {healed}")
    for name in found.calls:
        print(
            f"  {name}: before {times(found.between(name, before, gone))}; during {times(found.between(name, gone, back))}"
        )
    assert {call.status for call in found.every()} <= {200, 503}
    for name in (SHARED, OPEN):
        assert {call.status for call in found.calls[name]} == {200}
    for name in (CLOSED, KEY):
        # The first half second is when the store is found out; then nothing is let in that it would have to count.
        during = found.between(name, gone + 0.5, back)
        assert during
        assert {call.status for call in during} == {503}
        assert {call.error["code"] for call in during if call.error} == {"limits_unavailable"}
        assert all(call.headers["retry-after"] for call in during)
    shared = found.between(SHARED, gone + 0.5, back)
    assert {call.headers.get("x-tollway-limits") for call in shared} == {"share"}
    assert {call.headers.get("x-tollway-limits") for call in found.between(OPEN, gone + 0.5, back)} == {"open"}
    # Nobody waits for a store that is known to be down.
    assert median(call.ended - call.begun for call in shared) < 0.05
    assert max(call.ended - call.begun for call in found.between(SHARED, gone, back)) < 1.0
    assert max(healed.values()) < HEALED
    assert up == [1, 1]
    assert {call.status for call in found.between(CLOSED, back + HEALED, end)} <= {200}


AFFORDABLE = 40


@pytest.mark.parametrize("how", ["flushed", "killed"])
async def test_a_store_that_has_forgotten_does_not_reset_a_budget(
    upstream: Mock, tmp_path: Path, valkey: Server, how: str
) -> None:
    """What was spent is in the ledger: half before, and never more than the other half after."""
    price = 22 * 10 + 1000 * 20
    state = {"type": "redis", "url": valkey.url, "replicas": 2, "timeout": 1}
    asked: dict[str, Any] = {"max_tokens": 1000, "mock": {"tokens": "1000"}}
    config = costed(upstream.url, sqlite_in(tmp_path), state, keys=keys(price * (AFFORDABLE + 0.5) / 1_000_000))
    books = Books(tmp_path / "tollway.db")
    async with fleet(config, 2) as gateways:
        async with load() as clients:
            await clients.until_ready(gateways)
            first = await asyncio.gather(*(clients.ask(gateways[n % 2], **asked) for n in range(AFFORDABLE // 2)))
            assert {call.status for call in first} == {200}
            gone = time.monotonic()
            if how == "flushed":
                valkey.ask("FLUSHALL")
            else:
                valkey.kill()
                valkey.restart()
            calls: list[Call] = []
            while time.monotonic() < gone + 5 and not (calls and calls[-1].status == 429):
                calls += await asyncio.gather(*(clients.ask(gateway, **asked) for gateway in gateways))
                await asyncio.sleep(0.05)
    good = [call for call in calls if call.status == 200]
    healed = min(call.begun for call in good) - gone
    print(f"{how}: healed after {healed:.2f} s, {Counter(call.status for call in calls)}")
    assert healed < HEALED
    assert len(good) == AFFORDABLE // 2
    assert {call.status for call in calls} <= {200, 429, 503}
    assert {call.error["code"] for call in calls if call.error} <= {"insufficient_quota", "limits_unavailable"}
    assert await books.one("SELECT SUM(charge) AS s FROM entries WHERE \"key\" = 'app'") == AFFORDABLE * price
    await books.check()


# ---- the database ---------------------------------------------------------------------------------------------------


async def all_there_once(witness: Witness, books: Books, calls: list[Call], within: float = 20) -> None:
    """What the upstream saw against the ledger: nothing missing, nothing doubled, each amount right."""
    await witness.finish()
    await books.settled(len(witness.seen), within=within)
    await books.check()
    entries = await books.entries()
    assert set(entries) == set(witness.seen)
    assert all(len(found) == 1 for found in entries.values())
    for call in calls:
        if call.usage is not None:
            assert entries[call.ident][0]["charge"] == call.cost


async def test_postgres_is_killed_and_comes_back(upstream: Mock, tmp_path: Path) -> None:
    postgres = postgres_server()
    async with postgres.database() as url:
        witness, books = Witness(upstream), Books(url)
        async with fleet(costed(upstream.url, postgres_at(url, tmp_path), keys=keys()), 2) as gateways:
            async with traffic(gateways) as found:
                watching = asyncio.create_task(witness.watch())
                found.start(KEY, SHARED, each=4)
                await asyncio.sleep(0.7)
                gone = time.monotonic()
                postgres.kill()
                await asyncio.sleep(1.5)
                waiting = [metric(gateway, "tollway_ledger_queue_entries") for gateway in gateways]
                back = time.monotonic()
                await asyncio.to_thread(postgres.start)
                started = time.monotonic()
                await asyncio.sleep(0.7)
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await all_there_once(witness, books, found.every())
            took = time.monotonic() - started
    print(f"postgres: {len(witness.seen)} requests, queued {waiting}, all there {took:.1f} s after it was back")
    print(f"  before {times(found.between(KEY, 0, gone))}; during {times(found.between(KEY, gone, back))}")
    assert {call.status for call in found.every()} == {200}
    assert all(waiting)


async def test_answers_to_commits_are_cut(upstream: Mock, tmp_path: Path) -> None:
    """Whether a commit happened is not known when its answer is lost: it is sent again, and is there once."""
    postgres = postgres_server()
    chance = random.Random(7)
    async with postgres.database() as url, tcp_proxy(postgres.port) as proxy:
        through = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        witness, books = Witness(upstream), Books(url)
        async with fleet(costed(upstream.url, postgres_at(through, tmp_path), keys=keys()), 2) as gateways:
            async with traffic(gateways) as found:
                watching = asyncio.create_task(witness.watch())
                found.start(KEY, each=8)
                for _ in range(20):
                    await asyncio.sleep(chance.uniform(0.1, 0.3))
                    # What was asked from now on is done, and nobody hears of it.
                    proxy.delay = 5
                    await asyncio.sleep(chance.uniform(0.0, 0.15))
                    proxy.reset()
                    proxy.delay = 0
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await all_there_once(witness, books, found.every())
    print(f"20 cuts, {proxy.connections} connections, {len(witness.seen)} requests")
    assert {call.status for call in found.every()} == {200}
    assert proxy.connections > 20


async def test_sqlite_is_locked_for_five_seconds(upstream: Mock, tmp_path: Path) -> None:
    witness, books = Witness(upstream), Books(tmp_path / "tollway.db")
    async with fleet(costed(upstream.url, sqlite_in(tmp_path), keys=keys()), 1) as gateways:
        async with traffic(gateways) as found:
            watching = asyncio.create_task(witness.watch())
            found.start(KEY, SHARED, each=2)
            before = time.monotonic()
            await asyncio.sleep(1)
            locked = time.monotonic()
            with contextlib.closing(sqlite3.connect(tmp_path / "tollway.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                await asyncio.sleep(5)
                free = time.monotonic()
                other.execute("COMMIT")
            await asyncio.sleep(0.5)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await all_there_once(witness, books, found.every())
    quiet, during = found.between(KEY, before, locked), found.between(KEY, locked, free)
    print(f"sqlite locked: before {times(quiet)}; during {times(during)}")
    assert {call.status for call in found.every()} == {200}
    # The lock costs nobody anything: what they took before is about what they take now, and far from the five seconds.
    assert quantiles([call.ended - call.begun for call in during], n=100)[98] < 0.25
    assert len(during) > len(quiet)


async def test_the_journal_s_disk_is_full(upstream: Mock, tmp_path: Path) -> None:
    """The process may write no larger file: its journal gets no room. Only what costs money is refused, and only meanwhile."""
    long = "a-name-that-fills-a-journal-soon-" * 6
    found_keys = [{**keys()[0], "name": long}, {"name": "free", "key": SHARED}]
    books = Books(tmp_path / "tollway.db")
    async with fleet(costed(upstream.url, sqlite_in(tmp_path), keys=found_keys), 1) as (gateway,):
        (pid,) = workers(gateway)
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        async with traffic([gateway]) as found:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024 * 1024 - 1, most))
            found.start(KEY, each=8, pause=0)
            found.start(SHARED, each=1)
            full = await until_refused(found)
            await asyncio.sleep(1.5)
            freed = time.monotonic()
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
            healed = await found.until_good(KEY, freed, 10)
            await asyncio.sleep(0.5)
        answered = [call.ident for call in found.calls[KEY] if call.status == 200]
        await until_written(books, set(answered))
    print(f"disk full: healed after {healed:.2f} s; {len(found.calls[KEY])} calls")
    refused = [call for call in found.calls[KEY] if call.status != 200]
    assert {(call.status, call.error["code"]) for call in refused if call.error} == {(503, "ledger_unavailable")}
    assert len(found.between(KEY, full, freed)) > 10
    assert {call.status for call in found.between(KEY, full, freed)} == {503}
    assert {call.status for call in found.calls[SHARED]} == {200}
    assert healed < 5
    entries = await books.entries()
    await books.check()
    assert [len(entries[ident]) for ident in answered] == [1] * len(answered)
    assert not [call for call in found.calls[KEY] if call.status == 503 and call.ident in entries]


async def until_refused(found: Traffic) -> float:
    """Until the journal is full; when that was."""
    deadline = time.monotonic() + 30
    while not (refused := [call.ended for call in found.calls[KEY] if call.status == 503]):
        assert time.monotonic() < deadline, Counter(call.status for call in found.calls[KEY])
        await asyncio.sleep(0.02)
    return min(refused)


async def until_written(books: Books, idents: set[str]) -> None:
    """Until each of these requests has an entry."""
    deadline = time.monotonic() + 10
    while missing := idents - set(await books.entries()):
        assert time.monotonic() < deadline, f"{len(missing)} of {len(idents)} have no entry"
        await asyncio.sleep(0.1)
