"""What an error body says: its code words and its sentence, whichever of some dozen shapes it has."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from ..wire.values import UNREADABLE, Json, JsonObject, obj, objects, text
from .waits import in_duration, in_words

LARGEST = 64 * 1024
"""Bytes of a body that are looked at."""

SENTENCE = 2000
"""Characters of a sentence that are searched."""

_decode = msgspec.json.Decoder().decode


class Told(Struct, frozen=True):
    """``words``: codes, then types and statuses, as written. ``status``: an HTTP status that the body states, 0: none."""

    words: tuple[str, ...] = ()
    message: str = ""
    status: int = 0
    wait: float | None = None
    """Seconds that the body asks for."""
    enveloped: bool = False
    """Is there an ``error`` object?"""


def told_by(body: bytes) -> Told:
    """What ``body`` says. Bytes that are no JSON are the sentence."""
    document = document_in(body)
    if document is None:
        return Told(message=body[:SENTENCE].decode("utf-8", "replace"))
    return told_in(document)


def document_in(body: bytes) -> JsonObject | None:
    """The object in ``body``, or the first one of a list (Google's streams, its OpenAI face); ``None``: there is none."""
    if len(body) > LARGEST:
        return None
    try:
        document: Json = _decode(body)
    except UNREADABLE:
        return None
    if isinstance(document, list):
        return next((item for item in document if isinstance(item, dict)), None)
    return document if isinstance(document, dict) else None


def told_in(document: JsonObject) -> Told:
    """The same of a decoded body, or of an event of a stream."""
    inner = document.get("error")
    error = inner if isinstance(inner, dict) else next(iter(objects(document.get("errors"))), document)
    message = _message(error) or _message(document) or text(inner)
    words = tuple(dict.fromkeys(word for word in _words(document, error) if word))
    return Told(
        words=words,
        message=message[:SENTENCE],
        status=next((status for status in _statuses(error) if status), 0),
        wait=_wait(error, message[:SENTENCE]),
        enveloped=isinstance(inner, dict),
    )


def _words(document: JsonObject, error: JsonObject) -> Iterator[str]:
    """Codes before types: a type says less."""
    yield _word(obj(error.get("innererror")).get("code"))
    for detail in objects(error.get("details")):
        yield _word(detail.get("reason"))
        for violation in objects(detail.get("violations")):
            # Google's allowance for a day: no limit that passes soon.
            yield "insufficient_quota" if "PerDay" in text(violation.get("quotaId")) else ""
    yield _word(error.get("code"))
    base = obj(document.get("base_resp")).get("status_code")
    yield f"base:{base}" if isinstance(base, int) and base else ""
    yield _word(error.get("error_code"))
    yield _word(error.get("reason"))
    yield _word(error.get("status"))
    yield _word(error.get("type"))
    yield _word(error.get("__type")).rpartition("#")[2]
    inner = document.get("error")
    yield inner if isinstance(inner, str) and " " not in inner else ""
    if error is not document:
        yield _word(document.get("code"))


def _message(error: JsonObject) -> str:
    for name in ("message", "Message", "msg", "detail", "title"):
        found = error.get(name)
        if isinstance(found, str) and found:
            return found
    return text(obj(error.get("base_resp")).get("status_msg")) or text(obj(error.get("message")).get("detail"))


def _statuses(error: JsonObject) -> Iterator[int]:
    for name in ("status_code", "statusCode", "code", "status", "raw_status_code"):
        value = error.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            yield value


def _wait(error: JsonObject, message: str) -> float | None:
    for detail in objects(error.get("details")):
        delay = text(detail.get("retryDelay"))
        if delay:
            return in_duration(delay)
    return in_words(message)


def _word(value: Json) -> str:
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""
