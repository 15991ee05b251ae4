"""Responses: completed, with nothing missing, refused or run by the provider."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from ...wire.sse import DONE
from ...wire.values import UNREADABLE
from .verdicts import NOTHING, Unfit, given

_CALLS = frozenset(("function_call", "custom_tool_call", "local_shell_call", "apply_patch_call"))
"""Items that ask the client to run something."""

_ENDS: dict[str, Unfit] = {"response.failed": "error", "error": "error", "response.incomplete": "length"}


class _Part(Struct, frozen=True, gc=False):
    type: str = ""
    text: Raw = NOTHING


class _Item(Struct, frozen=True, gc=False):
    type: str = "message"
    status: str | None = None
    content: list[_Part] | None = None


class _Details(Struct, frozen=True, gc=False):
    reason: str | None = None


class _Response(Struct, frozen=True, gc=False):
    status: str | None = None
    error: Raw = NOTHING
    incomplete_details: _Details | None = None
    output: list[_Item] | None = None


class _Event(Struct, frozen=True, gc=False):
    type: str = ""
    response: Raw = NOTHING


_decode = msgspec.json.Decoder(_Response).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def unfit_json(body: bytes, *, tools: bool) -> Unfit:
    """Of a whole answer."""
    try:
        response = _decode(body)
    except UNREADABLE:
        return "unreadable"
    if given(response.error) or response.status == "failed":
        return "error"
    if response.status != "completed" or response.incomplete_details is not None:
        reason = response.incomplete_details.reason if response.incomplete_details is not None else None
        return "content_filter" if reason == "content_filter" else "length" if reason is not None else "cut"
    something = False
    for item in response.output or ():
        wrong = _judged(item, tools=tools)
        if wrong:
            return wrong
        something = something or item.type in _CALLS or any(given(part.text) for part in _spoken(item))
    return "" if something else "empty"


def _spoken(item: _Item) -> Sequence[_Part]:
    """What of an item is said to the user: reasoning is not."""
    return (item.content or ()) if item.type == "message" else ()


def _judged(item: _Item, *, tools: bool) -> Unfit:
    if item.status not in (None, "completed"):
        return "cut"
    if item.type in _CALLS:
        return "" if tools else "tools"
    if item.type not in ("message", "reasoning"):
        return "live_tools"
    return "refusal" if any(part.type == "refusal" for part in item.content or ()) else ""


def unfit_events(payloads: Sequence[bytes], *, tools: bool) -> Unfit:
    """Of a whole stream's payloads: its last event holds the whole answer."""
    whole: Raw | None = None
    try:
        for payload in payloads:
            if payload.strip() == DONE:
                continue
            event = _decode_event(payload)
            if event.type in _ENDS:
                return _ENDS[event.type]
            whole = event.response if event.type == "response.completed" else None
    except UNREADABLE:
        return "unreadable"
    return unfit_json(bytes(whole), tools=tools) if whole is not None else "cut"
