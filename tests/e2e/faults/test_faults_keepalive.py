"""Comments in silence: an early 200, only between events, and errors after it as events."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.support.faults import OK, SSE_HEAD, Connection, scripted
from tests.support.observed import settled
from tests.support.processes import Gateway, Mock, config_for, running
from tests.support.rawhttp import Client, ask, chat

pytestmark = pytest.mark.e2e

KEEPALIVE = 0.3


@pytest.fixture(scope="module")
def lively(mock: Mock) -> Iterator[Gateway]:
    """Comments after 0.3 s of silence."""
    config = config_for(mock.url, streaming={"keepalive": KEEPALIVE}, timeouts={"first_byte": 1.5, "idle": 1.5})
    with running(config) as found:
        yield found


def comments(body: bytes) -> int:
    return sum(line.startswith(b":") for line in body.split(b"\n"))


async def test_a_silent_stream_starts_with_200_and_a_comment(lively: Gateway) -> None:
    async with await Client.open(lively.port) as client:
        begun = time.monotonic()
        await client.send(chat(stream=True, headers={"x-mock-head-delay": "1000"}))
        answer = await client.head()
        assert KEEPALIVE <= time.monotonic() - begun < KEEPALIVE + 0.25
        assert answer.status == 200
        assert answer.header("content-type") == "text/event-stream; charset=utf-8"
        assert float(answer.header("x-tollway-overhead-ms") or "x") < 1000 * KEEPALIVE / 2, "a provider's silence"
        await client.body_of(answer)
        assert answer.ending == "whole"
        assert answer.body.startswith(b":")
        assert 2 <= comments(answer.body) <= 4
        assert answer.data[-1] == "[DONE]"
        assert not answer.errors


async def test_a_plain_request_never_gets_a_comment(lively: Gateway) -> None:
    answer = await ask(lively.port, chat(headers={"x-mock-head-delay": "800"}))
    assert answer.status == 200
    assert answer.json["choices"]


async def test_the_answer_is_the_same_but_for_comments(lively: Gateway, mock: Mock) -> None:
    headers = {"x-mock-head-delay": "500", "x-mock-pace": "400", "x-mock-tokens": "3"}
    answer = await ask(lively.port, chat(stream=True, headers=headers))
    direct = await ask(int(mock.origin.rsplit(":", 1)[1]), chat(stream=True, headers={"x-mock-tokens": "3"}))
    assert answer.data == direct.data
    assert comments(answer.body) >= 2


@pytest.mark.parametrize(
    "fault", ["status:500", "rate-limit:seconds=2", "reset", "close", "status:042", "html-502", "not-json", "bad-key"]
)
async def test_an_error_after_the_early_start_is_one_error_event(lively: Gateway, fault: str) -> None:
    tag = uuid.uuid4().hex
    headers = {"x-mock-head-delay": "500", "x-mock-fault": fault, "x-request-id": tag}
    answer = await ask(lively.port, chat(stream=True, headers=headers))
    assert answer.status == 200
    assert comments(answer.body) >= 1
    assert "[DONE]" not in answer.data
    assert len(answer.errors) == 1
    assert answer.errors[0]["message"]
    assert len(answer.data) == 1
    line = await settled(lively, tag)
    assert line["outcome"] == "upstream_error"


async def test_a_first_byte_timeout_after_the_early_start_is_an_error_event(lively: Gateway) -> None:
    answer = await ask(lively.port, chat(stream=True, headers={"x-mock-fault": "hang"}))
    assert answer.status == 200
    assert comments(answer.body) >= 3
    assert [error["code"] for error in answer.errors] == ["upstream_timeout"]


async def test_no_comment_inside_an_event() -> None:
    """Silence in the middle of an event, at every kind of place: whatever is inserted there would break it."""
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "Far."}}]}).encode()
    pieces = [
        b"da",
        b"ta: " + event[:10],
        event[10:],
        b"\n",
        b"\n",
        b'data: {"choices":[{"finish_reason":"stop"}]}',
        b"\n\n",
    ]

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(SSE_HEAD)
        for piece in pieces:
            connection.chunk(piece)
            await asyncio.sleep(0.35)
        connection.chunk(b"data: [DONE]\n\n")
        connection.writer.write(b"0\r\n\r\n")

    async with scripted(script) as upstream:
        with running(config_for(upstream.url, streaming={"keepalive": 0.1})) as gateway:
            answer = await ask(gateway.port, chat(stream=True))
    assert answer.ending == "whole"
    kept = b"".join(line for line in answer.body.splitlines(keepends=True) if not line.startswith(b":"))
    blocks = answer.body.split(b"\n\n")
    assert comments(answer.body) >= 2
    assert all(b"\n:" not in block for block in blocks), answer.body
    assert event in kept
    assert answer.data[0] == event.decode()


@pytest.mark.parametrize("chosen", [0, 15])
async def test_no_early_start_without_keepalive_or_before_its_time(mock: Mock, chosen: int) -> None:
    with running(config_for(mock.url, streaming={"keepalive": chosen})) as gateway:
        answer = await ask(
            gateway.port, chat(stream=True, headers={"x-mock-head-delay": "700", "x-mock-fault": "status:503"})
        )
        assert answer.status == 503
        answer = await ask(gateway.port, chat(stream=True, headers={"x-mock-first-token": "700"}))
        assert comments(answer.body) == 0


async def test_a_whole_json_answer_to_a_stream_request_after_the_early_start() -> None:
    """An upstream that ignores ``stream``: ours has begun as a stream, so a plain answer cannot follow."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(0.4)
        connection.plain(OK)

    async with scripted(script) as upstream:
        with running(config_for(upstream.url, streaming={"keepalive": 0.1})) as gateway:
            answer = await ask(gateway.port, chat(stream=True))
    assert answer.status == 200
    assert [error["code"] for error in answer.errors] == ["upstream_invalid_response"]
    assert "[DONE]" not in answer.data
