"""Server-sent events: an incremental framer fed with arbitrary byte splits. It looks at bytes; it never changes them.

Accepts what upstreams really send: LF, CRLF and CR line ends, a BOM, several ``data`` lines, no space after the colon.
"""

LIMIT = 1024 * 1024
"""Bytes of one unfinished event that are kept; a larger event is skipped up to its end and counted in ``skipped``."""

COMMENT = b": keepalive\n\n"
DONE = b"[DONE]"

_BOM = b"\xef\xbb\xbf"

_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r")


class Framer:
    """Cuts a byte stream into event payloads (the joined ``data`` lines), keeping an unfinished tail for the next read."""

    __slots__ = ("_carriage", "_fresh", "_limit", "_skipping", "_tail", "skipped", "tail_bytes")

    def __init__(self, limit: int | None = None) -> None:
        """``limit``: bytes of one unfinished event that are kept, ``LIMIT`` unless told."""
        self._limit = LIMIT if limit is None else limit
        self._tail = b""
        self._fresh = True
        self._carriage = False
        self._skipping = False
        self.skipped = 0
        self.tail_bytes = b"\n\n"

    @property
    def at_boundary(self) -> bool:
        """Has everything seen so far been whole events? Only here may a comment or an event of ours be inserted."""
        return self.tail_bytes.endswith(_BOUNDARIES)

    @property
    def idle(self) -> bool:
        """Is no event under way, and have all line ends been LF so far?"""
        return not (self._tail or self._fresh or self._carriage or self._skipping)

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the events that ``data`` completes."""
        self.tail_bytes = data[-4:] if len(data) >= 4 else (self.tail_bytes + data)[-4:]
        tail = self._tail
        if tail:
            data = tail + data
        if self._fresh:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._tail = data
                return []
            self._fresh = False
            data = data.removeprefix(_BOM)
        if self._carriage or data.find(b"\r") >= 0:
            data, held = self._without_carriage(data)
        else:
            held = b""
            if data[:6] == b"data: " and data[-2:] == b"\n\n" and not self._skipping:
                # The usual read: whole one-line events. One split does the work of the general path.
                payloads = data[6:-2].split(b"\n\ndata: ")
                # A single byte is found much faster than it is counted.
                if b"".join(payloads).find(b"\n") < 0:
                    self._tail = b""
                    return payloads
        blocks = data.split(b"\n\n")
        rest = blocks.pop() + held
        if self._skipping and blocks:
            self._skipping = False
            del blocks[0]
        if len(rest) > self._limit or self._skipping:
            if not self._skipping:
                self._skipping = True
                self.skipped += 1
            # Enough to recognise a blank line that the next read completes.
            rest = rest[-2:]
        self._tail = rest
        return [
            block[6:] if block.startswith(b"data: ") and b"\n" not in block else _payload(block) for block in blocks
        ]

    def close(self) -> list[bytes]:
        """The event that a missing final blank line left open, if it carries data."""
        tail, self._tail = self._tail, b""
        if self._skipping or not tail:
            return []
        payload = _payload(tail.replace(b"\r", b"\n"))
        return [payload] if payload else []

    def _without_carriage(self, data: bytes) -> tuple[bytes, bytes]:
        """``data`` with LF line ends, and a final CR held back because an LF may follow it."""
        self._carriage = True
        held = b"\r" if data.endswith(b"\r") else b""
        if held:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), held


def _payload(block: bytes) -> bytes:
    """The ``data`` lines of one event joined by LF; empty for comments and bare fields."""
    lines = []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)
