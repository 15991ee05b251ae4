"""A budget for ten requests and five hundred at once: ten are sent, whoever decides and wherever the figures are kept."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import (
    INPUT,
    OUTPUT,
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
from tests.support.postgres import server as postgres_server
from tests.support.processes import KEY, Gateway, Mock
from tests.support.valkey import Server
from tests.support.valkey import server as valkey_server

pytestmark = pytest.mark.e2e

ANSWER = 1000
"""Tokens of every answer, and the cap that is asked for."""

AFFORDABLE = 10
AT_ONCE = 500

PRICE = 22 * INPUT + ANSWER * OUTPUT
"""Micro-dollars of one request by the upstream's count of the prompt; that ours differs a little is what the half is for."""

BUDGET = PRICE * AFFORDABLE + PRICE // 2


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """One for this module; every test has keys of its own."""
    with valkey_server() as found:
        yield found


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    """A mock that nobody else asks."""
    mock = Mock()
    try:
        yield mock
    finally:
        mock.close()


def budgeted(mock: Mock, storage: dict[str, Any], state: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """A key with a budget for ten, and one without for the warming up."""
    keys = [{"name": "app", "key": KEY, "budget": {"usd": BUDGET / 1_000_000, "per": "total"}}]
    return costed(mock.url, storage, state, keys=keys, **changes)


async def ask_at_once(clients: Load, gateways: list[Gateway], number: int) -> list[Call]:
    """So many requests, spread over the gateways."""
    mock = {"tokens": str(ANSWER), "first-token": "400"}
    return await asyncio.gather(
        *(
            clients.ask(gateways[each % len(gateways)], max_tokens=ANSWER, mock=mock, stream=each % 2 == 0)
            for each in range(number)
        )
    )


async def exactly_ten(mock: Mock, gateways: list[Gateway], books: Books, number: int = AT_ONCE) -> None:
    """The whole of it: admission, refusals, what the upstream saw, what the ledger says."""
    witness = Witness(mock)
    async with load() as clients:
        await clients.until_ready(gateways)
        await witness.look()
        warmed = len(witness.seen)
        calls = await ask_at_once(clients, gateways, number)
        late = await ask_at_once(clients, gateways, len(gateways))
    refused = [call for call in calls + late if call.status != 200]
    answered = [call for call in calls if call.status == 200]
    assert Counter(call.status for call in calls) == {200: AFFORDABLE, 429: number - AFFORDABLE}
    assert not [call for call in late if call.status == 200]
    for call in refused:
        assert call.error is not None
        assert (call.error["code"], call.headers["x-should-retry"]) == ("insufficient_quota", "false"), call
    await witness.finish()
    assert set(witness.seen) - {call.ident for call in answered} == set(witness.seen) - {c.ident for c in calls + late}
    assert len(witness.seen) - warmed == AFFORDABLE
    for call in answered:
        assert call.done, call
        assert call.cost == PRICE
        assert [each["outcome"] for each in witness.seen[call.ident]] == ["complete"]
    await books.settled(AFFORDABLE + warmed)
    entries = await books.entries()
    for call in answered:
        (entry,) = entries[call.ident]
        assert (entry["charge"], entry["count"], entry["ending"]) == (PRICE, "reported", "complete")
    assert await books.one("SELECT SUM(charge) AS s FROM entries") == AFFORDABLE * PRICE
    await books.check()


@asynccontextmanager
async def stored(engine: str, folder: Path) -> AsyncIterator[tuple[dict[str, Any], Books]]:
    """(the section ``storage``, the books in it)."""
    if engine == "sqlite":
        yield sqlite_in(folder), Books(folder / "tollway.db")
        return
    async with postgres_server().database() as url:
        yield postgres_at(url, folder), Books(url)


@pytest.mark.parametrize(("engine", "number"), [("sqlite", AT_ONCE), ("postgres", 150)])
async def test_four_processes_on_one_store(
    upstream: Mock, valkey: Server, tmp_path: Path, engine: str, number: int
) -> None:
    valkey.ask("FLUSHALL")
    state = {"type": "redis", "url": valkey.url, "replicas": 4, "timeout": 1}
    async with stored(engine, tmp_path) as (storage, books):
        async with fleet(budgeted(upstream, storage, state)) as gateways:
            await exactly_ten(upstream, gateways, books, number)


async def test_four_workers_on_an_embedded_store(upstream: Mock, tmp_path: Path) -> None:
    config = budgeted(upstream, sqlite_in(tmp_path), {"type": "embedded", "timeout": 1}, server={"workers": 4})
    async with fleet(config, 1) as gateways:
        await exactly_ten(upstream, gateways, Books(tmp_path / "tollway.db"))


async def test_one_worker_in_memory(upstream: Mock, tmp_path: Path) -> None:
    async with fleet(budgeted(upstream, sqlite_in(tmp_path), None), 1) as gateways:
        await exactly_ten(upstream, gateways, Books(tmp_path / "tollway.db"))


async def test_the_first_stream_of_a_process_gets_all_that_it_was_granted(upstream: Mock, tmp_path: Path) -> None:
    """The budget pays for this one answer to its last token, and a process that has just started can count it."""
    keys = [{"name": "app", "key": KEY, "budget": {"usd": PRICE * 1.05 / 1_000_000, "per": "total"}}]
    async with fleet(costed(upstream.url, sqlite_in(tmp_path), keys=keys), 1) as (gateway,), load() as clients:
        call = await clients.ask(gateway, stream=True, max_tokens=ANSWER, mock={"tokens": str(ANSWER)})
        assert (call.status, call.done, call.error) == (200, True, None)
        assert call.cost == PRICE


async def test_a_gateway_that_is_ready_knows_what_was_spent(upstream: Mock, valkey: Server, tmp_path: Path) -> None:
    """On a store that has never heard of it: it says that it is ready when it can decide."""
    valkey.ask("FLUSHALL")
    config = budgeted(upstream, sqlite_in(tmp_path), {"type": "redis", "url": valkey.url, "timeout": 1})
    async with fleet(config, 1) as (gateway,), load() as clients:
        assert (await clients.ask(gateway)).status == 200
