"""The form of a virtual key: ``sk-tw-``, 160 random bits, and a checksum that tells a typo from a key that is unknown.

Scanners for leaked secrets find one with ``sk-tw-[0-9A-Za-z]{33}`` and the checksum.
"""

import hmac
import re
import secrets
import zlib

PREFIX = "sk-tw-"
RANDOM_BITS = 160
RANDOM_DIGITS = 27
"""Base 62 digits that hold ``RANDOM_BITS``."""
CHECK_DIGITS = 6
"""Base 62 digits that hold a CRC-32."""
LENGTH = len(PREFIX) + RANDOM_DIGITS + CHECK_DIGITS

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_DIGITS + CHECK_DIGITS}}}")


def new_key() -> str:
    """A key nobody has. It is shown once; only its ``digest`` and its ``hint`` are kept."""
    body = PREFIX + _base62(secrets.randbits(RANDOM_BITS), RANDOM_DIGITS)
    return body + _checksum(body)


def well_formed(text: str) -> bool:
    """Is this a key that ``new_key`` could have made: prefix, length, alphabet and checksum?"""
    return _FORM.fullmatch(text) is not None and text[-CHECK_DIGITS:] == _checksum(text[:-CHECK_DIGITS])


def looks_alike(text: str) -> bool:
    """Does it begin as our keys do, so that a wrong checksum means a typo?"""
    return text.startswith(PREFIX)


def hint(text: str) -> str:
    """What may be shown of a key, to tell it from others: ``sk-tw-ab…wxyz``."""
    shown = len(PREFIX) + 2
    return f"{text[:shown]}…{text[-4:]}"


def digest(pepper: bytes, key: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes; the only form in which keys are kept. The same as ``wire.mac`` has it, where many are made of one pepper."""
    return hmac.digest(pepper, key, "sha256")


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECK_DIGITS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
