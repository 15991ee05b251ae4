"""A body list ``models: [...]``, as OpenRouter has it: names that are tried in order. What we act on does not travel upstream."""

import orjson

from ..wire.chat import RequestView
from ..wire.members import members

_SPACE = b" \t\r\n"


def names_in(request: RequestView) -> tuple[str, ...]:
    """``model``, if it is given, then the list; each name once."""
    first = () if request.model is None else (request.model,)
    return tuple(dict.fromkeys((*first, *(request.models or ()))))


def without_list(body: bytes, model: str | None) -> bytes:
    """``body`` without ``models`` and its companion ``route: "fallback"``, all other bytes as they were.

    ``model``: put first, for a body that named none.
    """
    begin = body.index(b"{") + 1
    kept: list[bytes] = [] if model is None else [b'"model":' + orjson.dumps(model)]
    end = begin
    for member in members(body):
        piece, end = body[end : member.end], member.end
        value = body[member.start : member.end]
        if member.key == b"models" or (member.key == b"route" and value == b'"fallback"'):
            continue
        # Each piece begins with the comma before it, which goes with what stood first.
        bare = piece.lstrip(_SPACE)
        kept.append(bare[1:] if bare.startswith(b",") else piece)
    return b"".join((body[:begin], b",".join(kept), body[end:]))
