"""Anthropic's content blocks as chat messages and parts. ``cache_control`` stays on what carried it."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, dumps_text, items, obj, objects, text
from ..ask import Ask
from ..carried import private_id
from ..naming import chat_name
from ..results import tool_message
from .thinking import Thoughts

BILLING = "x-anthropic-billing-header"
"""Begins a system block of coding agents that changes with every request and would defeat every prompt cache."""

Content = str | list[Json]


def system_message(content: Json, where: str, ask: Ask) -> JsonObject | None:
    """Instructions; ``None`` when nothing is left of them."""
    if isinstance(content, str):
        return {"role": "system", "content": content} if content and not content.startswith(BILLING) else None
    parts: list[JsonObject] = []
    for block in _blocks(content, where):
        if block.get("type") != "text":
            ask.notes.drop(f"system[].{text(block.get('type'))}")
        elif text(block.get("text")) and not text(block.get("text")).startswith(BILLING):
            parts.append(_text(block))
    if not parts:
        return None
    if any("cache_control" in part for part in parts):
        return {"role": "system", "content": [*parts]}
    return {"role": "system", "content": "\n\n".join([text(part["text"]) for part in parts])}


def user_messages(content: Content, where: str, ask: Ask) -> list[JsonObject]:
    """One message of the user: first a tool message for each result in it, then what else it holds."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results: list[JsonObject] = []
    parts: list[Json] = []
    following: list[Json] = []
    for index, block in enumerate(_blocks(content, where)):
        if block.get("type") == "tool_result":
            made, after = _result(block, f"{where}.content.{index}", ask)
            results.append(made)
            following += after
        else:
            parts += _parts(block, f"{where}.content.{index}", ask)
    parts = following + parts
    if not parts:
        return results or [{"role": "user", "content": ""}]
    only = obj(parts[0])
    told: Json = only["text"] if len(parts) == 1 and only["type"] == "text" and len(only) == 2 else parts
    return [*results, {"role": "user", "content": told}]


def assistant_message(content: Content, where: str, ask: Ask) -> JsonObject:
    """One message of the model."""
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    thoughts = Thoughts()
    parts: list[JsonObject] = []
    calls: list[Json] = []
    native: list[Json] = []
    message: JsonObject = {"role": "assistant", "content": None}
    for index, block in enumerate(_blocks(content, where)):
        kind = block.get("type")
        if kind == "text":
            parts.append(_text(block))
        elif kind in ("thinking", "redacted_thinking"):
            thoughts.add(block)
        elif kind == "tool_use":
            calls.append(_call(block, f"{where}.content.{index}", ask))
        elif text(kind):
            # Tools that the provider ran: only its own dialect has words for them.
            said = sum(len(text(part["text"])) for part in parts)
            native.append({"type": "anthropic", "index": index, "at": said, "block": block})
    if any("cache_control" in part for part in parts):
        message["content"] = [*parts]
    elif parts or not calls:
        message["content"] = "".join([text(part["text"]) for part in parts])
    thoughts.tell(message)
    if calls:
        message["tool_calls"] = calls
    if native:
        message["provider_blocks"] = native
    return message


def _blocks(content: Json, where: str) -> list[JsonObject]:
    found = objects(content)
    if len(found) != len(items(content)):
        raise InvalidRequest(f"{where}.content: every block must be an object.", param=f"{where}.content")
    return found


def _text(block: JsonObject) -> JsonObject:
    return _cached(block, {"type": "text", "text": text(block.get("text"))})


def _cached(block: JsonObject, part: JsonObject) -> JsonObject:
    mark = block.get("cache_control")
    return {**part, "cache_control": mark} if isinstance(mark, dict) else part


def _call(block: JsonObject, where: str, ask: Ask) -> JsonObject:
    ident, extra = private_id(text(block.get("id")))
    name = text(block.get("name"))
    if not ident or not name:
        raise InvalidRequest(f"{where}: a tool_use block needs an id and a name.", param=where)
    call: JsonObject = {
        "id": ident,
        "type": "function",
        "function": {"name": chat_name(name, ask), "arguments": dumps_text(obj(block.get("input")))},
    }
    if extra:
        call["extra_content"] = extra
    return _cached(block, call)


def _result(block: JsonObject, where: str, ask: Ask) -> tuple[JsonObject, list[Json]]:
    ident = private_id(text(block.get("tool_use_id")))[0]
    if not ident:
        raise InvalidRequest(f"{where}.tool_use_id: an id is required.", param=f"{where}.tool_use_id")
    content = block.get("content")
    parts: list[JsonObject] = []
    if isinstance(content, str):
        parts.append({"type": "text", "text": content})
    else:
        for index, inner in enumerate(_blocks(content, where) if content is not None else []):
            parts += objects(_parts(inner, f"{where}.content.{index}", ask))
    if block.get("is_error") is True:
        parts = _failed(parts)
    message, following = tool_message(ident, parts, ask)
    return _cached(block, message), following


def _failed(parts: list[JsonObject]) -> list[JsonObject]:
    """Chat has no flag for a tool that failed: the text says so."""
    if parts and parts[0]["type"] == "text":
        return [{**parts[0], "text": f"Error: {text(parts[0]['text'])}"}, *parts[1:]]
    return [{"type": "text", "text": "Error: "}, *parts]


def _parts(block: JsonObject, where: str, ask: Ask) -> list[Json]:
    kind = block.get("type")
    if kind == "text":
        return [_text(block)]
    if kind == "image":
        return [_cached(block, {"type": "image_url", "image_url": {"url": _image_url(block, where)}})]
    if kind == "document":
        return _document(block, where, ask)
    if kind == "search_result":
        told = [text(block.get("title")), text(block.get("source"))]
        told += [text(inner.get("text")) for inner in objects(block.get("content"))]
        return [_cached(block, {"type": "text", "text": "\n".join([line for line in told if line])})]
    if kind == "tool_reference":
        return [{"type": "text", "text": text(block.get("tool_name"))}]
    ask.notes.drop(f"messages[].content[].{text(kind)}")
    return []


def _image_url(block: JsonObject, where: str) -> str:
    source = obj(block.get("source"))
    if source.get("type") == "base64":
        return f"data:{text(source.get('media_type'))};base64,{text(source.get('data'))}"
    if source.get("type") == "url" and text(source.get("url")):
        return text(source.get("url"))
    raise _unreadable(source, where, "image")


def _document(block: JsonObject, where: str, ask: Ask) -> list[Json]:
    source, title = obj(block.get("source")), text(block.get("title"))
    if obj(block.get("citations")).get("enabled") is True:
        ask.notes.drop("messages[].content[].citations")
    kind = source.get("type")
    context = text(block.get("context"))
    before: list[Json] = [{"type": "text", "text": context}] if context else []
    if kind == "text":
        told = text(source.get("data"))
        return [*before, _cached(block, {"type": "text", "text": f"{title}\n\n{told}" if title else told})]
    if kind == "content":
        inner = source.get("content")
        blocks: list[JsonObject] = [{"type": "text", "text": inner}] if isinstance(inner, str) else objects(inner)
        parts = [part for each in blocks for part in _parts(each, where, ask)]
        named: list[Json] = [{"type": "text", "text": title}] if title else []
        return [*before, *named, *parts]
    if kind == "base64":
        data = f"data:{text(source.get('media_type')) or 'application/pdf'};base64,{text(source.get('data'))}"
        return [
            *before,
            _cached(block, {"type": "file", "file": {"filename": title or "document.pdf", "file_data": data}}),
        ]
    raise _unreadable(source, where, "document")


def _unreadable(source: JsonObject, where: str, what: str) -> InvalidRequest:
    kind = text(source.get("type")) or "missing"
    reason = "is stored with Anthropic" if kind == "file" else "cannot be read by this model"
    return InvalidRequest(
        f"{where}.source: a source of type {kind} {reason}; send the {what} itself in base64.", param=f"{where}.source"
    )
