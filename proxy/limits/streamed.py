"""What the bytes of a stream generated: whole server-sent events to their text, and what cannot be read to a guess."""

import re
from collections.abc import Callable, Iterator

import msgspec

from ..wire.endpoints import Dialect
from ..wire.sse import Framer
from ..wire.stream import MessageReader, StreamEvent, read_chunk, read_response_event
from ..wire.values import UNREADABLE

BYTES_PER_TOKEN = 4
"""Of what cannot be read: tokens are guessed from bytes."""

HEAD = 2048
"""Bytes of an event too large to be read that say what it is."""

FRAMING = len(b"data:\n\n")
"""Bytes around a payload, at least."""

_BOUNDARY = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_FIELDS = (b"data", b":", b"event:", b"id:", b"retry:")
_NOT_TEXT = (b";base64,", b'"audio"', b'"b64_json"')
_NOTHING = read_chunk(b"")
"""What a reader makes of bytes that are not what they should be: always this very object."""


def first_boundary(data: bytes, start: int) -> int:
    """Offset after the first whole event from ``start`` on, 0 when there is none."""
    return next(boundaries(data, start, len(data)), 0)


def boundaries(data: bytes, start: int, end: int) -> Iterator[int]:
    """Offsets after each whole event in ``data[start:end]``, whatever its line ends."""
    if b"\r" in data:
        yield from (found.end() for found in _BOUNDARY.finditer(data, start, end))
        return
    while (at := data.find(b"\n\n", start, end)) >= 0:
        start = at + 2
        yield start


def last_boundary(data: bytes, start: int, end: int) -> int:
    """Offset after the last whole event in ``data[start:end]``, 0 when there is none."""
    end = min(end, len(data))
    if data.endswith(b"\n\n", start, end):
        return end
    at = data.rfind(b"\n\n", start, end)
    if b"\r" in data:
        at = max(at, data.rfind(b"\n\r\n", start, end) + 1, data.rfind(b"\r\r", start, end))
    return at + 2 if at > 0 else 0


class StreamedText:
    """Reads whole events of one stream. Roles, usage, ends, comments and audio generate nothing.

    ``envelope``: bytes that an event with text had around it, at least; 0 before the first.
    """

    __slots__ = ("_dialect", "_framer", "_read", "envelope")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._framer = Framer()
        self._read = _reader(dialect)
        self.envelope = 0

    def text_of(self, events: bytes) -> tuple[str, int]:
        """The text of whole events, and tokens guessed for what among them cannot be read."""
        # A final CR could be half of a CRLF to the framer; here the event is known to be whole.
        payloads = self._framer.feed(events + b"\n" if events.endswith(b"\r") else events)
        read, envelope = self._read, self.envelope
        texts = []
        strange = 0
        for payload in payloads:
            event = read(payload)
            text = event.text
            if text:
                texts.append(text)
                around = len(payload) + FRAMING - len(text)
                if around < envelope or not envelope:
                    envelope = around
            elif payload and self._strange(payload, event):
                strange += len(payload)
        self.envelope = max(0, envelope)
        if b"" in payloads:
            strange += _garbage(events)
        return "".join(texts), -(-strange // BYTES_PER_TOKEN)

    def text_of_last(self, event: bytes) -> tuple[str, int]:
        """The same for an event that the end of the stream left without its blank line."""
        return self.text_of(event.rstrip(b"\r\n") + b"\n\n")

    def carries_text(self, head: bytes) -> bool:
        """May an event that begins so, and is too large to be read, have generated text?"""
        head = head[:HEAD]
        if any(mark in head for mark in _NOT_TEXT):
            return False
        if self._dialect in ("responses", "events"):
            return b".delta" in head and b"audio" not in head
        return self._dialect != "messages" or b"content_block_" in head or b'"type"' not in head

    def _strange(self, payload: bytes, event: StreamEvent) -> bool:
        """Is this payload without text one that nobody here can read?"""
        if self._dialect == "opaque":
            return not event.finished and event.usage is None
        if event is not _NOTHING:
            return False
        return self._dialect != "messages" or not _is_json(payload)


def _reader(dialect: Dialect) -> Callable[[bytes], StreamEvent]:
    if dialect == "messages":
        return MessageReader()
    return read_response_event if dialect in ("responses", "events") else read_chunk


def _is_json(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except UNREADABLE:
        return False
    return True


def _garbage(events: bytes) -> int:
    """Bytes of lines that are no field of an event and no comment."""
    return sum(len(line) for line in events.splitlines() if line and not line.startswith(_FIELDS))
