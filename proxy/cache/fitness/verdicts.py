"""What is wrong with an answer that is not kept, and the words by which providers say how an answer ended."""

from typing import Literal

from msgspec import Raw

Unfit = Literal[
    "",
    "error",
    "unreadable",
    "cut",
    "empty",
    "length",
    "content_filter",
    "refusal",
    "tools",
    "live_tools",
    "finish_reason",
]
"""``cut``: the end is missing; ``tools``: it calls tools, and such answers are not kept; ``live_tools``: the provider ran some;
``finish_reason``: one that is not known to be a natural end."""

NATURAL = frozenset(("stop", "end_turn", "stop_sequence", "eos"))
CALLING = frozenset(("tool_calls", "tool_use", "function_call"))

_LENGTH = frozenset(("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"))
_FILTERED = frozenset(("content_filter", "safety", "sensitive", "recitation", "guardrail_intervened"))

NOTHING = Raw(b"null")
_SAYING_NOTHING = (b"null", b'""', b"[]", b"{}", b"false")
_LONGEST = max(map(len, _SAYING_NOTHING))


def ended(reason: str | None, *, tools: bool) -> Unfit:
    """Of how an answer ended, in the words of its dialect."""
    if reason in NATURAL:
        return ""
    if reason in CALLING:
        return "" if tools else "tools"
    if reason is None:
        return "cut"
    word = reason.lower()
    if word == "refusal":
        return "refusal"
    return "length" if word in _LENGTH else "content_filter" if word in _FILTERED else "finish_reason"


def given(value: Raw) -> bool:
    """Is there anything but ``null``, an empty string, list or object?"""
    return value is not NOTHING and (len(value) > _LONGEST or bytes(value) not in _SAYING_NOTHING)
