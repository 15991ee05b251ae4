"""Does a JSON value fit a JSON Schema? The keywords of draft 2020-12 that people write for structured output.

A schema with a keyword that is not checked here is refused when it is read: an answer must not pass because nobody looked.
"""

import math
from collections.abc import Callable, Mapping

from ..wire.values import Json, JsonObject

Search = Callable[[str, str], bool]
"""(pattern, text): is it found there? May raise ``Overrun``."""

STEPS = 100_000
"""Schemas looked at for one answer; a schema that refers to itself for ever ends there."""

DEPTH = 100
"""Schemas inside schemas."""

_ASIDE = frozenset(
    ("$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "format", "deprecated",
     "readOnly", "writeOnly")
)  # fmt: skip
"""Keywords that demand nothing."""

_TYPES: Mapping[str, Callable[[Json], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


class TooMuch(Exception):
    """The schema asks for more work than one answer is worth."""


def check_schema(schema: Json) -> None:
    """Raises ``ValueError`` for what ``Fitting`` could not check; references are followed when they are met."""
    _look(schema, schema, 0)


def _look(schema: Json, root: Json, depth: int) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ValueError("has a JSON Schema that is neither an object nor true or false")
    if depth > DEPTH:
        raise ValueError(f"has a JSON Schema that is nested deeper than {DEPTH} levels")
    for name, value in schema.items():
        if name in _ASIDE and name not in ("$defs", "definitions"):
            continue
        if name not in _KEYWORDS and name not in _ASIDE:
            raise ValueError(f"has a JSON Schema with {name!r}, which is not checked here; leave it out")
        if not _FORMS[name](value):
            raise ValueError(f"has a JSON Schema in which {name!r} has a value of the wrong kind")
        if name == "$ref":
            _at(root, str(value))
        for inner in _inside(name, value):
            _look(inner, root, depth + 1)


def _inside(name: str, value: Json) -> list[Json]:
    if name in _MAPS and isinstance(value, dict):
        return list(value.values())
    if name in _LISTS and isinstance(value, list):
        return value
    return [value] if name in _ONES else []


def _at(root: Json, reference: str) -> Json:
    """What a reference inside the document leads to. Raises ``ValueError``."""
    if not reference.startswith("#"):
        raise ValueError(
            f"has a JSON Schema that refers to {reference!r}; only places in itself (#/$defs/…) can be followed"
        )
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            raise ValueError(f"has a JSON Schema that refers to {reference!r}, which is not there")
        found = found[name]
    return found


class Fitting:
    """One schema, one answer after the other."""

    def __init__(self, schema: JsonObject, search: Search) -> None:
        self._root = schema
        self._search = search
        self._steps = 0

    def fault(self, value: Json) -> str:
        """The first thing that is wrong, with its place; empty: it fits. Raises ``TooMuch`` and what ``search`` raises."""
        self._steps = 0
        return self._fault(value, self._root, "$")

    def _fault(self, value: Json, schema: Json, at: str) -> str:
        self._steps += 1
        if self._steps > STEPS or len(at) > 20_000:
            raise TooMuch
        if isinstance(schema, bool):
            return "" if schema else f"{at} is not allowed"
        assert isinstance(schema, dict)
        for name, told in schema.items():
            rule = _KEYWORDS.get(name)
            if rule is not None and (wrong := rule(self, value, told, schema, at)):
                return wrong
        return ""

    # ---- keywords: each says what is wrong ---------------------------------------------------------------------------

    def _ref(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        try:
            return self._fault(value, _at(self._root, str(told)), at)
        except RecursionError:
            raise TooMuch from None

    def _type(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        names = told if isinstance(told, list) else [told]
        return "" if any(_TYPES[str(name)](value) for name in names) else f"{at} is no {' or '.join(map(str, names))}"

    def _enum(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        assert isinstance(told, list)
        return "" if any(same(value, each) for each in told) else f"{at} is none of the values of its enum"

    def _const(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        return "" if same(value, told) else f"{at} is not the value it has to be"

    def _any(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        assert isinstance(told, list)
        return "" if any(not self._fault(value, each, at) for each in told) else f"{at} fits nothing of anyOf"

    def _one(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        assert isinstance(told, list)
        fits = sum(not self._fault(value, each, at) for each in told)
        return "" if fits == 1 else f"{at} fits {fits} of oneOf"

    def _all(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        assert isinstance(told, list)
        return next((wrong for each in told if (wrong := self._fault(value, each, at))), "")

    def _not(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        return "" if self._fault(value, told, at) else f"{at} fits what it must not"

    def _properties(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, dict) or not isinstance(told, dict):
            return ""
        parts = ((name, inner) for name, inner in told.items() if name in value)
        return next((wrong for name, inner in parts if (wrong := self._fault(value[name], inner, f"{at}.{name}"))), "")

    def _others(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, dict):
            return ""
        known = schema.get("properties")
        known = known if isinstance(known, dict) else {}
        others = (name for name in value if name not in known)
        return next((wrong for name in others if (wrong := self._fault(value[name], told, f"{at}.{name}"))), "")

    def _required(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, dict) or not isinstance(told, list):
            return ""
        return next((f"{at} lacks {name!r}" for name in told if name not in value), "")

    def _items(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, list):
            return ""
        first = schema.get("prefixItems")
        begin = len(first) if isinstance(first, list) else 0
        rest = list(enumerate(value))[begin:]
        return next((wrong for place, each in rest if (wrong := self._fault(each, told, f"{at}[{place}]"))), "")

    def _prefix(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, list) or not isinstance(told, list):
            return ""
        pairs = enumerate(zip(value, told, strict=False))
        return next(
            (wrong for place, (each, inner) in pairs if (wrong := self._fault(each, inner, f"{at}[{place}]"))), ""
        )

    def _unique(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not told or not isinstance(value, list):
            return ""
        for place, each in enumerate(value):
            self._steps += place
            if self._steps > STEPS:
                raise TooMuch
            if any(same(each, other) for other in value[:place]):
                return f"{at} holds something twice"
        return ""

    def _pattern(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, str) or self._search(str(told), value):
            return ""
        return f"{at} does not match its pattern"

    def _multiple(self, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not _TYPES["number"](value):
            return ""
        assert isinstance(value, int | float)
        assert isinstance(told, int | float)
        times = value / told
        return "" if math.isclose(times, round(times), rel_tol=1e-9, abs_tol=1e-9) else f"{at} is no multiple of {told}"


def _bound(
    kind: type | tuple[type, ...], size: Callable[[Json], float], holds: Callable[[float, float], bool], words: str
) -> "_Rule":
    """A keyword that compares a size or a number with a limit."""

    def rule(own: Fitting, value: Json, told: Json, schema: JsonObject, at: str) -> str:
        if not isinstance(value, kind) or isinstance(value, bool):
            return ""
        assert isinstance(told, int | float)
        return "" if holds(size(value), told) else f"{at} {words} {told}"

    return rule


def _size(value: Json) -> float:
    assert isinstance(value, str | list | dict)
    return len(value)


def _itself(value: Json) -> float:
    assert isinstance(value, int | float)
    return value


def _least(size: float, limit: float) -> bool:
    return size >= limit


def _most(size: float, limit: float) -> bool:
    return size <= limit


def same(one: Json, other: Json) -> bool:
    """Equal as JSON: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return one == other


_Rule = Callable[[Fitting, Json, Json, JsonObject, str], str]

_NUMBER = (int, float)

_KEYWORDS: dict[str, _Rule] = {
    "$ref": Fitting._ref,
    "type": Fitting._type,
    "enum": Fitting._enum,
    "const": Fitting._const,
    "anyOf": Fitting._any,
    "oneOf": Fitting._one,
    "allOf": Fitting._all,
    "not": Fitting._not,
    "properties": Fitting._properties,
    "additionalProperties": Fitting._others,
    "required": Fitting._required,
    "items": Fitting._items,
    "prefixItems": Fitting._prefix,
    "uniqueItems": Fitting._unique,
    "pattern": Fitting._pattern,
    "multipleOf": Fitting._multiple,
    "minItems": _bound(list, _size, _least, "has fewer items than"),
    "maxItems": _bound(list, _size, _most, "has more items than"),
    "minLength": _bound(str, _size, _least, "is shorter than"),
    "maxLength": _bound(str, _size, _most, "is longer than"),
    "minProperties": _bound(dict, _size, _least, "has fewer members than"),
    "maxProperties": _bound(dict, _size, _most, "has more members than"),
    "minimum": _bound(_NUMBER, _itself, _least, "is less than"),
    "maximum": _bound(_NUMBER, _itself, _most, "is more than"),
    "exclusiveMinimum": _bound(_NUMBER, _itself, lambda size, limit: size > limit, "is not more than"),
    "exclusiveMaximum": _bound(_NUMBER, _itself, lambda size, limit: size < limit, "is not less than"),
}

_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONES = ("not", "items", "additionalProperties")


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_map(value: Json) -> bool:
    return isinstance(value, dict)


def _is_list(value: Json) -> bool:
    return isinstance(value, list)


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_types(value: Json) -> bool:
    return (
        value in _TYPES
        if isinstance(value, str)
        else _is_texts(value) and all(each in _TYPES for each in _listed(value))
    )


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_anything(value: Json) -> bool:
    return True


_FORMS: dict[str, Callable[[Json], bool]] = {
    **dict.fromkeys(_KEYWORDS, _is_number),
    **dict.fromkeys(_MAPS, _is_map),
    **dict.fromkeys(_LISTS, _is_list),
    **dict.fromkeys(_ONES, _is_anything),
    "$ref": _is_text,
    "pattern": _is_text,
    "type": _is_types,
    "enum": _is_list,
    "const": _is_anything,
    "required": _is_texts,
    "uniqueItems": lambda value: isinstance(value, bool),
    "multipleOf": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
}
"""What a keyword's value has to be."""
