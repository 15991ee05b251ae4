"""Realtime: frames pass both ways unmodified, close codes both ways, and refusals that say why."""

import base64
import hashlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.processes import KEY, Gateway, Mock, config_for, free_port, running

from .sockets import BINARY, PING, PONG, TEXT, Refused, opened
from .wire import mark, one, received, values_of

pytestmark = pytest.mark.e2e

PATH = "/v1/realtime?model=gpt-realtime"
AUTH = ("authorization", f"Bearer {KEY}")


@pytest.mark.parametrize(
    "path", [PATH, "/openai/v1/realtime?model=m", "/realtime?model=m", "/v1/realtime?model=fast&x=%20&x=2"]
)
def test_the_handshake(gateway: Gateway, mock: Mock, path: str) -> None:
    marked = mark()
    with opened(gateway.origin, path, [AUTH, marked, ("OpenAI-Beta", "realtime=v1"), ("cookie", "a=1")]) as link:
        assert json.loads(link.receive()[1])["type"] == "session.created"
        entry = one(mock, marked)
        assert entry["path"] == "/v1" + path[path.index("/realtime") :].replace("fast", "gpt-4o")
        assert values_of(entry, "authorization") == ["Bearer sk-upstream-credential"]
        assert values_of(entry, "openai-beta") == ["realtime=v1"]
        assert values_of(entry, "cookie") == []
        assert "sk-tw-test-key" not in json.dumps(entry)
        link.close(1000)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3_000_000])
def test_binary_both_ways(gateway: Gateway, size: int) -> None:
    data = os.urandom(size)
    with opened(gateway.origin, PATH, [AUTH]) as link:
        link.receive()
        link.send(BINARY, data)
        assert link.receive() == (BINARY, data)


def test_text_both_ways(gateway: Gateway, mock: Mock) -> None:
    events = [
        '{"type":"x.y","big":9007199254740993,"e":1e400,"s":"r\\u00f6ad \\ud83d\\ude80"}',
        '{ "type" : "z" , "text" : "röad — 道路 🛣" }',
        json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 2_000_000}),
        "not json at all",
    ]
    answers = []
    for origin in (mock.origin, gateway.origin):
        with opened(origin, PATH, [AUTH]) as link:
            found = [link.receive()]
            for event in events:
                link.text(event)
                found.append(link.receive())
            answers.append(found)
    assert answers[0] == answers[1]
    assert {kind for kind, _ in answers[1]} == {TEXT}


def test_pings_are_answered(gateway: Gateway) -> None:
    with opened(gateway.origin, PATH, [AUTH]) as link:
        link.receive()
        link.send(PING, b"still there?")
        assert link.receive() == (PONG, b"still there?")


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4001, 4999])
def test_the_upstreams_close_reaches_the_client(gateway: Gateway, code: int) -> None:
    with opened(gateway.origin, PATH, [AUTH]) as link:
        link.receive()
        link.text(json.dumps({"type": "mock.close", "code": code, "reason": "röad closed"}))
        assert link.closing() == (code, "röad closed")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "leaving"), (4002, "röad closed")])
def test_the_clients_close_reaches_the_upstream(code: int, reason: str) -> None:
    """The upstream here is a raw socket that shows the close frame it gets. The reason stays behind: the server does not tell it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with running(config_for(url)) as gateway:
            seen: list[tuple[int, bytes]] = []
            upstream = threading.Thread(target=_serve_one, args=(listener, seen))
            upstream.start()
            with opened(gateway.origin, PATH, [AUTH]) as link:
                link.close(code, reason)
                assert link.closing()[0] == code
            upstream.join(10)
            assert [found for found, _ in seen] == [code]


def _serve_one(listener: socket.socket, seen: list[tuple[int, bytes]]) -> None:
    listener.settimeout(10)
    link, _ = listener.accept()
    with link:
        link.settimeout(10)
        data = b""
        while b"\r\n\r\n" not in data:
            data += link.recv(65536)
        fields = dict(line.split(": ", 1) for line in data.decode().split("\r\n")[1:] if ": " in line)
        key = {name.lower(): value for name, value in fields.items()}["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        link.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n".encode()
        )
        frame = b""
        while len(frame) < 2 or len(frame) < 6 + (frame[1] & 0x7F):
            piece = link.recv(65536)
            if not piece:
                return
            frame += piece
        assert frame[0] == 0x88
        size, mask = frame[1] & 0x7F, frame[2:6]
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(frame[6 : 6 + size]))
        seen.append((struct.unpack(">H", plain[:2])[0], plain[2:]))
        link.sendall(b"\x88" + bytes([len(plain)]) + plain)


def test_a_client_that_vanishes_ends_the_upstream(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    with opened(gateway.origin, PATH, [AUTH, marked]) as link:
        link.receive()
    deadline = time.monotonic() + 5
    while one(mock, marked)["outcome"] == "open" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert one(mock, marked)["outcome"] != "open"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (PATH, [], 401),
        (PATH, [("authorization", "Bearer sk-wrong")], 401),
        ("/v1/realtime?model=a&model=b", [AUTH], 400),
        (PATH, [AUTH, ("origin", "https://evil.example")], 403),
    ],
)
def test_refusals_of_ours(gateway: Gateway, mock: Mock, path: str, headers: list[tuple[str, str]], status: int) -> None:
    marked = mark()
    with pytest.raises(Refused) as refused, opened(gateway.origin, path, [*headers, marked]):
        pass
    answer = refused.value.answer
    assert (answer.status, answer.error["type"]) == (
        status,
        "permission_error" if status == 403 else "invalid_request_error",
    )
    assert answer.get("x-request-id")
    assert received(mock, marked) == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [("status:404", 404), ("rate-limit", 429), ("overloaded", 503), ("close", 502), ("bad-key", 502)],
)
def test_an_upstream_that_refuses(gateway: Gateway, fault: str, status: int) -> None:
    with pytest.raises(Refused) as refused, opened(gateway.origin, PATH, [AUTH, ("x-mock-fault", fault)]):
        pass
    assert refused.value.answer.status == status


def test_an_upstream_that_is_not_there() -> None:
    with running(config_for(f"http://127.0.0.1:{free_port()}/v1")) as gateway:
        with pytest.raises(Refused) as refused, opened(gateway.origin, PATH, [AUTH]):
            pass
        assert (refused.value.answer.status, refused.value.answer.error["code"]) == (502, "upstream_unavailable")
        assert gateway.get("/readyz")[0] == 200


def test_a_key_in_a_subprotocol_is_taken_and_never_echoed(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    offer = f"realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1"
    with opened(gateway.origin, PATH, [("sec-websocket-protocol", offer), marked]) as link:
        assert link.handshake.get("sec-websocket-protocol") == "realtime"
        assert KEY not in str(link.handshake.headers)
        entry = one(mock, marked)
        assert values_of(entry, "sec-websocket-protocol")[0].replace(" ", "") == "realtime,openai-beta.realtime-v1"
        assert KEY not in json.dumps(entry)
    only = f"openai-insecure-api-key.{KEY}"
    with opened(gateway.origin, PATH, [("sec-websocket-protocol", only)]) as link:
        assert link.handshake.get("sec-websocket-protocol") is None


@pytest.fixture(scope="module")
def friendly(mock: Mock) -> Iterator[Gateway]:
    with running(config_for(mock.url, server={"cors": {"origins": ["https://app.example"]}})) as gateway:
        yield gateway


def test_origins(friendly: Gateway) -> None:
    with opened(friendly.origin, PATH, [AUTH, ("origin", "https://app.example")]) as link:
        assert link.receive()[0] == TEXT
    for origin in ("https://evil.example", "https://app.example.evil.example", "http://app.example", "null"):
        with pytest.raises(Refused) as refused, opened(friendly.origin, PATH, [AUTH, ("origin", origin)]):
            pass
        assert refused.value.answer.status == 403


def test_usage_is_logged(gateway: Gateway) -> None:
    given = f"realtime-{time.monotonic_ns()}"
    with opened(gateway.origin, PATH, [AUTH, ("x-request-id", given)]) as link:
        link.text('{"type":"response.create"}')
        while True:
            event = json.loads(link.receive()[1])
            if event["type"] == "response.done":
                break
        link.close(1000)
        link.closing()
    usage = event["response"]["usage"]
    record = json.loads(gateway.wait_for(f'"request_id":"{given}"', timeout=5))
    assert (record["input_tokens"], record["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert (record["outcome"], record["endpoint"], record["status"]) == ("ok", "realtime", 101)


def test_responses_over_websocket_need_no_model_in_the_query(gateway: Gateway) -> None:
    with opened(gateway.origin, "/v1/responses", [AUTH]) as link:
        link.text('{"type":"response.create","model":"gpt-4o","input":"How long?"}')
        assert json.loads(link.receive()[1])["type"] == "response.created"
