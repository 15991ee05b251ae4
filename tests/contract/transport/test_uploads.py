"""Bodies that are sent as they come: framed rightly, at the upstream's pace, and never continued where somebody said stop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.protocols import Transport
from tests.support.raw_upstream import Peer, RawUpstream, breath, raw_upstream

from .exchanges import LIMITS, Answered, Failed, asked, outcome, rest_of

BOTH_LOOPS = True

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
REFUSED = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig"


class Source:
    """A body by script: bytes are yielded, events waited for, exceptions raised. ``closed`` once nobody asks any more."""

    def __init__(self, *script: bytes | asyncio.Event | Exception) -> None:
        self._script = script
        self.given = 0
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for step in self._script:
                if isinstance(step, bytes):
                    self.given += len(step)
                    yield step
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    raise step
        finally:
            self.closed.set()


async def gone(source: Source) -> None:
    """Nobody reads it any more."""
    async with asyncio.timeout(1):
        await source.closed.wait()


@pytest.mark.parametrize(
    "parts", [(), (b"abc",), (b"a", b"", b"bc", b"d" * 70_000, b"\r\n0\r\n\r\n")], ids=["none", "one", "many"]
)
@pytest.mark.parametrize("sized", [False, True], ids=["chunked", "sized"])
async def test_a_body_in_parts(
    transport: Transport, upstream: RawUpstream, parts: tuple[bytes, ...], sized: bool
) -> None:
    whole = b"".join(parts)
    for _ in range(2):
        request = asked(upstream, body=Source(*parts).__aiter__(), length=len(whole) if sized else None)
        task = asyncio.create_task(outcome(transport, request))
        peer = await upstream.peer()
        heard = await peer.request()
        assert heard.body == whole
        assert heard.framing == (str(len(whole)) if sized else "chunked")
        await breath()
        assert not peer.more
        await peer.say(HELLO)
        assert isinstance(await task, Answered)
    assert len(upstream.peers) == 1


async def test_each_part_leaves_when_it_comes(transport: Transport, upstream: RawUpstream) -> None:
    more = asyncio.Event()
    task = asyncio.create_task(outcome(transport, asked(upstream, body=Source(b"first", more, b"second").__aiter__())))
    peer = await upstream.peer()
    await peer.until(lambda: peer.heard.endswith(b"5\r\nfirst\r\n"))
    more.set()
    assert (await peer.request()).body == b"firstsecond"
    await peer.say(HELLO)
    assert isinstance(await task, Answered)


@pytest.mark.parametrize("sized", [False, True], ids=["chunked", "sized"])
async def test_a_body_that_fails_is_never_made_to_look_whole(
    transport: Transport, upstream: RawUpstream, sized: bool
) -> None:
    source = Source(b"abc", ValueError("the client left"))
    request = asked(upstream, body=source.__aiter__(), length=10 if sized else None)
    found = await outcome(transport, request)
    assert isinstance(found, Failed)
    assert found.status == 0
    peer = await upstream.peer()
    await peer.gone()
    assert not peer.heard.endswith(b"\r\n0\r\n\r\n")
    with pytest.raises(ConnectionError):
        await peer.request()


@pytest.mark.parametrize("parts", [(b"abc",), (b"abc", b"defgh")], ids=["shorter", "longer"])
async def test_a_length_that_is_not_kept_ends_the_connection(
    transport: Transport, upstream: RawUpstream, kind: str, parts: tuple[bytes, ...]
) -> None:
    """What would follow on the connection would be taken for the rest of the body, or the rest for a request."""
    task = asyncio.create_task(outcome(transport, asked(upstream, body=Source(*parts).__aiter__(), length=5)))
    peer = await upstream.peer()
    if kind == "session":
        # aiohttp cuts what is too long, and leaves what is too short to the upstream's patience.
        await peer.head()
        await peer.until(lambda: peer.heard.endswith((b"abc", b"abcde")[len(parts) - 1]))
        await peer.reset()
        assert isinstance(await task, Failed)
    else:
        assert isinstance(await task, Failed)
        await peer.gone()
    assert len(peer.heard.partition(b"\r\n\r\n")[2]) <= 5


async def test_an_upstream_that_takes_nothing_holds_the_source_back(transport: Transport) -> None:
    async with raw_upstream(receive_buffer=16_384) as upstream:
        source = Source(*[b"x" * 65_536] * 800)
        task = asyncio.create_task(outcome(transport, asked(upstream, body=source.__aiter__()), within=20))
        peer = await upstream.peer()
        await peer.head()
        await peer.deafen()
        before = -1
        while before != source.given:
            before = source.given
            await asyncio.sleep(0.02)
        assert source.given < 16 << 20, "52 MB were on their way to an upstream that reads nothing"
        peer.hear()
        await peer.until(lambda: peer.heard.endswith(b"\r\n0\r\n\r\n"), 10)
        assert source.given == 800 * 65_536
        await peer.say(HELLO)
        assert isinstance(await task, Answered)


@pytest.mark.parametrize("sized", [False, True], ids=["chunked", "sized"])
@pytest.mark.parametrize("end", ["", "half"])
async def test_a_refusal_in_the_middle_is_the_answer(
    transport: Transport, upstream: RawUpstream, sized: bool, end: str
) -> None:
    """413 and close while the body is still coming: the client is told that, and the source is left alone."""
    never = asyncio.Event()
    source = Source(b"x" * 1000, never, b"y")
    task = asyncio.create_task(
        outcome(transport, asked(upstream, body=source.__aiter__(), length=5000 if sized else None))
    )
    peer = await upstream.peer()
    await peer.until(lambda: b"x" * 1000 in peer.heard)
    await peer.say(REFUSED)
    await peer.end(end)
    found = await task
    assert (found.status, found.body) == (413, b"big")
    await gone(source)
    await peer.gone()
    assert peer.heard.count(b"x") >= 1000
    assert not peer.heard.endswith((b"y", b"\r\n0\r\n\r\n"))


async def test_a_refusal_without_close_does_not_keep_the_connection_for_others(
    transport: Transport, upstream: RawUpstream
) -> None:
    """The next request would be taken for the rest of the body."""
    never = asyncio.Event()
    source = Source(b"x" * 1000, never)
    task = asyncio.create_task(outcome(transport, asked(upstream, body=source.__aiter__(), length=5000)))
    peer = await upstream.peer()
    await peer.until(lambda: b"x" * 1000 in peer.heard)
    await peer.say(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n")
    assert (await task).status == 401
    again = asyncio.create_task(outcome(transport, asked(upstream)))
    other = await upstream.peer(2)
    await other.request()
    await other.say(HELLO)
    assert isinstance(await again, Answered)
    await gone(source)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_an_early_answer_to_bytes_that_are_still_leaving_does_not_keep_the_connection(
    transport: Transport,
) -> None:
    async with raw_upstream(receive_buffer=16_384) as upstream:
        task = asyncio.create_task(outcome(transport, asked(upstream, body=b"x" * (16 << 20)), within=10))
        peer = await upstream.peer()
        await peer.head()
        await peer.deafen()
        await peer.say(b"HTTP/1.1 429 Slow\r\ncontent-length: 4\r\n\r\nwait")
        found = await task
        assert (found.status, found.body) == (429, b"wait")
        again = asyncio.create_task(outcome(transport, asked(upstream)))
        other = await upstream.peer(2)
        await other.request()
        await other.say(HELLO)
        assert isinstance(await again, Answered)


async def test_an_answer_that_begins_early_lets_the_body_go_on(transport: Transport, upstream: RawUpstream) -> None:
    """Echo and transcription in both directions at once."""
    more = asyncio.Event()
    source = Source(b"one", more, b"two")
    task = asyncio.create_task(transport.send(asked(upstream, body=source.__aiter__()), LIMITS))
    peer = await upstream.peer()
    await peer.until(lambda: b"one" in peer.heard)
    await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
    exchange = await task
    assert await exchange.read() == b"one"
    more.set()
    assert (await peer.request()).body == b"onetwo"
    await peer.say(b"3\r\ntwo\r\n0\r\n\r\n")
    found = await rest_of(exchange)
    assert isinstance(found, Answered)
    assert found.body == b"two"


@pytest.mark.parametrize("end", ["fin", "reset"])
async def test_an_upstream_that_goes_away_in_the_middle(transport: Transport, upstream: RawUpstream, end: str) -> None:
    never = asyncio.Event()
    source = Source(b"x" * 1000, never)
    task = asyncio.create_task(outcome(transport, asked(upstream, body=source.__aiter__())))
    peer = await upstream.peer()
    await peer.until(lambda: b"x" * 1000 in peer.heard)
    await peer.end(end)
    assert await task == Failed("UpstreamDropped")
    await gone(source)


async def test_a_full_pipe_that_breaks_wakes_the_source(transport: Transport) -> None:
    async with raw_upstream(receive_buffer=16_384) as upstream:
        source = Source(*[b"x" * 65_536] * 800)
        task = asyncio.create_task(outcome(transport, asked(upstream, body=source.__aiter__())))
        peer = await upstream.peer()
        await peer.head()
        await peer.deafen()
        await breath(50)
        await peer.reset()
        assert await task == Failed("UpstreamDropped")
        given = source.given
        await breath(20)
        assert source.given == given < 16 << 20


async def test_cancelling_stops_the_source_and_closes(transport: Transport, upstream: RawUpstream) -> None:
    never = asyncio.Event()
    source = Source(b"x" * 1000, never)
    task = asyncio.create_task(outcome(transport, asked(upstream, body=source.__aiter__())))
    peer = await upstream.peer()
    await peer.until(lambda: b"x" * 1000 in peer.heard)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await peer.gone(0.25)
    await gone(source)
    assert not peer.heard.endswith(b"\r\n0\r\n\r\n")


async def test_a_source_that_cannot_even_begin(transport: Transport, upstream: RawUpstream) -> None:
    source = Source(ValueError("gone"))
    found = await outcome(transport, asked(upstream, body=source.__aiter__()))
    assert isinstance(found, Failed)
    for peer in upstream.peers:
        await peer.gone()


async def test_many_uploads_at_once_are_not_mixed(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.flood(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body) + request.body)

    async with raw_upstream(script) as upstream:

        async def worker(name: int) -> None:
            for number in range(10):
                parts = [b"%d-%d;" % (name, number)] * (number + 1)
                length = sum(map(len, parts)) if number % 2 else None
                found = await outcome(transport, asked(upstream, body=Source(*parts).__aiter__(), length=length))
                assert found.body == b"".join(parts)

        await asyncio.gather(*(worker(name) for name in range(20)))
