"""An answer as it lies in a shared store: sealed, so that what was changed, cut off, moved to another key or made by another version
is known for what it is before anything of it is used.

A head (magic, version, flags, two lengths, a MAC), then the entry in MessagePack, deflated where that is smaller. The MAC is keyed
BLAKE2b (RFC 7693) over head, key and payload.
"""

import zlib
from hashlib import blake2b
from hmac import compare_digest
from struct import Struct as Layout

import msgspec

from ..protocols import CACHE_VERSION, CacheEntry

MAGIC = b"TWC"
DEFLATED = 1
COMPRESSED = 4096
"""Bytes from which on it is tried to make a payload smaller."""

LEVEL = 1
SECRET = 32
"""Bytes of the secret."""

_HEAD = Layout(">3sBBII")
_MAC = 16
HEAD = _HEAD.size + _MAC

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CacheEntry).decode


class Unsealed(Exception):
    """It is not to be used. ``kind``: ``foreign``, ``version``, ``truncated``, ``corrupt`` (changed, moved, or of another secret) or
    ``oversized``."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def packed(entry: CacheEntry) -> bytes:
    """Without the seal."""
    return _encode(entry)


def seal(secret: bytes, key: bytes, raw: bytes) -> bytes:
    """What is stored under ``key``; ``raw`` comes from ``packed``. Takes long for a large one: beside the loop, then."""
    flags, payload = 0, raw
    if len(raw) > COMPRESSED:
        smaller = zlib.compress(raw, LEVEL)
        if len(smaller) < len(raw):
            flags, payload = DEFLATED, smaller
    head = _HEAD.pack(MAGIC, CACHE_VERSION, flags, len(raw), len(payload))
    return b"".join((head, _mac(secret, head, key, payload), payload))


def raw_size(sealed: bytes) -> int:
    """Bytes that it says it has when it is inflated."""
    size: int = _HEAD.unpack_from(sealed)[3] if len(sealed) >= HEAD else 0
    return size


def unseal(secret: bytes, key: bytes, sealed: bytes, *, limit: int) -> CacheEntry:
    """The answer. Raises ``Unsealed``. Nothing above ``limit`` bytes is inflated."""
    if not sealed.startswith(MAGIC):
        raise Unsealed("foreign")
    if len(sealed) < HEAD:
        raise Unsealed("truncated")
    _, version, flags, raw, length = _HEAD.unpack_from(sealed)
    if version != CACHE_VERSION:
        raise Unsealed("version")
    payload = memoryview(sealed)[HEAD:]
    if length > len(payload):
        raise Unsealed("truncated")
    head, mac = sealed[: _HEAD.size], sealed[_HEAD.size : HEAD]
    if not compare_digest(mac, _mac(secret, head, key, payload)):
        raise Unsealed("corrupt")
    if raw > limit:
        raise Unsealed("oversized")
    try:
        return _decode(zlib.decompressobj().decompress(payload, raw) if flags & DEFLATED else payload)
    except (zlib.error, msgspec.MsgspecError):
        raise Unsealed("corrupt") from None


def _mac(secret: bytes, head: bytes, key: bytes, payload: bytes | memoryview) -> bytes:
    mac = blake2b(head, key=secret, digest_size=_MAC, person=b"tollway cache")
    mac.update(key)
    mac.update(payload)
    return mac.digest()
