"""JSON from Anthropic, read even where its text is broken: one bad byte must not cost a whole answer."""

import json
import math

import orjson

from ...errors import UpstreamInvalid
from ...wire.values import Json, JsonObject, dumps_text


def document_in(data: bytes) -> JsonObject | None:
    """``data`` as a JSON object. Invalid UTF-8 and lone surrogates become replacement characters; ``None`` for no object."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = _repaired(data)
    return found if isinstance(found, dict) else None


def _repaired(data: bytes) -> Json:
    try:
        return _encodable(json.loads(data.decode("utf-8", "replace"), parse_constant=_nothing))
    except (ValueError, RecursionError):
        return None


def _nothing(name: str) -> None:
    """``NaN`` and the infinities are no JSON."""
    raise ValueError(name)


def _encodable(value: Json) -> Json:
    """``value`` without lone surrogates and without numbers that no encoder takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {str(_encodable(key)): _encodable(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def arguments_of(value: Json) -> str:
    """A tool's input as JSON text; what is no object and says nothing is ``{}``. Raises ``UpstreamInvalid`` if nested absurdly deep."""
    if value is None or value == {}:
        return "{}"
    try:
        return dumps_text(value)
    except (TypeError, RecursionError) as error:
        raise UpstreamInvalid(
            "The provider's answer has a tool input that is nested too deeply.", detail=str(error)
        ) from error
