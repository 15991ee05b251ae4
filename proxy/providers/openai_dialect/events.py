"""Cuts an event stream into whole events and keeps each one's own bytes, so that those that are right leave as they came."""

import re

from msgspec import Struct

LIMIT = 16 * 1024 * 1024
"""Bytes of one unfinished event that are kept (images in base64 are the large ones); a larger one is handed on in pieces, unread."""

_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class Event(Struct, frozen=True, gc=False):
    """One event. ``raw``: its bytes with its blank line; ``data``: the joined ``data`` lines; ``kind``: its ``event`` line."""

    raw: bytes
    data: bytes
    kind: bytes = b""


class Cutter:
    """Fed with arbitrary byte splits; what it gives back joined is what it was fed."""

    __slots__ = ("_edge", "_parts", "_size", "_skipping")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._edge = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes."""
        if self._parts:
            seen = self._edge + data
            if not _has_boundary(seen):
                return self._keep(data)
            data = b"".join((*self._parts, data))
            self._parts.clear()
            self._size = 0
        if b"\r" in data:
            return self._slowly(data)
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        if rest:
            self._keep(rest)
        return [
            Event(block + b"\n\n", block[6:])
            if block[:6] == b"data: " and b"\n" not in block and not self._skipping
            else self._event(block, b"\n\n")
            for block in blocks
        ]

    def close(self) -> list[Event]:
        """What a missing final blank line left open."""
        rest = b"".join(self._parts)
        self._parts.clear()
        return [self._event(rest, b"")] if rest else []

    def _keep(self, data: bytes) -> list[Event]:
        self._parts.append(data)
        self._size += len(data)
        self._edge = (self._edge + data)[-3:] if len(data) < 3 else data[-3:]
        if self._size <= LIMIT:
            return []
        piece = b"".join(self._parts)
        # The last bytes stay: a blank line may be half there.
        self._parts = [piece[-3:]]
        self._size = 3
        self._skipping = True
        return [Event(piece[:-3], b"")]

    def _slowly(self, data: bytes) -> list[Event]:
        """Any mix of line ends. A final CR waits, because an LF may belong to it."""
        found: list[Event] = []
        at = 0
        for blank in _BLANK.finditer(data):
            if blank.end() == len(data) and data.endswith(b"\r"):
                break
            found.append(self._event(data[at : blank.start()], blank[0]))
            at = blank.end()
        if at < len(data):
            found += self._keep(data[at:])
        return found

    def _event(self, block: bytes, end: bytes) -> Event:
        raw = block + end
        if self._skipping:
            self._skipping = False
            return Event(raw, b"")
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines, kind = [], b""
        for line in block.removeprefix(_BOM).split(b"\n"):
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                kind = line[6:].strip()
        return Event(raw, b"\n".join(lines), kind)


def _has_boundary(data: bytes) -> bool:
    return b"\n\n" in data or (b"\r" in data and _BLANK.search(data) is not None)


def end_of(raw: bytes) -> bytes:
    """The blank line that an event made in place of ``raw`` ends with."""
    return b"\r\n\r\n" if raw.endswith(b"\r\n\r\n") else b"\n\n"
