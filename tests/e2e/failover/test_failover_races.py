"""Streams that begin late, slowly, or break off, with real processes: another target helps, and the client sees one answer."""

import time
import uuid

import openai
import pytest

from tests.support.observed import settled
from tests.support.processes import KEY, Gateway, Mock
from tests.support.rawhttp import Client, ask, chat, eventually

from .test_failover_faults import whole

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_late_target_is_outrun(failing: Gateway, mock: Mock, stream: bool) -> None:
    before, tag = mock.stats()["open"], uuid.uuid4().hex
    begun = time.monotonic()
    answer = await ask(failing.port, chat(stream=stream, model="late", headers={"x-request-id": tag}))
    assert whole(answer, stream=stream)
    assert 0.2 <= time.monotonic() - begun < 1.5
    assert answer.header("x-tollway-provider") == "good"
    await eventually(lambda: mock.stats()["open"] <= before, 0.25)
    line = await settled(failing, tag)
    assert (line["outcome"], line["attempts"]) == ("ok", 2)


async def test_a_client_that_leaves_a_race_closes_both(failing: Gateway, mock: Mock) -> None:
    before, tag = mock.stats()["open"], uuid.uuid4().hex
    headers = {"x-request-id": tag, "x-mock-head-delay": "5000"}
    async with await Client.open(failing.port) as client:
        await client.send(chat(stream=True, model="late", headers=headers))
        await eventually(lambda: mock.stats()["open"] >= before + 2)
    await eventually(lambda: mock.stats()["open"] <= before, 0.5)
    assert (await settled(failing, tag))["outcome"] == "client_closed"


async def test_a_slow_stream_is_left(failing: Gateway) -> None:
    begun = time.monotonic()
    answer = await ask(failing.port, chat(stream=True, model="slow"))
    assert whole(answer, stream=True)
    assert time.monotonic() - begun < 2.5
    assert "slow/gpt-4o-mini: slow" in (answer.header("x-tollway-reason") or "")


async def test_a_broken_stream_goes_on(failing: Gateway, mock: Mock) -> None:
    tag = uuid.uuid4().hex
    answer = await ask(failing.port, chat(stream=True, model="broken", headers={"x-request-id": tag}))
    assert (answer.status, answer.ending) == (200, "whole")
    assert answer.errors == []
    assert answer.data[-1] == "[DONE]"
    assert answer.body.count(b": tollway-seam good/gpt-4o\n\n") == 1
    line = await settled(failing, tag)
    assert (line["outcome"], line["attempts"]) == ("ok", 2)
    assert line["output_source"] == "counted"


def test_the_official_sdk_reads_a_continued_stream_as_one(failing: Gateway) -> None:
    with openai.OpenAI(base_url=failing.url, api_key=KEY, max_retries=0, timeout=20) as client:
        with client.chat.completions.stream(
            model="broken", messages=[{"role": "user", "content": "How long is the road?"}]
        ) as stream:
            idents = {event.chunk.id for event in stream if event.type == "chunk"}
            found = stream.get_final_completion()
        assert len(idents) == 1
        assert found.choices[0].message.role == "assistant"
        assert found.choices[0].finish_reason == "stop"
        assert len((found.choices[0].message.content or "").split()) > 6
