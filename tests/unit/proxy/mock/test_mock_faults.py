"""Every fault shows on the wire what it promises."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import orjson
import pytest

from proxy.mock.controls import Controls
from proxy.mock.faults import FAULTS
from proxy.mock.server import Running, Settings, start

Raw = Callable[..., Awaitable[tuple[bytes, str]]]


def head_of(got: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}, body


def unchunk(body: bytes) -> tuple[bytes, bool]:
    """Return the data of the chunks and whether the last chunk came."""
    data = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        number = int(size, 16)
        if number == 0:
            return data, rest == b"\r\n"
        data += rest[:number]
        body = rest[number + 2 :]
    return data, False


@pytest.mark.parametrize("status", ["0", "42", "042", "99", "101", "199", "600", "999", "1000", "503", "text"])
async def test_status_is_written_as_given(raw: Raw, status: str) -> None:
    first, _, body = head_of((await raw({"fault": f"status:{status}"}))[0])
    assert first.startswith(b"HTTP/1.1 " + status.encode())
    assert first.split(b" ")[1] == status.encode()
    assert status in orjson.loads(body)["error"]["message"]


async def test_status_below_400_keeps_the_answer(raw: Raw) -> None:
    first, _, body = head_of((await raw({"fault": "status:202"}))[0])
    assert first == b"HTTP/1.1 202 Accepted"
    assert orjson.loads(body)["choices"]


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        ("", b"retry-after", b"1"),
        (":seconds=2", b"retry-after", b"2"),
        (":ms=1500", b"retry-after-ms", b"1500"),
        (":garbage", b"retry-after", b"soon"),
        (":none", b"retry-after", None),
    ],
)
async def test_rate_limit_forms(raw: Raw, value: str, name: bytes, expected: bytes | None) -> None:
    first, headers, body = head_of((await raw({"fault": f"rate-limit{value}"}))[0])
    assert first == b"HTTP/1.1 429 Too Many Requests"
    assert headers.get(name) == expected
    assert headers[b"x-ratelimit-remaining-requests"] == b"0"
    assert orjson.loads(body)["error"]["code"] == "rate_limit_exceeded"


async def test_rate_limit_date(raw: Raw) -> None:
    _, headers, _ = head_of((await raw({"fault": "rate-limit:date"}))[0])
    now, later = (parsedate_to_datetime(headers[name].decode()) for name in (b"date", b"retry-after"))
    assert later.tzinfo is not None
    assert (later - now).total_seconds() == 2


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("quota", b"429", "insufficient_quota"),
        ("overloaded", b"503", "server_is_overloaded"),
        ("context-length", b"400", "context_length_exceeded"),
        ("content-policy", b"400", "invalid_prompt"),
        ("model-missing", b"404", "model_not_found"),
        ("bad-key", b"401", "invalid_api_key"),
        ("json-200-error", b"200", None),
    ],
)
async def test_error_answers(raw: Raw, fault: str, status: bytes, code: str | None) -> None:
    first, _, body = head_of((await raw({"fault": fault}))[0])
    assert first.split(b" ")[1] == status
    assert orjson.loads(body)["error"]["code"] == code


async def test_quota_is_not_to_be_retried(raw: Raw) -> None:
    assert head_of((await raw({"fault": "quota"}))[0])[1][b"x-should-retry"] == b"false"


async def test_breaking_off_before_and_in_the_head(raw: Raw) -> None:
    assert await raw({"fault": "reset"}) == (b"", "reset")
    assert await raw({"fault": "close"}) == (b"", "fin")
    got, ended = await raw({"fault": "reset-head"})
    assert ended == "reset"
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in got
    assert await raw({"fault": "hang"}, wait=0.3) == (b"", "open")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "expected"), [("cut:3", "fin"), ("reset-after:3", "reset"), ("hang-after:3", "open")]
)
async def test_breaking_off_in_the_body(raw: Raw, stream: bool, fault: str, expected: str) -> None:
    got, ended = await raw({"fault": fault}, stream=stream, wait=0.4)
    assert ended == expected
    _, headers, body = head_of(got)
    if stream:
        data, whole = unchunk(body)
        assert data.count(b"data: ") == 3
        assert data.endswith(b"\n\n")
        assert not whole
    else:
        assert len(body) == 48
        assert int(headers[b"content-length"]) > 48


async def test_nothing_of_the_body_but_the_head(raw: Raw) -> None:
    for fault in ("cut:0", "hang-after:0"):
        got, _ = await raw({"fault": fault}, wait=0.3)
        assert got.endswith(b"\r\n\r\n")


async def test_cut_mid_event(raw: Raw) -> None:
    got, ended = await raw({"fault": "cut-mid-event:2"}, stream=True)
    data, whole = unchunk(head_of(got)[2])
    assert (ended, whole) == ("fin", False)
    assert data.count(b"data: ") == 3
    assert not data.endswith(b"\n")


async def test_body_that_ends_with_the_connection(raw: Raw) -> None:
    got, _ = await raw({"fault": "eof"}, stream=True)
    _, headers, body = head_of(got)
    assert not {b"content-length", b"transfer-encoding"} & headers.keys()
    assert body.endswith(b"data: [DONE]\n\n")
    got, _ = await raw({"fault": "eof:2"}, stream=True)
    assert head_of(got)[2].count(b"data: ") == 2
    got, _ = await raw({"fault": "eof"})
    assert b"content-length" not in head_of(got)[1]
    assert orjson.loads(head_of(got)[2])["choices"]


async def test_malformed_event_among_good_ones(raw: Raw) -> None:
    data, whole = unchunk(head_of((await raw({"fault": "malformed-sse:2"}, stream=True))[0])[2])
    blocks = data.split(b"\n\n")
    assert whole
    orjson.loads(blocks[1][6:])
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(blocks[2][6:])
    assert blocks[-2] == b"data: [DONE]"


async def test_last_blank_line_is_missing(raw: Raw) -> None:
    data, whole = unchunk(head_of((await raw({"fault": "no-blank-line"}, stream=True))[0])[2])
    assert whole
    assert data.endswith(b"}\n\ndata: [DONE]\n")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("fault", "off"), [("length-short", -10), ("length-long:7", 7)])
async def test_wrong_lengths(raw: Raw, stream: bool, fault: str, off: int) -> None:
    got, ended = await raw({"fault": fault}, stream=stream)
    _, headers, body = head_of(got)
    assert ended == "fin"
    assert int(headers[b"content-length"]) == len(body) + off


@pytest.mark.parametrize("stream", [True, False])
async def test_both_framings(raw: Raw, stream: bool) -> None:
    _, headers, body = head_of((await raw({"fault": "both-framings"}, stream=stream))[0])
    data, whole = unchunk(body)
    assert whole
    assert headers[b"transfer-encoding"] == b"chunked"
    assert int(headers[b"content-length"]) == len(data)


@pytest.mark.parametrize("stream", [True, False])
async def test_bad_chunk(raw: Raw, stream: bool) -> None:
    got, ended = await raw({"fault": "bad-chunk:2"}, stream=stream)
    assert got.endswith(b"\r\nzz\r\n")
    assert ended == "fin"


@pytest.mark.parametrize(("value", "byte"), [("", b"\x01"), (":nul", b"\0"), (":cr", b"\rb"), (":latin", b"\xe9")])
async def test_bad_headers(raw: Raw, value: str, byte: bytes) -> None:
    got, _ = await raw({"fault": f"bad-header{value}"})
    line = next(line for line in got.split(b"\r\n") if line.startswith(b"x-mock-bad: "))
    assert byte in line


async def test_huge_header(raw: Raw) -> None:
    _, headers, body = head_of((await raw({"fault": "huge-header:100000"}))[0])
    assert len(headers[b"x-mock-huge"]) == 100_000
    assert orjson.loads(body)["choices"]


async def test_error_event(raw: Raw) -> None:
    data, whole = unchunk(head_of((await raw({"fault": "sse-error:2"}, stream=True))[0])[2])
    blocks = data.split(b"\n\n")
    assert whole
    assert len(blocks) == 4
    assert orjson.loads(blocks[2][6:])["error"]["type"] == "server_error"


async def test_bodies_that_are_no_answers(raw: Raw) -> None:
    first, headers, body = head_of((await raw({"fault": "empty"}))[0])
    assert (first, headers[b"content-length"], body) == (b"HTTP/1.1 200 OK", b"0", b"")
    first, headers, body = head_of((await raw({"fault": "html-502"}))[0])
    assert (first.split(b" ")[1], headers[b"content-type"]) == (b"502", b"text/html")
    assert body.startswith(b"<html>")
    _, headers, body = head_of((await raw({"fault": "not-json"}))[0])
    assert headers[b"content-type"] == b"application/json"
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(body)
    assert head_of((await raw({"fault": "null-body"}))[0])[2] == b"null"


async def test_slow_drip_is_the_same_answer(mock: Running, raw: Raw) -> None:
    whole, _ = await raw({})
    assert (await raw({"fault": "slow-drip"}))[0] == whole
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(b"GET /v1/models/x HTTP/1.1\r\nhost: m\r\nx-mock-fault: slow-drip:2\r\n\r\n")
    reads = [len(await reader.read(4096)) for _ in range(20)]
    assert sum(reads) < 100
    writer.close()
    await writer.wait_closed()


async def test_informational_answer_first(raw: Raw) -> None:
    got, _ = await raw({"fault": "early"})
    assert got.startswith(b"HTTP/1.1 103 Early\r\nlink: ")
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in got


async def test_redirect(raw: Raw) -> None:
    first, headers, _ = head_of((await raw({"fault": "redirect:http://127.0.0.1:1/elsewhere"}))[0])
    assert first == b"HTTP/1.1 307 Temporary Redirect"
    assert headers[b"location"] == b"http://127.0.0.1:1/elsewhere"


async def test_gzip_bomb(raw: Raw) -> None:
    _, headers, body = head_of((await raw({"fault": "gzip-bomb"}))[0])
    assert headers[b"content-encoding"] == b"gzip"
    assert len(body) < 100_000
    assert len(gzip.decompress(body)) == 50 * 1024 * 1024


async def test_silence_is_a_clean_end_without_output(raw: Raw) -> None:
    _, _, body = head_of((await raw({"fault": "silent"}, stream=True))[0])
    data, whole = unchunk(body)
    assert whole
    assert data.count(b"data: ") == 1
    assert b'"role":"assistant"' in data
    first, _, body = head_of((await raw({"fault": "silent"}))[0])
    assert first == b"HTTP/1.1 200 OK"
    assert body == b""


@pytest.mark.parametrize("fault", ["cut:quiet", "sse-error:quiet", "reset-after:quiet", "cut-mid-event:quiet"])
async def test_quiet_stands_for_the_events_without_output(raw: Raw, fault: str) -> None:
    number = fault.replace("quiet", "1")
    assert await raw({"fault": fault}, stream=True) == await raw({"fault": number}, stream=True)


async def test_a_refusing_port_and_one_that_never_answers() -> None:
    for fault, expected in (("refused", ConnectionRefusedError), ("black-hole", TimeoutError)):
        running = await start(settings=Settings(controls=Controls(fault=fault)))
        try:
            with pytest.raises(expected):
                async with asyncio.timeout(0.5):
                    await asyncio.open_connection("127.0.0.1", running.port)
            assert running.received() == ()
        finally:
            await running.stop()
        again = await start(port=running.port)
        await again.stop()


@pytest.mark.parametrize("fault", ["refused", "black-hole"])
async def test_a_fault_of_the_port_is_no_fault_of_a_request(raw: Raw, fault: str) -> None:
    first, _, body = head_of((await raw({"fault": fault}))[0])
    assert first.split(b" ")[1] == b"400"
    assert orjson.loads(body)["error"]["code"] == "invalid_fault"
    assert "--fault" in orjson.loads(body)["error"]["message"]


def test_every_fault_has_a_test_that_names_it() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if f'"{name}' not in text] == []


async def test_first_times_then_well(raw: Raw) -> None:
    controls = {"fault": "status:500", "fault-times": "2", "fault-id": "a"}
    seen = [head_of((await raw(controls))[0])[0].split(b" ")[1] for _ in range(4)]
    assert seen == [b"500", b"500", b"200", b"200"]
    assert head_of((await raw({**controls, "fault-id": "b"}))[0])[0].split(b" ")[1] == b"500"


async def test_period_and_probability(raw: Raw) -> None:
    seen = [head_of((await raw({"fault": "overloaded@3"}))[0])[0].split(b" ")[1] for _ in range(9)]
    assert seen.count(b"503") == 3
    assert seen[:3] == seen[3:6] == seen[6:]
    seen = [head_of((await raw({"fault": "overloaded@0.5"}))[0])[0].split(b" ")[1] for _ in range(40)]
    assert 8 <= seen.count(b"503") <= 32


@pytest.mark.parametrize(
    "fault", ["nonsense", "cut:many", "status", "rate-limit:never", "early:101", "reset@0", "bad-header:x"]
)
async def test_unknown_faults_are_refused(http: aiohttp.ClientSession, mock: Running, fault: str) -> None:
    async with http.get(f"{mock.url}/models", headers={"x-mock-fault": fault}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "invalid_fault"


async def test_strange_events_among_good_ones(raw: Raw) -> None:
    plain = unchunk(head_of((await raw({}, stream=True))[0])[2])[0].split(b"\n\n")
    for fault in ("unknown-event:2", "empty-delta:2"):
        found = unchunk(head_of((await raw({"fault": fault}, stream=True))[0])[2])[0].split(b"\n\n")
        assert [*found[:2], *found[3:]] == plain
        assert found[2] not in plain
    found = unchunk(head_of((await raw({"fault": "duplicate:2"}, stream=True))[0])[2])[0].split(b"\n\n")
    assert [*found[:2], *found[3:]] == plain
    assert found[1] == found[2]


async def test_an_error_before_any_output(raw: Raw) -> None:
    data, whole = unchunk(head_of((await raw({"fault": "sse-error:0"}, stream=True))[0])[2])
    assert whole
    assert list(orjson.loads(data[6:])) == ["error"]


async def test_pages_and_odd_errors(raw: Raw) -> None:
    for fault, status in (("html", b"200"), ("html:503", b"503")):
        first, headers, body = head_of((await raw({"fault": fault}))[0])
        assert (first.split(b" ")[1], headers[b"content-type"]) == (status, b"text/html; charset=utf-8")
        assert body.startswith(b"<html>")
    assert isinstance(orjson.loads(head_of((await raw({"fault": "odd-error:1"}))[0])[2])["error"], str)
    assert isinstance(orjson.loads(head_of((await raw({"fault": "odd-error:2"}))[0])[2])["detail"], list)
    assert head_of((await raw({"fault": "odd-error:9"}))[0])[0].startswith(b"HTTP/1.1 400")


async def test_the_time_to_wait_may_be_in_the_message(raw: Raw) -> None:
    _, headers, body = head_of((await raw({"fault": "rate-limit:text=2.5"}))[0])
    assert "try again in 2.5s" in orjson.loads(body)["error"]["message"]
    assert b"retry-after" not in headers


ANTHROPIC = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
BEDROCK = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
PLACES = [
    ("/v1/messages", ANTHROPIC),
    ("/v1beta/models/m:generateContent", GEMINI),
    ("/model/m/converse", BEDROCK),
    ("/v2/chat", {"model": "m", "messages": ANTHROPIC["messages"]}),
    ("/openai/v1/chat/completions", {"model": "m", "messages": ANTHROPIC["messages"]}),
]
STREAMS = [
    ("/v1/messages", {**ANTHROPIC, "stream": True}),
    ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI),
    ("/v1beta/models/m:streamGenerateContent", GEMINI),
    ("/model/m/converse-stream", BEDROCK),
    ("/v2/chat", {"model": "m", "messages": ANTHROPIC["messages"], "stream": True}),
    ("/openai/v1/chat/completions", {"model": "m", "messages": ANTHROPIC["messages"], "stream": True}),
]


async def got(
    http: aiohttp.ClientSession, mock: Running, place: tuple[str, object], fault: str
) -> tuple[int, bytes, bool]:
    """Return status, body, and whether the body came whole."""
    headers = {"anthropic-version": "2023-06-01", "x-mock-fault": fault}
    url, body = f"{mock.url.removesuffix('/v1')}{place[0]}", b""
    async with http.post(url, json=place[1], headers=headers) as answer:
        try:
            while data := await answer.content.readany():
                body += data
        except aiohttp.ClientError:
            return answer.status, body, False
        return answer.status, body, True


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])
async def test_errors_of_every_dialect(http: aiohttp.ClientSession, mock: Running, place: tuple[str, object]) -> None:
    seen: dict[str, tuple[int, object]] = {}
    for fault in ("rate-limit", "quota", "overloaded", "context-length", "bad-key", "json-200-error", "status:500"):
        status, body, whole = await got(http, mock, place, fault)
        assert whole
        seen[fault] = (status, orjson.loads(body))
        assert "message" in str(seen[fault][1])
    assert seen["rate-limit"][0] == 429
    assert seen["overloaded"][0] in (503, 529)
    assert seen["context-length"][0] == 400
    assert seen["json-200-error"][0] == 200
    status, body, _ = await got(http, mock, place, "html")
    assert (status, body[:6]) == (200, b"<html>")
    for number in (1, 2, 3):
        status, _, whole = await got(http, mock, place, f"odd-error:{number}")
        assert status >= 400
    assert (await got(http, mock, place, "nonsense"))[0] == 400


@pytest.mark.parametrize("place", STREAMS, ids=lambda place: place[0])
async def test_broken_streams_of_every_dialect(
    http: aiohttp.ClientSession, mock: Running, place: tuple[str, object]
) -> None:
    _, plain, whole = await got(http, mock, place, "")
    assert whole
    for fault in ("cut:2", "cut-mid-event:2", "reset-after:2"):
        status, body, whole = await got(http, mock, place, fault)
        assert (status, whole) == (200, False)
        assert plain.startswith(body)
        assert body or fault == "reset-after:2"
    for fault in ("malformed-sse:1", "unknown-event:1", "empty-delta:1", "duplicate:2"):
        _, body, whole = await got(http, mock, place, fault)
        assert whole
        assert len(body) > len(plain)
    _, before, _ = await got(http, mock, place, "sse-error:0")
    _, after, _ = await got(http, mock, place, "sse-error:3")
    assert after.endswith(before)
    assert len(after) > len(before)
