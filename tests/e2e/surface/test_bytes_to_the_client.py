"""What the upstream answers reaches the client unchanged: status, header values, body bytes, and the framing of every stream."""

import gzip
import json
import time
from typing import Any

import pytest

from tests.support.processes import KEY, Gateway, Mock

from .wire import CHAT, JSON, Answer, ask, chat, connect, form, head

pytestmark = pytest.mark.e2e

STREAM = CHAT[:-1] + b',"stream":true}'
USAGE = CHAT[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'
EMBEDDING = b'{"model":"text-embedding-3-small","input":"the road","dimensions":8}'

OURS = {"server-timing"}
"""Headers of the gateway's own beside ``x-tollway-*``."""

FRAMING = {"connection", "content-length", "transfer-encoding", "date", "server", "keep-alive"}


def compare(gateway: Gateway, mock: Mock, method: str, target: str, **options: Any) -> tuple[Answer, Answer]:
    """The same request at both; status, body bytes and every header of the upstream must agree."""
    direct = ask(mock.origin, method, target, **options)
    through = ask(gateway.origin, method, target, **options)
    assert (through.status, through.body) == (direct.status, direct.body)
    for name in {name.lower() for name, _ in direct.headers} - FRAMING:
        assert through.every(name) == direct.every(name), name
    added = {name.lower() for name, _ in through.headers} - {name.lower() for name, _ in direct.headers} - FRAMING
    assert {name for name in added if not name.startswith("x-tollway-")} <= OURS | {"x-accel-buffering"}
    assert through.get("x-tollway-request-id")
    return through, direct


POSTS: dict[str, tuple[str, bytes]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "completions": ("/v1/completions", b'{"model":"gpt-4o","prompt":"The road"}'),
    "responses": ("/v1/responses", b'{"model":"gpt-4o","input":"How long?"}'),
    "embeddings": ("/v1/embeddings", EMBEDDING),
    "moderations": ("/v1/moderations", b'{"input":"mock-flag"}'),
    "images": ("/v1/images/generations", b'{"model":"gpt-image-1","prompt":"a bridge"}'),
    "speech": ("/v1/audio/speech", b'{"model":"gpt-4o-mini-tts","voice":"alloy","input":"a road","response_format":"wav"}'),
    "chat stream": ("/v1/chat/completions", STREAM),
    "chat stream usage": ("/v1/chat/completions", USAGE),
    "completions stream": ("/v1/completions", b'{"model":"gpt-4o","prompt":"The road","stream":true}'),
    "responses stream": ("/v1/responses", b'{"model":"gpt-4o","input":"How long?","stream":true}'),
    "speech stream": (
        "/v1/audio/speech", b'{"model":"gpt-4o-mini-tts","voice":"alloy","input":"a road","stream_format":"sse"}'
    ),
    "images stream": (
        "/v1/images/generations", b'{"model":"gpt-image-1","prompt":"a bridge","stream":true,"partial_images":1}'
    ),
    "batches": ("/v1/batches", b'{"input_file_id":"file-1","endpoint":"/v1/x","completion_window":"24h"}'),
}  # fmt: skip


@pytest.mark.parametrize("name", POSTS)
def test_posts(gateway: Gateway, mock: Mock, name: str) -> None:
    path, body = POSTS[name]
    through, _ = compare(gateway, mock, "POST", path, headers=[JSON], body=body)
    assert through.status == 200
    assert through.get("x-request-id", "").startswith("req_0000000000000000")  # type: ignore[union-attr]
    assert through.get("x-tollway-request-id") != through.get("x-request-id")


@pytest.mark.parametrize("name", POSTS)
def test_posts_in_gzip_pass_as_they_are(gateway: Gateway, mock: Mock, name: str) -> None:
    path, body = POSTS[name]
    headers = [JSON, ("x-mock-encoding", "gzip"), ("accept-encoding", "gzip")]
    through, direct = compare(gateway, mock, "POST", path, headers=headers, body=body)
    if direct.get("content-encoding") == "gzip":
        assert gzip.decompress(through.body)


FAULTS = [
    "status:201", "status:202", "status:299", "status:400", "status:404", "status:418", "status:429", "status:500",
    "status:503", "status:529", "status:599", "rate-limit:seconds=2", "rate-limit:ms=1500", "rate-limit:garbage",
    "rate-limit:none", "quota", "overloaded", "context-length", "json-200-error", "not-json", "null-body", "empty",
    "html-502", "redirect", "redirect:http://example.com/x", "eof", "slow-drip", "early:103", "early:100",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_odd_answers(gateway: Gateway, mock: Mock, fault: str) -> None:
    headers = [JSON, ("x-mock-fault", fault)]
    through, _ = compare(gateway, mock, "POST", "/v1/chat/completions", headers=headers, body=CHAT)
    assert (through.get("x-tollway-error-source") == "upstream") is (through.status >= 400)


@pytest.mark.parametrize("fault", ["malformed-sse:2", "no-blank-line", "sse-error:2", "json-200-error", "not-json"])
def test_odd_streams(gateway: Gateway, mock: Mock, fault: str) -> None:
    headers = [JSON, ("x-mock-fault", fault)]
    compare(gateway, mock, "POST", "/v1/chat/completions", headers=headers, body=STREAM)


def test_a_status_204_and_304(gateway: Gateway, mock: Mock) -> None:
    for status in (204, 205, 304):
        answer = chat(gateway.origin, headers=[("x-mock-fault", f"status:{status}")])
        assert (answer.status, answer.body) == (status, b"")


HEADERS = {
    "openai-processing-ms": "12",
    "openai-version": "2020-10-01",
    "openai-organization": "org-x",
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-tokens": "9007199254740993",
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-reset-tokens": "12ms",
    "retry-after": "1",
    "x-request-id": "req-of-the-upstream",
    "X-Odd-CASE": "Kept: As, Is",
    "etag": 'W/"x"',
    "link": "</v1>",
    "cf-ray": "x",
}


@pytest.mark.parametrize("body", [CHAT, STREAM])
def test_headers(gateway: Gateway, mock: Mock, body: bytes) -> None:
    reply = ";".join(f"{name}={value}" for name, value in HEADERS.items()) + ";set-cookie=a=1"
    answer = chat(gateway.origin, body, headers=[("x-mock-reply-headers", reply)])
    for name, value in HEADERS.items():
        assert value in answer.every(name), name
    assert answer.every("set-cookie") == []
    assert "set-cookie" in {name.lower() for name, _ in chat(mock.origin, body, headers=[("x-mock-reply-headers", reply)]).headers}  # fmt: skip


@pytest.mark.parametrize("waits", ["x-mock-head-delay", "x-mock-first-token"])
@pytest.mark.parametrize("body", [CHAT, STREAM])
def test_what_the_provider_takes_is_no_overhead_of_ours(gateway: Gateway, body: bytes, waits: str) -> None:
    """Before its head, or between that and the first token: the head of the answer is held until then."""
    answer = chat(gateway.origin, body, headers=[(waits, "400")])
    assert answer.status == 200
    assert float(answer.get("x-tollway-overhead-ms") or "x") < 250
    parts = dict(part.strip().split(";dur=") for part in (answer.get("server-timing") or "").split(","))
    assert float(parts["upstream"]) >= 399


@pytest.mark.parametrize("body", [CHAT, STREAM])
def test_gateway_headers(gateway: Gateway, body: bytes) -> None:
    answer = chat(gateway.origin, body.replace(b"gpt-4o", b"fast"))
    shown = {name: answer.get(f"x-tollway-{name}") for name in ("route", "provider", "model", "attempts")}
    assert shown == {"route": "fast", "provider": "mock", "model": "gpt-4o", "attempts": "1"}
    assert float(answer.get("x-tollway-overhead-ms") or "x") < 1000
    timing = answer.get("server-timing") or ""
    assert [part.split(";")[0].strip() for part in timing.split(",")] == [
        "auth",
        "parse",
        "ownership",
        "token_count",
        "routing",
        "rate_limit",
        "upstream",
    ]


def test_a_clients_request_id_is_taken_up_when_it_is_sane(gateway: Gateway) -> None:
    assert chat(gateway.origin, headers=[("x-request-id", "trip-7.a_B")]).get("x-tollway-request-id") == "trip-7.a_B"
    for odd in ("a b", "x" * 129, "a;b", ""):
        assert chat(gateway.origin, headers=[("x-request-id", odd)]).get("x-tollway-request-id") != odd


@pytest.mark.parametrize("asked", ["gzip", "identity", "br, gzip;q=0.5", None])
def test_gzip_is_metered(gateway: Gateway, asked: str | None) -> None:
    """The coding is the client's affair; the gateway reads usage in what passes."""
    for body in (CHAT, USAGE):
        given = f"gzip-{time.monotonic_ns()}"
        headers = [("x-mock-encoding", "gzip"), ("x-request-id", given)]
        if asked is not None:
            headers.append(("accept-encoding", asked))
        answer = chat(gateway.origin, body, headers=headers)
        assert answer.get("content-encoding") == "gzip"
        text = gzip.decompress(answer.body)
        record = log_line(gateway, given)
        if body is CHAT:
            usage = json.loads(text)["usage"]
            assert (record["input_tokens"], record["output_tokens"]) == (
                usage["prompt_tokens"],
                usage["completion_tokens"],
            )
        else:
            assert b'"usage":{' in text
        assert (record["input_source"], record["output_source"]) == ("reported", "reported")


def log_line(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The access log's line of one request."""
    line = gateway.wait_for(f'"request_id":"{request_id}"', timeout=5)
    found: dict[str, Any] = json.loads(line)
    return found


def test_usage_is_logged_and_counted(gateway: Gateway) -> None:
    given = f"plain-{time.monotonic_ns()}"
    usage = chat(gateway.origin, headers=[("x-request-id", given)]).json()["usage"]
    record = log_line(gateway, given)
    assert (record["input_tokens"], record["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (record["input_source"], record["status"], record["outcome"]) == ("reported", 200, "ok")
    assert record["key"] == "app"
    assert "sk-tw-test-key" not in gateway.log()


def test_usage_is_counted_where_the_provider_reports_none(gateway: Gateway) -> None:
    for body in (CHAT, STREAM):
        given = f"none-{time.monotonic_ns()}"
        chat(gateway.origin, body, headers=[("x-request-id", given), ("x-mock-usage", "off")])
        record = log_line(gateway, given)
        assert record["output_source"] == "counted"
        assert 10 <= record["output_tokens"] <= 60
        assert record["input_source"] in ("counted", "estimated")


def test_files(gateway: Gateway, mock: Mock) -> None:
    data = bytes(range(256)) * 100
    kind, body = form(("purpose", None, b"user_data"), ("file", "road map.bin", data))
    made, _ = compare(gateway, mock, "POST", "/v1/files", headers=[kind], body=body)
    path = f"/v1/files/{made.json()['id']}/content"
    whole, _ = compare(gateway, mock, "GET", path)
    assert whole.body == data
    assert whole.get("content-disposition") == 'attachment; filename="road map.bin"'
    assert whole.get("content-length") == str(len(data))
    for asked, status in (("bytes=10-19", 206), ("bytes=-5", 206), ("bytes=25000-", 206), ("bytes=99999-", 416)):
        part, _ = compare(gateway, mock, "GET", path, headers=[("range", asked)])
        assert part.status == status
        assert part.get("content-range")
    empty, _ = compare(gateway, mock, "HEAD", path)
    assert empty.body == b""


def test_binary_answers_are_streamed(gateway: Gateway, mock: Mock) -> None:
    """The first bytes of a sound are there long before the last."""
    body = b'{"model":"gpt-4o-mini-tts","voice":"alloy","input":"a road","response_format":"wav"}'
    headers = [JSON, ("x-mock-pace", "40")]
    compare(gateway, mock, "POST", "/v1/audio/speech", headers=headers, body=body)
    times = arrivals(gateway, "/v1/audio/speech", headers, body, end=b"0\r\n\r\n")
    assert len(times) >= 3
    assert times[-1] - times[0] > 0.1


# ---- streams, whatever the splits -----------------------------------------------------------------------------------

CONTROLS = [("x-mock-unicode", "on"), ("x-mock-tokens", "12")]


@pytest.mark.parametrize("framing", ["lf", "crlf", "cr"])
@pytest.mark.parametrize("split", [1, 2, 3, 7, 64, 1000])
def test_transcripts_split_anywhere(gateway: Gateway, mock: Mock, framing: str, split: int) -> None:
    headers = [JSON, *CONTROLS, ("x-mock-framing", framing), ("x-mock-split", str(split))]
    _, direct = compare(gateway, mock, "POST", "/v1/chat/completions", headers=headers, body=USAGE)
    end = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}[framing]
    assert direct.body.endswith(b"data: [DONE]" + end * 2)


@pytest.mark.parametrize("name", [name for name in POSTS if name.endswith("stream")])
@pytest.mark.parametrize("framing", ["lf", "crlf", "cr"])
def test_every_dialect_split_at_every_byte(gateway: Gateway, mock: Mock, name: str, framing: str) -> None:
    path, body = POSTS[name]
    headers = [JSON, ("x-mock-tokens", "4"), ("x-mock-framing", framing), ("x-mock-split", "1")]
    compare(gateway, mock, "POST", path, headers=headers, body=body)


def test_a_paced_stream_arrives_as_it_is_made(gateway: Gateway) -> None:
    """Nothing is held back: with 30 ms between events the first is there long before the last."""
    headers = [JSON, ("x-mock-pace", "30"), ("x-mock-tokens", "20")]
    times = arrivals(gateway, "/v1/chat/completions", headers, STREAM, end=b"[DONE]")
    assert len(times) >= 15
    assert times[-1] - times[1] > 0.3


def arrivals(gateway: Gateway, target: str, headers: list[tuple[str, str]], body: bytes, *, end: bytes) -> list[float]:
    """When each socket read returned, until ``end`` was among what came."""
    with connect(gateway.origin) as link:
        link.sendall(head("POST", target, [*headers, ("authorization", f"Bearer {KEY}")], len(body)) + body)
        data, times = b"", []
        while end not in data[-256:]:
            piece = link.recv(65536)
            assert piece, "the answer broke off"
            data += piece
            times.append(time.monotonic())
    return times
