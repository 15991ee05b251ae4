"""Rates over four processes: what clients received in any minute, counted by them, is what the limit says."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.tokens.counter import TokenCounter
from tests.support.gateways import Books, Call, Load, Witness, costed, fleet, load, sqlite_in, wait_up
from tests.support.observed import workers
from tests.support.processes import KEY, Gateway, Mock
from tests.support.rawhttp import eventually
from tests.support.valkey import Server
from tests.support.valkey import server as valkey_server

pytestmark = pytest.mark.e2e

TPM = 10_000
STREAMS = 50
MOST = TPM * 1.01
PROMPT_TOKENS = 22
"""Of ``gateways.PROMPT``, as the upstream counts."""


@pytest.fixture
def valkey() -> Iterator[Server]:
    """One for each test, so that its clock may be moved."""
    with valkey_server() as found:
        yield found


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    """A mock that nobody else asks."""
    with contextlib.closing(Mock()) as mock:
        yield mock


def limited(mock: Mock, folder: Path, valkey: Server, limits: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A key with these limits."""
    keys = [{"name": "app", "key": KEY, "limits": limits}, {"name": "free", "key": "sk-tw-free"}]
    state = {"type": "redis", "url": valkey.url, "timeout": 1, "replicas": 4}
    return costed(mock.url, sqlite_in(folder), state, keys=keys, **changes)


async def stream_for(seconds: float, clients: Load, gateways: list[Gateway]) -> list[Call]:
    """``STREAMS`` clients that ask again and again, each for much more than it can have."""
    end = time.monotonic() + seconds
    calls: list[Call] = []

    async def keep_asking(number: int) -> None:
        while time.monotonic() < end:
            mock = {"tokens": "3000", "pace": "1", "seed": str(len(calls))}
            call = await clients.ask(gateways[number % len(gateways)], stream=True, max_tokens=None, mock=mock)
            calls.append(call)
            if call.status != 200:
                await asyncio.sleep(0.25)

    await asyncio.gather(*(keep_asking(number) for number in range(STREAMS)))
    return calls


async def most_in_a_minute(calls: list[Call]) -> int:
    """The largest sum over any 60 seconds of what was delivered, prompts with the first part of each answer."""
    counter = TokenCounter()
    await counter.load("o200k_base")
    count, _ = counter.inline_count("gpt-4o")
    moments: list[tuple[float, int]] = []
    for call in calls:
        said = ""
        for at, text in call.parts:
            before, said = count(said), said + text
            moments.append((at, count(said) - before + (0 if before else PROMPT_TOKENS)))
    counter.close()
    moments.sort()
    most = total = first = 0
    for at, tokens in moments:
        total += tokens
        while moments[first][0] <= at - 60:
            total -= moments[first][1]
            first += 1
        most = max(most, total)
    return most


async def tokens_of_a_minute(upstream: Mock, folder: Path, valkey: Server, seconds: float) -> None:
    """Streams for so long, and everything that must be true of them."""
    witness = Witness(upstream)
    async with fleet(limited(upstream, folder, valkey, {"tpm": TPM})) as gateways:
        async with load() as clients:
            await clients.until_ready(gateways, key="sk-tw-free")
            watching = asyncio.create_task(witness.watch())
            calls = await stream_for(seconds, clients, gateways)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    most = await most_in_a_minute(calls)
    served = [call for call in calls if call.status == 200]
    print(f"{len(calls)} calls, {len(served)} served, at most {most} tokens in a minute")
    assert 0.9 * TPM < most <= MOST
    await witness.finish()
    assert {call.status for call in calls} == {200, 429}
    for call in served:
        # Each asked for 3,000 tokens of 10,000: all are cut, with the error as the last event.
        assert (call.ending, call.done) == ("whole", False)
        assert call.error is not None
        assert (call.error["type"], call.error["code"]) == ("tokens", "rate_limit_exceeded")
        (seen,) = witness.seen[call.ident]
        assert seen["client_closed"], seen
    for call in calls:
        if call.status == 429:
            assert call.error is not None
            assert call.error["code"] == "rate_limit_exceeded"
            assert float(call.headers["retry-after"]) > 0


async def test_fifty_streams_and_ten_thousand_tokens_a_minute(upstream: Mock, tmp_path: Path, valkey: Server) -> None:
    await tokens_of_a_minute(upstream, tmp_path, valkey, 5)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_fifty_streams_for_minutes(upstream: Mock, tmp_path: Path, valkey: Server) -> None:
    await tokens_of_a_minute(upstream, tmp_path, valkey, 190)


async def test_sixty_requests_a_minute(upstream: Mock, tmp_path: Path, valkey: Server) -> None:
    witness = Witness(upstream)
    async with fleet(limited(upstream, tmp_path, valkey, {"rpm": 60})) as gateways:
        async with load() as clients:
            await clients.until_ready(gateways, key="sk-tw-free")
            calls = await asyncio.gather(*(clients.ask(gateways[number % 4]) for number in range(240)))
            calls += await asyncio.gather(*(clients.ask(gateway, stream=True) for gateway in gateways))
    assert Counter(call.status for call in calls) == {200: 60, 429: 184}
    await witness.finish()
    assert sum(call.ident in witness.seen for call in calls) == 60


SLOTS = 8


async def test_a_killed_worker_keeps_nothing(upstream: Mock, tmp_path: Path, valkey: Server) -> None:
    """One of four dies under its streams: their slots are free when the lease is over, their money as soon as another looks."""
    config = limited(upstream, tmp_path, valkey, {"concurrency": SLOTS}, server={"workers": 4})
    config["keys"][0]["budget"] = {"usd": 5, "per": "total"}
    books = Books(tmp_path / "tollway.db")
    async with fleet(config, 1) as (gateway,):
        async with load() as clients:
            await clients.until_ready([gateway])
            streams = [asyncio.create_task(held(clients, gateway)) for _ in range(SLOTS)]
            await until_open(upstream, SLOTS)
            assert (await clients.ask(gateway)).status == 429
            os.kill(workers(gateway)[0], signal.SIGKILL)
            lost = await broken(streams)
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
            await until_open(upstream, 0)
            await asyncio.to_thread(wait_up, gateway)
            free = await admitted(clients, gateway, upstream, SLOTS - lost)
            assert free == SLOTS - lost, f"{lost} slots of the dead worker's, {free} admitted"
            valkey.ask("HINCRBY", "{tollway}:clock", "behind", 61_000_000)
            assert await admitted(clients, gateway, upstream, SLOTS) == SLOTS
        await eventually_settled(books)
    entries = [entry for found in (await books.entries()).values() for entry in found]
    assert sum("recovered" in entry["flags"] for entry in entries) == lost
    await books.check()


async def held(clients: Load, gateway: Gateway) -> Call:
    """A stream of a minute."""
    return await clients.ask(gateway, stream=True, max_tokens=600, mock={"tokens": "600", "pace": "100"})


async def until_open(upstream: Mock, number: int) -> None:
    """So many requests are under way upstream."""
    await eventually(lambda: upstream.stats()["open"] == number, 10)


async def broken(streams: list["asyncio.Task[Call]"]) -> int:
    """How many streams the killed worker had; the others go on."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        done = [stream for stream in streams if stream.done()]
        if done:
            await asyncio.sleep(0.5)
            return sum(stream.done() for stream in streams)
    return 0


async def admitted(clients: Load, gateway: Gateway, upstream: Mock, expected: int) -> int:
    """How many of ``SLOTS`` + 4 at once are let in; they are waited for until ``expected`` are there, then dropped."""
    tasks = [asyncio.create_task(held(clients, gateway)) for _ in range(SLOTS + 4)]
    await eventually(lambda: sum(task.done() for task in tasks) >= SLOTS + 4 - expected, 10)
    await asyncio.sleep(0.3)
    found = len(tasks) - sum(task.done() and task.result().status == 429 for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until_open(upstream, 0)
    return found


async def eventually_settled(books: Books) -> None:
    """Nothing is held in the books any more."""
    deadline = time.monotonic() + 10
    while await books.holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
