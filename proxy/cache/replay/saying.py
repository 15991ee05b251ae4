"""What an answer says: the text that its reader sees, refusals, and the tools that it calls. Thoughts are left out."""

from ...protocols import CacheEntry
from ...wire.values import Json, JsonObject, obj, objects, text
from .plain import plain
from .reading import SenselessError, written


def said(entry: CacheEntry) -> str:
    """The same for both forms of one answer, its parts a line each; "" for what is no answer of a known dialect."""
    try:
        whole = plain(entry)
        parts = _DIALECTS[entry.endpoint](whole)
    except (SenselessError, KeyError, RecursionError):
        return ""
    return "\n".join([part for part in parts if part])


def _chat(whole: JsonObject) -> list[str]:
    found: list[str] = []
    for choice in objects(whole.get("choices")):
        message = obj(choice.get("message"))
        found += [_content(message.get("content")), text(message.get("refusal"))]
        found.append(text(obj(message.get("audio")).get("transcript")))
        found += _called(message.get("function_call"))
        for call in objects(message.get("tool_calls")):
            found += _called(call.get("function") or call.get("custom"))
    return found


def _content(content: Json) -> str:
    """Text, or the text parts of a content that is a list."""
    return text(content) or "".join([text(part.get("text")) for part in objects(content)])


def _called(body: Json) -> list[str]:
    called = obj(body)
    return [text(called.get("name")), text(called.get("arguments")) or text(called.get("input"))]


def _completions(whole: JsonObject) -> list[str]:
    return [text(choice.get("text")) for choice in objects(whole.get("choices"))]


def _responses(whole: JsonObject) -> list[str]:
    found: list[str] = []
    for item in objects(whole.get("output")):
        if item.get("type") == "message":
            found += [text(part.get("text")) or text(part.get("refusal")) for part in objects(item.get("content"))]
        else:
            found += _called(item)
    return found


def _messages(whole: JsonObject) -> list[str]:
    found: list[str] = []
    for block in objects(whole.get("content")):
        found.append(text(block.get("text")))
        if block.get("input") is not None:
            found += [text(block.get("name")), written(block["input"]).decode()]
    return found


_DIALECTS = {"chat": _chat, "completions": _completions, "responses": _responses, "messages": _messages}
