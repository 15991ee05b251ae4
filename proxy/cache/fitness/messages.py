"""Anthropic messages: the turn ended, and its blocks are text, thinking or, where they are wanted, calls of the client's tools."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from ...wire.values import UNREADABLE
from .verdicts import NOTHING, Unfit, ended, given

_SILENT = frozenset(("thinking", "redacted_thinking"))


class _Block(Struct, frozen=True, gc=False):
    type: str = ""
    text: Raw = NOTHING


class _Message(Struct, frozen=True, gc=False):
    type: str = "message"
    content: list[_Block] | None = None
    stop_reason: str | None = None
    error: Raw = NOTHING


class _Delta(Struct, frozen=True, gc=False):
    text: Raw = NOTHING
    stop_reason: str | None = None


class _Event(Struct, frozen=True, gc=False):
    type: str = ""
    content_block: _Block | None = None
    delta: _Delta | None = None
    error: Raw = NOTHING


_decode = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def unfit_json(body: bytes, *, tools: bool) -> Unfit:
    """Of a whole answer."""
    try:
        message = _decode(body)
    except UNREADABLE:
        return "unreadable"
    if message.type != "message" or given(message.error):
        return "error"
    wrong = ended(message.stop_reason, tools=tools)
    if wrong:
        return wrong
    something = False
    for block in message.content or ():
        wrong = _judged(block, tools=tools)
        if wrong:
            return wrong
        something = something or block.type == "tool_use" or given(block.text)
    return "" if something else "empty"


def _judged(block: _Block, *, tools: bool) -> Unfit:
    if block.type == "tool_use":
        return "" if tools else "tools"
    # The provider ran something, or said what is not known here.
    return "" if block.type == "text" or block.type in _SILENT else "live_tools"


def unfit_events(payloads: Sequence[bytes], *, tools: bool) -> Unfit:
    """Of a whole stream's payloads; it has to end with ``message_stop``."""
    try:
        events = [_decode_event(payload) for payload in payloads]
    except UNREADABLE:
        return "unreadable"
    something, reason = False, None
    for event in events:
        block, delta = event.content_block, event.delta
        if event.type == "error" or given(event.error):
            return "error"
        if block is not None:
            wrong = _judged(block, tools=tools)
            if wrong:
                return wrong
            something = something or block.type == "tool_use" or given(block.text)
        if delta is not None:
            something = something or given(delta.text)
            reason = delta.stop_reason or reason
    if not events or events[-1].type != "message_stop":
        return "cut"
    return ended(reason, tools=tools) or ("" if something else "empty")
