"""Edits that the configuration asks for, cut into the original bytes; nothing is decoded and encoded again."""

from functools import lru_cache

import msgspec
import orjson
from msgspec import Struct

from .members import Member, find, members
from .values import UNREADABLE

_FIRST = b'{"model":'
_WORD = b'"model"'

_TAIL = 64 * 1024
"""Bytes at the end of a body in which its model is looked for, before its members are told apart from the first."""

_INCLUDE = b'"stream_options":{"include_usage":true}'


def replace(body: bytes, member: Member, value: bytes) -> bytes:
    """``body`` with the value of ``member`` replaced."""
    return b"".join((body[: member.start], value, body[member.end :]))


class _Rest(Struct):
    model: str


_rest = msgspec.json.Decoder(_Rest)


def with_model(body: bytes, model: str, named: str | None = None) -> bytes:
    """``body`` naming ``model``; a body without the member is returned as it is. ``named``: the name it was decoded to have."""
    if named is not None:
        start, started = _beginning(named, model)
        if body.startswith(start):
            return started + body[len(start) :]
        at = len(_FIRST) if body.startswith(_FIRST) else _place_of_model(body, named)
        if body[at : at + 1] == b" ":
            at += 1
        written = start[len(_FIRST) :]
        if at and body.startswith(written, at):
            return b"".join((body[:at], started[len(_FIRST) :], body[at + len(written) :]))
    member = find(body, b"model")
    return body if member is None else replace(body, member, orjson.dumps(model))


@lru_cache(maxsize=1024)
def _beginning(named: str, model: str) -> tuple[bytes, bytes]:
    """How a body begins that says first whom it asks, and how it shall begin."""
    return _FIRST + msgspec.json.encode(named), _FIRST + msgspec.json.encode(model)


def _place_of_model(body: bytes, named: str) -> int:
    """Where the value stands behind its colon, if it is one of the last members; 0: the members have to tell."""
    word = body.rfind(_WORD, -_TAIL)
    colon = word + len(_WORD)
    # Such a quote begins a key, and what is an object from here to the end is the rest of the document's own.
    if word < 1 or body[word - 1] == 0x5C or body[colon : colon + 1] != b":":
        return 0
    try:
        return colon + 1 if _rest.decode(b"{" + body[word:]).model == named else 0
    except UNREADABLE:
        return 0


def with_usage(body: bytes, *, absent: bool = False) -> bytes:
    """``body`` asking for the usage chunk: ``stream_options.include_usage`` is true. ``absent``: it is known to have no such options."""
    # A key may also be spelt with \\uXXXX for its letters.
    certain = absent or (b'"stream_options"' not in body and b"\\u00" not in body)
    options = None if certain else find(body, b"stream_options")
    if options is None:
        return _with_member(body, _INCLUDE)
    if body[options.start] != 0x7B:
        return replace(body, options, b'{"include_usage":true}')
    inner = body[options.start : options.end]
    flag = next((m for m in members(inner) if m.key == b"include_usage"), None)
    changed = _with_member(inner, b'"include_usage":true') if flag is None else replace(inner, flag, b"true")
    return replace(body, options, changed)


def _with_member(data: bytes, member: bytes) -> bytes:
    """``data`` (an object) with ``member`` put last, so that everything before it stays where it was."""
    end = data.rindex(b"}")
    comma = b"" if data[:end].rstrip().endswith(b"{") else b","
    return b"".join((data[:end], comma, member, data[end:]))
