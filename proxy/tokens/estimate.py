"""Tokens from bytes alone, in well under a microsecond a kilobyte: what a request reserves before anything is counted.

Base64 parts are not text: data URLs, audio and files are cut out and stand in with figures of their own.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Struct

Kind = Literal["image", "audio", "file", "elsewhere"]

IMAGE_LIKELY = 1_500
IMAGE_BOUND = 48_200
"""Tokens of the dearest image there is: eight tiles of gpt-4o-mini (2833 + 8 · 5667)."""

ATTACHMENT_LIKELY = 3_000
"""Tokens of a file that is somewhere else, known by its id only."""

MOST_HITS = 2048
"""Keys looked at; beyond that data counts as text, so a body made of such keys costs no time."""

KEY_TO_VALUE = 128
"""Bytes in which an attachment's data follows its key."""


ROOM = 16
"""Tokens of a bound that no byte of the text stands for."""


class TokenEstimate(Struct, frozen=True):
    """``likely``: not less than the tokens of ordinary text and code; ``bound``: not less than those of any text."""

    likely: int
    bound: int


def likely_tokens(size: int) -> int:
    """Two tokens per five bytes: more than prose (4 to 6 bytes a token), source code and JSON (2.5 to 4) need.

    Digits, hexadecimal, base64 and CSV can need up to three per five bytes.
    """
    return -(-size * 2 // 5)


def estimate_text(text: str) -> int:
    """Likely tokens of a text."""
    return likely_tokens(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))


def estimate_prompt(body: bytes) -> TokenEstimate:
    """Tokens of a JSON request body, hardly read. Text has at most one token a byte, which is the bound.

    What a provider adds unseen (stored conversations, hidden tool prompts) is in neither figure.
    """
    size, parts = _text_and_parts(body)
    likely, bound = likely_tokens(size), size + ROOM
    for kind, length in parts:
        data = length * 3 // 4
        if kind == "image":
            likely += IMAGE_LIKELY
            bound += IMAGE_BOUND
        elif kind == "audio":
            # 10 tokens a second: of 8 kB/s (a usual MP3), or of 1 kB/s (the leanest speech codec).
            likely += data // 800
            bound += data // 100
        elif kind == "file":
            likely += data // 4
            bound += data
        else:
            likely += ATTACHMENT_LIKELY
            bound += IMAGE_BOUND
    return TokenEstimate(likely, bound)


class _Part(NamedTuple):
    kind: Kind
    start: int
    stop: int


_Reader = Callable[[bytes, int], _Part | None]
"""Reads the part whose key ends at a place; None if it is no key or no attachment."""


def _text_and_parts(body: bytes) -> tuple[int, list[tuple[Kind, int]]]:
    """Bytes that are not attachments' data, and the kind and base64 characters of each attachment."""
    parts: list[tuple[Kind, int]] = []
    size = len(body)
    hits = after = 0
    # One pass, and none over the base64, which is skipped: several times the speed of a search for each key.
    while hits < MOST_HITS and (found := _KEY_END.search(body, after)):
        hits += 1
        after = found.end()
        read = _READERS.get(body[body.rfind(b'"', found.start() - 6, found.start()) : after])
        part = read(body, after) if read is not None else None
        if part is not None:
            parts.append((part.kind, part.stop - part.start))
            size -= part.stop - part.start
            after = part.stop
    return size, parts


def _read_image(body: bytes, after: int) -> _Part | None:
    place = _value(body, after)
    if place >= 0 and body.startswith(b"{", place):
        key = body.find(b'"url"', place, place + KEY_TO_VALUE)
        place = _value(body, key + 5) if key >= 0 else -1
    if place < 0 or not body.startswith(b'"', place):
        return None
    # An image that lies elsewhere leaves its address in the text.
    return _data(body, place + 1, "image") or _Part("image", place, place)


def _read_audio(body: bytes, after: int) -> _Part | None:
    place = _value(body, after)
    if place < 0 or not body.startswith(b"{", place):
        return None
    key = body.find(b'"data"', place, place + KEY_TO_VALUE)
    place = _value(body, key + 6) if key >= 0 else -1
    if place < 0 or not body.startswith(b'"', place):
        return None
    return _base64(body, place + 1, "audio")


def _read_file(body: bytes, after: int) -> _Part | None:
    place = _value(body, after)
    return _data(body, place + 1, "file") if place >= 0 and body.startswith(b'"', place) else None


def _read_reference(body: bytes, after: int) -> _Part | None:
    return _Part("elsewhere", after, after) if _value(body, after) >= 0 else None


_KEY_END = re.compile(rb'_(?:url|audio|id|data)"')
_READERS: dict[bytes, _Reader] = {
    b'"image_url"': _read_image,
    b'"input_audio"': _read_audio,
    b'"file_data"': _read_file,
    b'"file_id"': _read_reference,
    b'"file_url"': _read_reference,
}
"""A quote inside somebody's text is escaped, so text cannot pass itself off as one of these."""

ATTACHING = frozenset(key[1:-1].decode() for key in _READERS)
"""Names of the members that hold an attachment; a body without them is all text."""

_COLON = re.compile(rb"\s{0,8}:\s{0,8}")


def _value(body: bytes, after: int) -> int:
    """Where the value begins whose key ends at ``after``; -1 if no colon follows."""
    found = _COLON.match(body, after)
    return found.end() if found else -1


def _data(body: bytes, start: int, kind: Kind) -> _Part | None:
    """The base64 of the data URL at ``start``."""
    if not body.startswith(b"data:", start):
        return None
    marker = body.find(b";base64,", start, start + KEY_TO_VALUE)
    return _base64(body, marker + 8, kind) if marker >= 0 else None


def _base64(body: bytes, start: int, kind: Kind) -> _Part | None:
    stop = body.find(b'"', start)
    # Base64 has no spaces; words that are given as data are text all the same.
    return _Part(kind, start, stop) if stop >= 0 and body.find(b" ", start, stop) < 0 else None
