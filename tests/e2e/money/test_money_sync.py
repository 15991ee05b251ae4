"""``ledger: sync``: before a request is sent, the database has its hold, however slow it is."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import Books, costed, fleet, load, postgres_at
from tests.support.postgres import server as postgres_server
from tests.support.processes import KEY, Mock
from tests.support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.e2e

LATE = 0.03
"""Seconds that every answer of the database's is late."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    """A mock that nobody else asks."""
    with contextlib.closing(Mock()) as mock:
        yield mock


def keys() -> list[dict[str, Any]]:
    """One with a budget."""
    return [{"name": "app", "key": KEY, "budget": {"usd": 100, "per": "total"}}]


async def test_the_database_knows_before_the_upstream_does(upstream: Mock, tmp_path: Path) -> None:
    async with postgres_server().database() as url, tcp_proxy(postgres_server().port) as proxy:
        through = url.replace(f":{postgres_server().port}/", f":{proxy.port}/")
        books = Books(url)
        config = costed(upstream.url, postgres_at(through, tmp_path), keys=keys(), ledger="sync")
        async with fleet(config, 1) as (gateway,), load() as clients:
            await clients.until_ready([gateway])
            proxy.delay = LATE
            begun = time.monotonic()
            asking = asyncio.create_task(clients.ask(gateway, mock={"head-delay": "3000"}))
            while not any(
                value == "3000" for entry in upstream.requests(5) for name, value in entry["headers"]
                if name.lower() == "x-mock-head-delay"
            ):  # fmt: skip
                assert time.monotonic() < begun + 20
                await asyncio.sleep(0.02)
            sent = time.monotonic() - begun
            print(sent)
            held = await books.rows("SELECT amount FROM holds WHERE amount > 0")
            call = await asking
            assert call.status == 200
            calls = await asyncio.gather(*(clients.ask(gateway) for _ in range(20)))
            # Whoever has an answer is in the database already: as a hold, or as what became of it.
            known = await books.one("SELECT COUNT(*) AS n FROM transactions WHERE kind IN ('hold', 'capture')")
            assert {each.status for each in calls} == {200}
            assert known >= 21
            proxy.delay = 0
            await books.settled(22)
    print(f"sent upstream {sent:.2f} s after it was asked, each answer of the database {LATE} s late")
    assert sent > LATE
    assert len(held) == 1


async def test_a_database_that_does_not_answer(upstream: Mock, tmp_path: Path) -> None:
    """Nothing that costs money is sent; when it answers again all goes on."""
    async with postgres_server().database() as url, tcp_proxy(postgres_server().port) as proxy:
        through = url.replace(f":{postgres_server().port}/", f":{proxy.port}/")
        config = costed(upstream.url, postgres_at(through, tmp_path), keys=keys(), ledger="sync")
        async with fleet(config, 1) as (gateway,), load() as clients:
            await clients.until_ready([gateway])
            before = upstream.stats()["requests"]
            await proxy.refuse()
            call = await clients.ask(gateway)
            assert (call.status, call.error and call.error["code"]) == (503, "ledger_unavailable")
            assert call.ended - call.begun < 6
            assert upstream.stats()["requests"] == before
            await proxy.listen()
            back = time.monotonic()
            while (call := await clients.ask(gateway)).status != 200:
                assert time.monotonic() < back + 10, call
            assert call.ended - back < 6
            await Books(url).settled(2)
            await Books(url).check()
