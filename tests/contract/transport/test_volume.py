"""Much of everything: big bodies stay whole, readers that do not read cost bounded memory, and many at once are not mixed."""

import asyncio
import hashlib
import random

import pytest

from proxy.protocols import Transport
from tests.support.raw_upstream import Peer, RawUpstream, breath, raw_upstream

from .exchanges import LIMITS, Answered, asked, outcome, rest_of

BOTH_LOOPS = True

MEGABYTE = 1 << 20


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that are alike nowhere."""
    return random.Random(seed).randbytes(size)


async def chunks(peer: Peer, data: bytes, *, seed: int = 1) -> None:
    """``data`` in chunks of every size, some larger than any buffer."""
    chance, at, parts = random.Random(seed), 0, []
    while at < len(data):
        size = chance.choice([1, 2, 100, 1460, 4096, 65_535, 65_536, 65_537, 300_000])
        piece = data[at : at + size]
        parts.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        at += size
    await peer.flood(b"".join(parts) + b"0\r\n\r\n")


@pytest.mark.parametrize("framing", ["sized", "chunked", "end"])
async def test_a_big_body_is_whole(transport: Transport, upstream: RawUpstream, framing: str) -> None:
    data = noise(12 * MEGABYTE)
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    head = {
        "sized": b"content-length: %d\r\n\r\n" % len(data), "chunked": b"transfer-encoding: chunked\r\n\r\n", "end": b"\r\n",
    }[framing]  # fmt: skip
    await peer.say(b"HTTP/1.1 200 OK\r\n" + head)
    exchange = await task
    sending = asyncio.create_task(chunks(peer, data) if framing == "chunked" else peer.flood(data))
    found, size = hashlib.sha256(), 0
    if framing == "end":
        sending.add_done_callback(lambda _: peer.half_close())
    async with asyncio.timeout(20):
        while not exchange.ended:
            piece = await exchange.read()
            found.update(piece)
            size += len(piece)
    await sending
    exchange.release()
    assert size == len(data)
    assert found.digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("framing", ["sized", "chunked"])
async def test_a_flood_stops_where_nobody_reads(transport: Transport, upstream: RawUpstream, framing: str) -> None:
    """100 MB are offered; what leaves the upstream is what kernels hold and a bounded rest, and all of it is read later."""
    total = 100 * MEGABYTE
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    block = noise(65_536)
    said = 0

    async def flood() -> None:
        nonlocal said
        while said < total:
            await peer.flood(block if framing == "sized" else b"%x\r\n%b\r\n" % (len(block), block))
            said += len(block)
        if framing == "chunked":
            await peer.flood(b"0\r\n\r\n")

    length = b"content-length: %d\r\n\r\n" % total if framing == "sized" else b"transfer-encoding: chunked\r\n\r\n"
    await peer.say(b"HTTP/1.1 200 OK\r\n" + length)
    exchange = await task
    flooding = asyncio.create_task(flood())
    await breath(100)
    before = -1
    while before != said:
        before = said
        await asyncio.sleep(0.02)
    assert said < 16 * MEGABYTE
    first = await exchange.read()
    assert len(first) <= 512 * 1024, "so much waited in memory"
    size = len(first)
    for _ in range(64):
        piece = await exchange.read()
        assert len(piece) <= 512 * 1024
        size += len(piece)
    assert size > len(first)
    flooding.cancel()
    exchange.abort()
    await asyncio.wait([flooding])


async def test_a_slow_reader_gets_everything(transport: Transport, upstream: RawUpstream) -> None:
    """Paused and resumed many times."""
    data = noise(2 * MEGABYTE, 3)
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    sending = asyncio.create_task(peer.flood(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data))
    exchange = await task
    parts = []
    async with asyncio.timeout(10):
        while not exchange.ended:
            await breath(7)
            parts.append(await exchange.read())
    await sending
    exchange.release()
    assert b"".join(parts) == data


async def test_the_end_of_a_connection_behind_unread_bytes_loses_none(
    transport: Transport, upstream: RawUpstream
) -> None:
    """The upstream sends all of it and goes; the reader comes late."""
    data = noise(MEGABYTE, 4)
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()

    async def say() -> None:
        await peer.flood(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
        await peer.close()

    sending = asyncio.create_task(say())
    exchange = await task
    await breath(30)
    found = await rest_of(exchange)
    await sending
    assert isinstance(found, Answered)
    assert found.body == data


async def test_a_drip_of_single_bytes(transport: Transport, upstream: RawUpstream) -> None:
    data = noise(3000, 5)
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data))
    reading = asyncio.create_task(rest_of(await task))
    await peer.say(*(data[at : at + 1] for at in range(len(data))))
    found = await reading
    assert isinstance(found, Answered)
    assert found.body == data


async def echo(peer: Peer) -> None:
    """Each request's own body back, in one of many forms."""
    chance = random.Random(peer.number)
    while True:
        request = await peer.request()
        body = request.body
        match chance.randrange(4):
            case 0:
                await peer.flood(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            case 1:
                await peer.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                await chunks(peer, body, seed=peer.number)
            case 2:
                await peer.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
                await peer.flood(body)
                await peer.gone()
                return
            case _:
                await peer.flood(b"HTTP/1.0 200 OK\r\n\r\n" + body)
                await peer.close()
                return


async def test_hundreds_at_once_each_get_their_own_answer(transport: Transport) -> None:
    async with raw_upstream(echo) as upstream:

        async def worker(name: int) -> None:
            chance = random.Random(name)
            for number in range(5):
                body = b"%d.%d|" % (name, number) * chance.randrange(1, 5000)
                found = await outcome(transport, asked(upstream, body=body), within=15)
                assert isinstance(found, Answered)
                assert found.body == body

        await asyncio.gather(*(worker(name) for name in range(80)))
        assert len(upstream.requests) == 400
