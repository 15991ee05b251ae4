"""Every kind of answer from the cache, with real processes: the same bytes in the same form, and the other form of it."""

import json
from typing import Any

import pytest

from tests.support.processes import Gateway, Mock
from tests.support.rawhttp import Answer, ask, request

pytestmark = pytest.mark.e2e

TURN = "How long is the road?"

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": TURN}]},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": TURN, "max_tokens": 100},
    "/v1/responses": {"model": "gpt-4o", "input": TURN, "store": False},
    "/v1/messages": {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": TURN}]},
}


async def asked(gateway: Gateway, path: str, **fields: Any) -> Answer:
    return await ask(gateway.port, request("POST", path, json.dumps({**BODIES.get(path, {}), **fields}).encode()))


def kind(answer: Answer) -> str | None:
    return answer.header("x-tollway-cache")


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "events"])
async def test_the_same_and_the_other_form(cached: Gateway, path: str, stream: bool, tag: str) -> None:
    own = {"user": tag} if path != "/v1/messages" else {"metadata": {"user_id": tag}, "system": tag}
    first = await asked(cached, path, stream=stream, **own)
    assert (first.status, kind(first)) == (200, "miss")
    again = await asked(cached, path, stream=stream, **own)
    assert (again.status, kind(again), again.body) == (200, "hit", first.body)
    other = await asked(cached, path, stream=not stream, **own)
    assert (other.status, kind(other), other.ending) == (200, "hit", "whole")
    if stream:
        assert other.json["usage"]
    else:
        assert other.data
        assert other.errors == []


async def test_embeddings_by_input(cached: Gateway, mock: Mock, tag: str) -> None:
    def vectors(answer: Answer) -> list[list[float]]:
        return [row["embedding"] for row in answer.json["data"]]

    model = {"model": "text-embedding-3-small", "user": tag}
    first = await asked(cached, "/v1/embeddings", input=["one", "two"], **model)
    partly = await asked(cached, "/v1/embeddings", input=["two", "three", "one"], **model)
    wholly = await asked(cached, "/v1/embeddings", input=["three"], **model)
    assert [kind(each) for each in (first, partly, wholly)] == ["miss", "miss", "hit"]
    assert partly.header("x-tollway-cache-reason") == "partial"
    assert vectors(partly)[0] == vectors(first)[1]
    assert vectors(partly)[2] == vectors(first)[0]
    assert vectors(wholly) == vectors(partly)[1:2]


async def test_what_is_no_answer_passes_by(cached: Gateway) -> None:
    for path, body in (
        ("/v1/tokens", BODIES["/v1/chat/completions"]),
        ("/v1/responses/input_tokens", BODIES["/v1/responses"]),
        ("/v1/moderations", {"input": TURN}),
    ):
        assert kind(await asked(cached, path, **body)) is None


async def test_answers_that_were_cut_are_asked_for_again(cached: Gateway, tag: str) -> None:
    for _ in range(2):
        answer = await asked(cached, "/v1/chat/completions", user=tag, max_tokens=3)
        assert (answer.status, kind(answer)) == (200, "miss")
