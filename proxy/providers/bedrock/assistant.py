"""Earlier answers as Converse gave them: reasoning with its signature first, then text and native blocks in their places, then calls."""

from ...wire.values import Json, JsonObject, count, obj, object_in, objects, text
from .blocks import NATIVE
from .content import blocks_of
from .draft import Draft


def assistant_blocks(message: JsonObject, draft: Draft) -> list[JsonObject]:
    """Every block but the calls."""
    thinking = _thinking(message, draft)
    for name in ("audio", "images"):
        if message.get(name):
            draft.notes.drop(f"messages[].{name}")
    content = message.get("content")
    if not content and message.get("refusal"):
        content = message["refusal"]
    if isinstance(content, list):
        kept: list[Json] = [part for part in objects(content) if part.get("type") in ("text", "refusal", "output_text")]
        if len(kept) < len(content):
            draft.notes.drop("messages[].content")
        content = kept
    entries = _native(message, draft)
    if not entries:
        return thinking + blocks_of(content, draft)
    return thinking + _placed(content, entries, draft)


def _thinking(message: JsonObject, draft: Draft) -> list[JsonObject]:
    """Reasoning that its maker signed. Unsigned reasoning, or another maker's, would be refused."""
    signed = [block for block in _signed(message) if draft.family.thinking == "claude"]
    if not signed:
        for name in ("thinking_blocks", "reasoning_details", "reasoning_content"):
            if message.get(name):
                draft.notes.drop(f"messages[].{name}")
                break
    return signed


def _signed(message: JsonObject) -> list[JsonObject]:
    found: list[JsonObject] = []
    for block in objects(message.get("thinking_blocks")):
        if block.get("type") == "thinking" and text(block.get("signature")):
            found.append(_thought(text(block.get("thinking")), text(block["signature"])))
        elif block.get("type") == "redacted_thinking" and text(block.get("data")):
            found.append({"reasoningContent": {"redactedContent": block["data"]}})
    if found:
        return found
    for detail in objects(message.get("reasoning_details")):
        made = text(detail.get("format"))
        if made and not made.startswith("anthropic"):
            continue
        if detail.get("type") == "reasoning.text" and text(detail.get("signature")):
            found.append(_thought(text(detail.get("text")), text(detail["signature"])))
        elif detail.get("type") == "reasoning.encrypted" and made and text(detail.get("data")):
            found.append({"reasoningContent": {"redactedContent": detail["data"]}})
    return found


def _thought(said: str, signature: str) -> JsonObject:
    return {"reasoningContent": {"reasoningText": {"text": said, "signature": signature}}}


def _native(message: JsonObject, draft: Draft) -> list[tuple[int, JsonObject]]:
    """Blocks that this provider gave, with the number of characters before each; those of citations are in the text already."""
    found: list[tuple[int, JsonObject]] = []
    for entry in objects(message.get("provider_blocks")):
        block = obj(entry.get("block"))
        if entry.get("type") != NATIVE or not block or "start" in block or "deltas" in block:
            draft.notes.drop("messages[].provider_blocks")
        elif "citationsContent" not in block:
            found.append((count(entry.get("at")) or 0, block))
    return found


def _placed(content: Json, entries: list[tuple[int, JsonObject]], draft: Draft) -> list[JsonObject]:
    said = content if isinstance(content, str) else "".join(text(part.get("text")) for part in objects(content))
    found: list[JsonObject] = []
    done = 0
    for at, block in entries:
        found += blocks_of(said[done : max(at, done)], draft)
        found.append(block)
        done = max(at, done)
    return found + blocks_of(said[done:], draft)


def calls_of(message: JsonObject, draft: Draft) -> list[tuple[str, str, JsonObject, Json]]:
    """The calls of a message: (id, public name, input, cache_control)."""
    found: list[tuple[str, str, JsonObject, Json]] = []
    for call in objects(message.get("tool_calls")):
        function, custom = call.get("function"), call.get("custom")
        ident = text(call.get("id"))
        if isinstance(function, dict):
            name = text(function.get("name"))
            found.append((ident, name, _input(function.get("arguments"), draft), call.get("cache_control")))
        elif isinstance(custom, dict):
            given: JsonObject = {"input": text(custom.get("input"))}
            found.append((ident, text(custom.get("name")), given, call.get("cache_control")))
    old = message.get("function_call")
    if not found and isinstance(old, dict):
        found.append(("", text(old.get("name")), _input(old.get("arguments"), draft), None))
    return found


def _input(given: Json, draft: Draft) -> JsonObject:
    """Arguments as the object that Converse demands."""
    if isinstance(given, dict):
        return given
    if not isinstance(given, str) or not given or given.isspace():
        return {}
    found = object_in(given.encode("utf-8", "replace"))
    if found is None:
        draft.notes.rewrite("messages[].tool_calls[].function.arguments")
    return found or {}
