"""Each fault of a first target, with real processes: the client gets the second's answer, and nothing of the first's."""

import asyncio
import json
import statistics
import time
import uuid

import openai
import pytest

from tests.support.observed import settled
from tests.support.processes import KEY, Gateway, Mock
from tests.support.rawhttp import Answer, Client, ask, chat, eventually

from .conftest import KINDS, PATIENCE, cases, route_of

pytestmark = pytest.mark.e2e

IDS = [f"{fault}-{'stream' if stream else 'plain'}" for fault, stream, _ in cases()]


async def asked(gateway: Gateway, model: str, *, stream: bool) -> tuple[Answer, str, float]:
    """(answer, request id, seconds)."""
    tag = uuid.uuid4().hex
    begun = time.monotonic()
    answer = await ask(gateway.port, chat(stream=stream, model=model, headers={"x-request-id": tag, "x-test": tag}))
    return answer, tag, time.monotonic() - begun


def whole(answer: Answer, *, stream: bool) -> str:
    """The text of one ordinary answer; fails on anything else."""
    assert (answer.status, answer.ending) == (200, "whole"), (answer.headers, answer.body)
    if not stream:
        document = answer.json
        assert document["model"] == "gpt-4o"
        text: str = document["choices"][0]["message"]["content"]
        return text
    assert answer.errors == []
    assert answer.data[-1] == "[DONE]"
    assert answer.data.count("[DONE]") == 1
    chunks = [json.loads(data) for data in answer.data[:-1]]
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {(chunks[0]["id"], "gpt-4o")}, "of one answer"
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert [delta["role"] for delta in deltas if "role" in delta] == ["assistant"]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize(("fault", "stream", "kind"), cases(), ids=IDS)
async def test_the_client_gets_the_second_targets_answer(failing: Gateway, fault: str, stream: bool, kind: str) -> None:
    name = route_of(fault, stream=stream)
    answer, tag, seconds = await asked(failing, name, stream=stream)
    assert whole(answer, stream=stream)
    assert answer.header("x-tollway-provider") == "good"
    assert int(answer.header("x-tollway-attempts") or 0) >= 2
    assert f"{name}/gpt-4o-mini: {kind}" in (answer.header("x-tollway-reason") or "")
    assert "sk-" not in str(answer.headers)
    assert seconds < PATIENCE + 1.0
    line = await settled(failing, tag)
    assert (line["outcome"], line["provider"]) == ("ok", "good")


def test_the_official_sdk_sees_ordinary_answers(failing: Gateway) -> None:
    """Without retries of its own."""
    with openai.OpenAI(base_url=failing.url, api_key=KEY, max_retries=0, timeout=20) as client:
        for fault in ("status:500", "reset", "sse-error:quiet"):
            with client.chat.completions.stream(
                model=route_of(fault, stream=True), messages=[{"role": "user", "content": "How long is the road?"}]
            ) as stream:
                for _ in stream:
                    pass
                found = stream.get_final_completion()
            assert found.choices[0].message.content
            assert found.choices[0].finish_reason == "stop"
        answer = client.chat.completions.with_raw_response.create(
            model=route_of("json-200-error", stream=False),
            messages=[{"role": "user", "content": "How long is the road?"}],
        )
        assert answer.headers["x-tollway-attempts"] == "2"
        assert answer.parse().choices[0].message.content


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_moving_on_adds_less_than_fifty_milliseconds(failing: Gateway, stream: bool) -> None:
    """Medians of interleaved requests: what else the machine does befalls both."""
    took: dict[str, list[float]] = {"good": [], route_of("refused", stream=stream): []}
    async with await Client.open(failing.port) as client:
        for _ in range(20):
            for model, seconds in took.items():
                begun = time.monotonic()
                await client.send(chat(stream=stream, model=model))
                answer = await client.answer()
                seconds.append(time.monotonic() - begun)
                assert answer.status == 200
    straight, failed = (statistics.median(seconds) for seconds in took.values())
    assert failed - straight < 0.05


@pytest.mark.parametrize("fault", ["hang", "hang-after:quiet"])
async def test_an_abandoned_upstream_is_closed_at_once(failing: Gateway, mock: Mock, fault: str) -> None:
    before = mock.stats()
    answer, _, seconds = await asked(failing, route_of(fault, stream=True), stream=True)
    assert whole(answer, stream=True)
    assert seconds < PATIENCE + 0.6
    await eventually(lambda: mock.stats()["open"] <= before["open"], 0.25)


@pytest.mark.parametrize("phase", ["first", "second"])
async def test_a_client_that_leaves_closes_every_upstream(failing: Gateway, mock: Mock, phase: str) -> None:
    """While the first target is silent, and while the second streams."""
    before = mock.stats()["open"]
    tag = uuid.uuid4().hex
    pace = {"x-request-id": tag, "x-mock-pace": "50", "x-mock-tokens": "200"}
    name = route_of("hang" if phase == "first" else "status:500", stream=True)
    async with await Client.open(failing.port) as client:
        await client.send(chat(stream=True, model=name, headers=pace))
        if phase == "first":
            await eventually(lambda: mock.stats()["open"] > before)
        else:
            await client.until(b"data: ")
    await eventually(lambda: mock.stats()["open"] <= before, 0.5)
    assert (await settled(failing, tag))["outcome"] == "client_closed"


async def test_when_both_fail_the_last_answer_passes_as_it_came(failing: Gateway, mock: Mock) -> None:
    """The client's own header makes the second fail too."""
    port = int(mock.origin.rsplit(":", 1)[1])
    for stream in (False, True):
        headers = {"x-mock-fault": "status:500"}
        answer = await ask(
            failing.port, chat(stream=stream, model=route_of("status:500", stream=stream), headers=headers)
        )
        direct = await ask(port, chat(stream=stream, headers=headers))
        assert (answer.status, answer.body) == (500, direct.body)
        assert answer.header("x-tollway-error-source") == "upstream"


async def test_many_at_once_are_each_answered_once(failing: Gateway) -> None:
    names = [route_of(fault, stream=True) for fault in ("status:500", "reset", "sse-error:quiet", "silent", "refused")]
    answers = await asyncio.gather(*[asked(failing, name, stream=True) for name in names * 6])
    for answer, tag, _ in answers:
        assert whole(answer, stream=True)
        assert (await settled(failing, tag))["outcome"] == "ok"


def test_every_kind_of_fault_before_an_answer_is_met() -> None:
    assert set(KINDS.values()) >= {
        *("connect", "connect_timeout", "tls", "dropped", "timeout", "conflict", "rate_limited", "overloaded"),
        *("server_error", "credentials", "quota", "error_event", "invalid", "model_missing"),
    }
