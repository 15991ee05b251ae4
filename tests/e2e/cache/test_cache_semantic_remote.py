"""The vectors of a provider, asked for through the gateway's own router: paid by the operator, with failover; and one that lies or hangs."""

import asyncio
import json
import struct
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import Books, costed, sqlite_in
from tests.support.observed import metric
from tests.support.processes import KEY, Gateway, Mock, running

from .semantic import (
    DIMENSIONS,
    KEEN_KEY,
    PARAPHRASES,
    Liar,
    Reply,
    alike,
    asked,
    honest,
    kind,
    listed,
    lying,
    never_alike,
    stored,
    tag,
    vector,
)

pytestmark = pytest.mark.e2e

TIMEOUT = 0.5
SLACK = 1.0
"""Seconds by which a test's own machine may be late."""

PRICE = 1000.0
"""Dollars for a million tokens: so that a few of them cost whole micro-dollars."""


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    """The first target of the embedding model."""
    with lying() as found:
        yield found


def config(mock: Mock, liar: Liar, folder: Path) -> dict[str, Any]:
    """Off for all but the model ``near`` and the key ``keen``. The embedding model has two targets, of which the first is the liar's."""
    answering = {"provider": "mock", "model": "gpt-4o"}
    found = costed(
        mock.url,
        sqlite_in(folder),
        cache={
            "exact": {"ttl": "1h"},
            "semantic": {"embedder": "vectors", "timeout": f"{TIMEOUT}s", "threshold": 0.6},
        },
        retry={"attempts": 2, "per_second": 1000.0},
        keys=[{"name": "app", "key": KEY}, {"name": "keen", "key": KEEN_KEY, "cache": {"semantic": True}}],
    )
    found["providers"]["liar"] = {"use": "openai", "base_url": liar.url, "api_key": "sk-of-the-liar"}
    found["providers"]["spare"] = {"use": "openai", "base_url": liar.honest, "api_key": "sk-of-the-spare"}
    found["catalogue"]["models"]["openai/text-embedding-3-small"] = {"prices": {"input": PRICE}}
    found["models"] = {
        "gpt-4o": {"targets": [answering]},
        "near": {"targets": [answering], "cache": {"semantic": True}},
        "far": {"targets": [answering], "cache": {"semantic": False}},
        "vectors": {"targets": [{"provider": name, "model": "text-embedding-3-small"} for name in ("liar", "spare")]},
    }
    return found


@pytest.fixture(scope="module")
def stand(mock: Mock, liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Books]]:
    """One gateway for all of these tests, and its books."""
    folder = tmp_path_factory.mktemp("remote")
    with running(config(mock, liar, folder)) as gateway:
        yield gateway, Books(folder / "tollway.db")


@pytest.fixture
def gateway(stand: tuple[Gateway, Books], liar: Liar) -> Iterator[Gateway]:
    """The gateway alone; the liar is honest before and after."""
    yield stand[0]
    liar.reply = honest
    liar.hangs.set()


async def operators(books: Books) -> list[dict[str, Any]]:
    """Entries of the operator's embeddings."""
    return [row for rows in (await books.entries()).values() for row in rows if "embedding" in row["flags"]]


def vectors(gateway: Gateway, result: str) -> float:
    """Calls of the embedder that came to this."""
    return metric(gateway, "tollway_cache_embeddings_total", result=result)


async def test_the_operator_pays_for_the_vectors(gateway: Gateway, stand: tuple[Gateway, Books]) -> None:
    answer = await alike(gateway, model="near")
    assert float(answer.header("x-tollway-cache-similarity") or 0) >= 0.6
    deadline = time.monotonic() + 5.0
    while not (rows := await operators(stand[1])):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    row = rows[0]
    assert (row["charge"], row["account"], row["provider"]) == (0, "", "liar")
    assert (row["cost"], row["ending"]) == (7 * PRICE, "complete")


async def test_the_route_of_the_embedder_fails_over(gateway: Gateway, stand: tuple[Gateway, Books], liar: Liar) -> None:
    liar.reply = lambda texts: 500
    before = liar.asked
    assert kind(await alike(gateway, model="near")) == "semantic-hit"
    assert liar.asked > before
    deadline = time.monotonic() + 5.0
    while "spare" not in {row["provider"] for row in await operators(stand[1])}:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("how", "on"),
    [
        ({}, False),
        ({"model": "near"}, True),
        ({"key": KEEN_KEY}, True),
        ({"model": "far", "key": KEEN_KEY}, False),
        ({"model": "near", "headers": {"x-tollway-cache": "exact"}}, False),
        ({"headers": {"x-tollway-cache": "semantic"}}, False),
        ({"model": "near", "headers": {"x-tollway-cache": "semantic"}}, True),
    ],
    ids=["nobody", "model", "key", "off wins", "exact only", "a client cannot turn it on", "asked for"],
)
async def test_who_turns_it_on(gateway: Gateway, how: dict[str, Any], on: bool) -> None:
    if on:
        await alike(gateway, **how)
    else:
        await never_alike(gateway, how, how, times=2)


NOT_A_NUMBER = b64encode(struct.pack("<f", float("nan")) * DIMENSIONS).decode()

LIES: dict[str, tuple[Reply, str]] = {
    "wrong dimensions": (lambda texts: listed([[1.0, 2.0, 3.0]] * len(texts)), "dimensions"),
    "two sizes": (lambda texts: listed([[1.0] * (DIMENSIONS - at) for at in range(len(texts))]), "dimensions"),
    "not a number": (
        lambda texts: listed([["NaN"] * DIMENSIONS] * len(texts)).replace(b'"NaN"', b"NaN"),
        "error",
    ),
    "base64 of NaN": (lambda texts: listed([NOT_A_NUMBER] * len(texts)), "not_finite"),
    "too large for a float": (lambda texts: listed([[1e300] * DIMENSIONS] * len(texts)), "not_finite"),
    "zeros": (lambda texts: listed([[0.0] * DIMENSIONS] * len(texts)), "not_finite"),
    "one too few": (lambda texts: listed([vector(text) for text in texts[1:]]), "error"),
    "one too many": (lambda texts: listed([vector(text) for text in ["x", *texts]]), "error"),
    "no vectors": (lambda texts: b'{"object": "list", "data": []}', "error"),
    "no list": (lambda texts: b'{"data": 5}', "error"),
    "null": (lambda texts: b"null", "error"),
    "no JSON": (lambda texts: b"<html>", "error"),
    "deep": (lambda texts: b"[" * 100_000, "error"),
    "refused": (lambda texts: 401, "error"),
}
NO_ANSWERS = frozenset(("null", "no JSON", "deep", "refused"))
"""Of those, what a router would not take either."""


@pytest.mark.parametrize("name", LIES)
async def test_what_is_no_vector_costs_nothing_but_the_hit(gateway: Gateway, liar: Liar, name: str) -> None:
    (one, other), system = PARAPHRASES[0], tag()
    await stored(gateway, one, system, model="near")
    liar.reply, result = LIES[name]
    before = {each: vectors(gateway, each) for each in (result, "ok")}
    answer = await asked(gateway, other, system, model="near")
    liar.reply = honest
    failed = answer.header("x-tollway-cache-reason") == "embedder_failed"
    # An answer that is none at all sends the router to the other target: then all is well.
    assert vectors(gateway, result if failed else "ok") == before[result if failed else "ok"] + 1
    assert failed is (name not in NO_ANSWERS)
    assert json.loads(answer.body)["choices"]
    again = await asked(gateway, "Please tell me the capital of France.", system, model="near")
    assert again.header("x-tollway-cache-reason") in (None, "explored"), "the embedder is believed again"


async def test_one_that_hangs_is_waited_for_only_so_long_and_then_left_alone(gateway: Gateway, liar: Liar) -> None:
    liar.hangs.clear()
    reasons, took = [], []
    for one, other in PARAPHRASES[:5]:
        system = tag()
        await stored(gateway, one, system, model="near")
        began = time.monotonic()
        answer = await asked(gateway, other, system, model="near")
        took.append(time.monotonic() - began)
        assert kind(answer) == "miss"
        reasons.append(answer.header("x-tollway-cache-reason"))
    assert reasons == ["embedder_timeout"] * 5
    assert max(took[:3]) < TIMEOUT + SLACK
    assert min(took[:3]) >= TIMEOUT
    assert max(took[3:]) < TIMEOUT, "three times late: it is let rest"
    assert vectors(gateway, "timeout") == 3
