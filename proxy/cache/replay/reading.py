"""JSON of answers, read and written without loss (integers beyond 64 bits stay what they are), and what is no answer at all."""

from typing import cast

import msgspec

from ...wire.sse import DONE, Framer
from ...wire.values import UNREADABLE, Json, JsonObject

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class SenselessError(Exception):
    """What was stored is no whole answer of its dialect, so that it has no other form."""


def read(data: bytes) -> JsonObject:
    """``data`` as a JSON object. Raises ``SenselessError``."""
    try:
        found = _decode(data)
    except (*UNREADABLE, ValueError) as error:
        raise SenselessError from error
    if not isinstance(found, dict):
        raise SenselessError
    return cast("JsonObject", found)


def read_any(data: bytes) -> Json:
    """``data`` as any JSON value. Raises ``SenselessError``."""
    try:
        return cast("Json", _decode(data))
    except (*UNREADABLE, ValueError) as error:
        raise SenselessError from error


def written(value: Json) -> bytes:
    """Compact JSON of what ``read`` has given. Raises ``SenselessError``."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise SenselessError from error


def documents(body: bytes) -> list[JsonObject]:
    """The data of every event up to the stream's end. Raises ``SenselessError``, for an error in between, too."""
    framer = Framer(limit=len(body) + 1)
    found: list[JsonObject] = []
    for payload in (*framer.feed(body), *framer.close()):
        if payload[:6] == DONE:
            break
        if payload:
            document = read(payload)
            if document.get("error"):
                raise SenselessError
            found.append(document)
    return found
