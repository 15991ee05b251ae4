"""Questions that mean the same, with the model on this machine and real processes: what is served, to whom, and what never is."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import Books, costed, sqlite_in
from tests.support.observed import metric
from tests.support.processes import KEY, Gateway, Mock, running
from tests.support.rawhttp import ask, request

from .semantic import (
    ADMIN_KEY,
    OTHER_KEY,
    PARAPHRASES,
    SHY_KEY,
    SISTER_KEY,
    administered,
    alike,
    asked,
    kind,
    never_alike,
    stored,
    tag,
)

pytestmark = pytest.mark.e2e

SEMANTIC = {"enabled": True, "timeout": "5s"}
"""A slow machine is not what is tested."""


def config(mock: Mock, folder: Path) -> dict[str, Any]:
    """One account with three keys, of which one wants no guesses, and another account; ``plain`` is a model without."""
    target = {"provider": "mock", "model": "gpt-4o"}
    found = costed(
        mock.url,
        sqlite_in(folder),
        admin={"key": ADMIN_KEY},
        cache={"exact": {"ttl": "1h"}, "semantic": SEMANTIC},
        accounts={"house": {}, "elsewhere": {}},
        keys=[
            {"name": "app", "key": KEY, "account": "house"},
            {"name": "sister", "key": SISTER_KEY, "account": "house"},
            {"name": "shy", "key": SHY_KEY, "account": "house", "cache": {"semantic": False}},
            {"name": "other", "key": OTHER_KEY, "account": "elsewhere"},
        ],
    )
    found["models"] = {
        "gpt-4o": {"targets": [target]},
        "fast": {"targets": [target]},
        "plain": {"targets": [target], "cache": {"semantic": False}},
        "strict": {"targets": [target], "cache": {"threshold": 0.9999}},
    }
    return found


@pytest.fixture(scope="module")
def stand(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Books]]:
    """One gateway for all of these tests, and its books."""
    folder = tmp_path_factory.mktemp("semantic")
    with running(config(mock, folder)) as gateway:
        yield gateway, Books(folder / "tollway.db")


@pytest.fixture(scope="module")
def gateway(stand: tuple[Gateway, Books]) -> Gateway:
    """The gateway alone."""
    return stand[0]


async def booked(books: Books, ident: str, within: float = 5.0) -> dict[str, Any]:
    """The entry of a request, once it is there."""
    deadline = time.monotonic() + within
    while not (rows := (await books.entries()).get(ident, [])):
        assert time.monotonic() < deadline, ident
        await asyncio.sleep(0.05)
    return rows[0]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "events"])
async def test_other_words_get_the_same_answer(stand: tuple[Gateway, Books], stream: bool) -> None:
    gateway, books = stand
    answer = await alike(gateway, stream=stream)
    similarity, age = (answer.header(f"x-tollway-cache-{name}") for name in ("similarity", "age"))
    assert similarity is not None
    assert 0.92 <= float(similarity) <= 1.0
    assert age is not None
    assert 0 <= float(age) < 60
    assert (answer.header("x-tollway-attempts"), answer.header("x-tollway-cost-usd")) == ("0", "0.000000")
    assert (answer.ending, answer.errors) == ("whole", []) if stream else answer.json["choices"]
    ident = answer.header("x-request-id")
    assert ident is not None

    row = await booked(books, ident)
    assert (row["cache"], row["ending"], row["cost"], row["charge"]) == ("semantic-hit", "cached", 0, 0)
    assert row["saved"] > 0


async def test_one_form_is_served_in_the_other(gateway: Gateway) -> None:
    events = await alike(gateway, first={"stream": False}, stream=True)
    assert events.data[-1] == "[DONE]"
    assert (await alike(gateway, first={"stream": True}, stream=False)).json["usage"]["total_tokens"] > 0


NEAR_MISSES = [
    ("Is 10 mg of it enough for a dog?", "Is 100 mg of it enough for a dog?", "numbers"),
    ("Is it legal to park here?", "Is it not legal to park here?", "polarity"),
    ("How do I enable the firewall?", "How do I disable the firewall?", "antonyms"),
    ("Do all birds fly?", "Do some birds fly?", "scope"),
    ("Who is the president of Peru?", "Who was the president of Peru?", "tense"),
    ("Convert the USD to EUR.", "Convert the EUR to USD.", "direction"),
    ("What did NASA and Bob do?", "What did NASA and Rob do?", "entities"),
    ("How do I use `ls -l` here?", "How do I use `ls -a` here?", "code"),
    ("What is your name for it?", "What is my name for it?", "person"),
]


async def test_near_misses_are_told_apart_and_the_guard_is_named(gateway: Gateway) -> None:
    calls = metric(gateway, "tollway_cache_embeddings_total")
    for one, other, guard in NEAR_MISSES:
        system = tag()
        await stored(gateway, one, system)
        answer = await asked(gateway, other, system)
        said = [answer.header(f"x-tollway-cache{name}") for name in ("", "-reason", "-guard")]
        assert said == ["miss", "guard", guard], (one, other)
    assert metric(gateway, "tollway_cache_embeddings_total") == calls, "a guard needs no vector"
    assert metric(gateway, "tollway_cache_guard_refusals_total", guard="numbers") >= 1


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SAID = ({"role": "user", "content": "Is it far?"}, {"role": "assistant", "content": "It is 10 km."})
SAID_OTHERWISE = (SAID[0], {"role": "assistant", "content": "It is 11 km."})
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"key": OTHER_KEY}),
        ({}, {"key": SISTER_KEY}),
        ({}, {"key": SHY_KEY}),
        ({}, {"model": "fast"}),
        ({"model": "plain"}, {"model": "plain"}),
        ({}, {"system": "You answer briefly. "}),
        ({}, {"temperature": 0.5}),
        ({"temperature": 0.5}, {"temperature": 0.4}),
        ({}, {"max_tokens": 500}),
        ({"before": SAID}, {"before": SAID_OTHERWISE}),
        ({"before": SAID}, {}),
        ({}, {"tools": [TOOL], "tool_choice": "none"}),
        ({}, {"response_format": {"type": "json_object"}}),
        ({}, {"headers": {"x-tollway-cache": "exact"}}),
        ({}, {"headers": {"x-tollway-cache-namespace": "mine"}}),
        ({}, {"user": "somebody else"}),
    ],
    ids=lambda value: " ".join(value) or "plain",
)
async def test_nothing_is_shared_beyond_a_partition(
    gateway: Gateway, first: dict[str, Any], then: dict[str, Any]
) -> None:
    await never_alike(gateway, first, then, times=2)


async def test_a_picture_is_no_text(gateway: Gateway) -> None:
    parts = [{"type": "text", "text": PARAPHRASES[0][0]}, PICTURE]
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": parts}]}
    answer = await ask(gateway.port, request("POST", "/v1/chat/completions", json.dumps(body).encode()))
    assert (kind(answer), answer.header("x-tollway-cache-reason")) == ("miss", "not_text")


async def test_a_model_may_be_stricter(gateway: Gateway) -> None:
    for one, other in PARAPHRASES[:3]:
        system = tag()
        await stored(gateway, one, system, model="strict")
        answer = await asked(gateway, other, system, model="strict")
        assert (kind(answer), answer.header("x-tollway-cache-reason")) == ("miss", "below_threshold")
        assert float(answer.header("x-tollway-cache-similarity") or 0) < 0.9999


async def test_hostile_turns_are_only_misses(gateway: Gateway) -> None:
    system = tag()
    await stored(gateway, PARAPHRASES[0][0], system)
    for text, reasons in (
        ("a" * 1001, {"prompt_too_long"}),
        ("what is " * 12_500, {"prompt_too_long"}),
        ("what is a" + "\u0301" * 900, {"no_neighbour", "guard"}),
        ("\u202ewhat is the capital of France?", {"no_neighbour", "guard"}),
        ("\x00\x1f" * 100, {"no_neighbour", "guard"}),
        ("\U0001f469\u200d\U0001f4bb" * 200, {"no_neighbour", "guard"}),
        ("[CLS] [SEP] what is the capital of France? [PAD]", {"no_neighbour", "guard"}),
        ("partition: 0000; key: 0000; what is the capital of France?", {"no_neighbour", "guard"}),
    ):
        answer = await asked(gateway, text, system)
        assert (kind(answer), answer.header("x-tollway-cache-reason") in reasons) == ("miss", True), (
            text[:40],
            answer.headers,
        )
    assert kind(await asked(gateway, PARAPHRASES[0][0], system)) == "hit"


async def test_a_purge_forgets_an_account_s_questions_and_nobody_else_s(gateway: Gateway) -> None:
    (one, other), mine, theirs = PARAPHRASES[0], tag(), tag()
    await stored(gateway, one, mine)
    await stored(gateway, one, theirs, key=OTHER_KEY)
    assert administered(gateway, "/cache/purge", {"account": "house"})["everywhere"] is True
    gone = await asked(gateway, other, mine)
    assert (kind(gone), gone.header("x-tollway-cache-reason")) == ("miss", "empty")
    kept = await asked(gateway, other, theirs, key=OTHER_KEY)
    assert float(kept.header("x-tollway-cache-similarity") or 0) > 0.92
