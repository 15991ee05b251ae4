"""What the mock says it received, and how soon it notices that a client left."""

import asyncio
import base64
import hashlib
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.mock.server import Running

CHAT = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}


async def inspect(http: aiohttp.ClientSession, mock: Running, what: str) -> Any:
    async with http.get(f"http://127.0.0.1:{mock.port}/mock/{what}") as answer:
        return await answer.json()


async def until_open(http: aiohttp.ClientSession, mock: Running) -> None:
    """Return as soon as the mock has a request open."""
    for _ in range(400):
        if (await inspect(http, mock, "stats"))["open"]:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no request arrived")


async def settled(http: aiohttp.ClientSession, mock: Running) -> dict[str, int]:
    """Return the counts as soon as nothing is open, at the latest after 250 ms."""
    for _ in range(25):
        found: dict[str, int] = await inspect(http, mock, "stats")
        if not found["open"]:
            return found
        await asyncio.sleep(0.01)
    return found


async def test_requests_are_shown_as_received(http: aiohttp.ClientSession, mock: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    body = b'{"model" : "small",  "messages":[{"role":"user","content":"caf\xc3\xa9"}]}'
    writer.write(
        b"POST /v1/chat/completions?a=%%2F&a=2&b HTTP/1.1\r\nHost: m\r\nX-ODD-Name: one\r\nx-odd-name: two\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    (entry,) = (await inspect(http, mock, "requests"))["data"]
    assert (entry["method"], entry["path"]) == ("POST", "/v1/chat/completions?a=%2F&a=2&b")
    assert entry["headers"][1:3] == [["X-ODD-Name", "one"], ["x-odd-name", "two"]]
    assert base64.b64decode(entry["body_base64"]) == body
    assert (entry["body_length"], entry["body_sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert (entry["status"], entry["outcome"], entry["client_closed"]) == (200, "complete", False)


async def test_large_bodies_are_hashed_but_not_kept(http: aiohttp.ClientSession, mock: Running) -> None:
    body = orjson.dumps({**CHAT, "user": "u" * 70_000})
    async with http.post(f"{mock.url}/chat/completions", data=body) as answer:
        assert answer.status == 200
    (entry,) = (await inspect(http, mock, "requests"))["data"]
    assert entry["body_base64"] is None
    assert entry["body_sha256"] == hashlib.sha256(body).hexdigest()


async def test_ring_can_be_read_in_part_and_cleared(http: aiohttp.ClientSession, mock: Running) -> None:
    for name in "abc":
        async with http.get(f"{mock.url}/models/{name}"):
            pass
    assert [entry["path"] for entry in (await inspect(http, mock, "requests?last=2"))["data"]] == [
        "/v1/models/b",
        "/v1/models/c",
    ]
    async with http.delete(f"http://127.0.0.1:{mock.port}/mock/requests"):
        pass
    assert (await inspect(http, mock, "requests"))["data"] == []
    assert (await inspect(http, mock, "stats"))["requests"] == 3


@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize(
    ("controls", "streaming"),
    [
        ({"head-delay": "60000"}, True),
        ({"head-delay": "60000"}, False),
        ({"first-token": "60000"}, True),
        ({"pace": "60000"}, True),
        ({"pace": "5", "tokens": "100000"}, True),
        ({"fault": "hang"}, False),
        ({"fault": "hang-after:2"}, True),
        ({"tokens": "1000000"}, True),
        ({"fault": "slow-drip:5"}, False),
    ],
)
async def test_open_drops_when_the_client_leaves(
    http: aiohttp.ClientSession, mock: Running, controls: dict[str, str], streaming: bool, abrupt: bool
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    body = orjson.dumps({**CHAT, "stream": streaming})
    headers = "".join(f"x-mock-{name}: {value}\r\n" for name, value in controls.items())
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body
    )
    await until_open(http, mock)
    await asyncio.sleep(0.02)
    if abrupt:
        writer.transport.abort()
    else:
        writer.close()
    found = await settled(http, mock)
    assert (found["open"], found["aborted"]) == (0, 1)
    (entry,) = (await inspect(http, mock, "requests"))["data"]
    assert entry["client_closed"] is True
    assert 0 < entry["closed_after_ms"] < 2000
    del reader


async def test_leaving_in_the_middle_of_the_body_counts(http: aiohttp.ClientSession, mock: Running) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(b"POST /v1/files HTTP/1.1\r\nhost: m\r\ncontent-length: 1000\r\n\r\nonly this")
    await until_open(http, mock)
    writer.close()
    assert (await settled(http, mock))["aborted"] == 1
    (entry,) = (await inspect(http, mock, "requests"))["data"]
    assert (entry["body_whole"], entry["body_length"], entry["client_closed"]) == (False, 9, True)


async def test_faults_of_ours_are_no_aborts(http: aiohttp.ClientSession, mock: Running) -> None:
    for fault in ("reset", "close", "cut:1", "reset-after:1"):
        with pytest.raises(aiohttp.ClientError):
            async with http.post(
                f"{mock.url}/chat/completions", json={**CHAT, "stream": True}, headers={"x-mock-fault": fault}
            ) as answer:
                await answer.read()
    assert (await settled(http, mock))["aborted"] == 0
    entries = (await inspect(http, mock, "requests"))["data"]
    assert [entry["outcome"] for entry in entries] == ["fault"] * 4


async def test_connections_are_reused_and_counted(http: aiohttp.ClientSession, mock: Running) -> None:
    for _ in range(3):
        async with http.post(f"{mock.url}/chat/completions", json=CHAT) as answer:
            await answer.read()
    found = await inspect(http, mock, "stats")
    assert (found["requests"], found["accepted"], found["connections"]) == (3, 1, 1)
    assert {entry["connection"] for entry in (await inspect(http, mock, "requests"))["data"]} == {1}
