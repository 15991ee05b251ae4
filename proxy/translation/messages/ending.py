"""How an answer ends, in Anthropic's words: stop reason and usage. The same for whole answers and streams."""

from ...wire.values import Json, JsonObject, count, obj, objects, text

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}

_NATIVE = frozenset(("stop_sequence", "pause_turn", "model_context_window_exceeded", "refusal"))
"""Anthropic's own reasons that chat has no word for."""


def stop_of(choice: JsonObject, stops: tuple[str, ...], *, called: bool, refusal: str) -> JsonObject:
    """``stop_reason``, ``stop_sequence`` and ``stop_details`` from a choice (or its last chunk)."""
    finish, native = text(choice.get("finish_reason")), text(choice.get("native_finish_reason"))
    reason = _REASONS.get(finish, "end_turn")
    if native in _NATIVE:
        reason = native
    if called and reason == "end_turn":
        # Many hosts say ``stop`` after tool calls; a client that believed it would not run them.
        reason = "tool_use"
    matched = _matched(choice, stops, native)
    if matched is not None and reason == "end_turn":
        reason = "stop_sequence"
    if refusal and reason == "end_turn":
        reason = "refusal"
    details: Json = None
    if reason == "refusal":
        details = {"type": "refusal", "category": None, "explanation": refusal or None}
    return {
        "stop_reason": reason,
        "stop_sequence": matched if reason == "stop_sequence" else None,
        "stop_details": details,
    }


def _matched(choice: JsonObject, stops: tuple[str, ...], native: str) -> str | None:
    """The stop sequence that ended the answer, where the provider names it or there was only one."""
    for name in ("stop_sequence", "stop_reason"):
        if choice.get(name) in stops:
            return text(choice.get(name))
    return stops[0] if native == "stop_sequence" and len(stops) == 1 else None


def usage_of(reported: Json) -> JsonObject:
    """Disjoint classes: what was read from or written to a cache is not in ``input_tokens``. Zeros when none is reported,
    because Anthropic's clients need numbers."""
    usage = obj(reported)
    prompt = count(usage.get("prompt_tokens")) or 0
    details = obj(usage.get("prompt_tokens_details"))
    cached = min(count(details.get("cached_tokens")) or 0, prompt)
    written = min(count(details.get("cache_write_tokens")) or 0, prompt - cached)
    found: JsonObject = {
        "input_tokens": prompt - cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": count(usage.get("completion_tokens")) or 0,
    }
    reasoning = count(obj(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    if reasoning:
        found["output_tokens_details"] = {"thinking_tokens": reasoning}
    return found


def public_text(content: Json) -> str:
    """The text of a content, be it a string or parts."""
    if isinstance(content, list):
        return "".join([text(part.get("text")) for part in content if isinstance(part, dict)])
    return text(content)


def picture(image: JsonObject) -> str:
    """An image that the model made, as text: Anthropic's answers hold none."""
    url = text(obj(image.get("image_url")).get("url"))
    return f"![image]({url})" if url else ""


def citations_of(carried: JsonObject) -> list[JsonObject]:
    """The citations in an item of ``provider_blocks`` that repeats a piece of the text with them."""
    block = obj(carried.get("block"))
    return objects(block.get("citations")) if carried.get("type") == "anthropic" and block.get("type") == "text" else []


def native_block(carried: JsonObject) -> JsonObject | None:
    """The content block in an item of ``provider_blocks``, where it is Anthropic's and no part of another one."""
    block = obj(carried.get("block"))
    kind = text(block.get("type"))
    shown = kind == "server_tool_use" or kind == "container_upload" or kind.endswith("_tool_result")
    return block if carried.get("type") == "anthropic" and shown else None
