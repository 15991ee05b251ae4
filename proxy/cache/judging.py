"""Is a complete answer with status 200 one to keep? Only what ended by itself, said something, and depends on nothing but its request.

It is asked after the answer has left, and reads no more of it than it must. What it does not know it does not keep.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
from msgspec import Raw, Struct

from ..wire.sse import Framer
from ..wire.values import UNREADABLE
from .fitness import chat, messages, responses
from .fitness.telling import telling
from .fitness.verdicts import NOTHING, Unfit, given


class _Judge(Protocol):
    def __call__(self, body: bytes, *, tools: bool) -> Unfit:
        """Of a whole JSON answer."""


class _StreamJudge(Protocol):
    def __call__(self, payloads: Sequence[bytes], *, tools: bool) -> Unfit:
        """Of a whole stream's payloads."""


class _Vector(Struct, frozen=True, gc=False):
    embedding: Raw


class _Embeddings(Struct, frozen=True, gc=False):
    data: list[_Vector]
    error: Raw = NOTHING


_decode_embeddings = msgspec.json.Decoder(_Embeddings).decode


def unfit(endpoint: str, form: Literal["json", "events", "vector"], body: bytes, *, tools: bool) -> Unfit:
    """Why ``body``, a complete answer as the client received it, is not to be kept; "": it is fit. ``tools``: are calls of tools kept?"""
    if form == "json":
        judge = _JSON.get(endpoint)
        return judge(body, tools=tools) if judge is not None else "unreadable"
    reader = _EVENTS.get(endpoint) if form == "events" else None
    if reader is None:
        return "unreadable"
    body = telling(body)
    framer = Framer(limit=len(body))
    payloads = framer.feed(body) + framer.close()
    return reader([payload for payload in payloads if payload], tools=tools)


def _unfit_vectors(body: bytes, *, tools: bool) -> Unfit:
    try:
        found = _decode_embeddings(body)
    except UNREADABLE:
        return "unreadable"
    if given(found.error):
        return "error"
    return "" if found.data and all(given(vector.embedding) for vector in found.data) else "empty"


_JSON: dict[str, _Judge] = {
    "chat": chat.unfit_json,
    "completions": chat.unfit_json,
    "responses": responses.unfit_json,
    "messages": messages.unfit_json,
    "embeddings": _unfit_vectors,
}
_EVENTS: dict[str, _StreamJudge] = {
    "chat": chat.unfit_events,
    "completions": chat.unfit_events,
    "responses": responses.unfit_events,
    "messages": messages.unfit_events,
}
