"""Which ids an answer hands out: read along the paths that the table gives, nowhere else, so that what a client had echoed is not taken."""

import re
from collections.abc import Iterator, Sequence

from ..wire.values import Json, object_in
from .google import name_in
from .naming import LONGEST

_ESCAPE = re.compile(rb"\\u00([2-7][0-9a-fA-F])")

STREAMED = ("response", "item", "session", "thread", "call")
"""Members of a stream's event that hold an object of the kind that a whole answer is."""

TELLING = (
    b"response.created",
    b"response.queued",
    b"response.output_item.",
    b"response.completed",
    b"response.incomplete",
    b"response.failed",
    b"thread.",
    b"session.created",
    b"message_start",
    b"message_delta",
    b"chat.completion",
    b"interaction",
)
"""What an event contains that may hand out an id; deltas of text contain none of it."""


def made_in(document: Json, paths: Sequence[str], collection: str = "") -> list[str]:
    """The ids at ``paths`` (``id``, ``output[].id``, ``result_files[]``), each once, Google's names as they are owned."""
    found: dict[str, None] = {}
    for path in paths:
        for value in _at(document, path.split(".")):
            ident = _owned_as(value, path, collection)
            if ident is not None:
                found[ident] = None
    return list(found)


def _owned_as(value: Json, path: str, collection: str) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
        return None
    if not collection:
        return value
    return f"{collection}/{value}" if path == "id" else name_in(value)


def _at(node: Json, path: Sequence[str]) -> Iterator[Json]:
    if not path:
        yield node
        return
    name, every, _ = path[0].partition("[]")
    value = node.get(name) if isinstance(node, dict) else None
    for inner in (value if isinstance(value, list) else []) if every else [value]:
        yield from _at(inner, path[1:])


def streamed_in(payload: bytes, paths: Sequence[str]) -> list[str]:
    """The ids that one event of a stream hands out: its own object, or one under a member of it."""
    if not any(mark in payload for mark in TELLING):
        return []
    document = object_in(payload)
    if document is None:
        return []
    found: dict[str, None] = {}
    kind = document.get("object")
    if isinstance(kind, str) and kind.startswith(("thread", "chat.completion")):
        # A stream that is translated from chat to another dialect hands out nothing that its provider keeps.
        chat = any(path.startswith("choices") for path in paths)
        if chat or kind.startswith("thread"):
            found |= dict.fromkeys(made_in(document, (*paths, "choices[].delta.audio.id")))
    for name in STREAMED:
        inner = document.get(name)
        if isinstance(inner, dict):
            found |= dict.fromkeys(made_in(inner, ("id", "container_id") if name == "item" else paths))
    container = document.get("message", document.get("delta"))
    if "container.id" in paths and isinstance(container, dict):
        found |= dict.fromkeys(made_in(container, ("container.id",)))
    return list(found)


def without_echo(idents: Sequence[str], said: bytes) -> list[str]:
    """``idents`` but for those that the request itself named: nobody comes to own an object by mentioning it."""
    if b"\\u00" in said:
        said += _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), said)
    return [ident for ident in idents if ident.encode("utf-8", "surrogatepass") not in said]
