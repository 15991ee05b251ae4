"""The last user turn of a request: the one part in which a question may be worded otherwise and still be the same."""

from msgspec import Struct

from ..wire.values import Json, JsonObject

_TEXT = ("text", "input_text")
"""Types of parts that are text: of chat and messages, of responses."""

_CONVERSATION = {"chat": "messages", "messages": "messages", "responses": "input"}
"""Endpoint, by name, to the member that holds its messages."""


class Turn(Struct, frozen=True):
    """``text`` of the turn; ``rest``: the whole request with "" in its place; ``count`` messages there are."""

    text: str
    rest: JsonObject
    count: int


def last_turn(endpoint: str, document: JsonObject) -> Turn | str:
    """Of a request to this endpoint (by name), or why there is none: ``no_user_turn``, ``not_text``."""
    if endpoint == "completions":
        return _alone("prompt", document)
    member = _CONVERSATION.get(endpoint)
    if member is None:
        return "no_user_turn"
    messages = document.get(member)
    if member == "input" and isinstance(messages, str):
        return _alone(member, document)
    if not (isinstance(messages, list) and messages and isinstance(last := messages[-1], dict)):
        return "no_user_turn"
    if last.get("role") != "user" or last.get("type", "message") != "message":
        return "no_user_turn"
    found = _without_text(last.get("content"))
    if found is None:
        return "not_text"
    text, content = found
    return Turn(text, {**document, member: [*messages[:-1], {**last, "content": content}]}, len(messages))


def _alone(member: str, document: JsonObject) -> Turn | str:
    """A prompt that is one string."""
    text = document.get(member)
    if not (isinstance(text, str) and text.strip()):
        return "not_text"
    return Turn(text, {**document, member: ""}, 1)


def _without_text(content: Json) -> tuple[str, Json] | None:
    """(its text, the same with "" for each text); ``None`` where anything else is in it, or no word."""
    if isinstance(content, str):
        return (content, "") if content.strip() else None
    if not isinstance(content, list):
        return None
    texts, parts = list[str](), list[Json]()
    for part in content:
        if not (isinstance(part, dict) and part.get("type") in _TEXT and isinstance(said := part.get("text"), str)):
            return None
        texts.append(said)
        parts.append({**part, "text": ""})
    text = "\n".join(texts)
    return (text, parts) if text.strip() else None
