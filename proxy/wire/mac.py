"""HMAC-SHA256 (RFC 2104) of many messages that begin alike: what they share is hashed once."""

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 64


class Mac:
    """The HMAC of what it was begun with and what follows. Copies of the hash's state cost half of the library's own ``hmac``."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, inner: "_Hash", outer: "_Hash") -> None:
        self._inner = inner
        self._outer = outer

    @classmethod
    def of(cls, secret: bytes) -> "Mac":
        """Of the empty message; ``secret`` is one of at most 64 bytes, or is hashed to 32."""
        key = (secret if len(secret) <= _BLOCK else sha256(secret).digest()).ljust(_BLOCK, b"\0")
        return cls(sha256(bytes(byte ^ 0x36 for byte in key)), sha256(bytes(byte ^ 0x5C for byte in key)))

    def begun(self, first: bytes) -> "Mac":
        """The HMAC of ``first`` after what this one was begun with."""
        inner = self._inner.copy()
        inner.update(first)
        return Mac(inner, self._outer)

    def digest(self, rest: bytes) -> bytes:
        """32 bytes: of what it was begun with, and ``rest``."""
        inner = self._inner.copy()
        inner.update(rest)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def framed(*parts: bytes) -> bytes:
    """``parts`` with their lengths, so that no two lists of them join to the same bytes."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])
