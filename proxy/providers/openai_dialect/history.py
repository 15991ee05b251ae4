"""Message members that only the hub or some providers know: which ones travel to a provider, and how they are spelt there."""

from collections.abc import Collection

from ...translation.ask import Ask
from ...wire.values import JsonObject, objects

EXTENSIONS = frozenset(
    """reasoning_content reasoning reasoning_details thinking_blocks provider_blocks annotations images native_finish_reason
    cache_control extra_content is_error""".split()
)
"""Members of a message that OpenAI's own API does not take; many providers refuse a message with one."""

_QUIET = frozenset(("annotations", "native_finish_reason", "reasoning", "is_error"))
"""They say again what stands elsewhere, or concern the answer alone."""


def without_extensions(messages: list[JsonObject], ask: Ask, *, keep: Collection[str] = ()) -> list[JsonObject]:
    """``messages`` without extension members other than ``keep``, of parts and tool calls too; the very list when there are none."""
    found = [_stripped(message, ask, keep) for message in messages]
    return found if any(new is not old for new, old in zip(found, messages, strict=True)) else messages


def _stripped(message: JsonObject, ask: Ask, keep: Collection[str]) -> JsonObject:
    for name in message.keys() & EXTENSIONS:
        if name in keep:
            continue
        if name not in _QUIET and message[name]:
            ask.notes.drop(f"messages[].{name}")
        message = {key: value for key, value in message.items() if key != name}
    for member in ("content", "tool_calls"):
        parts = message.get(member)
        if isinstance(parts, list):
            cleaned = [_plain_part(part, ask, keep) if isinstance(part, dict) else part for part in parts]
            if any(new is not old for new, old in zip(cleaned, parts, strict=True)):
                message = {**message, member: [*cleaned]}
    return message


def _plain_part(part: JsonObject, ask: Ask, keep: Collection[str]) -> JsonObject:
    lost = (part.keys() & {"cache_control", "extra_content"}) - set(keep)
    if not lost:
        return part
    if "cache_control" in lost:
        ask.notes.drop("cache_control")
    return {key: value for key, value in part.items() if key not in lost}


def plain_tools(tools: list[JsonObject], ask: Ask, *, keep: Collection[str] = ()) -> list[JsonObject]:
    """Tools without the hub's members; the very list when they have none."""
    found = [_plain_part(tool, ask, keep) for tool in tools]
    return found if any(new is not old for new, old in zip(found, tools, strict=True)) else tools


def echoed(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
    """Reasoning of the hub as OpenRouter takes it back: ``reasoning_details``, with signatures."""
    return [_echoed(message) for message in messages]


def _echoed(message: JsonObject) -> JsonObject:
    blocks = objects(message.get("thinking_blocks"))
    if not blocks or message.get("reasoning_details"):
        return message
    details: list[JsonObject] = []
    for at, block in enumerate(blocks):
        detail: JsonObject = {"format": "anthropic-claude-v1", "index": at}
        if block.get("type") == "redacted_thinking":
            detail |= {"type": "reasoning.encrypted", "data": block.get("data")}
        else:
            detail |= {"type": "reasoning.text", "text": block.get("thinking"), "signature": block.get("signature")}
        details.append(detail)
    kept = {name: value for name, value in message.items() if name != "thinking_blocks"}
    return {**kept, "reasoning_details": [*details]}
