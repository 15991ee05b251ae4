"""Identical requests at the same time, with real processes: one upstream call, everybody's bytes, and what happens when somebody goes."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.processes import Gateway, Mock
from tests.support.rawhttp import Answer, Client, ask, chat, eventually

from .conftest import PACE

pytestmark = pytest.mark.e2e


def prompt(tag: str, *, headers: dict[str, str] | None = None, **more: Any) -> bytes:
    """A request that nobody else makes."""
    named = {**(headers or {}), "x-test-id": tag}
    return chat(messages=[{"role": "user", "content": tag}], headers=named, **more)


def asked(mock: Mock, tag: str) -> list[dict[str, Any]]:
    """What of ``tag`` reached the provider."""
    return [entry for entry in mock.requests() if ["x-test-id", tag] in entry["headers"]]


def statuses(answers: Sequence[Answer]) -> list[str]:
    return sorted(
        f"{each.header('x-tollway-cache')} {each.header('x-tollway-cache-reason') or ''}".strip() for each in answers
    )


async def test_fifty_identical_streams_are_one(cached: Gateway, mock: Mock, tag: str) -> None:
    """Live: everybody has begun before the leader is at its end."""
    request = prompt(tag, stream=True, headers={"x-mock-pace": PACE})
    clients = await asyncio.gather(*(Client.open(cached.port) for _ in range(50)))
    try:
        await asyncio.gather(*(client.send(request) for client in clients))
        begun = []

        async def whole(client: Client) -> Answer:
            await client.until(b"data: ")
            begun.append(time.monotonic())
            answer = await client.answer()
            ends.append(time.monotonic())
            return answer

        ends: list[float] = []
        answers = await asyncio.gather(*(whole(client) for client in clients))
    finally:
        for client in clients:
            client.close()
    assert max(begun) < min(ends)
    assert len({each.body for each in answers}) == 1
    assert answers[0].data[-1] == "[DONE]"
    assert {each.ending for each in answers} == {"whole"}
    assert len(asked(mock, tag)) == 1
    assert statuses(answers) == 49 * ["hit shared"] + ["miss"]
    again = await ask(cached.port, request)
    assert (again.header("x-tollway-cache"), again.body) == ("hit", answers[0].body)


async def test_a_leader_that_leaves_ends_nobody_else(cached: Gateway, mock: Mock, tag: str) -> None:
    request = prompt(tag, stream=True, headers={"x-mock-pace": PACE})
    async with await Client.open(cached.port) as leader:
        await leader.send(request)
        await leader.until(b"data: ")
        followers = [asyncio.create_task(ask(cached.port, request)) for _ in range(5)]
        await asyncio.sleep(0.1)
    answers = await asyncio.gather(*followers)
    assert {(each.ending, each.data[-1]) for each in answers} == {("whole", "[DONE]")}
    assert len({each.body for each in answers}) == 1
    assert len(asked(mock, tag)) == 1


async def test_when_all_leave_the_provider_stops(cached: Gateway, mock: Mock, tag: str) -> None:
    request = prompt(tag, stream=True, max_tokens=400, headers={"x-mock-pace": PACE, "x-mock-tokens": "400"})
    clients = [await Client.open(cached.port) for _ in range(3)]
    for client in clients:
        await client.send(request)
    for client in clients:
        await client.until(b"data: ")
    for client in clients:
        client.close()
    await eventually(lambda: [each["outcome"] for each in asked(mock, tag)] == ["client_closed"])


async def test_a_failure_is_failed_over_once_for_all(cached: Gateway, mock: Mock, tag: str) -> None:
    request = prompt(tag, model="failing", headers={"x-mock-head-delay": "300"})
    answers = await asyncio.gather(*(ask(cached.port, request) for _ in range(20)))
    assert {each.status for each in answers} == {200}
    assert {each.header("x-tollway-provider") for each in answers} == {"mock"}
    assert len({each.body for each in answers}) == 1
    assert len(asked(mock, tag)) == 2, "the first target's failure, and the second's answer"


async def test_a_killed_stream_is_broken_for_everybody_and_kept_for_nobody(
    cached: Gateway, mock: Mock, tag: str
) -> None:
    request = prompt(tag, stream=True, headers={"x-mock-pace": PACE, "x-mock-fault": "reset-after:6"})
    answers = await asyncio.gather(*(ask(cached.port, request) for _ in range(5)))
    for each in answers:
        assert each.status == 200
        assert len(each.errors) == 1
        assert "[DONE]" not in each.data
        assert each.ending != "whole"
    assert len(asked(mock, tag)) == 1
    after = await ask(cached.port, prompt(tag, stream=True))
    assert after.header("x-tollway-cache") == "miss"


async def test_both_forms_at_once(cached: Gateway, mock: Mock, tag: str) -> None:
    streamed = prompt(tag, stream=True, headers={"x-mock-pace": PACE})
    whole = prompt(tag)
    first, second = await asyncio.gather(ask(cached.port, streamed), _later(cached.port, whole))
    text = "".join(json.loads(data)["choices"][0]["delta"].get("content") or "" for data in first.data[:-1])
    assert second.json["choices"][0]["message"]["content"] == text
    assert second.json["usage"]["completion_tokens"] > 0
    assert len(asked(mock, tag)) == 1


async def _later(port: int, request: bytes) -> Answer:
    await asyncio.sleep(0.15)
    return await ask(port, request)


async def test_another_key_has_its_own(cached: Gateway, mock: Mock, tag: str) -> None:
    first = await ask(cached.port, prompt(tag))
    other = await ask(cached.port, prompt(tag, key="sk-tw-other-key"))
    assert (first.header("x-tollway-cache"), other.header("x-tollway-cache")) == ("miss", "miss")
    assert first.header("x-tollway-cache-key") != other.header("x-tollway-cache-key")
    assert len(asked(mock, tag)) == 2
