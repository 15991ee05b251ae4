"""Sealed texts, which only their maker can read: encrypted reasoning and compactions, signatures of thoughts, redacted thinking.

They are found by searching bytes, without decoding anything, and known by a digest of their letters: alike in every dialect, also
where the gateway packs them into a member or an id of the client's own.
"""

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Struct

from .claims import SEAL

SHORTEST = 16
"""Letters of a sealed text; a shorter one is no such thing."""

LONGEST = 1024 * 1024
"""Bytes of one that is cut by reads; a longer one is not known again."""

MOST = 512
"""Sealed texts of a request that are looked up: the latest."""

PACKED = b"tollway1."
"""Begins what the gateway packed into an opaque member (``proxy/translation/carried.py``)."""

IN_IDS = (b"_tw1_", b"__sig__")
"""Parts a tool call's id from what the gateway put there."""

_VALUE = re.compile(rb'\s*:\s*"([A-Za-z0-9+/=_.\-\\]*)("?)')
_REDACTED = re.compile(rb'\s*,\s*"data"\s*:\s*"([A-Za-z0-9+/=_.\-\\]*)("?)')
_REDACTED_BEFORE = re.compile(rb'"data"\s*:\s*"([A-Za-z0-9+/=_.\-\\]+)"\s*,\s*"type"\s*:\s*"redacted_thinking"')
_ID = re.compile(rb"[A-Za-z0-9_\-]*")
_URLSAFE = bytes.maketrans(b"+/", b"-_")

_MARKS = (
    (b'ignature"', _VALUE),
    (b'encrypted_content"', _VALUE),
    (b'redactedContent"', _VALUE),
    (b'redacted_thinking"', _REDACTED),
)
_CARRIER = re.compile(
    rb'"(?:signature|thoughtSignature|thought_signature|encrypted_content|redacted_thinking|redactedContent)"|"(?:tool_call|tool_use|call_id)'
)
_REST = max(len(mark) for mark, _ in _MARKS) - 1
_INCOMPLETE = 64
"""Bytes behind a member's name within which its value must begin."""


class Sealed(Struct, frozen=True):
    """``ident``: what it is remembered as. ``portable``: any key of its provider can read it, as of Anthropic's signatures."""

    ident: str
    portable: bool = False


def carries(body: bytes) -> bool:
    """Could ``body`` hold a sealed text? One search for names behind a quote, which is quick; ids of tool calls may hold one too."""
    return _CARRIER.search(body) is not None


def sealed_in(body: bytes) -> list[str]:
    """What the sealed texts of a request are remembered as, each once, the latest ``MOST``."""
    found = dict.fromkeys(ident for value in _carried(body) for ident in _idents(value))
    return list(found)[-MOST:]


def _carried(body: bytes) -> Iterator[bytes]:
    for mark, pattern in _MARKS:
        at = body.find(mark)
        while at >= 0:
            value = pattern.match(body, at + len(mark))
            if value is not None and value[2]:
                yield value[1]
            at = body.find(mark, at + len(mark))
    if b'redacted_thinking"' in body:
        yield from _REDACTED_BEFORE.findall(body)
    for mark in IN_IDS:
        at = body.find(mark)
        while at >= 0:
            suffix = _ID.match(body, at + len(mark))
            yield (PACKED if mark == IN_IDS[0] else b"") + (suffix[0] if suffix is not None else b"")
            at = body.find(mark, at + len(mark))


def _idents(value: bytes) -> Iterator[str]:
    value = _plain(value)
    if not value.startswith(PACKED):
        if len(value) >= SHORTEST:
            yield _ident(value)
        return
    packed = value[len(PACKED) :].rstrip(b"=")
    try:
        state = urlsafe_b64decode(packed + b"=" * (-len(packed) % 4))
    except (Error, ValueError):
        return
    for inner in _carried(state):
        if len(inner) >= SHORTEST and not inner.startswith(PACKED):
            yield _ident(_plain(inner))


def _plain(value: bytes) -> bytes:
    """Escapes undone: some encoders write a slash or an equals sign as one."""
    if b"\\" not in value:
        return value
    try:
        text = json.loads(b'"' + value + b'"')
    except ValueError:
        return value
    return str(text).encode("utf-8", "surrogatepass")


def _ident(value: bytes) -> str:
    """Either alphabet of base64, with and without its padding."""
    return SEAL + blake2b(value.rstrip(b"=").translate(_URLSAFE), digest_size=16).hexdigest()


class Finder:
    """Finds what an answer seals, however its bytes are cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Sealed]:
        """What ``data`` completes."""
        data = self._rest + data
        keep = max(0, len(data) - _REST)
        found: list[Sealed] = []
        for mark, pattern in _MARKS:
            at = data.find(mark)
            while at >= 0:
                end = at + len(mark)
                value = pattern.match(data, end)
                if value is not None and value[2]:
                    text = _plain(value[1])
                    if len(text) >= SHORTEST:
                        found.append(Sealed(_ident(text), _portable(data, at, mark)))
                elif (value.end() if value is not None else end + _INCOMPLETE) >= len(data):
                    # From the quote before the name, which tells one member from another.
                    keep = min(keep, max(0, at - _REST))
                at = data.find(mark, end)
        self._rest = data[keep:] if len(data) - keep <= LONGEST else b""
        return found


def _portable(data: bytes, at: int, mark: bytes) -> bool:
    """Anthropic documents that any account, on any platform, can read its signatures; nobody says that of the others."""
    return mark.startswith(b"redacted") or data[max(0, at - 2) : at] == b'"s'
