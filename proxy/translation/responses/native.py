"""A Responses body for OpenAI itself, where a conversation goes on that another model began.

OpenAI refuses encrypted content that it did not make, and call ids beyond 64 characters.
"""

from ...wire.values import Json, JsonObject, dumps, items, object_in, text
from ..carried import ID_MARK, MARK, private_id

_MARKS = (MARK.encode(), ID_MARK.encode())


def native(body: bytes) -> bytes:
    """The very ``body`` unless it holds such an item: reasoning sealed here is left out, call ids are the provider's own."""
    if not any(mark in body for mark in _MARKS):
        return body
    document = object_in(body)
    given = items(document.get("input")) if document is not None else []
    found: list[Json] = []
    for item in given:
        made = _item(item) if isinstance(item, dict) else item
        if made is not None:
            found.append(made)
    if document is None or (
        len(found) == len(given) and all(new is old for new, old in zip(found, given, strict=True))
    ):
        return body
    return dumps({**document, "input": found})


def _item(item: JsonObject) -> JsonObject | None:
    if item.get("type") == "reasoning" and text(item.get("encrypted_content")).startswith(MARK):
        return None
    shown = text(item.get("call_id"))
    ident = private_id(shown)[0]
    return {**item, "call_id": ident} if ident != shown else item
