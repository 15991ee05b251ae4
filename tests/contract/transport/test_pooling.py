"""Which connection a request travels on: one that is whole and idle, else a new one; and none that anything else is due on."""

import asyncio

import pytest

from proxy.protocols import Transport
from tests.support.raw_upstream import Peer, RawUpstream, breath, raw_upstream

from .exchanges import LIMITS, Answered, Failed, asked, made, outcome, rest_of

BOTH_LOOPS = True

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


async def one(transport: Transport, upstream: RawUpstream, *pieces: bytes, on: int, fresh: bool = False) -> object:
    """A request that is to arrive on connection ``on``, answered there; what came of it."""
    task = asyncio.create_task(outcome(transport, asked(upstream), fresh=fresh))
    try:
        peer = await upstream.peer(on)
        await peer.request()
        assert not peer.more
        await peer.say(*pieces)
        return await task
    finally:
        task.cancel()


KEPT = {
    "sized": HELLO,
    "chunked": CHUNKED,
    "trailers": CHUNKED[:-2] + b"x-sum: 1\r\n\r\n",
    "empty": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "no chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    "an error": b"HTTP/1.1 500 Oh\r\ncontent-length: 5\r\n\r\nhello",
    "keep-alive is said": HELLO.replace(b"content-length", b"connection: keep-alive\r\ncontent-length"),
    "1.0 with keep-alive": HELLO.replace(b"1.1", b"1.0").replace(b"content-length", b"connection: keep-alive\r\ncontent-length"),
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO,
}  # fmt: skip


@pytest.mark.parametrize("answer", KEPT.values(), ids=KEPT)
async def test_a_whole_answer_gives_its_connection_back(
    transport: Transport, upstream: RawUpstream, answer: bytes
) -> None:
    for _ in range(3):
        assert isinstance(await one(transport, upstream, answer, on=1), Answered)
    assert len(upstream.peers) == 1
    assert len(upstream.peers[0].requests) == 3


CLOSED = {
    "connection: close": HELLO.replace(b"content-length", b"connection: close\r\ncontent-length"),
    "Close among others": HELLO.replace(b"content-length", b"Connection: x-a , Close\r\ncontent-length"),
    "1.0": HELLO.replace(b"1.1", b"1.0"),
    "chunked and close": CHUNKED.replace(b"transfer", b"connection: close\r\ntransfer"),
}


@pytest.mark.parametrize("answer", CLOSED.values(), ids=CLOSED)
async def test_an_answer_that_says_so_is_the_last_on_its_connection(
    transport: Transport, upstream: RawUpstream, answer: bytes
) -> None:
    assert isinstance(await one(transport, upstream, answer, on=1), Answered)
    await upstream.peers[0].gone()
    assert isinstance(await one(transport, upstream, HELLO, on=2), Answered)


async def test_two_at_once_get_two_connections_and_a_third_gets_neither(
    transport: Transport, upstream: RawUpstream
) -> None:
    tasks = [asyncio.create_task(outcome(transport, asked(upstream, f"/{n}"))) for n in range(3)]
    for number in (3, 1, 2):
        peer = await upstream.peer(number)
        target = (await peer.request()).target.encode()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + target)
    found = await asyncio.gather(*tasks)
    assert [each.body for each in found] == [b"/0", b"/1", b"/2"]
    assert len(upstream.peers) == 3


async def test_a_fresh_request_avoids_the_pool_and_leaves_nothing_in_it(
    transport: Transport, upstream: RawUpstream
) -> None:
    await one(transport, upstream, HELLO, on=1)
    await one(transport, upstream, HELLO, on=2, fresh=True)
    await upstream.peers[1].gone()
    await one(transport, upstream, HELLO, on=1)
    assert len(upstream.peers) == 2


async def test_requests_to_two_origins_never_share_a_connection(transport: Transport, upstream: RawUpstream) -> None:
    async with raw_upstream() as other:
        for _ in range(2):
            await one(transport, upstream, HELLO, on=1)
            await one(transport, other, HELLO, on=1)
        assert {request.header("host") for request in upstream.requests} == {b"127.0.0.1:%d" % upstream.port}
        assert {request.header("host") for request in other.requests} == {b"127.0.0.1:%d" % other.port}


async def test_an_idle_connection_that_the_upstream_closes_is_not_used(
    transport: Transport, upstream: RawUpstream
) -> None:
    await one(transport, upstream, HELLO, on=1)
    await upstream.peers[0].close()
    await breath()
    assert isinstance(await one(transport, upstream, HELLO, on=2), Answered)


async def test_a_half_closed_idle_connection_is_closed_from_our_side_too(
    transport: Transport, upstream: RawUpstream
) -> None:
    await one(transport, upstream, HELLO, on=1)
    upstream.peers[0].half_close()
    await upstream.peers[0].gone()
    assert isinstance(await one(transport, upstream, HELLO, on=2), Answered)


async def test_a_reset_of_an_idle_connection_disturbs_nobody(transport: Transport, upstream: RawUpstream) -> None:
    await one(transport, upstream, HELLO, on=1)
    await upstream.peers[0].reset()
    await breath()
    assert isinstance(await one(transport, upstream, HELLO, on=2), Answered)


@pytest.mark.parametrize("end", ["fin", "half", "reset"])
async def test_a_stale_connection_is_told_apart_from_a_failed_one(
    transport: Transport, upstream: RawUpstream, end: str
) -> None:
    """The race with an idle timeout: the request is on its way when the connection ends. The relay tries it once more, fresh."""
    await one(transport, upstream, HELLO, on=1)
    task = asyncio.create_task(outcome(transport, asked(upstream)))
    await upstream.peers[0].request()
    await upstream.peers[0].end(end)
    assert await task == Failed("UpstreamDropped")
    assert isinstance(await one(transport, upstream, HELLO, on=2, fresh=True), Answered)
    assert len(upstream.requests) == 3


async def test_what_changes_nothing_is_sent_once_more_and_no_more(transport: Transport, upstream: RawUpstream) -> None:
    """A GET on a pooled connection that died; on a new one it is not."""
    await one(transport, upstream, HELLO, on=1)
    task = asyncio.create_task(outcome(transport, asked(upstream, method="GET", body=None)))
    await upstream.peers[0].request()
    await upstream.peers[0].reset()
    other = await upstream.peer(2)
    await other.request()
    await other.reset()
    assert await task == Failed("UpstreamDropped")
    await breath()
    assert len(upstream.peers) == 2


@pytest.mark.parametrize("how", ["abort", "release"])
@pytest.mark.parametrize("answer", [HELLO[:-3], CHUNKED[:-6]], ids=["sized", "chunked"])
async def test_an_unread_answer_takes_its_connection_with_it(
    transport: Transport, upstream: RawUpstream, answer: bytes, how: str
) -> None:
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(answer)
    exchange = await task
    assert not exchange.ended
    getattr(exchange, how)()
    await peer.gone()
    assert isinstance(await one(transport, upstream, HELLO, on=2), Answered)


@pytest.mark.parametrize("how", ["abort", "release"])
@pytest.mark.parametrize("answer", [HELLO, CHUNKED], ids=["sized", "chunked"])
async def test_an_answer_that_has_come_and_was_not_read_is_in_no_other(
    transport: Transport, answer: bytes, how: str
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            first = (await peer.request()).target == "/first"
            await peer.say(answer if first else HELLO.replace(b"hello", b"right"))

    async with raw_upstream(script) as upstream:
        exchange = await transport.send(asked(upstream, "/first"), LIMITS)
        await breath()
        getattr(exchange, how)()
        for _ in range(2):
            found = await outcome(transport, asked(upstream))
            assert isinstance(found, Answered)
            assert found.body == b"right"


async def test_an_exchange_that_is_ended_twice_gives_its_connection_back_once(
    transport: Transport, upstream: RawUpstream
) -> None:
    """The second ending must not touch a connection that somebody else has meanwhile."""
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(HELLO)
    exchange = await task
    assert await exchange.read() == b"hello"
    exchange.release()
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    await peer.request()
    exchange.release()
    exchange.abort()
    third = asyncio.create_task(outcome(transport, asked(upstream)))
    other = await upstream.peer(2)
    await other.request()
    await peer.say(HELLO)
    assert isinstance(await rest_of(await task), Answered)
    await other.say(HELLO)
    assert isinstance(await third, Answered)


STRAY = {
    "a whole answer": HELLO.replace(b"hello", b"wrong"),
    "a line end": b"\r\n",
    "one byte": b"x",
    "408": b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwr",
}


@pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY)
@pytest.mark.parametrize("answer", [HELLO, CHUNKED], ids=["sized", "chunked"])
@pytest.mark.parametrize("when", ["behind", "later"])
async def test_bytes_that_nobody_asked_for_answer_nobody(
    transport: Transport, answer: bytes, stray: bytes, when: str
) -> None:
    """Behind an answer, or while the connection is idle: the next request must not be answered by them."""

    async def script(peer: Peer) -> None:
        if (await peer.request()).target == "/first":
            await peer.say(answer + stray) if when == "behind" else await peer.say(answer, stray)
        while True:
            await peer.say(HELLO.replace(b"hello", b"right"))
            await peer.request()

    async with raw_upstream(script) as upstream:
        first = await outcome(transport, asked(upstream, "/first"))
        # Whether what is wrong behind an answer is seen together with it is a matter of segments; another's bytes are not in it.
        assert first.body in (b"hello", b"")
        await breath()
        for _ in range(2):
            found = await outcome(transport, asked(upstream))
            assert isinstance(found, Answered)
            assert found.body == b"right"


BODIES_THAT_ARE_NONE = {
    "to HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n"),
    "with 204": ("GET", b"HTTP/1.1 204 No Content\r\ncontent-length: 40\r\n\r\n"),
    "with 304": ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 40\r\n\r\n"),
}


@pytest.mark.parametrize(("method", "head"), BODIES_THAT_ARE_NONE.values(), ids=BODIES_THAT_ARE_NONE)
@pytest.mark.parametrize("when", ["behind", "later"])
async def test_a_body_where_none_can_be_answers_nobody(
    transport: Transport, method: str, head: bytes, when: str
) -> None:
    """An upstream that does not know when bodies are left out, and a body that looks like an answer."""
    body = HELLO.replace(b"hello", b"wrong")

    async def script(peer: Peer) -> None:
        if (await peer.request()).target == "/first":
            await peer.say(head + body) if when == "behind" else await peer.say(head, body)
        while True:
            await peer.say(HELLO.replace(b"hello", b"right"))
            await peer.request()

    async with raw_upstream(script) as upstream:
        first = await outcome(transport, asked(upstream, "/first", method=method, body=None))
        assert first.body == b""
        await breath()
        for _ in range(2):
            found = await outcome(transport, asked(upstream))
            assert isinstance(found, Answered)
            assert found.body == b"right"


@pytest.mark.parametrize("end", ["", "fin", "half"])
async def test_an_upstream_that_speaks_before_it_was_asked(transport: Transport, end: str) -> None:
    """It is taken for an answer, or for nobody's: a matter of which is noticed first. Nobody waits for another."""

    async def script(peer: Peer) -> None:
        await peer.flood(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy")
        await peer.end(end)

    async with raw_upstream(script) as upstream:
        for _ in range(3):
            found = await outcome(transport, asked(upstream))
            assert found == Failed("UpstreamDropped") or (found.status, found.body) == (503, b"busy")


async def test_closing_closes_what_is_idle(upstream: RawUpstream, kind: str) -> None:
    transport = made(kind)
    tasks = [asyncio.create_task(outcome(transport, asked(upstream))) for _ in range(3)]
    for number in (1, 2, 3):
        peer = await upstream.peer(number)
        await peer.request()
        await peer.say(HELLO)
    await asyncio.gather(*tasks)
    await transport.close()
    for peer in upstream.peers:
        await peer.gone()


async def test_closing_twice_and_unused_is_harmless(kind: str) -> None:
    transport = made(kind)
    await transport.close()
    await transport.close()


async def serve(peer: Peer) -> None:
    """Answers every request with its own path and body."""
    while True:
        request = await peer.request()
        said = request.target.encode() + b" " + request.body
        await peer.flood(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(said) + said)


async def test_a_thousand_requests_on_few_connections_each_get_their_own_answer(transport: Transport) -> None:
    async with raw_upstream(serve) as upstream:

        async def worker(name: int) -> None:
            for number in range(50):
                body = b"%d/%d" % (name, number)
                found = await outcome(transport, asked(upstream, f"/{name}", body=body))
                assert found.body == b"/%d " % name + body

        await asyncio.gather(*(worker(name) for name in range(20)))
        assert len(upstream.peers) <= 20
        assert len(upstream.requests) == 1000
