"""From a request's bytes to a Struct, strictly: no duplicate keys, no NaN, bounded depth, no unknown field; errors name the path."""

import json
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NoReturn, TypeVar

import msgspec
from msgspec import Struct, inspect

from ..errors import InvalidJson, InvalidRequest
from ..wire.values import Json

T = TypeVar("T", bound=Struct)

MAX_DEPTH = 32

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no text here may hold: control characters, what turns a line of text around, halves of characters."""

_AT = re.compile(r"(.*?)(?: - at `(?:key` in `)?\$(.*?)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_QUOTED = re.compile(r"`([^`]*)`")


class _Duplicate(Exception):
    """A key twice in one object."""


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Duplicate
    return found


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError


def strict_json(body: bytes) -> Json:
    """``body`` read by the letter of RFC 8259. Raises ``InvalidJson``; nothing of the text is quoted."""
    try:
        value: Json = json.loads(body.decode(), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"The body is not JSON: see line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError:
        raise InvalidJson("The body is not UTF-8.") from None
    except _Duplicate:
        raise InvalidJson("The body holds a key twice in one object; send each once.", code="duplicate_field") from None
    except ValueError:
        raise InvalidJson("The body holds a number that cannot be used (NaN, Infinity, or far too large).") from None
    except RecursionError:
        raise InvalidJson(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    _check_texts(value, "", 0)
    return value


def _check_texts(value: Json, path: str, depth: int) -> None:
    """Refuses text that a database, a terminal or a log could stumble over, wherever it stands."""
    if depth > MAX_DEPTH:
        raise InvalidJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, str) and CONTROL.search(value):
        raise _unusable(path, "holds")
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_texts(item, f"{path}[{index}]", depth + 1)
    if isinstance(value, dict):
        for name, item in value.items():
            if CONTROL.search(name):
                raise _unusable(path, "has a field whose name holds")
            _check_texts(item, f"{path}.{name[:100]}" if path else name[:100], depth + 1)


def _unusable(path: str, how: str) -> InvalidRequest:
    what = "a control character or half of a character"
    return InvalidRequest(f"{path or 'The body'} {how} {what}.", param=path or None, code="invalid_value")


def into(kind: type[T], value: Json, *, what: str = "body") -> T:
    """``value`` as ``kind``. Raises ``InvalidRequest`` with the path of the first field that is wrong, never its value."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _refusal(kind, str(error), what) from None


def _refusal(kind: type[Struct], said: str, what: str) -> InvalidRequest:
    match = _AT.fullmatch(said)
    assert match is not None
    text, path = match[1], (match[2] or "").removeprefix(".")
    quoted = _QUOTED.search(text)
    if text.startswith("Object contains unknown field") and quoted is not None:
        name = quoted[1][:100]
        whole = f"{path}.{name}" if path else name
        hint = nearest(name, _fields_at(kind, path))
        return InvalidRequest(
            f"{whole} is not a field of this {what}" + (f"; did you mean {hint}?" if hint else "."),
            param=whole,
            code="unknown_field",
        )
    if text.startswith("Object missing required field") and quoted is not None:
        whole = f"{path}.{quoted[1]}" if path else quoted[1]
        return InvalidRequest(f"{whole} is required.", param=whole, code="missing_required_parameter")
    if text.startswith("Invalid enum value"):
        text = "not one of the values it can have"
    sentence = text[:1].lower() + text[1:]
    return InvalidRequest(f"{path[:300] or 'The ' + what}: {sentence}.", param=path[:300] or None, code="invalid_value")


def _fields_at(kind: type[Struct], path: str) -> Sequence[str]:
    """The names that a Struct has at ``path``, as msgspec writes it: ``limits``, ``budgets[0]``, ``plan.prices[...]``."""
    found: inspect.Type = inspect.type_info(kind)
    for name, position in _STEP.findall("." + path if path else ""):
        found = _within(_bare(found), name, position)
    bare = _bare(found)
    return [field.encode_name for field in bare.fields] if isinstance(bare, inspect.StructType) else []


def _within(found: inspect.Type, name: str, position: str) -> inspect.Type:
    if isinstance(found, inspect.StructType) and name:
        return next((field.type for field in found.fields if field.encode_name == name), found)
    if isinstance(found, inspect.DictType) and position:
        return found.value_type
    if isinstance(found, inspect.CollectionType | inspect.VarTupleType) and position:
        return found.item_type
    return found


def _bare(found: inspect.Type) -> inspect.Type:
    """Without bounds, and without ``null``."""
    if isinstance(found, inspect.Metadata):
        return _bare(found.type)
    if isinstance(found, inspect.UnionType):
        shapes = (inspect.StructType, inspect.DictType, inspect.CollectionType, inspect.VarTupleType)
        return next((bare for bare in map(_bare, found.types) if isinstance(bare, shapes)), found)
    return found


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` was probably meant to be."""
    found = get_close_matches(word.casefold(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
