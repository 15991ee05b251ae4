"""Paths, methods, realtime sockets, HTTP/1.0, the command, and the page that describes it all."""

import asyncio
import re
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from proxy.mock.controls import CONTROLS
from proxy.mock.faults import FAULTS
from proxy.mock.flavours import ACCENTS
from proxy.mock.routes import ROUTES, TABLES
from proxy.mock.server import Running

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "mock.md"


@pytest.mark.parametrize("prefix", ["/v1", ""])
async def test_paths_with_and_without_prefix(http: aiohttp.ClientSession, mock: Running, prefix: str) -> None:
    base = f"http://127.0.0.1:{mock.port}"
    async with http.get(f"{base}{prefix}/models") as answer:
        assert (await answer.json())["object"] == "list"
    async with http.post(f"{base}{prefix}/foo?x=1") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"] == {
            "message": "Invalid URL (POST /v1/foo)",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }


async def test_wrong_method_and_content_type(http: aiohttp.ClientSession, mock: Running) -> None:
    async with http.get(f"{mock.url}/embeddings") as answer:
        assert answer.status == 405
        assert (await answer.json())["error"]["code"] == "method_not_supported"
    async with http.post(f"{mock.url}/files", json={"a": 1}) as answer:
        assert answer.status == 415
    async with http.head(f"{mock.url}/models") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with http.get(f"{mock.url}/models") as answer:
        assert answer.status == 200


async def test_list_pages(http: aiohttp.ClientSession, mock: Running) -> None:
    keys = []
    for index in range(5):
        async with http.post(f"{mock.url}/vector_stores", json={"name": str(index)}) as answer:
            keys.append((await answer.json())["id"])
    url = f"{mock.url}/vector_stores"
    async with http.get(url, params={"limit": 2, "order": "asc", "after": keys[1]}) as answer:
        page = await answer.json()
    assert ([item["id"] for item in page["data"]], page["has_more"], page["last_id"]) == (keys[2:4], True, keys[3])
    async with http.get(url, params={"before": keys[2]}) as answer:
        assert [item["id"] for item in (await answer.json())["data"]] == [keys[4], keys[3]]
    async with http.get(url, params={"limit": "none"}) as answer:
        assert answer.status == 400


async def test_old_protocol_ends_with_the_connection(mock: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    body = b'{"model":"small","stream":true,"messages":[{"role":"user","content":"x"}]}'
    writer.write(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"transfer-encoding" not in got
    assert got.endswith(b"data: [DONE]\n\n")


async def test_continue_is_sent_before_the_body(mock: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    body = b'{"model":"e","input":"x","dimensions":1}'
    writer.write(
        b"POST /v1/embeddings HTTP/1.1\r\nhost: m\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()


async def test_pipelined_requests_are_answered_in_order(mock: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(
        b"GET /v1/models/a HTTP/1.1\r\nhost: m\r\n\r\nGET /v1/models/b HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n"
    )
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert got.index(b'"id":"a"') < got.index(b'"id":"b"')


async def test_absolute_targets_are_understood(mock: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(b"GET http://api.example.com/v1/models/a HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n")
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b'"id":"a"' in got


async def test_realtime(http: aiohttp.ClientSession, mock: Running) -> None:
    async with http.ws_connect(f"{mock.url}/realtime?model=gpt-realtime", protocols=("realtime",)) as socket:
        assert socket.protocol == "realtime"
        opened = await socket.receive_json()
        assert (opened["type"], opened["session"]["model"]) == ("session.created", "gpt-realtime")
        await socket.send_json({"type": "response.create"})
        kinds, text = [], ""
        while "response.done" not in kinds:
            event = await socket.receive_json()
            kinds.append(event["type"])
            text += event.get("delta", "")
        assert kinds[0] == "response.created"
        assert event["response"]["output"][0]["content"][0]["text"] == text
        assert event["response"]["usage"]["output_tokens"] == kinds.count("response.output_text.delta") == 24
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes() == b"\x00\xff"
        await socket.send_json({"type": "anything", "n": 1})
        assert (await socket.receive_json())["event"] == {"type": "anything", "n": 1}
        await socket.send_str("not json")
        assert (await socket.receive_json())["type"] == "error"
        await socket.send_json({"type": "mock.close", "code": 4001, "reason": "x"})
        closed = await socket.receive()
        assert (closed.type, closed.data, closed.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "x")


async def test_responses_socket_and_refused_handshakes(http: aiohttp.ClientSession, mock: Running) -> None:
    async with http.ws_connect(f"{mock.url}/responses") as socket:
        await socket.send_json({"type": "response.create", "model": "small", "input": "hi"})
        kinds = [(await socket.receive_json())["type"]]
        while kinds[-1] != "response.completed":
            kinds.append((await socket.receive_json())["type"])
        assert kinds[:2] == ["response.created", "response.in_progress"]
    for path, headers, status in (("/chat", {}, 404), ("/realtime", {"x-mock-fault": "overloaded"}, 503)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{mock.url}{path}", headers=headers)
        assert refused.value.status == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_command_says_where_it_listens_and_stops_at_once(
    http: aiohttp.ClientSession, number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.cli.mock", "--port", "0", "--tokens", "3", "--no-usage", "--access-log",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        found = re.fullmatch(r"tollway mock: listening on (http://127\.0\.0\.1:\d+/v1)\n", said)
        assert found is not None
        body = {"model": "small", "messages": [{"role": "user", "content": "x"}]}
        async with http.post(f"{found[1]}/chat/completions", json=body) as answer:
            assert "usage" not in await answer.json()
        for fault in ("reset", "reset-after:1", "cut:1"):
            with pytest.raises(aiohttp.ClientError):
                async with http.post(
                    f"{found[1]}/chat/completions", json={**body, "stream": True}, headers={"x-mock-fault": fault}
                ) as answer:
                    await answer.read()
        waiting = asyncio.create_task(
            http.post(f"{found[1]}/chat/completions", json=body, headers={"x-mock-fault": "hang"})
        )
        await asyncio.sleep(0.1)
        began = time.monotonic()
        process.send_signal(number)
        _, log = await asyncio.wait_for(process.communicate(), 5)
        assert time.monotonic() - began < 1.5
        assert process.returncode == 0
        assert b"POST /v1/chat/completions 200 complete" in log
        assert b"Traceback" not in log
        with pytest.raises(aiohttp.ClientError):
            await waiting
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("flags", [["--pace", "fast"], ["--fault", "nonsense"], ["--fault", "cut:x"]])
async def test_command_refuses_what_it_cannot_read(flags: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.cli.mock", "--port", "0", *flags, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"Traceback" not in said


async def test_command_says_when_the_port_is_taken(mock: Running) -> None:
    command = [sys.executable, "-m", "proxy.cli.mock", "--port", str(mock.port)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{mock.port}".encode() in said


def rows(heading: str) -> set[str]:
    """Return the first cells of the table under a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {match[1] for match in re.finditer(r"^\| `([^`]+)`", section, re.MULTILINE)}


def test_page_names_every_control_fault_and_path() -> None:
    assert rows("Controls") == {f"x-mock-{name}" for name in CONTROLS}
    assert rows("Faults") == set(FAULTS)
    assert rows("Paths") == {f"{route.method} {route.template}" for route in ROUTES} | {
        "WebSocket /realtime",
        "WebSocket /responses",
    }
    others = [route for name, routes in TABLES.items() if name != "openai" for route in routes]
    assert rows("Dialects") == {f"{route.method} {route.template}" for route in others}
    assert rows("Flavours") == set(ACCENTS)
    assert rows("Inspection") == {"GET /mock/requests", "DELETE /mock/requests", "GET /mock/stats"}
