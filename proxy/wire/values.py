"""JSON values as other programs send them: typed, read without trust. A reader returns its default for a value of another type."""

from typing import TypeAlias, Union

import msgspec
import orjson

Json: TypeAlias = Union[bool, int, float, str, "list[Json]", "dict[str, Json]", None]
JsonObject: TypeAlias = dict[str, Json]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoders raise on bytes that are not what they should be; msgspec lets Python's own error about UTF-8 through."""

LARGEST = 2**63 - 1
"""A count beyond it is no count."""


def object_in(data: bytes) -> JsonObject | None:
    """``data`` as a JSON object; ``None`` for anything else, invalid UTF-8 included."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def obj(value: Json) -> JsonObject:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Json) -> list[JsonObject]:
    """The objects among the items of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def items(value: Json) -> list[Json]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Json) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: Json) -> int | None:
    """A count of something: a whole number >= 0 (``3.0`` counts as one), else ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer() and 0 <= value <= LARGEST:
        return int(value)
    return value if isinstance(value, int) and 0 <= value <= LARGEST else None


def number(value: Json) -> float | int | None:
    """A number, else ``None``; ``true`` is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def dumps(value: Json) -> bytes:
    """Compact JSON; a lone surrogate is replaced. Raises ``TypeError`` beyond 254 levels, more than a request of ours has."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_encodable(value))


def dumps_text(value: Json) -> str:
    """``dumps`` as text, for JSON inside JSON (tool arguments)."""
    return dumps(value).decode()


def _encodable(value: Json) -> Json:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {str(_encodable(key)): _encodable(item) for key, item in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 10**300 else None
    return value
