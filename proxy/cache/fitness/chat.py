"""Chat and legacy completions: every choice must have ended by itself, with something said and nothing looked up by the provider."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from ...wire.sse import DONE
from ...wire.values import UNREADABLE
from .verdicts import CALLING, NATURAL, NOTHING, Unfit, ended, given

_NATIVE = (
    NATURAL | CALLING | {"completed", "complete", "eos", "eos_token", "finish_reason_stop", "done", "tool_call", ""}
)
"""A provider's own words, in lower case, beside a finish reason that was made of them."""


class _Message(Struct, frozen=True, gc=False):
    content: Raw = NOTHING
    audio: Raw = NOTHING
    images: Raw = NOTHING
    refusal: Raw = NOTHING
    tool_calls: Raw = NOTHING
    function_call: Raw = NOTHING
    annotations: Raw = NOTHING
    executed_tools: Raw = NOTHING


class _Choice(Struct, frozen=True, gc=False):
    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None
    text: Raw = NOTHING
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    error: Raw = NOTHING


class _Answer(Struct, frozen=True, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw = NOTHING
    error: Raw = NOTHING
    citations: Raw = NOTHING
    search_results: Raw = NOTHING


_decode = msgspec.json.Decoder(_Answer).decode


def unfit_json(body: bytes, *, tools: bool) -> Unfit:
    """Of a whole answer."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        return "unreadable"
    wrong = _marked(answer)
    if wrong:
        return wrong
    # Each choice stands for itself, whatever its index.
    cut, empty = False, not answer.choices
    for choice in answer.choices or ():
        wrong = _wrong(choice, tools)
        if wrong:
            return wrong
        if not choice.finish_reason:
            cut = True
        elif not _speaks(choice):
            empty = True
    return "cut" if cut else "empty" if empty else ""


def unfit_events(payloads: Sequence[bytes], *, tools: bool) -> Unfit:
    """Of a whole stream's payloads; it has to end with ``[DONE]``."""
    if not payloads or payloads[-1].strip() != DONE:
        return "cut"
    try:
        chunks = [_decode(payload) for payload in payloads[:-1]]
    except UNREADABLE:
        return "unreadable"
    for chunk in chunks:
        wrong = _marked(chunk)
        if wrong:
            return wrong
    return _joined([choice for chunk in chunks for choice in chunk.choices or ()], tools)


def _joined(parts: Sequence[_Choice], tools: bool) -> Unfit:
    """Of choices in many parts."""
    said: dict[int, bool] = {}
    finished: set[int] = set()
    for part in parts:
        wrong = _wrong(part, tools)
        if wrong:
            return wrong
        if part.finish_reason:
            finished.add(part.index)
        said[part.index] = said.get(part.index) or _speaks(part)
    if len(finished) < len(said):
        return "cut"
    return "" if said and all(said.values()) else "empty"


def _marked(answer: _Answer) -> Unfit:
    """Of what stands beside the choices."""
    if answer.error is not NOTHING and given(answer.error):
        return "error"
    if answer.choices is None and not given(answer.usage):
        return "unreadable"
    if answer.citations is NOTHING is answer.search_results:
        return ""
    return "live_tools" if given(answer.citations) or given(answer.search_results) else ""


def _wrong(choice: _Choice, tools: bool) -> Unfit:
    """With this part of a choice. Most members are not there at all: that is seen at once."""
    message = choice.message or choice.delta
    if message is not None:
        if message.refusal is not NOTHING and given(message.refusal):
            return "refusal"
        if not (message.annotations is NOTHING is message.executed_tools) and _searched(message):
            return "live_tools"
        if not tools and not (message.tool_calls is NOTHING is message.function_call) and _calls(message):
            return "tools"
    if choice.error is not NOTHING and given(choice.error):
        return "error"
    reason, native = choice.finish_reason, choice.native_finish_reason
    if native is not None and native.lower() not in _NATIVE:
        return ended(native, tools=tools)
    return "" if not reason or reason in NATURAL else ended(reason, tools=tools)


def _speaks(choice: _Choice) -> bool:
    """Does this part of a choice say anything?"""
    message = choice.message or choice.delta
    if message is None:
        return given(choice.text)
    return given(message.content) or _calls(message) or given(message.audio) or given(message.images)


def _calls(message: _Message) -> bool:
    return given(message.tool_calls) or given(message.function_call)


def _searched(message: _Message) -> bool:
    return given(message.annotations) or given(message.executed_tools)
