"""One decode of a request's body for all who ask what is in it: the document, where every parser reads the same one, and whether it is
plain: settings and texts alone, as most requests are.

Whoever knows a body to be plain need not search its bytes for what could be hidden in them; what is doubtful is searched as ever.
"""

from typing import Literal, TypeAlias

import msgspec
import orjson
from msgspec import Struct

from .values import UNREADABLE, JsonObject

LARGEST = 1024 * 1024
"""Bytes of a body that is decoded whole: in memory a document can be many times as large."""

_loads = orjson.loads
_format = msgspec.json.format
_dumps = orjson.dumps
_convert = msgspec.convert

_Scalar: TypeAlias = str | int | float | bool | None


class _Part(Struct, forbid_unknown_fields=True):
    """A text of a message in several parts."""

    type: Literal["text", "input_text", "output_text"]
    text: str


class _Inner(Struct, forbid_unknown_fields=True):
    """A message, a text of its own, or the options of a stream."""

    type: Literal["message", "text", "input_text", "output_text", None] = None
    role: _Scalar = None
    content: _Scalar | list[_Part] = None
    name: _Scalar = None
    text: _Scalar = None
    include_usage: _Scalar = None
    include_obfuscation: _Scalar = None


_Value: TypeAlias = _Scalar | _Inner | list[_Scalar | _Inner]

_Plain = msgspec.defstruct(
    "_Plain",
    [
        (name, _Value, None)
        for name in """model messages prompt input system stream stream_options temperature top_p top_k min_p n best_of seed stop
        stop_sequences max_tokens max_completion_tokens max_output_tokens presence_penalty frequency_penalty repetition_penalty logprobs
        top_logprobs echo suffix user reasoning_effort verbosity encoding_format dimensions service_tier safety_identifier
        prompt_cache_key""".split()
    ],
    forbid_unknown_fields=True,
)
"""Everything that a plain body may have: what to answer, and how."""


class Decoded(Struct, frozen=True, eq=False):
    """A body and the one document that it is, for the first who can use it."""

    body: bytes
    document: JsonObject


def document_in(body: bytes) -> JsonObject | None:
    """The object that ``body`` is, where that is certain: no key twice in any object of it, no number beyond 64 bits, valid UTF-8.

    ``None``: it is not, or that is not seen at a glance. Where no key was there twice, and nothing is spelt unusually, a document is
    written as the same bytes again, but for white space.
    """
    if len(body) > LARGEST:
        return None
    try:
        document = _loads(body)
        if type(document) is not dict:
            return None
        again = _dumps(document)
    except (orjson.JSONDecodeError, *UNREADABLE, TypeError):
        return None
    return document if again == body or again == _format(body, indent=-1) else None


def is_plain(document: JsonObject) -> bool:
    """Has it settings and texts alone, at most five levels deep: no tool, no file, no member that could name or hide a thing?"""
    try:
        _convert(document, _Plain)
    except msgspec.ValidationError:
        return False
    return True
