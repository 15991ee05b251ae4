"""What processes tell each other about their vectors, sealed: whatever was not written so by one of them, and whole, is not believed."""

import hmac
from hashlib import sha256
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from ..embedders.unit import LARGEST, Floats, units

VERSION = 1
MAC = 16
"""Bytes."""

LARGEST_MESSAGE = 1024 * 1024
"""Bytes; more was not written by us."""

_LABEL = b"tollway semantic message "


class Message(Struct, frozen=True, array_like=True, kw_only=True):
    """``row``: a question was stored; ``vector``: a row's vector; ``forget``: a row; ``purge``: those of a key or an account, or all."""

    version: int = VERSION
    origin: bytes
    """Of the process."""
    kind: Literal["row", "vector", "forget", "purge"]
    partition: bytes = b""
    key: bytes = b""
    signature: bytes = b""
    text: bytes = b""
    """UTF-8, with lone surrogates as they are."""
    tenant: str = ""
    expires: float = 0.0
    embedder: str = ""
    vector: bytes = b""
    """16-bit floats: a cosine differs by less than 0.001."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def sealed(secret: bytes, message: Message) -> bytes:
    """As it is stored."""
    payload = _encode(message)
    return _mac(secret, payload) + payload


def opened(secret: bytes, stored: bytes) -> Message | str:
    """The message, or why it is none: ``corrupt``, ``version``."""
    payload = stored[MAC:]
    if len(stored) > LARGEST_MESSAGE or not hmac.compare_digest(_mac(secret, payload), stored[:MAC]):
        return "corrupt"
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return "version"  # sealed by one of us, in another shape
    return message if message.version == VERSION else "version"


def packed(vector: Floats) -> bytes:
    """A vector, as it travels."""
    return np.asarray(vector).astype("<f2").tobytes()


def unpacked(travelled: bytes) -> Floats:
    """The vector, of length 1. Raises ``EmbedderFailed`` for what is none."""
    numbers = np.frombuffer(travelled[: 2 * LARGEST + 2], dtype="<f2") if len(travelled) % 2 == 0 else ()
    row: Floats = units([numbers], count=1)[0]
    return row


def _mac(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, _LABEL + payload, sha256)[:MAC]
