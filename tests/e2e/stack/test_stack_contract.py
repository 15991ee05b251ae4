"""Stack contract, seen through the gateway: what the server and the client library do wrong never reaches a client."""

import asyncio
import base64
import hashlib
import json
import os
import socket
import time

import pytest

from tests.support.faults import SSE_HEAD, Connection, scripted
from tests.support.observed import descriptors, metric, workers
from tests.support.processes import KEY, Gateway, Mock, Process, config_for, free_port, running
from tests.support.rawhttp import Client, ask, chat, eventually, request

pytestmark = pytest.mark.e2e


async def healthy(gateway: Gateway, worker: int) -> None:
    """The same worker serves the next request."""
    assert workers(gateway) == [worker], "the worker was replaced"
    answer = await ask(gateway.port, chat())
    assert answer.status == 200
    assert answer.json["choices"]


# ---- statuses that abort Granian's worker -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status", ["000", "0", "042", "99", "099", "101", "600", "999", "1000", "70000", "-1", "text"])
async def test_a_status_outside_200_to_599_is_a_502(gateway: Gateway, status: str, stream: bool) -> None:
    (worker,) = workers(gateway)
    answer = await ask(gateway.port, chat(stream=stream, headers={"x-mock-fault": f"status:{status}"}))
    assert answer.status == 502
    assert answer.error["code"] == "upstream_invalid_response"
    assert answer.ending == "whole"
    await healthy(gateway, worker)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_status_that_says_interim_for_ever_ends_at_the_first_byte_limit(mock: Mock, stream: bool) -> None:
    """To HTTP a 199 announces another answer; an upstream that never sends it is a silent one."""
    with running(config_for(mock.url, timeouts={"first_byte": 0.5})) as gateway:
        (worker,) = workers(gateway)
        answer = await ask(gateway.port, chat(stream=stream, headers={"x-mock-fault": "status:199"}))
        assert answer.status in (502, 504)
        assert answer.error["code"] in ("upstream_invalid_response", "upstream_timeout")
        await healthy(gateway, worker)


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 404, 418, 451, 500, 503, 599])
async def test_a_status_inside_200_to_599_passes_unchanged(gateway: Gateway, status: int) -> None:
    answer = await ask(gateway.port, chat(headers={"x-mock-fault": f"status:{status}"}))
    assert (answer.status, answer.ending) == (status, "whole")


# ---- content-length -------------------------------------------------------------------------------------------------------


async def test_a_length_that_is_too_long_never_leaves_a_plain_client_waiting(gateway: Gateway) -> None:
    answer = await ask(gateway.port, chat(headers={"x-mock-fault": "length-long:10"}))
    assert answer.status == 502
    assert answer.error["code"] in ("upstream_error", "upstream_invalid_response")
    assert answer.ending == "whole"


async def test_a_length_that_is_too_short_puts_no_surplus_byte_on_the_wire(gateway: Gateway) -> None:
    async with await Client.open(gateway.port) as client:
        await client.send(chat(headers={"x-mock-fault": "length-short:10"}))
        answer = await client.answer()
        assert answer.header("content-length") in (str(len(answer.body)), None)
        if answer.status == 200:
            assert answer.ending == "whole"
        else:
            assert answer.status == 502
        # The next answer starts where the last one ended: no desync.
        await client.send(chat())
        again = await client.answer()
        assert (again.status, again.ending) == (200, "whole")
        assert again.json["choices"]


async def test_contradicting_framings_are_a_502(gateway: Gateway) -> None:
    (worker,) = workers(gateway)
    for stream in (False, True):
        answer = await ask(gateway.port, chat(stream=stream, headers={"x-mock-fault": "both-framings"}))
        assert answer.status == 502
        assert answer.error["code"] == "upstream_invalid_response"
    await healthy(gateway, worker)


# ---- half-sent answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cut:3", "reset-after:3", "cut-mid-event:3", "bad-chunk:3", "eof:3"])
async def test_a_half_sent_stream_never_ends_cleanly(gateway: Gateway, fault: str) -> None:
    answer = await ask(gateway.port, chat(stream=True, headers={"x-mock-fault": fault, "x-mock-pace": "20"}))
    assert answer.status == 200
    assert answer.ending != "whole", "a cut stream must be visible as incomplete (curl exit 18)"
    assert "[DONE]" not in answer.data
    assert len(answer.errors) == 1


async def test_a_half_sent_binary_answer_is_incomplete(gateway: Gateway) -> None:
    body = json.dumps({"model": "tts-1", "input": "How long is the road?", "voice": "alloy"}).encode()
    answer = await ask(gateway.port, request("POST", "/v1/audio/speech", body, headers={"x-mock-fault": "cut:3"}))
    assert answer.ending != "whole" or answer.status == 502


async def test_curl_exits_18_for_a_half_sent_stream(gateway: Gateway) -> None:
    child = await asyncio.create_subprocess_exec(
        "curl", "-sN", f"{gateway.url}/chat/completions", "-H", f"authorization: Bearer {KEY}",
        "-H", "content-type: application/json", "-H", "x-mock-fault: cut:2",
        "-d", json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate()
    assert child.returncode == 18
    assert out.count(b'{"error"') == 1


# ---- endings that look alike ------------------------------------------------------------------------------------------------


async def test_a_thousand_quick_answers_on_one_connection_are_all_ok(mock: Mock) -> None:
    with running(config_for(mock.url, telemetry={"access_log": "off"})) as gateway:
        async with await Client.open(gateway.port) as client:
            for number in range(1000):
                await client.send(chat(stream=number % 5 == 0))
                answer = await client.answer()
                assert (answer.status, answer.ending) == (200, "whole")
        await eventually(lambda: metric(gateway, "tollway_requests_total", endpoint="chat") == 1000)
        assert metric(gateway, "tollway_requests_total", endpoint="chat", outcome="ok", code="200") == 1000
        assert metric(gateway, "tollway_requests_total", outcome="client_closed") == 0


async def test_a_connection_closed_right_behind_its_answer_is_still_ok(mock: Mock) -> None:
    """Slow answers have a disconnect watcher; the end of the connection must not look like a client that left."""
    with running(config_for(mock.url, telemetry={"access_log": "off"})) as gateway:

        async def once() -> None:
            answer = await ask(gateway.port, chat(stream=True, headers={"x-mock-pace": "10", "connection": "close"}))
            assert answer.ending == "whole"

        await asyncio.gather(*(once() for _ in range(40)))
        await eventually(lambda: metric(gateway, "tollway_requests_total", endpoint="chat") == 40)
        assert metric(gateway, "tollway_requests_total", outcome="ok") == 40


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    async with await Client.open(gateway.port) as client:
        await client.send(b"".join(chat(headers={"x-request-id": f"pipe-{n}"}) for n in range(20)))
        for number in range(20):
            answer = await client.answer()
            assert answer.header("x-tollway-request-id") == f"pipe-{number}"


# ---- start-up -----------------------------------------------------------------------------------------------------------------


def test_a_lifespan_that_fails_ends_the_process(mock: Mock) -> None:
    blocker = socket.create_server(("127.0.0.1", 0))
    taken = blocker.getsockname()[1]
    gateway = Gateway(config_for(mock.url, server={"health_port": taken}), wait=False)
    try:
        assert gateway.child.wait(15) != 0
        said = gateway.log()
        assert "start failed" in said or str(taken) in said
        assert "Traceback" not in said
        assert KEY not in said
        assert "sk-upstream-credential" not in said
    finally:
        gateway.close()
        blocker.close()


def test_a_second_listener_on_a_taken_port_is_refused(gateway: Gateway, mock: Mock) -> None:
    second = Gateway(config_for(mock.url, server={"port": gateway.port}), wait=False)
    try:
        assert second.child.wait(15) == 1
        said = second.log()
        assert str(gateway.port) in said
        assert "taken" in said
        assert "Traceback" not in said
        assert KEY not in said
    finally:
        second.close()
    assert gateway.get("/livez")[0] == 200


# ---- WebSocket ----------------------------------------------------------------------------------------------------------------


def upgrade(offers: list[bytes], path: str = "/v1/realtime?model=gpt-4o", headers: bytes = b"") -> bytes:
    lines = [
        b"GET " + path.encode() + b" HTTP/1.1",
        b"host: 127.0.0.1",
        b"authorization: Bearer " + KEY.encode(),
        b"connection: upgrade",
        b"upgrade: websocket",
        b"sec-websocket-version: 13",
        b"sec-websocket-key: " + base64.b64encode(os.urandom(16)),
    ]
    lines += [b"sec-websocket-protocol: " + offer for offer in offers]
    return b"\r\n".join(lines) + b"\r\n" + headers + b"\r\n"


@pytest.mark.parametrize(
    "offer",
    [b"a\x01b", b"real\xfftime", b"a b", b"(x)", b"\x7f", b",,,", b"a" * 5000, b"openai-insecure-api-key.x\x02y"],
)
async def test_a_malformed_subprotocol_is_never_echoed(gateway: Gateway, offer: bytes) -> None:
    (worker,) = workers(gateway)
    async with await Client.open(gateway.port) as client:
        await client.send(upgrade([offer]))
        try:
            answer = await client.head()
        except ConnectionError:
            pytest.fail("no answer at all")
        assert answer.status in (101, 400)
        assert answer.header("sec-websocket-protocol") is None
    await healthy(gateway, worker)


async def test_an_upstream_cannot_choose_a_subprotocol_that_was_not_offered(mock: Mock) -> None:
    async def script(connection: Connection) -> None:
        head = await connection.request()
        key = next(
            line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: " + accept + b"\r\nsec-websocket-protocol: evil\x01\r\n\r\n"
        )
        await connection.reader.read(1)

    async with scripted(script) as upstream:
        with running(config_for(upstream.url)) as gateway:
            (worker,) = workers(gateway)
            async with await Client.open(gateway.port) as client:
                await client.send(upgrade([b"realtime"]))
                answer = await client.head()
                assert "evil" not in (answer.header("sec-websocket-protocol") or "")
            assert workers(gateway) == [worker]
            assert gateway.get("/livez")[0] == 200


# ---- what aiohttp lets through ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["control", "nul", "cr"])
async def test_control_bytes_in_an_upstream_header_never_reach_the_client(gateway: Gateway, kind: str) -> None:
    (worker,) = workers(gateway)
    answer = await ask(gateway.port, chat(headers={"x-mock-fault": f"bad-header:{kind}"}))
    assert answer.status == 502
    assert answer.error["code"] == "upstream_invalid_response"
    assert answer.header("x-mock-bad") is None
    await healthy(gateway, worker)


async def test_redirects_are_passed_on_not_followed(gateway: Gateway, mock: Mock) -> None:
    before = mock.stats()["requests"]
    answer = await ask(gateway.port, chat(headers={"x-mock-fault": "redirect:http://127.0.0.1:1/"}))
    assert answer.status == 307
    assert mock.stats()["requests"] == before + 1


async def test_an_informational_answer_is_skipped(gateway: Gateway) -> None:
    answer = await ask(gateway.port, chat(headers={"x-mock-fault": "early:103"}))
    assert (answer.status, answer.ending) == (200, "whole")


# ---- finished clean, and fast -------------------------------------------------------------------------------------------------


async def test_an_event_stream_head_leaves_before_the_first_event(mock: Mock) -> None:
    """Granian flushes the head at once for exactly ``text/event-stream``; a relay that waited would hide the first byte."""
    release = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(SSE_HEAD)
        connection.chunk(b": hello\n\n")
        await release.wait()
        connection.chunk(b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        connection.writer.write(b"0\r\n\r\n")

    async with scripted(script) as upstream:
        with running(config_for(upstream.url)) as gateway:
            async with await Client.open(gateway.port) as client:
                begun = time.monotonic()
                await client.send(chat(stream=True))
                answer = await client.head()
                assert time.monotonic() - begun < 1
                release.set()
                await client.body_of(answer)
                assert answer.ending == "whole"
                assert answer.body.startswith(b": hello\n\n")


async def test_probes_answer_when_every_connection_permit_is_taken(mock: Mock) -> None:
    """Granian counts connections, not requests, against its limit; the health listener stands outside."""
    health = free_port()
    with running(config_for(mock.url, server={"connections": 4, "health_port": health})) as gateway:
        held = [await Client.open(gateway.port) for _ in range(4)]
        for client in held:
            await client.send(chat())
            assert (await client.answer()).status == 200
        blocked = await Client.open(gateway.port)
        await blocked.send(request("GET", "/livez"))
        with pytest.raises(TimeoutError):
            await blocked.head(timeout=0.5)
        answer = await ask(health, request("GET", "/readyz"))
        assert answer.status == 200
        held.pop().close()
        assert (await blocked.head(timeout=5)).status == 200
        for client in (*held, blocked):
            client.close()


async def test_a_silent_connection_is_closed_after_the_header_timeout(mock: Mock) -> None:
    with running(config_for(mock.url, server={"header_timeout": 1})) as gateway:
        (worker,) = workers(gateway)
        async with await Client.open(gateway.port) as client:
            # Counted once it is up, with a connection of our own: what leaks below are two.
            await client.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await client.answer()).status == 200
            before = descriptors(worker)
        silent, half = await Client.open(gateway.port), await Client.open(gateway.port)
        await half.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ")
        begun = time.monotonic()
        assert await silent.closed(4)
        # A client half-way through its headers may be told why before the close.
        while await half.fill(4):
            pass
        assert 0.5 < time.monotonic() - begun < 3
        await eventually(lambda: descriptors(worker) <= before)
        silent.close()
        half.close()


async def test_an_unread_body_behind_an_early_413_closes_the_connection(mock: Mock) -> None:
    with running(config_for(mock.url, server={"max_body": 1000})) as gateway:
        async with await Client.open(gateway.port) as client:
            await client.send(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode() +
                b"\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 100000\r\n\r\n"
            )  # fmt: skip
            answer = await client.answer()
            assert (answer.status, answer.interim) == (413, [])
            assert answer.error["code"] == "request_too_large"
            assert await client.closed()


def test_the_port_opens_only_after_start_up(mock: Mock) -> None:
    """A TCP probe means something: nobody is accepted before the pools exist."""
    with running(config_for(mock.url)) as gateway:
        assert gateway.get("/readyz")[0] == 200


def test_a_server_that_cannot_start_does_not_exit_with_0() -> None:
    process = Process(["serve", "--config", "/nonexistent/tollway.yaml"])
    try:
        assert process.child.wait(15) in (1, 2)
        assert "Traceback" not in process.log()
    finally:
        process.close()
