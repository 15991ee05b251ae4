"""Edits that the configuration asks for, cut into the original bytes; nothing is decoded and encoded again."""

import orjson

from .members import Member, find, members

_INCLUDE = b'"stream_options":{"include_usage":true}'


def replace(body: bytes, member: Member, value: bytes) -> bytes:
    """``body`` with the value of ``member`` replaced."""
    return b"".join((body[: member.start], value, body[member.end :]))


def with_model(body: bytes, model: str) -> bytes:
    """``body`` naming ``model``; a body without the member is returned as it is."""
    member = find(body, b"model")
    return body if member is None else replace(body, member, orjson.dumps(model))


def with_usage(body: bytes) -> bytes:
    """``body`` asking for the usage chunk: ``stream_options.include_usage`` is true."""
    options = find(body, b"stream_options")
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
