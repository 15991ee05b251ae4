"""Reads the JSON of an event or an answer, and sees at little cost that an ordinary chunk needs nothing."""

import json

import msgspec
import orjson
from msgspec import Raw, Struct

from ...wire.values import Json, JsonObject
from .rules import CHUNK, Rules

_NONE = Raw(b"null")
_PARTS = b'"content":['
"""Mistral's reasoning: known before anything is decoded."""


# ``gc=False``: made by the thousand, without cycles, and dropped at once.
class _Function(Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct, frozen=True, gc=False):
    index: int = -1
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, frozen=True, gc=False):
    role: str | None = None
    content: str | list[Raw] | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct, frozen=True, gc=False):
    index: int = -1
    delta: _Delta | None = None
    finish_reason: str | None = None
    message: Raw = _NONE
    error: Raw = _NONE
    usage: Raw = _NONE


class _Chunk(Struct, frozen=True, gc=False):
    id: str = ""
    object: str = ""
    created: int = 0
    choices: list[_Choice] = []
    error: Raw = _NONE
    usage: Raw = _NONE
    x_groq: Raw = _NONE
    base_resp: Raw = _NONE


class _PlainDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: str | list[Raw] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: None = None
    role: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: None = None


class _PlainChoice(Struct, frozen=True, gc=False):
    index: int = -1
    delta: _PlainDelta | None = None
    finish_reason: None = None
    logprobs: None = None
    message: None = None
    error: None = None
    usage: None = None


class _PlainChunk(Struct, frozen=True, gc=False):
    choices: list[_PlainChoice] = []
    error: None = None
    usage: None = None
    x_groq: None = None
    base_resp: None = None
    citations: None = None
    search_results: None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_plain = msgspec.json.Decoder(_PlainChunk).decode


def is_ordinary(payload: bytes, rules: Rules, *, mirror: bool) -> bool:
    """Is it the usual chunk in the middle of an answer, with some text and nothing to look after? Decides without keeping state."""
    if _PARTS in payload:
        return False
    try:
        chunk = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if len(chunk.choices) != 1 or chunk.id != rules.ident or chunk.object != CHUNK:
        return False
    choice = chunk.choices[0]
    delta = choice.delta
    return (
        delta is not None
        and choice.finish_reason is None
        and choice.index in rules.open
        and (delta.content is None or (type(delta.content) is str and choice.index not in rules.splitters))
        and delta.role is None
        and not (mirror and delta.reasoning is not None)
        and chunk.error is _NONE
        and (chunk.usage is _NONE or bytes(chunk.usage) == b"null")
        and chunk.x_groq is _NONE
        and chunk.base_resp is _NONE
        and choice.message is _NONE
        and choice.error is _NONE
        and choice.usage is _NONE
        and (not delta.tool_calls or _continues(choice.index, delta.tool_calls, rules))
    )


def _continues(index: int, calls: list[_Call], rules: Rules) -> bool:
    """Are they nothing but more arguments of calls that stand where the client knows them?"""
    for call in calls:
        function = call.function
        if call.id or function is None or function.name:
            return False
        if rules.fragment(index, call.index, filled=bool(function.arguments)) != call.index:
            return False
    return True


class Plain(Struct, frozen=True, gc=False):
    """A chunk of one choice with text or more arguments of the call at ``tool``, and nothing else."""

    index: int
    reasoning: str
    content: str
    tool: int = -1
    arguments: str = ""


def plain(payload: bytes, rules: Rules) -> Plain | None:
    """The usual chunk in the middle of an answer, for the hub; ``None`` for any other."""
    if _PARTS in payload:
        return None
    try:
        chunk = _decode_plain(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(chunk.choices) != 1:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if delta is None or choice.index not in rules.open or choice.index in rules.splitters:
        return None
    reasoning, content = delta.reasoning_content or delta.reasoning or "", delta.content or ""
    if not isinstance(content, str):
        return None
    if not delta.tool_calls:
        return Plain(choice.index, reasoning, content)
    call = delta.tool_calls[0]
    function = call.function
    if len(delta.tool_calls) > 1 or call.id or function is None or function.name or not function.arguments:
        return None
    at = rules.fragment(choice.index, call.index, filled=True)
    return Plain(choice.index, reasoning, content, at, function.arguments) if at is not None else None


def read(payload: bytes) -> Json:
    """``payload`` as JSON; ``None`` when it is none. Invalid UTF-8 and lone surrogates are read as what is left of them."""
    try:
        found: Json = orjson.loads(payload)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(payload.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    return found


def read_object(payload: bytes) -> JsonObject | None:
    """An object; of a list, its first. ``None`` for anything else."""
    found = read(payload)
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, dict) else None
