"""A good answer of each provider, whole and streamed, as the pieces that a fault can be put between."""

import json
from typing import Any

from tests.contract.corpus.exchange import dump, frame

PROVIDERS = ("anthropic", "gemini", "bedrock", "cohere", "together")
MODELS = {
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "cohere": "command-a-03-2025",
    "together": "m",
}
TEXT = "Far — über 1 km."
PIECES = ("Far — ", "über", " 1 km.")


def whole(provider: str, *, usage: Any = None, finish: str | None = None) -> dict[str, Any]:
    """The whole answer. ``usage``: two figures in place of the usual ones; ``finish``: another reason."""
    into, out = usage or (9, 4)
    match provider:
        case "anthropic":
            return {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": TEXT}],
                "stop_reason": finish or "end_turn", "stop_sequence": None, "usage": {"input_tokens": into, "output_tokens": out},
            }  # fmt: skip
        case "gemini":
            content = {"role": "model", "parts": [{"text": TEXT}]}
            return {
                "candidates": [{"content": content, "finishReason": finish or "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": into, "candidatesTokenCount": out, "totalTokenCount": 13},
            }  # fmt: skip
        case "bedrock":
            return {
                "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}}, "stopReason": finish or "end_turn",
                "usage": {"inputTokens": into, "outputTokens": out, "totalTokens": 13}, "metrics": {"latencyMs": 1},
            }  # fmt: skip
        case "cohere":
            message = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
            counted = {"tokens": {"input_tokens": into, "output_tokens": out}}
            return {"id": "1", "message": message, "finish_reason": finish or "COMPLETE", "usage": counted}
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": finish or "stop"}
    figures = {"prompt_tokens": into, "completion_tokens": out, "total_tokens": 13}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": figures}


def event(provider: str, payload: dict[str, Any], *, named: bool = True) -> bytes:
    """One event of a stream, as the provider frames it."""
    if provider == "bedrock":
        ((kind, body),) = payload.items()
        return frame(kind, body)
    name = f"event: {payload['type']}\n" if named and provider in ("anthropic", "cohere") else ""
    return name.encode() + b"data: " + dump(payload) + (b"\r\n\r\n" if provider == "gemini" else b"\n\n")


def events(provider: str, *, usage: Any = None, finish: str | None = None) -> list[dict[str, Any]]:
    """The events of the stream: the text is in those at 2, 3 and 4."""
    _, out = usage or (9, 4)
    last = whole(provider, usage=usage, finish=finish)
    match provider:
        case "anthropic":
            return [
                {"type": "message_start", "message": {**last, "content": [], "stop_reason": None}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in PIECES),
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": finish or "end_turn"}, "usage": {"output_tokens": out}},
                {"type": "message_stop"},
            ]  # fmt: skip
        case "gemini":
            found: list[dict[str, Any]] = [
                {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}]}
                for text in ("", "", *PIECES)
            ]
            return [*found, {**last, "candidates": [{"finishReason": finish or "STOP", "index": 0}]}]
        case "bedrock":
            return [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": ""}}},
                *({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": piece}}} for piece in PIECES),
                {"contentBlockStop": {"contentBlockIndex": 0}},
                {"messageStop": {"stopReason": finish or "end_turn"}},
                {"metadata": {"usage": last["usage"], "metrics": {"latencyMs": 1}}},
            ]  # fmt: skip
        case "cohere":
            return [
                {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}},
                {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
                *({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}} for piece in PIECES),
                {"type": "content-end", "index": 0},
                {"type": "message-end", "delta": {"finish_reason": finish or "COMPLETE", "usage": last["usage"]}},
            ]  # fmt: skip
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[Any] = [
        {"role": "assistant", "content": ""},
        {"content": ""},
        *({"content": piece} for piece in PIECES),
    ]
    found = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [
        *found, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish or "stop"}]},
        {**head, "choices": [], "usage": last["usage"]},
    ]  # fmt: skip


def ends(provider: str) -> bytes:
    """What follows the last event."""
    return b"data: [DONE]\n\n" if provider == "together" else b""


def kind(provider: str, *, stream: bool) -> str:
    """The content type."""
    if not stream:
        return "application/json"
    return "application/vnd.amazon.eventstream" if provider == "bedrock" else "text/event-stream"


def streamed(provider: str, **changes: Any) -> bytes:
    """The whole stream."""
    return b"".join([event(provider, one) for one in events(provider, **changes)]) + ends(provider)


def of_path(path: str) -> str:
    """Whose request this is."""
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return "gemini"
    if "/converse" in path:
        return "bedrock"
    return {"/v1/messages": "anthropic", "/v2/chat": "cohere"}.get(path, "together")


def error_object(provider: str) -> dict[str, Any]:
    """An error in the provider's own shape."""
    told = {"message": "The mill is closed."}
    match provider:
        case "anthropic":
            return {"type": "error", "error": {"type": "api_error", **told}}
        case "gemini":
            return {"error": {"code": 500, "status": "INTERNAL", **told}}
        case "together":
            return {"error": {"type": "server_error", **told}}
    return told


def indented(document: Any) -> bytes:
    """JSON over many lines."""
    return json.dumps(document, indent=2).encode()
