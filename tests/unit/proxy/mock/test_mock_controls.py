"""Controls: delays, framing, splitting, coding, stamps; by header and as defaults."""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import aiohttp
import orjson
import pytest

from proxy.mock.controls import CONTROLS, BadControl, Controls, read
from proxy.mock.server import Running, Settings, start

CHAT = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
Raw = Callable[..., Awaitable[tuple[bytes, str]]]


async def stream(http: aiohttp.ClientSession, mock: Running, **controls: str) -> bytes:
    headers = {f"x-mock-{name.replace('_', '-')}": value for name, value in controls.items()}
    async with http.post(f"{mock.url}/chat/completions", json={**CHAT, "stream": True}, headers=headers) as answer:
        return await answer.read()


async def timed(http: aiohttp.ClientSession, mock: Running, **controls: str) -> tuple[float, list[float]]:
    """Return seconds to the head, and to each read that brought something."""
    headers = {f"x-mock-{name.replace('_', '-')}": value for name, value in controls.items()}
    began = time.monotonic()
    reads = []
    async with http.post(f"{mock.url}/chat/completions", json={**CHAT, "stream": True}, headers=headers) as answer:
        head = time.monotonic() - began
        async for _ in answer.content.iter_any():
            reads.append(time.monotonic() - began)
    return head, reads


async def test_delays_come_where_they_should(http: aiohttp.ClientSession, mock: Running) -> None:
    head, reads = await timed(http, mock, head_delay="120", first_token="150", pace="40", tokens="4")
    assert head >= 0.12
    assert reads[0] - head >= 0.14
    assert len(reads) >= 5
    assert reads[-1] - reads[0] >= 0.19
    assert all(later - earlier < 0.5 for earlier, later in pairwise(reads))


async def test_plain_answer_waits_before_its_head(http: aiohttp.ClientSession, mock: Running) -> None:
    began = time.monotonic()
    headers = {"x-mock-head-delay": "60", "x-mock-first-token": "90"}
    async with http.post(f"{mock.url}/chat/completions", json=CHAT, headers=headers):
        assert time.monotonic() - began >= 0.15


async def test_jitter_only_adds(http: aiohttp.ClientSession, mock: Running) -> None:
    plain = await stream(http, mock)
    began = time.monotonic()
    assert await stream(http, mock, pace="5", jitter="10") == plain
    assert time.monotonic() - began >= 0.12


@pytest.mark.parametrize(("framing", "end"), [("crlf", b"\r\n"), ("cr", b"\r")])
async def test_framing(http: aiohttp.ClientSession, mock: Running, framing: str, end: bytes) -> None:
    assert await stream(http, mock, framing=framing) == (await stream(http, mock)).replace(b"\n", end)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("pace", ["0", "1"])
async def test_split_writes_the_same_bytes_in_small_chunks(
    raw: Raw, http: aiohttp.ClientSession, mock: Running, size: int, pace: str
) -> None:
    whole = await stream(http, mock, tokens="3")
    assert await stream(http, mock, tokens="3", split=str(size), pace=pace) == whole
    got, _ = await raw({"split": str(size), "tokens": "3", "pace": pace}, stream=True)
    body = got.partition(b"\r\n\r\n")[2]
    sizes = []
    while body:
        length, _, rest = body.partition(b"\r\n")
        sizes.append(int(length, 16))
        body = rest[sizes[-1] + 2 :]
    assert max(sizes) <= size
    if pace == "0":
        assert set(sizes[:-2]) == {size}


async def test_split_reaches_the_reader_in_pieces(mock: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    body = orjson.dumps({**CHAT, "stream": True})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nx-mock-split: 40\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    reads: list[bytes] = []
    while not (reads and reads[-1].endswith(b"0\r\n\r\n")):
        reads.append(await reader.read(65536))
    writer.close()
    await writer.wait_closed()
    assert len(reads) > 20


@pytest.mark.parametrize("streaming", [True, False])
async def test_gzip(streaming: bool, mock: Running) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        url = f"{mock.url}/chat/completions"
        asked = {**CHAT, "stream": streaming}
        async with http.post(url, json=asked) as answer:
            plain = await answer.read()
        async with http.post(url, json=asked, headers={"x-mock-encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(await answer.read()) == plain


async def test_stamp_is_taken_when_the_chunk_leaves(http: aiohttp.ClientSession, mock: Running) -> None:
    began = time.monotonic_ns()
    data = await stream(http, mock, stamp="on", pace="20", tokens="4")
    stamps = [int(part.split(b'"')[0]) for part in data.split(b"@")[1:]]
    assert len(stamps) == 4
    assert began < stamps[0] < stamps[-1] < time.monotonic_ns()
    assert all(later - earlier > 10_000_000 for earlier, later in pairwise(stamps))


async def test_small_switches(http: aiohttp.ClientSession, mock: Running) -> None:
    assert b"[DONE]" not in await stream(http, mock, done="off")
    assert (await stream(http, mock, role_repeat="on", tokens="4")).count(b'"role":"assistant"') == 5
    text = (await stream(http, mock, unicode="on", tokens="4")).decode()
    assert all(character in text for character in "é☂漢😀")
    async with http.get(f"{mock.url}/models", headers={"x-mock-reply-headers": "X-Odd=a=b; set-cookie=c"}) as answer:
        assert (answer.headers["x-odd"], answer.headers["set-cookie"]) == ("a=b", "c")


async def test_defaults_hold_until_a_header_says_otherwise(http: aiohttp.ClientSession) -> None:
    running = await start(settings=Settings(controls=Controls(tokens=3, fault="overloaded"), key="sk-right"))
    try:
        good = {"authorization": "Bearer sk-right"}
        url = f"{running.url}/chat/completions"
        async with http.post(url, json=CHAT, headers=good) as answer:
            assert answer.status == 503
        async with http.post(url, json=CHAT, headers={**good, "x-mock-fault": ""}) as answer:
            assert (await answer.json())["usage"]["completion_tokens"] == 3
        for headers, said in (({}, "didn't provide"), ({"authorization": "Bearer sk-wrong-and-long"}, "sk-w****long")):
            async with http.post(url, json=CHAT, headers={**headers, "x-mock-fault": ""}) as answer:
                assert answer.status == 401
                assert said in (await answer.json())["error"]["message"]
        async with http.get(running.url.replace("/v1", "/mock/stats")) as answer:
            assert answer.status == 200
    finally:
        await running.stop()


async def test_unknown_control_is_refused(http: aiohttp.ClientSession, mock: Running) -> None:
    for headers in (
        {"x-mock-pase": "1"},
        {"x-mock-pace": "fast"},
        {"x-mock-usage": "maybe"},
        {"x-mock-framing": "lfcr"},
    ):
        async with http.get(f"{mock.url}/models", headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "invalid_control"


def test_every_control_has_its_field_and_reads_text() -> None:
    assert [control.field for control in CONTROLS.values()] == list(Controls.__struct_fields__)
    assert read(Controls(), {"pace": "2.5", "done": "off"}) == Controls(pace=2.5, done=False)
    with pytest.raises(BadControl, match="x-mock-split"):
        read(Controls(), {"split": "-1"})
