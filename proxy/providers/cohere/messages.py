"""Chat messages as Cohere's: system messages anywhere, text beside tool calls as ``tool_plan``, reasoning as a content item."""

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, items, obj, objects, text
from .response import DIALECT, arguments_of

_COMMON = frozenset(("role", "content"))
_ASSISTANT = _COMMON | {
    "tool_calls", "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "provider_blocks", "refusal",
    "annotations",
}  # fmt: skip
"""``annotations`` repeat what ``provider_blocks`` hold, and mean nothing to any model."""
_TOOL = _COMMON | {"tool_call_id", "name"}
"""A tool's ``name`` stands in the call that ``tool_call_id`` points to."""


def messages_of(value: Json, ask: Ask) -> list[Json]:
    """The conversation. Raises ``InvalidRequest`` for what is no conversation."""
    if not isinstance(value, list) or not value:
        raise InvalidRequest("messages must be a list of at least one message.", param="messages")
    found: list[Json] = []
    for index, item in enumerate(value):
        message = obj(item)
        role = message.get("role")
        if role == "user":
            found.append({"role": "user", "content": _spoken(message, index, ask, images=True)})
            _note_rest(message, _COMMON, ask)
        elif role in ("system", "developer"):
            found.append({"role": "system", "content": _spoken(message, index, ask, images=False)})
            _note_rest(message, _COMMON, ask)
        elif role == "assistant":
            said = _assistant(message, ask)
            if said is not None:
                found.append(said)
        elif role == "tool":
            found.append(_result(message, index, ask))
        else:
            raise InvalidRequest(
                "A message's role must be system, developer, user, assistant or tool.", param=f"messages[{index}].role"
            )
    return found


def _spoken(message: JsonObject, index: int, ask: Ask, *, images: bool) -> Json:
    """Content of a message that must have some."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = _parts(content, ask, images=images)
    if not parts:
        taken = "text and images" if images else "text"
        raise InvalidRequest(
            f"This message has no content that the provider takes: {taken}.", param=f"messages[{index}].content"
        )
    return parts


def _parts(content: Json, ask: Ask, *, images: bool, documents: bool = False) -> list[Json]:
    found: list[Json] = []
    for item in items(content):
        part = {"type": "text", "text": item} if isinstance(item, str) else obj(item)
        kind = part.get("type")
        if kind == "text":
            found.append({"type": "text", "text": text(part.get("text"))})
        elif kind == "image_url" and images:
            image = part.get("image_url")
            found.append({"type": "image_url", "image_url": {"url": image} if isinstance(image, str) else image})
        elif kind == "document" and documents:
            found.append({"type": "document", "document": part.get("document")})
        elif images:
            raise InvalidRequest(
                f"Cohere cannot read content parts of type {text(kind)[:100]!r}; send text or image_url parts.",
                param="messages",
                code="unsupported_content_part",
            )
        else:
            ask.notes.drop(f"messages[].content[].{text(kind)[:64] or 'type'}")
        if "cache_control" in part:
            ask.notes.drop("messages[].content[].cache_control")
    return found


def _assistant(message: JsonObject, ask: Ask) -> JsonObject | None:
    """The model's own turn; ``None`` for one that says nothing."""
    said = _text_of(message, ask)
    thought = _reasoning_of(message, ask)
    calls = _calls(message.get("tool_calls"), ask)
    _note_rest(message, _ASSISTANT, ask)
    found: JsonObject = {"role": "assistant"}
    content: list[Json] = [{"type": "thinking", "thinking": thought}] if thought else []
    if calls:
        found["tool_calls"] = calls
        if said:
            found["tool_plan"] = said
        if content:
            found["content"] = content
    elif content:
        found["content"] = [*content, {"type": "text", "text": said}] if said else content
    elif said:
        found["content"] = said
    else:
        return None
    citations = _citations(message.get("provider_blocks"), ask)
    if citations:
        found["citations"] = citations
    return found


def _text_of(message: JsonObject, ask: Ask) -> str:
    """What was said, a refusal included: Cohere has no place of its own for it."""
    content = message.get("content")
    said = content if isinstance(content, str) else ""
    for part in objects(content):
        kind = part.get("type")
        if kind in ("text", "refusal"):
            said += text(part.get(kind))
        else:
            ask.notes.drop(f"messages[].content[].{text(kind)[:64] or 'type'}")
        if "cache_control" in part:
            ask.notes.drop("messages[].content[].cache_control")
    return said or text(message.get("refusal"))


def _reasoning_of(message: JsonObject, ask: Ask) -> str:
    """Reasoning of an earlier turn. A model that does not reason is not shown any."""
    thought = text(message.get("reasoning_content")) or text(message.get("reasoning"))
    blocks = objects(message.get("thinking_blocks"))
    if not thought:
        thought = "".join(text(block.get("thinking")) for block in blocks)
    if not thought:
        thought = "".join(text(detail.get("text")) for detail in objects(message.get("reasoning_details")))
    if any(block.get("type") == "redacted_thinking" for block in blocks):
        ask.notes.drop("messages[].thinking_blocks[].redacted_thinking")
    if thought and ask.info is not None and not ask.info.reasoning:
        ask.notes.drop("messages[].reasoning_content")
        return ""
    return thought


def _calls(value: Json, ask: Ask) -> list[Json]:
    found: list[Json] = []
    for call in objects(value):
        if call.get("type", "function") != "function":
            ask.notes.drop(f"messages[].tool_calls[].{text(call.get('type'))[:64]}")
            continue
        if "extra_content" in call:
            ask.notes.drop("messages[].tool_calls[].extra_content")
        function = obj(call.get("function"))
        named: JsonObject = {
            "name": text(function.get("name")), "arguments": arguments_of(function.get("arguments"))
        }  # fmt: skip
        found.append({"id": text(call.get("id")), "type": "function", "function": named})
    return found


def _citations(value: Json, ask: Ask) -> list[Json]:
    """Citations that Cohere gave for this turn; other blocks do not travel back."""
    found: list[Json] = []
    for kept in objects(value):
        block = obj(kept.get("block"))
        if kept.get("type") == DIALECT and block.get("type") == "citation":
            found.append(block.get("citation"))
        else:
            ask.notes.drop("messages[].provider_blocks")
    return found


def _result(message: JsonObject, index: int, ask: Ask) -> JsonObject:
    ident = text(message.get("tool_call_id"))
    if not ident:
        raise InvalidRequest(
            "A tool message must name the call it answers in tool_call_id.", param=f"messages[{index}].tool_call_id"
        )
    content = message.get("content")
    result: Json = content if isinstance(content, str) else _parts(content, ask, images=False, documents=True)
    _note_rest(message, _TOOL, ask)
    return {"role": "tool", "tool_call_id": ident, "content": result or ""}


def _note_rest(message: JsonObject, known: frozenset[str], ask: Ask) -> None:
    if message.keys() <= known:
        return
    for name, value in message.items():
        if name not in known and value is not None:
            ask.notes.drop(f"messages[].{name[:64]}")
