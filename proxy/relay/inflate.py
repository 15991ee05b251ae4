"""A side copy of a compressed answer, decompressed only to be looked at, bounded so that a bomb costs nothing."""

import zlib

LIMIT = 16 * 1024 * 1024
"""Decompressed bytes that are looked at; past that the answer passes unseen."""


class Inflater:
    """Decompresses gzip and deflate; ``blind`` when the encoding or the data cannot be read, and the text stays unknown."""

    __slots__ = ("_inflate", "_left", "blind")

    def __init__(self, encoding: bytes) -> None:
        self.blind = encoding not in (b"gzip", b"x-gzip", b"deflate")
        self._left = LIMIT
        self._inflate = zlib.decompressobj(wbits=47)

    @classmethod
    def for_encoding(cls, encoding: bytes | None) -> "Inflater | None":
        """``None`` for an answer that is not compressed."""
        if encoding is None or encoding.strip().lower() in (b"", b"identity"):
            return None
        return cls(encoding.strip().lower())

    def feed(self, data: bytes) -> bytes:
        """What ``data`` adds, decompressed; nothing once blind."""
        if self.blind or not data:
            return b""
        try:
            plain = self._inflate.decompress(data, self._left)
        except zlib.error:
            self.blind = True
            return b""
        self._left -= len(plain)
        if self._left <= 0:
            self.blind = True
        return plain
