"""Where an answer ends, however it is said and in whatever pieces it comes."""

import asyncio

import pytest

from proxy.protocols import Transport
from tests.support.raw_upstream import RawUpstream, cuts

from .exchanges import LIMITS, Answered, Failed, asked, told

BOTH_LOOPS = True

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = b"content-length: 5\r\n\r\nhello"
CHUNKS = b"transfer-encoding: chunked\r\n\r\n"
LENGTH = (b"content-length", b"5")
CODING = (b"transfer-encoding", b"chunked")

WHOLE: dict[str, tuple[bytes, str, Answered]] = {
    "sized": (OK + SIZED, "", Answered(200, (LENGTH,), b"hello")),
    "sized, empty": (OK + b"content-length: 0\r\n\r\n", "", Answered(200, ((b"content-length", b"0"),))),
    "chunked": (OK + CHUNKS + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "", Answered(200, (CODING,), b"hello")),
    "chunked, no chunk": (OK + CHUNKS + b"0\r\n\r\n", "", Answered(200, (CODING,))),
    "chunked, sizes in both cases": (
        OK + CHUNKS + b"0A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", "", Answered(200, (CODING,), b"0123456789" * 2),
    ),
    "chunked, extensions": (
        OK + CHUNKS + b'2;a\r\nhe\r\n3;b=c;d="e f"\r\nllo\r\n0;g\r\n\r\n', "", Answered(200, (CODING,), b"hello"),
    ),
    "chunked, trailers": (
        OK + CHUNKS + b"5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n", "", Answered(200, (CODING,), b"hello"),
    ),
    "chunked, line ends inside": (OK + CHUNKS + b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "", Answered(200, (CODING,), b"\r\n0\r\n\r")),
    "until the end": (OK + b"\r\nhello", "fin", Answered(200, (), b"hello")),
    "until the end of one half": (OK + b"\r\nhello", "half", Answered(200, (), b"hello")),
    "until the end, nothing": (OK + b"\r\n", "fin", Answered(200, ())),
    "1.0, sized": (b"HTTP/1.0 200 OK\r\n" + SIZED, "", Answered(200, (LENGTH,), b"hello")),
    "1.0, until the end": (b"HTTP/1.0 200 OK\r\n\r\nhello", "fin", Answered(200, (), b"hello")),
    "1.0 with keep-alive": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n" + SIZED, "", Answered(200, ((b"connection", b"keep-alive"), LENGTH), b"hello"),
    ),
    "close, sized": (OK + b"connection: close\r\n" + SIZED, "", Answered(200, ((b"connection", b"close"), LENGTH), b"hello")),
    "close, then it does": (OK + b"connection: close\r\n\r\nhello", "fin", Answered(200, ((b"connection", b"close"),), b"hello")),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "", Answered(204, ())),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", "", Answered(304, (LENGTH,))),
    "304 with chunks": (b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", "", Answered(304, (CODING,))),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + SIZED, "", Answered(200, (LENGTH,), b"hello")),
    "103 first": (b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" + OK + SIZED, "", Answered(200, (LENGTH,), b"hello")),
    "several before": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early\r\nlink: a\r\n\r\n" + OK + CHUNKS + b"5\r\nhello\r\n0\r\n\r\n",
        "", Answered(200, (CODING,), b"hello"),
    ),
    "no reason": (b"HTTP/1.1 200\r\n" + SIZED, "", Answered(200, (LENGTH,), b"hello")),
    "a reason in latin-1": (b"HTTP/1.1 404 \xe9t\xe9\r\n" + SIZED, "", Answered(404, (LENGTH,), b"hello")),
    "names in capitals": (b"HTTP/1.1 500 X\r\nX-Mixed: Yes\r\nCONTENT-LENGTH: 5\r\n\r\nhello", "", Answered(500, ((b"x-mixed", b"Yes"), LENGTH), b"hello")),
    "repeated headers, in order": (
        OK + b"set-cookie: a=1\r\nx-b: 2\r\nset-cookie: c=3\r\n" + SIZED, "",
        Answered(200, ((b"set-cookie", b"a=1"), (b"x-b", b"2"), (b"set-cookie", b"c=3"), LENGTH), b"hello"),
    ),
    "white space around values": (
        OK + b"x-a:  b  c \t\r\nx-d:e\r\nx-f: \r\nx-g:\r\ncontent-length:\t5 \r\n\r\nhello", "",
        Answered(200, ((b"x-a", b"b  c"), (b"x-d", b"e"), (b"x-f", b""), (b"x-g", b""), LENGTH), b"hello"),
    ),
    "values of any byte": (OK + b"x-a: \x80\xff: \"\\\r\n" + SIZED, "", Answered(200, ((b"x-a", b'\x80\xff: "\\'), LENGTH), b"hello")),
    "gzip, not undone": (
        OK + b"content-encoding: gzip\r\n" + SIZED, "", Answered(200, ((b"content-encoding", b"gzip"), LENGTH), b"hello"),
    ),
    "a redirect, not followed": (
        b"HTTP/1.1 307 T\r\nlocation: /other\r\n" + SIZED, "", Answered(307, ((b"location", b"/other"), LENGTH), b"hello"),
    ),
    "an upgrade that is only offered": (
        OK + b"connection: upgrade\r\nupgrade: h2c\r\n" + SIZED, "",
        Answered(200, ((b"connection", b"upgrade"), (b"upgrade", b"h2c"), LENGTH), b"hello"),
    ),
}  # fmt: skip
"""Name to (bytes, how the connection ends, what is made of it)."""


@pytest.mark.parametrize(("answer", "end", "expected"), WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer(
    transport: Transport, upstream: RawUpstream, answer: bytes, end: str, expected: Answered
) -> None:
    assert await told(transport, upstream, answer, end=end) == expected


@pytest.mark.parametrize(("answer", "end", "expected"), WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer_byte_by_byte(
    transport: Transport, upstream: RawUpstream, answer: bytes, end: str, expected: Answered
) -> None:
    pieces = [answer[at : at + 1] for at in range(len(answer))]
    assert await told(transport, upstream, *pieces, end=end) == expected


CUT_EVERYWHERE = ["sized", "chunked, extensions", "chunked, trailers", "several before", "304 with a length"]


@pytest.mark.parametrize("name", CUT_EVERYWHERE)
async def test_a_whole_answer_cut_in_two_at_every_offset(
    transport: Transport, upstream: RawUpstream, name: str
) -> None:
    """On one connection: what one leaves behind would spoil the next."""
    answer, _, expected = WHOLE[name]
    for two in cuts(answer):
        assert await told(transport, upstream, *two, number=1) == expected, two
    assert len(upstream.peers) == 1


@pytest.mark.parametrize("name", ["sized", "chunked, trailers"])
async def test_an_answer_that_ends_early_is_never_whole(transport: Transport, upstream: RawUpstream, name: str) -> None:
    answer, _, expected = WHOLE[name]
    head = answer.index(b"\r\n\r\n") + 4
    for at in range(len(answer)):
        found = await told(transport, upstream, answer[:at], end="fin", number=len(upstream.peers) + 1)
        if at < head:
            assert found == Failed("UpstreamDropped"), at
        else:
            assert isinstance(found, Failed), at
            assert (found.kind, found.status) == ("UpstreamCut", 200)
            assert expected.body.startswith(found.body)


@pytest.mark.parametrize("length", [b"", b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n"])
async def test_an_answer_to_head_has_no_body(transport: Transport, upstream: RawUpstream, length: bytes) -> None:
    found = await told(transport, upstream, OK + length + b"\r\n", method="HEAD")
    assert isinstance(found, Answered)
    assert (found.status, found.body) == (200, b"")


async def test_reads_hand_out_what_has_come_and_the_end_as_soon_as_it_is_known(
    transport: Transport, upstream: RawUpstream
) -> None:
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(OK + CHUNKS)
    exchange = await task
    assert not exchange.ended
    reading = asyncio.create_task(exchange.read())
    await peer.say(b"5\r\nhello\r\n3\r\nyou\r\n")
    assert await reading == b"helloyou"
    assert not exchange.ended
    await peer.say(b"1\r\n!\r\n0\r\n\r\n")
    assert await exchange.read() == b"!"
    assert exchange.ended
    assert await exchange.read() == b""
    exchange.release()


async def test_the_end_that_comes_alone_wakes_the_reader(transport: Transport, upstream: RawUpstream) -> None:
    task = asyncio.create_task(transport.send(asked(upstream), LIMITS))
    peer = await upstream.peer()
    await peer.request()
    await peer.say(OK + CHUNKS + b"2\r\nhi\r\n")
    exchange = await task
    assert await exchange.read() == b"hi"
    assert not exchange.ended
    reading = asyncio.create_task(exchange.read())
    await peer.say(b"0\r\n", b"\r\n")
    assert await reading == b""
    assert exchange.ended
    exchange.release()
