"""What is no answer, or no body of one, is an error of ours: at once, without another answer's bytes, and its connection is closed."""

import asyncio
from dataclasses import dataclass

import pytest

from proxy.protocols import Transport
from tests.support.raw_upstream import RawUpstream, raw_upstream

from .exchanges import Answered, Failed, Outcome, asked, outcome, told

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = b"content-length: 5\r\n\r\nhello"
CHUNKS = b"transfer-encoding: chunked\r\n"
FIVE = b"5\r\nhello\r\n"
LAST = b"0\r\n\r\n"

HEADS: dict[str, bytes] = {
    "no status": b"HTTP/1.1 OK\r\n" + SIZED,
    "a status in words": b"HTTP/1.1 abc OK\r\n" + SIZED,
    "two digits": b"HTTP/1.1 42 X\r\n" + SIZED,
    "four digits": b"HTTP/1.1 2000 X\r\n" + SIZED,
    "a negative status": b"HTTP/1.1 -20 X\r\n" + SIZED,
    "a signed status": b"HTTP/1.1 +20 X\r\n" + SIZED,
    "two spaces": b"HTTP/1.1  200 OK\r\n" + SIZED,
    "a tab": b"HTTP/1.1\t200 OK\r\n" + SIZED,
    "HTTP/1.10": b"HTTP/1.10 200 OK\r\n" + SIZED,
    "HTTP/1": b"HTTP/1 200 OK\r\n" + SIZED,
    "http/1.1": b"http/1.1 200 OK\r\n" + SIZED,
    "ICY": b"ICY 200 OK\r\n" + SIZED,
    "words": b"hello there\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "an alert of TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "the preface of HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "NUL in a value": OK + b"x-a: a\0b\r\n" + SIZED,
    "bare CR in a value": OK + b"x-a: a\rb\r\n" + SIZED,
    "a space in a name": OK + b"x y: a\r\n" + SIZED,
    "a space behind a name": OK + b"x-a : a\r\n" + SIZED,
    "a nameless header": OK + b": a\r\n" + SIZED,
    "no colon": OK + b"x-a\r\n" + SIZED,
    "a control byte in a name": OK + b"x\x01: a\r\n" + SIZED,
    "NUL in a name": OK + b"x\0: a\r\n" + SIZED,
    "latin-1 in a name": OK + b"x\xe9: a\r\n" + SIZED,
    "a bracket in a name": OK + b"x(: a\r\n" + SIZED,
    "two lengths": OK + b"content-length: 6\r\n" + SIZED,
    "one length twice": OK + b"content-length: 5\r\n" + SIZED,
    "a list of lengths": OK + b"content-length: 5, 5\r\n\r\nhello",
    "a signed length": OK + b"content-length: +5\r\n\r\nhello",
    "a negative length": OK + b"content-length: -5\r\n\r\nhello",
    "a hexadecimal length": OK + b"content-length: 0x5\r\n\r\nhello",
    "an empty length": OK + b"content-length:\r\n\r\nhello",
    "a length beyond 64 bits": OK + b"content-length: 18446744073709551621\r\n\r\nhello",
    "a length and chunks": OK + b"content-length: 5\r\n" + CHUNKS + b"\r\n" + FIVE + LAST,
    "chunks and a length": OK + CHUNKS + b"content-length: 5\r\n\r\n" + FIVE + LAST,
    "an interim answer with a body": b"HTTP/1.1 100 Continue\r\ncontent-length: 3\r\n\r\nabc" + OK + SIZED,
    "a header of 70,000 bytes": OK + b"x-a: " + b"a" * 70_000 + b"\r\n" + SIZED,
    "a name of 70,000 bytes": OK + b"a" * 70_000 + b": a\r\n" + SIZED,
    "300 headers": OK + b"".join(b"x-%d: a\r\n" % n for n in range(300)) + SIZED,
    "5,000 headers": OK + b"".join(b"x-%d: a\r\n" % n for n in range(5_000)) + SIZED,
}  # fmt: skip
"""Answers that no transport takes: the error comes before any head."""

BODIES: dict[str, bytes] = {
    "letters for a size": b"zz\r\nhello\r\n" + LAST,
    "a negative size": b"-5\r\nhello\r\n" + LAST,
    "a signed size": b"+5\r\nhello\r\n" + LAST,
    "a size with 0x": b"0x5\r\nhello\r\n" + LAST,
    "a size beyond 64 bits": b"10000000000000005\r\nhello\r\n" + LAST,
    "a size of 17 digits": b"fffffffffffffffff\r\nhello\r\n" + LAST,
    "no size": b"\r\nhello\r\n" + LAST,
    "a space before the size": b" 5\r\nhello\r\n" + LAST,
    "bare LF behind everything": b"5\nhello\n0\n\n",
    "bare LF behind the size": b"5\nhello\r\n" + LAST,
    "bare CR in an extension": b"5;a\rb\r\nhello\r\n" + LAST,
    "more than the size": b"5\r\nhelloXX" + LAST,
    "less than the size": b"7\r\nhello\r\n" + LAST,
    "a bad trailer": FIVE + b"0\r\nx y: a\r\n\r\n",
    "another answer for a chunk": FIVE + OK + SIZED,
}
"""Bodies in chunks that break off where they stop making sense."""


@pytest.mark.parametrize("answer", HEADS.values(), ids=HEADS)
async def test_a_head_that_is_none(transport: Transport, upstream: RawUpstream, answer: bytes) -> None:
    assert await told(transport, upstream, answer) == Failed("UpstreamInvalid")
    await upstream.peers[0].gone()
    assert len(upstream.peers) == 1, "asked again by itself"


@pytest.mark.parametrize("answer", HEADS.values(), ids=HEADS)
async def test_a_head_that_is_none_in_pieces(transport: Transport, upstream: RawUpstream, answer: bytes) -> None:
    step = max(len(answer) // 50, 1)
    pieces = [answer[at : at + step] for at in range(0, len(answer), step)]
    assert await told(transport, upstream, *pieces) == Failed("UpstreamInvalid")
    await upstream.peers[0].gone()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_is_none(transport: Transport, upstream: RawUpstream, body: bytes) -> None:
    found = await told(transport, upstream, OK + CHUNKS + b"\r\n", body)
    assert isinstance(found, Failed)
    assert (found.kind, found.status) == ("UpstreamCut", 200)
    assert b"hello\r\n".startswith(found.body)
    await upstream.peers[0].gone()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_is_none_together_with_its_head(
    transport: Transport, upstream: RawUpstream, body: bytes
) -> None:
    """aiohttp reports what came in one segment as one failure; nobody sees a whole answer either way."""
    found = await told(transport, upstream, OK + CHUNKS + b"\r\n" + body)
    assert isinstance(found, Failed)
    assert (found.kind, found.status) in (("UpstreamCut", 200), ("UpstreamInvalid", 0))
    await upstream.peers[0].gone()


async def test_a_status_that_is_none_is_never_a_success(transport: Transport, upstream: RawUpstream) -> None:
    """Those of three digits may be handed out: the relay refuses all outside of 200 to 599."""
    for number, status in enumerate((b"000", b"042", b"099", b"600", b"999"), 1):
        found = await told(
            transport, upstream, b"HTTP/1.1 %b X\r\nconnection: close\r\n" % status + SIZED, number=number
        )
        assert isinstance(found, Answered), status
        assert found.status == int(status)


@dataclass(frozen=True)
class Differing:
    """An answer on which the two differ, and why that is right."""

    answer: bytes
    lean: Outcome
    session: Outcome
    reason: str
    end: str = ""


def _whole(*headers: tuple[bytes, bytes], status: int = 200, body: bytes = b"hello") -> Answered:
    return Answered(status, headers, body)


LENGTH = (b"content-length", b"5")
CODING = (b"transfer-encoding", b"chunked")
INVALID = Failed("UpstreamInvalid")
CUT = Failed("UpstreamCut", 200, b"hello")

DIFFERENCES: dict[str, Differing] = {
    "bare LF": Differing(
        b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello", INVALID, _whole(LENGTH),
        "a line ends with CR LF; who takes LF alone reads other heads than who does not",
    ),
    "bare LF behind one header": Differing(
        OK + b"x-a: b\ncontent-length: 5\r\n\r\nhello", INVALID, _whole((b"x-a", b"b"), LENGTH), "the same",
    ),
    "a control byte in a value": Differing(
        OK + b"x-a: a\x01b\r\n" + SIZED, INVALID, _whole((b"x-a", b"a\x01b"), LENGTH), "RFC 9110 5.5 forbids them; the relay refuses them too",
    ),
    "DEL in a value": Differing(OK + b"x-a: a\x7fb\r\n" + SIZED, INVALID, _whole((b"x-a", b"a\x7fb"), LENGTH), "the same"),
    "a folded value": Differing(
        OK + b"x-a: a\r\n b\r\n" + SIZED, INVALID, _whole((b"x-a", b"a b"), LENGTH), "RFC 9112 5.2: deprecated, and a way to hide a header",
    ),
    "a folded first line": Differing(
        OK + b" x-a: a\r\n" + SIZED, INVALID, _whole((b"x-a", b"a"), LENGTH), "the same",
    ),
    "a space behind content-length": Differing(
        OK + b"content-length : 5\r\n\r\nhello", INVALID, _whole((b"content-length ", b"5")), "RFC 9112 5.1: the classic of smuggling",
    ),
    "a trailer with NUL": Differing(
        OK + CHUNKS + b"\r\n" + FIVE + b"0\r\nx-a: \0\r\n\r\n", CUT, _whole(CODING), "trailers are headers",
    ),
    "gzip as transfer coding": Differing(
        OK + b"transfer-encoding: gzip\r\n\r\nhello", INVALID, _whole((b"transfer-encoding", b"gzip")),
        "nobody undoes it, and transfer-encoding is not passed on: the client would get bytes that it cannot read", "fin",
    ),
    "gzip, chunked": Differing(
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n" + FIVE + LAST, INVALID, _whole((b"transfer-encoding", b"gzip, chunked")), "the same",
    ),
    "chunked, gzip": Differing(
        OK + b"transfer-encoding: chunked, gzip\r\n\r\n" + FIVE + LAST, INVALID,
        _whole((b"transfer-encoding", b"chunked, gzip"), body=FIVE + LAST), "the same", "fin",
    ),
    "identity": Differing(
        OK + b"transfer-encoding: identity\r\n\r\nhello", INVALID, _whole((b"transfer-encoding", b"identity")), "no such coding since 2014", "fin",
    ),
    "an unknown coding": Differing(
        OK + b"transfer-encoding: xchunked\r\n\r\n" + FIVE + LAST, INVALID, _whole((b"transfer-encoding", b"xchunked"), body=FIVE + LAST),
        "the framing would reach the client as content", "fin",
    ),
    "a tab behind chunked": Differing(
        OK + b"transfer-encoding: chunked\t\r\n\r\n" + FIVE + LAST, INVALID, _whole(CODING, body=FIVE + LAST),
        "the parser of both takes it for another coding, and the framing for content", "fin",
    ),
    "chunked twice": Differing(
        OK + CHUNKS + CHUNKS + b"\r\n" + FIVE + LAST, INVALID, _whole(CODING, CODING), "RFC 9112 6.1 forbids it; others may see chunks in chunks",
    ),
    "a space behind a size": Differing(
        OK + CHUNKS + b"\r\n5 \r\nhello\r\n" + LAST, Failed("UpstreamCut", 200), _whole(CODING), "not in the grammar",
    ),
    "a space before an extension": Differing(
        OK + CHUNKS + b"\r\n5 ;a\r\nhello\r\n" + LAST, Failed("UpstreamCut", 200), _whole(CODING),
        "RFC 9112 7.1.1 bears with it; nobody sends it, and sizes that some read and some do not are what smuggling is made of",
    ),
    "bare LF behind a chunk": Differing(
        OK + CHUNKS + b"\r\n5\r\nhello\n" + LAST, CUT, _whole(CODING), "not in the grammar",
    ),
    "bare LF behind an extension": Differing(
        OK + CHUNKS + b"\r\n5;a\nhello\r\n" + LAST, Failed("UpstreamCut", 200), _whole(CODING), "the known way to hide a chunk (CVE-2025-66373 and others)",
    ),
    "a head of 100,000 bytes": Differing(
        OK + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 10_000) for n in range(10)) + SIZED, INVALID,
        _whole(*((b"x-%d" % n, b"a" * 10_000) for n in range(10)), LENGTH), "64 KiB are for the whole head; aiohttp limits one line",
    ),
    "20 interim answers": Differing(
        b"HTTP/1.1 103 Early\r\n\r\n" * 20 + OK + SIZED, INVALID, _whole(LENGTH), "bounded, or an upstream could keep a request for ever without an answer",
    ),
    "101": Differing(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello", INVALID,
        _whole((b"upgrade", b"x"), (b"connection", b"upgrade"), status=101, body=b""), "nobody asked for another protocol; the relay refuses the status",
    ),
    "reset where the end of the connection is the body's": Differing(
        OK + b"\r\nhello", CUT, _whole(), "a reset is no end: bytes may be missing", "reset",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENCES.values(), ids=DIFFERENCES)
async def test_where_they_differ_it_is_for_a_reason(
    transport: Transport, kind: str, upstream: RawUpstream, case: Differing
) -> None:
    assert case.reason
    head, mark, rest = case.answer.partition(b"\r\n\r\n")
    pieces = [head + mark, rest] if rest and not head.startswith(b"HTTP/1.1 1") else [case.answer]
    expected = case.lean if kind == "lean" else case.session
    assert await told(transport, upstream, *pieces, end=case.end) == expected


ENDLESS = {
    "a status line": (b"HTTP/1.1 200 ", b"a" * 4096),
    "line ends before a status line": (b"", b"\r\n" * 2048),
    "a name": (OK, b"a" * 4096),
    "a value": (OK + b"x-a: ", b"a" * 4096),
    "headers": (OK, b"x-a: %b\r\n" % (b"a" * 4000)),
    "small headers": (OK, b"a:\r\n" * 1000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
    "an interim answer's headers": (b"HTTP/1.1 100 Continue\r\n", b"x-a: %b\r\n" % (b"a" * 4000)),
    "a chunk's size": (OK + CHUNKS + b"\r\n", b"0" * 4096),
    "an extension": (OK + CHUNKS + b"\r\n5;", b"a" * 4096),
    "a trailer": (OK + CHUNKS + b"\r\n" + FIVE + b"0\r\nx-a: ", b"a" * 4096),
    "trailers": (OK + CHUNKS + b"\r\n" + FIVE + b"0\r\n", b"x-a: %b\r\n" % (b"a" * 4000)),
}
ENDLESS_WITH_SESSION = {"line ends before a status line", "headers", "interim answers", "an interim answer's headers", "a chunk's size", "an extension"}  # fmt: skip
"""What aiohttp reads on and on, in bounded memory or not: the first-byte, idle and total limits end it."""


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_never_ends_is_given_up_after_bounded_bytes(
    transport: Transport, kind: str, upstream: RawUpstream, name: str
) -> None:
    if kind == "session" and name in ENDLESS_WITH_SESSION:
        return
    begin, more = ENDLESS[name]
    task = asyncio.create_task(outcome(transport, asked(upstream)))
    peer = await upstream.peer()
    await peer.request()
    said = 0
    try:
        await peer.say(begin)
        while said < 1 << 20:
            await peer.say(more)
            said += len(more)
    except ConnectionError:
        pass
    found = await task
    assert isinstance(found, Failed)
    assert found.kind in ("UpstreamInvalid", "UpstreamCut")
    assert said < 512 * 1024


async def test_a_broken_answer_disturbs_no_other(transport: Transport) -> None:
    async with raw_upstream() as upstream:
        good = asyncio.create_task(outcome(transport, asked(upstream)))
        first = await upstream.peer(1)
        await first.request()
        await first.say(OK + b"content-length: 5\r\n\r\nhe")
        assert await told(transport, upstream, HEADS["words"], number=2) == INVALID
        await first.say(b"llo")
        assert await good == _whole(LENGTH)
