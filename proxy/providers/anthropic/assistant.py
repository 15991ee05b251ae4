"""Earlier answers as Anthropic gave them: thinking with its signature first, then text and server tools in their places, then calls."""

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, count, object_in, objects, text
from .blocks import DIALECT, redacted, thought
from .content import Parts

_CUSTOM_INPUT = "input"
"""The only argument of a tool that takes free text."""


def assistant_blocks(message: JsonObject, parts: Parts, ask: Ask) -> list[JsonObject]:
    """Every block but the calls. Reasoning without Anthropic's signature cannot be sent: it would be refused."""
    thinking = thinking_of(message) if "thinking_blocks" in message or "reasoning_details" in message else []
    if not thinking and message.get("reasoning_content"):
        ask.notes.drop("messages[].reasoning_content")
    for name in ("audio", "images"):
        if message.get(name):
            ask.notes.drop(f"messages[].{name}")
    content = message.get("content")
    if not content and message.get("refusal"):
        content = message["refusal"]
    if "provider_blocks" in message:
        entries = objects(message["provider_blocks"])
        own = [entry for entry in entries if entry.get("type") == DIALECT and isinstance(entry.get("block"), dict)]
        if len(own) < len(entries):
            ask.notes.drop("messages[].provider_blocks")
        if own:
            return _placed(thinking, content, own, parts)
    texts = _texts(content, parts, ask)
    return thinking + texts if thinking else texts


def _texts(content: Json, parts: Parts, ask: Ask) -> list[JsonObject]:
    if not isinstance(content, list):
        return parts.blocks(content)
    kept: list[Json] = [part for part in objects(content) if part.get("type") in ("text", "refusal", "output_text")]
    if len(kept) < len(content):
        ask.notes.drop("messages[].content")
    return parts.blocks(kept)


def thinking_of(message: JsonObject) -> list[JsonObject]:
    """Signed thinking, from ``thinking_blocks`` or OpenRouter's ``reasoning_details``, byte for byte."""
    found = []
    for block in objects(message.get("thinking_blocks")):
        if block.get("type") == "thinking" and text(block.get("signature")):
            found.append(thought(text(block.get("thinking")), text(block["signature"])))
        elif block.get("type") == "redacted_thinking" and text(block.get("data")):
            found.append(redacted(text(block["data"])))
    if found:
        return found
    for detail in objects(message.get("reasoning_details")):
        kind, made = detail.get("type"), text(detail.get("format"))
        if made and not made.startswith("anthropic"):
            continue
        if kind == "reasoning.text" and text(detail.get("signature")):
            found.append(thought(text(detail.get("text")), text(detail["signature"])))
        elif kind == "reasoning.encrypted" and made and text(detail.get("data")):
            found.append(redacted(text(detail["data"])))
    return found


def _placed(thinking: list[JsonObject], content: Json, entries: list[JsonObject], parts: Parts) -> list[JsonObject]:
    """Text, thinking and native blocks in the order they had: an entry knows its index and how much text came before it."""
    said = content if isinstance(content, str) else "".join(text(part.get("text")) for part in objects(content))
    found: list[JsonObject] = []
    waiting = list(thinking)
    done = 0
    for entry in sorted(entries, key=_index):
        index, block = _index(entry), entry["block"]
        at = count(entry.get("at"))
        if at is None:
            at = len(said) if index > len(thinking) else 0
        piece = said[done : max(at, done)]
        free = index - len(found) - (1 if piece.strip() else 0)
        if free > 0:
            found += waiting[:free]
            del waiting[:free]
        found += parts.blocks(piece)
        done = max(at, done)
        assert isinstance(block, dict)
        if block.get("type") == "text":
            cited = text(block.get("text"))
            if not cited or said[done : done + len(cited)] != cited:
                continue
            done += len(cited)
        found.append(block)
    return found + waiting + parts.blocks(said[done:])


def _index(entry: JsonObject) -> int:
    return count(entry.get("index")) or 0


def calls_of(message: JsonObject, ask: Ask) -> list[JsonObject]:
    """The calls of a message as ``{id, name, input}``: functions, free-text tools, and the one of the old ``function_call``."""
    found = []
    for call in objects(message.get("tool_calls")):
        function = call.get("function")
        custom = call.get("custom")
        if isinstance(function, dict):
            made = _call(text(call.get("id")), function, ask)
        elif isinstance(custom, dict):
            made = {"id": text(call.get("id")), "name": text(custom.get("name"))}
            made["input"] = {_CUSTOM_INPUT: text(custom.get("input"))}
        else:
            continue
        if isinstance(call.get("cache_control"), dict):
            made["cache_control"] = call["cache_control"]
        found.append(made)
    old = message.get("function_call")
    if not found and isinstance(old, dict):
        found.append(_call("", old, ask))
    return found


def _call(ident: str, function: JsonObject, ask: Ask) -> JsonObject:
    given = function.get("arguments")
    arguments = given if isinstance(given, dict) else None
    if isinstance(given, str) and given and not given.isspace():
        arguments = object_in(given.encode("utf-8", "replace"))
        if arguments is None:
            ask.notes.rewrite("messages[].tool_calls[].function.arguments")
    return {"id": ident, "name": text(function.get("name")), "input": arguments or {}}
