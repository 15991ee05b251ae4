"""What makes an answer right: one small object in a dataset's line, or on the command line for all lines without one.

``{"exact": "Paris"}``, ``{"regex": "…"}``, ``{"numeric": 42}``, ``{"json_schema": {…}}``, ``{"judge": "what to look for"}``.
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..wire.values import JsonObject
from .schema import check_schema

LONGEST_PATTERN = 4096
"""Characters of a pattern."""


class Exact(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The answer is this text, or one of these, but for space around it."""

    exact: str | tuple[str, ...]
    ignore_case: bool = False


class Regex(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The pattern is found somewhere in the answer; ``^`` and ``$`` are its beginning and its end."""

    regex: Annotated[str, Meta(min_length=1, max_length=LONGEST_PATTERN)]
    ignore_case: bool = False


class Numeric(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The last number of the answer is this one, give or take ``tolerance``, or that share (``relative``) of it."""

    numeric: float
    tolerance: Annotated[float, Meta(ge=0)] = 0.0
    relative: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Shape(Struct, frozen=True, kw_only=True):
    """The answer is JSON (alone, or in its only fenced block) that this JSON Schema allows."""

    json_schema: JsonObject


class Judged(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model says whether the answer meets ``judge``, where there is one with a ``reference`` answer beside it."""

    judge: Annotated[str, Meta(min_length=1)]
    reference: str = ""


Check = Exact | Regex | Numeric | Shape | Judged

_KINDS: dict[str, type[Exact | Regex | Numeric | Judged] | None] = {
    "exact": Exact,
    "regex": Regex,
    "numeric": Numeric,
    "json_schema": None,
    "judge": Judged,
}


def check_of(value: object) -> Check:
    """Reads one. Raises ``ValueError``: what is wrong with it, in words that follow "check"."""
    if not isinstance(value, dict):
        raise ValueError(f'is no object; write it like {{"exact": "Paris"}}, with one of {", ".join(_KINDS)}')
    named = [kind for kind in _KINDS if kind in value]
    if len(named) != 1:
        raise ValueError(f"has {' and '.join(named) or 'no kind'}; it needs exactly one of {', '.join(_KINDS)}")
    kind = _KINDS[named[0]]
    if kind is None:
        return _shape(value)
    try:
        found = msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"cannot be read: {error}") from None
    match found:
        case Regex():
            _compiled(found.regex)
        case Exact(exact=()):
            raise ValueError("names no text that would be right")
    return found


def _shape(value: JsonObject) -> Shape:
    schema = value["json_schema"]
    if len(value) > 1 or not isinstance(schema, dict):
        raise ValueError("has a json_schema that is no object, or something beside it")
    check_schema(schema)
    return Shape(json_schema=schema)


def _compiled(pattern: str) -> None:
    """A pattern can be compiled here: its cost lies in matching."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"has a regex that cannot be read ({error})") from None
