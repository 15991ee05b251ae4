"""A Messages body for Anthropic itself, where a conversation goes on that another model began.

Anthropic refuses thinking that it did not sign: blocks made by this gateway must not reach it.
"""

from ...wire.values import Json, JsonObject, dumps, items, object_in, objects, text
from ..carried import MARK, unseal
from .thinking import ours

_MARK = MARK.encode()


def native(body: bytes) -> bytes:
    """The very ``body`` unless it holds such a block; what was sealed of Claude's own thinking is put back."""
    if _MARK not in body:
        return body
    document = object_in(body)
    messages = items(document.get("messages")) if document is not None else []
    cleaned = [_message(message) if isinstance(message, dict) else message for message in messages]
    if document is None or not any(new is not old for new, old in zip(cleaned, messages, strict=True)):
        return body
    kept: list[Json] = [message for message in cleaned if not isinstance(message, dict) or message.get("content") != []]
    return dumps({**document, "messages": kept})


def _message(message: JsonObject) -> JsonObject:
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return message
    if not any(isinstance(block, dict) and ours(block) for block in content):
        return message
    found: list[Json] = []
    for block in content:
        if isinstance(block, dict) and ours(block):
            state = unseal(text(block.get("signature")) or text(block.get("data"))) or {}
            found += objects(state.get("thinking_blocks"))
        else:
            found.append(block)
    return {**message, "content": found}
