"""Why an answer ended: every provider's word for it in OpenAI's five."""

from typing import Literal

Finish = Literal["stop", "length", "tool_calls", "content_filter", "error"]
"""``error`` never reaches a client as a finish reason: the provider failed in the middle of its answer."""

REASONS: dict[str, Finish] = {
    **dict.fromkeys(
        ("stop", "eos", "eos_token", "end_turn", "complete", "stop_sequence", "completed", "finish_reason_stop", "done"),
        "stop",
    ),
    **dict.fromkeys(
        (
            "length", "max_tokens", "model_length", "incomplete", "max_output_tokens", "model_context_window_exceeded",
            "compaction", "error_limit", "max_length",
        ),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call", "tool_call"), "tool_calls"),
    **dict.fromkeys(
        (
            "content_filter", "sensitive", "safety", "refusal", "content_filtered", "guardrail_intervened", "recitation",
            "blocklist", "prohibited_content", "spii", "image_safety", "image_prohibited_content", "image_recitation",
            "escalation", "model_armor", "language", "error_toxic",
        ),
        "content_filter",
    ),
    **dict.fromkeys(("error", "network_error", "insufficient_system_resource", "abort", "timeout"), "error"),
}  # fmt: skip
"""Reasons in lower case. Sources: the dialects' references; unknown ones become ``stop`` and are kept beside it."""


def finish_of(native: str, *, called: bool) -> Finish:
    """OpenAI's finish reason for a provider's; ``called``: did the answer contain a client-side tool call?"""
    reason = REASONS.get(native.lower(), "stop")
    return "tool_calls" if called and reason == "stop" else reason
