"""Chat and legacy completions: every choice must have ended by itself, with something said and nothing looked up by the provider."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw, Struct

from ...wire.sse import DONE
from ...wire.values import UNREADABLE
from .telling import telling
from .verdicts import CALLING, NATURAL, NOTHING, Unfit, ended, given

_NATIVE = (
    NATURAL | CALLING | {"completed", "complete", "eos", "eos_token", "finish_reason_stop", "done", "tool_call", ""}
)
"""A provider's own words, in lower case, beside a finish reason that was made of them."""

_TEXT = b'"content":"'


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


class _Said:
    """What was seen of one choice."""

    __slots__ = ("finished", "something")

    def __init__(self) -> None:
        self.finished = False
        self.something = False


def unfit_json(body: bytes, *, tools: bool) -> Unfit:
    """Of a whole answer."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        return "unreadable"
    # Each choice stands for itself, whatever its index.
    return _marked(answer) or _judged(enumerate(answer.choices or ()), tools=tools)


def unfit_events(payloads: Sequence[bytes], *, tools: bool) -> Unfit:
    """Of a whole stream's payloads; it has to end with ``[DONE]``."""
    if not payloads or payloads[-1].strip() != DONE:
        return "cut"
    try:
        chunks = [_decode(payload) for payload in telling(payloads[:-1], _TEXT)]
    except UNREADABLE:
        return "unreadable"
    for chunk in chunks:
        wrong = _marked(chunk)
        if wrong:
            return wrong
    parts = ((choice.index, choice) for chunk in chunks for choice in chunk.choices or ())
    return _judged(parts, tools=tools)


def _marked(answer: _Answer) -> Unfit:
    """Of what stands beside the choices."""
    if given(answer.error):
        return "error"
    if answer.choices is None and not given(answer.usage):
        return "unreadable"
    return "live_tools" if given(answer.citations) or given(answer.search_results) else ""


def _judged(parts: Iterable[tuple[int, _Choice]], *, tools: bool) -> Unfit:
    """Of choices in one part or many, each with its number."""
    said: dict[int, _Said] = {}
    for index, choice in parts:
        found = said.get(index)
        if found is None:
            found = said[index] = _Said()
        wrong = _added(choice, found, tools=tools)
        if wrong:
            return wrong
    if not all(found.finished for found in said.values()):
        return "cut"
    return "" if said and all(found.something for found in said.values()) else "empty"


def _added(choice: _Choice, found: _Said, *, tools: bool) -> Unfit:
    """Adds what this part of a choice says."""
    message = choice.message or choice.delta
    if message is not None:
        wrong = _told(message, found, tools=tools)
        if wrong:
            return wrong
    elif given(choice.text):
        found.something = True
    if given(choice.error):
        return "error"
    reason, native = choice.finish_reason, choice.native_finish_reason
    if native is not None and native.lower() not in _NATIVE:
        return ended(native, tools=tools)
    if not reason:
        return ""
    found.finished = True
    return ended(reason, tools=tools)


def _told(message: _Message, found: _Said, *, tools: bool) -> Unfit:
    if given(message.refusal):
        return "refusal"
    if given(message.annotations) or given(message.executed_tools):
        return "live_tools"
    if given(message.tool_calls) or given(message.function_call):
        if not tools:
            return "tools"
        found.something = True
    elif not found.something:
        found.something = given(message.content) or given(message.audio) or given(message.images)
    return ""
