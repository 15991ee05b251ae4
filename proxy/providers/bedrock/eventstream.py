"""AWS's binary event stream (``application/vnd.amazon.eventstream``): an incremental reader with both checksums, and a writer.

Big-endian: u32 total length, u32 headers length, u32 CRC32 of those, headers, payload, u32 CRC32 of all before it.
"""

from collections.abc import Mapping
from struct import Struct as Layout
from zlib import crc32

from msgspec import Struct

from ...errors import UpstreamInvalid

LARGEST = 16 * 1024 * 1024
"""Bytes of one message, as AWS limits them."""
LARGEST_HEADERS = 128 * 1024

_REMEMBERED = 64
"""Header blocks whose meaning is kept: a stream repeats the same few in every message."""

_PRELUDE = Layout(">III")
_WORD = Layout(">I")
_SHORT = Layout(">H")
_AROUND = 16
"""Bytes of a message besides headers and payload."""

_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Header types whose value has one size: true, false, i8, i16, i32, i64, timestamp, uuid."""
_BYTES, _STRING = 6, 7


class Message(Struct, frozen=True):
    """One message. ``headers`` holds those of type string; the others say nothing that anyone here reads."""

    headers: Mapping[str, str]
    payload: bytes


class Reader:
    """Cuts a byte stream into messages. Never holds more than one message of ``LARGEST`` bytes and the last read."""

    __slots__ = ("_buffer", "_known", "_need", "failure")

    def __init__(self) -> None:
        self.failure: UpstreamInvalid | None = None
        """Why nothing more can be read, where the same read still brought messages before it."""
        self._buffer = bytearray()
        self._known: dict[bytes, Mapping[str, str]] = {}
        self._need = _PRELUDE.size

    @property
    def at_boundary(self) -> bool:
        """Has everything seen so far been whole messages?"""
        return not self._buffer

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. Raises ``UpstreamInvalid`` for what is no event stream, unless messages came before
        it: then ``failure`` is set."""
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need:
            return []
        found: list[Message] = []
        start, end = 0, len(buffer)
        held = bytes(buffer)
        try:
            while end - start >= _PRELUDE.size:
                total, headers = self._prelude(held, start)
                if end - start < total:
                    self._need = total
                    break
                found.append(self._message(held, start, total, headers))
                start += total
                self._need = _PRELUDE.size
        except UpstreamInvalid as error:
            if not found:
                raise
            self.failure = error
        del buffer[:start]
        return found

    def _prelude(self, held: bytes, start: int) -> tuple[int, int]:
        total, headers, checksum = _PRELUDE.unpack_from(held, start)
        if crc32(held[start : start + 8]) != checksum:
            raise _invalid("prelude checksum")
        if not _AROUND <= total <= LARGEST or headers > min(total - _AROUND, LARGEST_HEADERS):
            raise _invalid(f"message of {total} bytes with {headers} bytes of headers")
        return total, headers

    def _message(self, held: bytes, start: int, total: int, headers: int) -> Message:
        end = start + total - 4
        if crc32(held[start:end]) != _WORD.unpack_from(held, end)[0]:
            raise _invalid("message checksum")
        begin = start + _PRELUDE.size
        block = held[begin : begin + headers]
        known = self._known.get(block)
        if known is None:
            known = _headers(block)
            if len(self._known) < _REMEMBERED:
                self._known[block] = known
        return Message(known, held[begin + headers : end])


def _headers(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(block):
        named = at + 1 + block[at]
        if named >= len(block):
            raise _invalid("header cut off")
        kind, start = block[named], named + 1
        size = _FIXED.get(kind)
        if size is None:
            if kind not in (_BYTES, _STRING) or start + 2 > len(block):
                raise _invalid(f"header of type {kind}")
            size = _SHORT.unpack_from(block, start)[0]
            start += 2
        if start + size > len(block):
            raise _invalid("header cut off")
        if kind == _STRING:
            name = block[at + 1 : named].decode("utf-8", "replace")
            found[name] = block[start : start + size].decode("utf-8", "replace")
        at = start + size
    return found


def _invalid(detail: str) -> UpstreamInvalid:
    return UpstreamInvalid("The provider's answer is not a valid event stream.", detail=f"event stream: {detail}")


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message with string headers, as AWS frames it."""
    block = b"".join(
        bytes((len(name.encode()),)) + name.encode() + b"\x07" + _SHORT.pack(len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    lengths = Layout(">II").pack(_AROUND + len(block) + len(payload), len(block))
    body = lengths + _WORD.pack(crc32(lengths)) + block + payload
    return body + _WORD.pack(crc32(body))


def event(name: str, payload: bytes) -> bytes:
    """An event message: ``messageStart``, ``contentBlockDelta`` …"""
    headers = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    return message(headers, payload)


def exception(name: str, payload: bytes) -> bytes:
    """An exception message: ``throttlingException`` …"""
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return message(headers, payload)
