"""Collects an event stream up to its next blank line: an image is one event of several megabytes.

The framer bounds what it keeps of an unfinished event to less than that, so it is given finished ones.
"""

LIMIT = 64 * 1024 * 1024
"""Bytes that are kept."""


class Finished:
    """``full``: more than ``LIMIT`` bytes have come without a blank line."""

    __slots__ = ("_edge", "_held", "_size", "full")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._edge = b""
        self._size = 0
        self.full = False

    def feed(self, data: bytes) -> bytes:
        """Everything up to the last blank line; empty while there is none."""
        if not self._held and data.endswith((b"\r\n\r\n", b"\n\n")):
            return data
        seen = self._edge + data
        lines, mixed = seen.rfind(b"\n\n"), seen.rfind(b"\n\r\n")
        end = max(lines + 2 if lines >= 0 else 0, mixed + 3 if mixed >= 0 else 0) - len(self._edge)
        if end <= 0:
            self._keep(data)
            return b""
        whole = b"".join((*self._held, data[:end]))
        self._held, self._edge, self._size = [], b"", 0
        self._keep(data[end:])
        return whole

    def close(self) -> bytes:
        """What is left."""
        return b"".join(self._held)

    def _keep(self, data: bytes) -> None:
        if data:
            self._size += len(data)
            self._edge = (self._edge + data)[-2:]
            self._held.append(data)
            self.full = self._size > LIMIT
