"""The index of a fleet: replicated over one Valkey that dies and comes back, or in a real PostgreSQL; and gateways that start anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from proxy.semantic.vectors.replicated import LOOK
from tests.support.observed import metric
from tests.support.postgres import PostgresServer, postgres
from tests.support.processes import Gateway, Mock, config_for
from tests.support.rawhttp import Answer
from tests.support.valkey import Server, server

from .semantic import ADMIN_KEY, PARAPHRASES, administered, alike, asked, kind, lying, stored, tag

__all__ = ["postgres"]
pytestmark = pytest.mark.e2e

WITHIN = 15.0


@pytest.fixture(scope="module")
def vectors() -> Iterator[str]:
    """Where an embedding model is."""
    with lying() as found:
        yield found.honest


def config(mock: Mock, vectors: str, **sections: Any) -> dict[str, Any]:
    """The semantic cache with a provider's vectors, which start sooner than a model of one's own."""
    semantic = {
        "enabled": True,
        "embedder": "vectors",
        "timeout": "5s",
        "threshold": 0.6,
        **sections.pop("semantic", {}),
    }
    found = config_for(
        mock.url,
        admin={"key": ADMIN_KEY},
        **{"cache": {"exact": {"ttl": "1h"}, "semantic": semantic}, **sections},
    )
    found["providers"]["vectors"] = {"use": "openai", "base_url": vectors, "api_key": "sk-of-vectors"}
    found["models"]["vectors"] = {"targets": [{"provider": "vectors", "model": "text-embedding-3-small"}]}
    return found


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """The store of both."""
    with server() as found:
        yield found


@pytest.fixture(scope="module")
def pair(mock: Mock, vectors: str, valkey: Server) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways over one state."""
    state = {"type": "redis", "url": valkey.url}
    found = [Gateway(config(mock, vectors, state=state), wait=False) for _ in range(2)]
    try:
        for gateway in found:
            gateway.wait_ready()
        yield found[0], found[1]
    finally:
        for gateway in found:
            gateway.close()


async def heard(gateway: Gateway, text: str, system: str) -> Answer:
    """Asks until the gateway knows what another has stored: a hit, or a fresh answer for comparing."""
    deadline = time.monotonic() + WITHIN
    while (answer := await asked(gateway, text, system)).header("x-tollway-cache-reason") in ("empty", "gone"):
        assert time.monotonic() < deadline, answer.headers
        # What it was asked just now is stored as well: that is not to be found instead.
        text += "?"
        await asyncio.sleep(0.05)
    return answer


async def served(one: Gateway, other: Gateway) -> Answer:
    """A semantic hit at one gateway for what the other has stored. Now and then a fresh answer is made to compare: then the next pair is asked."""
    for first, then in PARAPHRASES:
        system = tag()
        await stored(one, first, system)
        answer = await heard(other, then, system)
        if kind(answer) == "semantic-hit":
            return answer
        assert answer.header("x-tollway-cache-reason") == "explored", answer.headers
    raise AssertionError("not one was served")


async def test_what_one_has_stored_the_other_serves(pair: tuple[Gateway, Gateway]) -> None:
    one, other = pair
    answer = await served(one, other)
    assert float(answer.header("x-tollway-cache-similarity") or 0) >= 0.6
    await served(other, one)


async def test_a_purge_at_one_forgets_at_the_other(pair: tuple[Gateway, Gateway]) -> None:
    one, other = pair
    (first, then), system = PARAPHRASES[0], tag()
    await stored(one, first, system)
    await heard(other, then, system)
    deadline = time.monotonic() + WITHIN
    while True:
        assert administered(other, "/cache/purge", {"account": "app"})["everywhere"] is True
        await asyncio.sleep(2 * LOOK)
        # Each asks with a word more, since what was just asked is stored as well.
        then = f"Hi! {then}"
        if (answer := await asked(one, then, system)).header("x-tollway-cache-reason") == "empty":
            return
        assert time.monotonic() < deadline, answer.headers


async def test_a_store_that_dies_and_comes_back(pair: tuple[Gateway, Gateway], valkey: Server) -> None:
    one, other = pair
    (first, then), system = PARAPHRASES[1], tag()
    await stored(one, first, system)
    valkey.kill()
    try:
        began = time.monotonic()
        for _ in range(10):
            assert kind(await asked(one, then, system)) == "miss"
        assert time.monotonic() - began < 5.0
        assert administered(one, "/cache")["up"] is False
    finally:
        valkey.restart()
    deadline = time.monotonic() + WITHIN
    while administered(one, "/cache")["up"] is not True or administered(other, "/cache")["up"] is not True:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await served(one, other)


async def test_one_that_starts_later_knows_what_was_stored(
    pair: tuple[Gateway, Gateway], mock: Mock, vectors: str, valkey: Server
) -> None:
    for first, then in PARAPHRASES:
        system = tag()
        await stored(pair[0], first, system)
        await heard(pair[1], then.upper(), system)  # it was told
        made = config(mock, vectors, state={"type": "redis", "url": valkey.url})
        late = Gateway(made)
        try:
            answer = await heard(late, then, system)
        finally:
            late.close()
        if kind(answer) == "semantic-hit":
            return
    raise AssertionError("not one was served")


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[str]:
    """A migrated database of its own."""
    async with postgres.database() as url:
        yield url


async def test_in_postgresql(mock: Mock, vectors: str, database: str, postgres: PostgresServer, tmp_path: Any) -> None:
    made = config(
        mock,
        vectors,
        semantic={"index": "pgvector"},
        storage={"type": "postgres", "url": database, "journal": str(tmp_path / "journal")},
        state={"type": "memory"},
    )
    gateway = Gateway(made)
    try:
        await alike(gateway)
        name = database.rpartition("/")[2]
        rows = await postgres.execute("SELECT count(*) AS n FROM tollway_vectors", database=name)
        assert rows[0]["n"] >= 1
        (first, then), system = PARAPHRASES[2], tag()
        await stored(gateway, first, system)
        administered(gateway, "/cache/purge", {"account": "app"})
        assert (await asked(gateway, then, system)).header("x-tollway-cache-reason") in ("empty", "gone")
        assert metric(gateway, "tollway_cache_errors_total") == 0
    finally:
        gateway.close()
