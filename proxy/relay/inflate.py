"""A side copy of a compressed answer, decompressed only to be looked at, bounded so that a bomb costs nothing."""

import zlib
from collections.abc import Callable

try:
    import brotli
except ImportError:  # the extra `brotli`
    brotli = None

LIMIT = 16 * 1024 * 1024
"""Decompressed bytes that are looked at; past that the answer passes unseen."""

Decompress = Callable[[bytes, int], bytes]
"""Compressed bytes and how many decompressed ones are still wanted. Raises ``ValueError`` or its kin for bad data."""


def _decompress(encoding: bytes) -> Decompress | None:
    """One answer's decompressor; ``None`` for an encoding that cannot be read here."""
    if encoding in (b"gzip", b"x-gzip", b"deflate"):
        # 32 + 15: the window's full size, gzip or zlib told by the header.
        return zlib.decompressobj(wbits=47).decompress
    if encoding == b"br" and brotli is not None:
        process = brotli.Decompressor().process
        return lambda data, wanted: bytes(process(data, output_buffer_limit=wanted))
    return None


class Inflater:
    """Decompresses gzip, deflate and, with the extra, brotli; ``blind`` once the text cannot be known.

    ``broken``: that is for what came: bad data, or more of it than is looked at.
    """

    __slots__ = ("_decompress", "_left", "blind", "broken")

    def __init__(self, encoding: bytes) -> None:
        self._decompress = _decompress(encoding)
        self._left = LIMIT
        self.blind = self._decompress is None
        self.broken = False

    @classmethod
    def for_encoding(cls, encoding: bytes | None) -> "Inflater | None":
        """``None`` for an answer that is not compressed."""
        if encoding is None or encoding.strip().lower() in (b"", b"identity"):
            return None
        return cls(encoding.strip().lower())

    def limit(self, most: int) -> None:
        """Looks at no more than ``most`` decompressed bytes in all. Before the first are fed."""
        self._left = min(self._left, most)

    def feed(self, data: bytes) -> bytes:
        """What ``data`` adds, decompressed; nothing once blind."""
        if self.blind or not data or self._decompress is None:
            return b""
        try:
            plain = self._decompress(data, self._left)
        except _BAD_DATA:
            self.blind = self.broken = True
            return b""
        self._left -= len(plain)
        if self._left <= 0:
            self.blind = self.broken = True
        return plain


_BAD_DATA: tuple[type[Exception], ...] = (zlib.error, ValueError, *((brotli.error,) if brotli is not None else ()))
