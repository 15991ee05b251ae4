"""One request against the mock: what is stamped, and which class every way to fail belongs to."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from proxy.benchmark.asking import Side
from proxy.benchmark.session import hopeless
from proxy.benchmark.timeline import Timeline
from proxy.mock.server import Running, Settings, start


@pytest.fixture
async def mock() -> AsyncIterator[Running]:
    running = await start("127.0.0.1", 0, Settings())
    yield running
    await running.stop()


async def asked(
    url: str, *, stream: bool = True, timeout: float = 5.0, model: str = "m", **controls: object
) -> Timeline:
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    headers = [(f"x-mock-{name.replace('_', '-')}", str(value)) for name, value in controls.items()]
    side = Side(f"{url}/chat/completions", headers, stream=stream, timeout=timeout)
    now = side.clock()
    made = Timeline(number=0, side=0, phase="measured", due=now, taken=now)
    try:
        await side.ask(json.dumps(body).encode(), made)
    finally:
        await side.close()
    return made


ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":"","tool_calls":[]}}]}\n\n'
WORD = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


async def test_the_first_token_is_not_the_chunk_with_the_role() -> None:
    """Head and role at once, the first word later, cut in two on its way; then another one, and the end."""
    parts = [ROLE, WORD[:20], WORD[20:], WORD, LAST]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        found = await asked(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        await server.wait_closed()
    assert (found.error, len(found.chunks), found.finished) == ("", 2, True)
    assert found.ttft is not None
    assert found.ttft >= 0.1
    # A late look at the first word shortens the gap: what cannot come early is the second one.
    assert len(found.gaps) == 1
    assert found.ttft + found.gaps[0] >= 0.15
    assert found.latency >= 0.2


async def test_times_are_those_that_the_mock_was_told(mock: Running) -> None:
    found = await asked(mock.url, tokens=5, first_token=60, pace=30)
    assert (found.error, len(found.chunks), found.output_tokens, found.status) == ("", 5, 5, 200)
    assert found.input_tokens
    assert found.ttft is not None
    assert found.ttft >= 0.059
    assert found.ttft + sum(found.gaps) >= 0.059 + 4 * 0.029
    assert found.ttft + sum(found.gaps) <= found.latency


async def test_thoughts_and_tool_calls_are_output(mock: Running) -> None:
    found = await asked(mock.url, tokens=3, reasoning=4, flavour="deepseek")
    assert (found.error, len(found.chunks)) == ("", 7)


async def test_a_whole_answer(mock: Running) -> None:
    found = await asked(mock.url, stream=False, tokens=7)
    assert (found.error, found.output_tokens, found.ttft) == ("", 7, None)
    assert found.latency > 0


async def test_without_usage_a_piece_is_a_token(mock: Running) -> None:
    found = await asked(mock.url, tokens=6, usage="off")
    assert (found.error, found.output_tokens, found.tokens) == ("", None, 6)


@pytest.mark.parametrize(
    ("fault", "kind", "given_up"),
    [
        ("bad-key", "401 invalid_api_key", True),
        ("rate-limit", "429 rate_limit_exceeded", False),
        ("html-502", "502", False),
        ("cut-mid-event:3", "cut", False),
        ("sse-error:2", "stream_error", False),
        ("malformed-sse:2", "malformed_stream", True),
        ("json-200-error", "error_in_200", False),
        ("not-json", "not_a_completion", True),
        ("html:200", "not_a_completion", True),
        ("null-body", "not_a_completion", True),
        ("empty", "cut", False),
        ("silent", "cut", False),
        ("both-framings", "invalid_http", True),
        ("redirect", "307", True),
        ("hang", "timeout", False),
    ],
)
async def test_what_goes_wrong_has_a_class(mock: Running, fault: str, kind: str, given_up: bool) -> None:
    found = await asked(mock.url, tokens=5, fault=fault, timeout=0.4 if kind == "timeout" else 5.0)
    assert found.error.split()[: len(kind.split())] == kind.split(), found
    assert hopeless(found) is given_up
    assert found.ended >= found.sent > 0


async def test_nobody_listens() -> None:
    found = await asked("http://127.0.0.1:1/v1")
    assert (found.error, hopeless(found)) == ("unreachable", True)


async def test_a_model_that_is_not_there(mock: Running) -> None:
    found = await asked(mock.url, model="missing-1")
    assert found.error == "404 model_not_found"
    assert "missing-1" in found.message
    assert hopeless(found)


async def test_a_stream_that_ends_without_done_but_with_a_reason_is_whole(mock: Running) -> None:
    found = await asked(mock.url, tokens=4, done="off")
    assert (found.error, len(found.chunks)) == ("", 4)


async def test_an_answer_in_one_piece_is_no_stream(mock: Running) -> None:
    side = Side(f"{mock.url}/chat/completions", [], stream=True, timeout=5)
    made = Timeline(number=0, side=0, phase="measured", due=0.0, taken=0.0)
    await side.ask(b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}', made)
    await side.close()
    assert made.error == "not_streamed"


async def test_connections_serve_again(mock: Running) -> None:
    side = Side(f"{mock.url}/chat/completions", [("x-mock-tokens", "3")], stream=True, timeout=5)
    for _ in range(5):
        made = Timeline(number=0, side=0, phase="measured", due=0.0, taken=0.0)
        await side.ask(b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "x"}]}', made)
        assert made.error == ""
    connections = {entry.connection for entry in mock.received()}
    await side.close()
    assert len(connections) == 1
