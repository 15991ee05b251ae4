"""Signatures on thoughts: the mock takes back only what it issued itself, and every signature is derived."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha256

_SECRET = b"tollway mock: not a secret"
_NONCE = 8


def sign(seed: int, kind: str, text: str) -> str:
    """Return the signature of `text`; it holds a number of its own, so that it can be told apart when text is empty."""
    nonce = seed.to_bytes(_NONCE, "little")
    return b64encode(nonce + _seal(nonce, kind, text)).decode()


def issued(signature: str, kind: str, text: str) -> bool:
    """Say whether the mock signed `text` so; either alphabet of base64 is read."""
    try:
        raw = b64decode(signature.replace("-", "+").replace("_", "/"), validate=True)
    except (Error, ValueError):
        return False
    return hmac.compare_digest(raw[_NONCE:], _seal(raw[:_NONCE], kind, text))


def _seal(nonce: bytes, kind: str, text: str) -> bytes:
    return hmac.digest(_SECRET, nonce + kind.encode() + b"\0" + text.encode("utf-8", "surrogatepass"), sha256)
