"""AWS's event stream: the published vectors, every split, broken bytes, bounds."""

from itertools import pairwise
from struct import pack
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import TollwayError, UpstreamInvalid
from proxy.providers.bedrock import eventstream
from proxy.providers.bedrock.eventstream import Message, Reader, event, exception, message

DELTA = bytes.fromhex(
    "0000009400000057b4ab9aee0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c7461"
    "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b22"
    "74657874223a224869227d7d5db19242"
)
THROTTLED = bytes.fromhex(
    "00000090000000618e91a9b70d3a6d6573736167652d74797065070009657863657074696f6e0f3a657863657074696f6e2d747970650700137468726f74746c696e"
    "67457863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b226d657373616765223a22546f6f206d616e79207265"
    "717565737473227d9d6b6211"
)


def read(*pieces: bytes) -> list[Message]:
    reader = Reader()
    return [found for piece in pieces for found in reader.feed(piece)]


def test_the_vectors_are_read() -> None:
    first, second = read(DELTA + THROTTLED)
    assert first.headers == {
        ":message-type": "event",
        ":event-type": "contentBlockDelta",
        ":content-type": "application/json",
    }
    assert first.payload == b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}'
    assert second.headers[":exception-type"] == "throttlingException"
    assert second.payload == b'{"message":"Too many requests"}'


def test_the_writer_writes_the_vectors() -> None:
    assert event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}') == DELTA
    assert exception("throttlingException", b'{"message":"Too many requests"}') == THROTTLED


@pytest.mark.parametrize("at", range(1, len(DELTA + THROTTLED)))
def test_any_split_gives_the_same_messages(at: int) -> None:
    whole = DELTA + THROTTLED
    assert read(whole[:at], whole[at:]) == read(whole)


def test_byte_by_byte() -> None:
    whole = DELTA + THROTTLED + DELTA
    assert read(*[bytes((byte,)) for byte in whole]) == read(whole)


@pytest.mark.parametrize("at", range(len(DELTA)))
def test_any_flipped_bit_is_noticed(at: int) -> None:
    broken = bytearray(DELTA)
    broken[at] ^= 0x10
    with pytest.raises(UpstreamInvalid):
        read(bytes(broken) + DELTA)


def framed(total: int, headers: int) -> bytes:
    lengths = pack(">II", total, headers)
    return lengths + pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (0, 0), (16, 1), (eventstream.LARGEST + 1, 0), (eventstream.LARGEST, eventstream.LARGEST_HEADERS + 1)],
)
def test_lengths_that_cannot_be_are_refused_before_anything_is_kept(total: int, headers: int) -> None:
    with pytest.raises(UpstreamInvalid):
        read(framed(total, headers))


def test_the_largest_message_is_taken() -> None:
    payload = bytes(eventstream.LARGEST - 16)
    assert read(message({}, payload))[0].payload == payload


def test_every_header_type_is_passed_over() -> None:
    block = b"".join(
        b"\x01" + bytes((65 + kind,)) + bytes((kind,)) + value
        for kind, value in enumerate(
            (b"", b"", b"1", b"22", b"4444", b"88888888", b"\x00\x02ab", b"\x00\x03str", b"88888888", b"1" * 16)
        )
    )
    body = pack(">II", 16 + len(block), len(block))
    body += pack(">I", crc32(body)) + block
    assert read(body + pack(">I", crc32(body)))[0].headers == {"H": "str"}


@pytest.mark.parametrize(
    "block", [b"\x05ab", b"\x01a", b"\x01a\x07\x00", b"\x01a\x07\x00\x05abc", b"\x01a\x0a", b"\x01a\x05123"]
)
def test_headers_that_end_too_soon_are_refused(block: bytes) -> None:
    body = pack(">II", 16 + len(block), len(block))
    body += pack(">I", crc32(body)) + block
    with pytest.raises(UpstreamInvalid):
        read(body + pack(">I", crc32(body)))


def test_known_header_blocks_are_bounded() -> None:
    reader = Reader()
    for number in range(1000):
        assert reader.feed(event(f"kind{number}", b"{}"))[0].headers[":event-type"] == f"kind{number}"
    assert len(reader._known) <= 64


def test_nothing_is_kept_of_what_was_read() -> None:
    reader = Reader()
    reader.feed(DELTA + DELTA[:7])
    assert len(reader._buffer) == 7
    assert not reader.at_boundary
    reader.feed(DELTA[7:])
    assert reader.at_boundary


pieces = st.lists(
    st.one_of(
        st.binary(max_size=64),
        st.sampled_from([DELTA, THROTTLED, DELTA[:40], framed(20, 0), framed(16, 0)]),
        st.builds(
            message, st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3), st.binary(max_size=40)
        ),
    ),
    max_size=8,
)


def outcome(chunks: list[bytes]) -> tuple[list[Message], bool]:
    reader, found = Reader(), []
    try:
        for chunk in chunks:
            for one in reader.feed(chunk):
                found.append(one)
            if reader.failure is not None:
                return found, True
    except TollwayError:
        return found, True
    return found, False


@settings(max_examples=300, deadline=None)
@given(pieces, st.data())
def test_random_bytes_raise_nothing_else_and_splits_change_nothing(chunks: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    split = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]
    bytewise = [whole[at : at + 1] for at in range(len(whole))]
    assert outcome(split) == outcome([whole]) == outcome(bytewise)
