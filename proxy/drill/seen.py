"""What a client saw of one request: everything the judge may go by, read from status, headers and bytes."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from ..wire.sse import DONE, Framer
from ..wire.values import Json, JsonObject, obj, object_in, objects, text

Kind = Literal["answer", "error", "foreign error", "broken", "nonsense", "nothing", "hung"]
"""``answer``: whole and good. ``error``: a status and OpenAI's envelope; ``foreign error``: a status and something else.

``broken``: a stream that began and told of an error, or stopped. ``nonsense``: a success without an answer. ``nothing``: the
connection ended without an answer. ``hung``: the client lost patience.
"""


class Received(Struct, frozen=True, kw_only=True):
    """The answer as it came. ``status`` 0: none; ``whole``: did it end as HTTP demands? ``late``: the client gave up."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    whole: bool = True
    late: bool = False
    seconds: float = 0.0


class Seen(Struct, frozen=True, kw_only=True):
    """The same, understood. ``calls``: tries that a mock received; ``struck``: how many of these met the fault."""

    kind: Kind
    status: int = 0
    text: str = ""
    errors: tuple[str, ...] = ()
    """``code: message`` of the error body, or of each error event."""
    done: bool = False
    """Was ``[DONE]`` said?"""
    whole: bool = True
    seconds: float = 0.0
    place: int | None = None
    """Index of the place that answered, as the answer's headers name it."""
    attempts: int | None = None
    reason: str = ""
    retry_after: str = ""
    source: str = ""
    """Who made the error: ``gateway`` or ``upstream``."""
    calls: int = 0
    struck: int = 0


def understood(received: Received, *, stream: bool, place: int | None = None, calls: int = 0, struck: int = 0) -> Seen:
    """``received`` as an answer to a chat request."""
    headers = received.headers
    said, errors, done, kind = _read(received, stream=stream)
    attempts = headers.get("x-tollway-attempts", "")
    return Seen(
        kind=kind,
        status=received.status,
        text=said,
        errors=errors,
        done=done,
        whole=received.whole,
        seconds=received.seconds,
        place=place,
        attempts=int(attempts) if attempts.isdigit() else None,
        reason=headers.get("x-tollway-reason", ""),
        retry_after=headers.get("retry-after", "") or headers.get("retry-after-ms", ""),
        source=headers.get("x-tollway-error-source", ""),
        calls=calls,
        struck=struck,
    )


def _read(received: Received, *, stream: bool) -> tuple[str, tuple[str, ...], bool, Kind]:
    """(text, errors, done, kind)."""
    if received.status == 0:
        return "", (), False, "hung" if received.late else "nothing"
    if received.status >= 400:
        error = obj(object_in(received.body) or {}).get("error")
        ours = isinstance(error, dict) and error.keys() >= {"message", "type", "param", "code"}
        kind: Kind = "error" if ours else "foreign error"
        return "", (_error(error),) if error else (), False, kind
    if received.headers.get("content-type", "").startswith("text/event-stream"):
        return _stream(received)
    return _plain(received, stream=stream)


def _plain(received: Received, *, stream: bool) -> tuple[str, tuple[str, ...], bool, Kind]:
    if received.late:
        return "", (), False, "hung"
    document = object_in(received.body) or {}
    error = document.get("error")
    said = "".join(text(obj(choice.get("message")).get("content")) for choice in objects(document.get("choices")))
    good = received.status == 200 and received.whole and bool(said) and not error and not stream
    return said, (_error(error),) if error else (), False, "answer" if good else "nonsense"


def _stream(received: Received) -> tuple[str, tuple[str, ...], bool, Kind]:
    said, errors, done, finished, events = "", [], False, False, 0
    # A whole body ends its last event, with or without the blank line.
    for payload in Framer().feed(received.body + (b"\n\n" if received.whole else b"")):
        if payload == DONE:
            done = True
            continue
        document: JsonObject = object_in(payload) or {}
        events += 1
        if document.get("error"):
            errors.append(_error(document["error"]))
        for choice in objects(document.get("choices")):
            said += text(obj(choice.get("delta")).get("content"))
            finished = finished or bool(choice.get("finish_reason"))
    if received.late:
        return said, tuple(errors), done, "hung"
    if said and done and finished and received.whole and not errors:
        return said, (), done, "answer"
    if errors or said or not received.whole:
        return said, tuple(errors), done, "broken"
    return said, (), done, "nonsense"


def _error(error: Json) -> str:
    if not isinstance(error, dict):
        return text(error) or "an error without words"
    code = error.get("code") or error.get("type") or "error"
    return f"{code}: {text(error.get('message'))}"
