"""A client that leaves, in every phase and every way: the upstream is closed within 250 ms and the request settled once."""

import asyncio
import socket
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.support.faults import SSE_HEAD, Connection, scripted
from tests.support.observed import closed_upstream, entries, entry, metric, rss, settled, workers
from tests.support.processes import KEY, Gateway, Mock, config_for, running
from tests.support.rawhttp import Client, ask, chat, eventually, request

pytestmark = pytest.mark.e2e

LIMIT = 0.25
WAYS = ["fin", "rst", "half-close"]


@pytest.fixture(scope="module")
def lively(mock: Mock) -> Iterator[Gateway]:
    """With comments in silence."""
    with running(config_for(mock.url, streaming={"keepalive": 0.2})) as found:
        yield found


async def leave(client: Client, way: str) -> None:
    if way == "fin":
        client.close()
    elif way == "rst":
        client.reset()
    else:
        client.half_close()


async def upstream_sees(mock: Mock, tag: str, left: float) -> None:
    """Fails unless the upstream's connection is closed within the limit after ``left`` (monotonic seconds)."""
    await closed_upstream(mock, tag)
    assert time.monotonic() - left < LIMIT + 0.1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_before_the_upstreams_head(gateway: Gateway, mock: Mock, stream: bool, way: str) -> None:
    tag = uuid.uuid4().hex
    client = await Client.open(gateway.port)
    headers = {"x-mock-head-delay": "20000", "x-request-id": tag, "x-test": tag}
    await client.send(chat(stream=stream, headers=headers))
    await eventually(lambda: entry(mock, tag))
    left = time.monotonic()
    await leave(client, way)
    await upstream_sees(mock, tag, left)
    line = await settled(gateway, tag)
    assert line["outcome"] == "client_closed"
    client.close()


@pytest.mark.parametrize("way", WAYS)
async def test_between_head_and_first_event(gateway: Gateway, mock: Mock, way: str) -> None:
    tag = uuid.uuid4().hex
    client = await Client.open(gateway.port)
    headers = {"x-mock-first-token": "20000", "x-request-id": tag, "x-test": tag}
    await client.send(chat(stream=True, headers=headers))
    await eventually(lambda: entry(mock, tag).get("status") == 200)
    left = time.monotonic()
    await leave(client, way)
    await upstream_sees(mock, tag, left)
    assert (await settled(gateway, tag))["outcome"] == "client_closed"
    client.close()


@pytest.mark.parametrize("way", WAYS)
async def test_in_silence_with_comments(lively: Gateway, mock: Mock, way: str) -> None:
    tag = uuid.uuid4().hex
    client = await Client.open(lively.port)
    await client.send(chat(stream=True, headers={"x-mock-head-delay": "20000", "x-request-id": tag, "x-test": tag}))
    await client.until(b":")
    left = time.monotonic()
    await leave(client, way)
    await upstream_sees(mock, tag, left)
    assert (await settled(lively, tag))["outcome"] == "client_closed"
    client.close()


@pytest.mark.parametrize("way", WAYS)
async def test_in_the_middle_of_a_stream(gateway: Gateway, mock: Mock, way: str) -> None:
    tag = uuid.uuid4().hex
    client = await Client.open(gateway.port)
    headers = {"x-mock-pace": "30", "x-mock-tokens": "500", "x-request-id": tag, "x-test": tag}
    await client.send(chat(stream=True, headers=headers))
    got = b""
    while got.count(b"data: ") < 6:
        got = await client.until(b"data: ")
        assert await client.fill()
        got = await client.until(b"data: ")
    left = time.monotonic()
    await leave(client, way)
    await upstream_sees(mock, tag, left)
    line = await settled(gateway, tag)
    assert line["outcome"] == "client_closed"
    assert line["output_source"] == "counted"
    assert line["output_tokens"] >= 4
    assert line["input_tokens"] > 0
    client.close()


@pytest.mark.parametrize("way", WAYS)
async def test_in_the_middle_of_a_json_body(gateway: Gateway, mock: Mock, way: str) -> None:
    tag = uuid.uuid4().hex
    before = mock.stats()["requests"]
    client = await Client.open(gateway.port)
    whole = chat(headers={"x-request-id": tag, "x-test": tag})
    await client.send(whole[:-20])
    await asyncio.sleep(0.05)
    await leave(client, way)
    line = await settled(gateway, tag)
    assert line["outcome"] == "client_closed"
    assert mock.stats()["requests"] == before
    client.close()


@pytest.mark.parametrize("way", WAYS)
async def test_in_the_middle_of_an_upload(gateway: Gateway, mock: Mock, way: str) -> None:
    tag = uuid.uuid4().hex
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nx-test: {tag}\r\nx-request-id: {tag}\r\n"
        "content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n"
    ).encode()
    part = b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
    client = await Client.open(gateway.port)
    await client.send(head + part + b"x" * 200_000)
    await eventually(lambda: entry(mock, tag))
    left = time.monotonic()
    await leave(client, way)
    await upstream_sees(mock, tag, left)
    found = entry(mock, tag)
    assert not found["body_whole"], "a cut upload must not look whole upstream"
    assert (await settled(gateway, tag))["outcome"] == "client_closed"
    client.close()


async def test_a_crowd_leaves_at_once(gateway: Gateway, mock: Mock) -> None:
    tag = uuid.uuid4().hex
    clients = []
    for number in range(60):
        client = await Client.open(gateway.port)
        headers = {"x-mock-pace": "50", "x-mock-tokens": "500", "x-test": tag, "x-request-id": f"{tag}-{number}"}
        await client.send(chat(stream=True, headers=headers))
        clients.append(client)
    for client in clients:
        await client.until(b"data: ")
    left = time.monotonic()
    for number, client in enumerate(clients):
        await leave(client, WAYS[number % 3])
    await eventually(lambda: all(one["outcome"] == "client_closed" for one in entries(mock, tag)))
    assert time.monotonic() - left < 1.0
    for number in range(60):
        assert (await settled(gateway, f"{tag}-{number}"))["outcome"] == "client_closed"
    await eventually(lambda: metric(gateway, "tollway_inflight_requests") == 0)
    for client in clients:
        client.close()


async def test_a_client_that_takes_the_whole_answer_did_not_leave(gateway: Gateway) -> None:
    tag = uuid.uuid4().hex
    answer = await ask(gateway.port, chat(stream=True, headers={"x-mock-pace": "20", "x-request-id": tag}))
    assert answer.ending == "whole"
    assert (await settled(gateway, tag))["outcome"] == "ok"


# ---- clients that do not read, upstreams that flood ---------------------------------------------------------------------------


COUNTED = b'{"model":"gpt-4o","messages":[{"role":"user","content":"How long is the road?"}]}'
"""Counting it loads the vocabulary, which is not the memory looked for here."""


async def flood(connection: Connection) -> None:
    """Events of 64 KiB without end, as fast as they are taken; ``sent`` counts what left."""
    await connection.request()
    connection.writer.write(SSE_HEAD)
    event = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 65_000 + b'"}}]}\n\n'
    while True:
        connection.chunk(event)
        await connection.writer.drain()
        Flood.sent += len(event)


class Flood:
    """How much the flooding upstream got rid of, in bytes."""

    sent = 0


async def test_a_client_that_never_reads_pauses_the_upstream_and_is_closed_after_the_send_timeout() -> None:
    Flood.sent = 0
    async with scripted(flood) as upstream:
        with running(config_for(upstream.url, server={"send_timeout": 1})) as gateway:
            (worker,) = workers(gateway)
            await ask(gateway.port, request("POST", "/v1/tokens", COUNTED))
            before = rss(worker)
            client = await Client.open(gateway.port, receive_buffer=4096)
            begun = time.monotonic()
            await client.send(chat(stream=True, headers={"x-request-id": "never-reads"}))
            await asyncio.sleep(0.7)
            # One more than the pause since the last sample would show: nothing moves any more.
            seen = Flood.sent
            await asyncio.sleep(0.15)
            assert Flood.sent - seen < 1024 * 1024, "the upstream is not paused"
            assert seen < 16 * 1024 * 1024
            line = await settled(gateway, "never-reads", timeout=6)
            assert line["outcome"] == "client_closed"
            assert 1.0 <= time.monotonic() - begun < 3.5
            assert rss(worker) - before < 16 * 1024 * 1024
            client.close()


async def test_a_slow_reader_is_served_in_bounded_memory() -> None:
    """2 MiB/s or so through a small window, against an upstream that could fill memory in a second."""
    Flood.sent = 0
    async with scripted(flood) as upstream:
        with running(config_for(upstream.url)) as gateway:
            (worker,) = workers(gateway)
            before = rss(worker)
            link = socket.create_connection(("127.0.0.1", gateway.port))
            link.sendall(chat(stream=True))
            link.setblocking(False)
            loop = asyncio.get_running_loop()
            got, most = 0, 0
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                got += len(await loop.sock_recv(link, 32_768))
                most = max(most, rss(worker))
                await asyncio.sleep(0.01)
            link.close()
            assert got > 500_000
            assert most - before < 16 * 1024 * 1024
            assert Flood.sent - got < 16 * 1024 * 1024


async def test_forty_clients_that_never_read_leave_the_others_alone() -> None:
    Flood.sent = 0

    async def script(connection: Connection) -> None:
        head = await connection.reader.readuntil(b"\r\n\r\n")
        if b"x-flood" in head:
            connection.writer.write(SSE_HEAD)
            # Comments: no text to keep for counting, so what grows is what waits to be sent.
            event = b": " + b"x" * 60_000 + b"\n\n"
            while True:
                connection.chunk(event)
                await connection.writer.drain()
        connection.plain()

    async with scripted(script) as upstream:
        with running(config_for(upstream.url)) as gateway:
            (worker,) = workers(gateway)
            before = rss(worker)
            stuck = [await Client.open(gateway.port, receive_buffer=4096) for _ in range(40)]
            try:
                for client in stuck:
                    await client.send(chat(stream=True, headers={"x-flood": "1"}))
                await asyncio.sleep(0.5)
                begun = time.monotonic()
                answer = await ask(gateway.port, chat())
                assert answer.status == 200
                assert time.monotonic() - begun < 0.5
                # 1 MiB a stream, and the allocator's share.
                assert rss(worker) - before < 56 * 1024 * 1024
            finally:
                for client in stuck:
                    client.close()
            await eventually(lambda: metric(gateway, "tollway_inflight_requests") == 0)


async def test_a_client_that_uploads_faster_than_the_upstream_reads_is_paused() -> None:
    """A file of 40 MB towards an upstream that reads nothing: what waits is bounded."""
    begun = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        begun.set()
        await asyncio.sleep(30)

    async with scripted(script) as upstream:
        with running(config_for(upstream.url, passthrough={"provider": "mock"})) as gateway:
            (worker,) = workers(gateway)
            before = rss(worker)
            head = request("POST", "/v1/uploads/u/parts", b"", content_type="application/octet-stream")
            head = head.replace(b"content-length: 0", b"content-length: 40000000")
            client = await Client.open(gateway.port)
            await client.send(head)
            sending = asyncio.create_task(client.send(bytes(40_000_000)))
            await asyncio.wait_for(begun.wait(), 5)
            await asyncio.sleep(0.7)
            assert not sending.done()
            assert rss(worker) - before < 16 * 1024 * 1024
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            client.close()
