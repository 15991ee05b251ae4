"""A caller that gives up, at every point: the socket is closed within 250 ms, and nothing of it is left."""

import asyncio
import random
from contextlib import suppress

import pytest

from proxy.errors import UpstreamError
from proxy.protocols import Exchange, Transport
from tests.support.faults import black_hole
from tests.support.raw_upstream import PATIENCE, Peer, RawUpstream, breath, raw_upstream

from .exchanges import LIMITS, Answered, asked, outcome, rest_of

BOTH_LOOPS = True

SOON = 0.25
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


async def cancelled(task: "asyncio.Task[object]") -> None:
    """Cancels, and sees it through."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("turns", range(8))
async def test_while_connecting_and_sending(transport: Transport, upstream: RawUpstream, turns: int) -> None:
    """At each of the first turns of the loop: before there is a socket, while it connects, once it has sent."""
    task = asyncio.create_task(outcome(transport, asked(upstream)))
    await breath(turns)
    await cancelled(task)
    await breath(10)
    for peer in upstream.peers:
        await peer.gone(SOON)


async def test_while_nobody_accepts(transport: Transport, upstream: RawUpstream) -> None:
    async with black_hole() as port:
        request = asked(upstream)
        request = type(request)(method="POST", url=f"http://127.0.0.1:{port}/", headers=[], body=b"{}")
        task = asyncio.create_task(outcome(transport, request))
        await asyncio.sleep(0.02)
        await cancelled(task)


STAGES = {
    "waiting": (b"", 0),
    "inside the status line": (HEAD[:12], 0),
    "inside the head": (HEAD[:30], 0),
    "behind an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", 0),
}


@pytest.mark.parametrize("said", [stage[0] for stage in STAGES.values()], ids=STAGES)
async def test_before_the_head(transport: Transport, upstream: RawUpstream, said: bytes) -> None:
    task = asyncio.create_task(outcome(transport, asked(upstream)))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(said)
    await cancelled(task)
    await peer.gone(SOON)


@pytest.mark.parametrize("said", [b"", b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n"])
async def test_while_reading(transport: Transport, upstream: RawUpstream, said: bytes) -> None:
    task = asyncio.create_task(outcome(transport, asked(upstream)))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(HEAD, said)
    await breath()
    await cancelled(task)
    await peer.gone(SOON)


async def test_on_a_pooled_connection(transport: Transport, upstream: RawUpstream) -> None:
    for turns in range(6):
        first = asyncio.create_task(outcome(transport, asked(upstream)))
        peer = await upstream.peer(turns + 1)
        await peer.request()
        await peer.say(HELLO)
        await first
        task = asyncio.create_task(outcome(transport, asked(upstream)))
        await breath(turns)
        await cancelled(task)
        if turns:
            await peer.gone(SOON)
        else:
            # It had not begun: the connection is as good as before, and would be used again.
            await peer.reset()
            await breath()


async def test_at_the_same_moment_as_the_answer(transport: Transport, upstream: RawUpstream) -> None:
    """The head has arrived, the caller does not know it yet: either way the connection does not stay with nobody."""
    for number in range(1, 9):
        task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
        peer = await upstream.peer(number)
        await peer.request()
        await peer.flood(HELLO[: -(number % 4) or None])
        await breath(number // 2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            (await task).abort()
        await peer.reset()
        await breath()


async def test_a_read_that_was_cancelled_can_be_made_again(transport: Transport, upstream: RawUpstream) -> None:
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(HEAD)
    exchange = await task
    reading = asyncio.create_task(exchange.read())
    await breath()
    await cancelled(reading)
    await peer.say(b"5\r\nhello\r\n0\r\n\r\n")
    found = await rest_of(exchange)
    assert isinstance(found, Answered)
    assert found.body == b"hello"


async def test_an_abort_while_somebody_reads_wakes_them(transport: Transport, upstream: RawUpstream) -> None:
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(HEAD)
    exchange = await task
    reading = asyncio.create_task(exchange.read())
    await breath()
    exchange.abort()
    await peer.gone(SOON)
    async with asyncio.timeout(1):
        with pytest.raises(UpstreamError):
            await reading


async def test_closing_the_transport_ends_what_is_under_way(transport: Transport, upstream: RawUpstream) -> None:
    waiting = asyncio.create_task(outcome(transport, asked(upstream)))
    first = await upstream.peer(1)
    await first.request()
    reading = asyncio.create_task(outcome(transport, asked(upstream)))
    second = await upstream.peer(2)
    await second.request()
    await second.say(HEAD)
    await transport.close()
    for each in (waiting, reading):
        found = await each
        assert not isinstance(found, Answered)
    for peer in (first, second):
        await peer.gone(SOON)


async def slow(peer: Peer) -> None:
    """Answers each request with its own body, in pieces, with turns of the loop in between."""
    chance = random.Random(peer.number)
    while True:
        request = await peer.request()
        await breath(chance.randrange(6))
        said = request.body * 3
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(said)
        if chance.random() < 0.5:
            head, said = HEAD, b"%x\r\n%b\r\n0\r\n\r\n" % (len(said), said)
        cut = chance.randrange(len(said))
        await peer.say(head + said[:cut], said[cut:])


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_of_cancellations(transport: Transport, seed: int) -> None:
    """A thousand requests, many cancelled at random moments: the others get their own answers, and every socket is gone."""
    chance = random.Random(seed)
    right = 0

    async def one(number: int) -> None:
        nonlocal right
        body = b"<%d>" % number * chance.randrange(1, 2000)
        task = asyncio.create_task(outcome(transport, asked(upstream, body=body), fresh=chance.random() < 0.1))
        if chance.random() < 0.5:
            await breath(chance.randrange(30))
            task.cancel()
            with suppress(asyncio.CancelledError):
                assert (await task).body == body * 3
            return
        assert (await task).body == body * 3
        right += 1

    async with raw_upstream(slow) as upstream:
        for _ in range(20):
            await asyncio.gather(*(one(number) for number in range(50)))
        assert right > 300
        async with asyncio.timeout(PATIENCE):
            await transport.close()
        for peer in upstream.peers:
            await peer.gone(SOON)


async def test_a_storm_of_aborts_while_reading(transport: Transport) -> None:
    chance = random.Random(7)

    async def one() -> None:
        exchange: Exchange = await transport.send(asked(upstream, body=b"x" * 20_000), LIMITS)
        for _ in range(chance.randrange(3)):
            if not exchange.ended:
                await exchange.read()
        chance.choice([exchange.abort, exchange.release])()

    async with raw_upstream(slow) as upstream:
        for _ in range(5):
            await asyncio.gather(*(one() for _ in range(40)))
        async with asyncio.timeout(PATIENCE):
            await transport.close()
        for peer in upstream.peers:
            await peer.gone(SOON)
