"""What a handler answers with, what it is given, and how it says no."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import orjson
from msgspec import Struct

from .controls import Controls
from .text import digest

if TYPE_CHECKING:
    from .store import Store

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"
EVENT_STREAM = "application/vnd.amazon.eventstream"
STAMP = b"@<stamp>"
"""What the text of a chunk carries until the wire puts the time of its writing there."""

Object = dict[str, object]
FLAG = b"mock-flag"
"""What a prompt says that content filters are to block."""
NOVELTY: Object = {"text": "nobody knows this"}
"""What the members and blocks that nobody knows carry."""


class Oddities(Struct, frozen=True, kw_only=True):
    """What a stream says when a fault wants it to, each one whole event of its dialect."""

    error: bytes
    """The event that a stream breaks off with."""
    malformed: bytes
    """An event whose JSON is broken."""
    unknown: bytes
    """An event of a type that nobody knows."""
    empty: bytes
    """A delta that says nothing."""


class Reply(Struct, frozen=True, kw_only=True):
    """An answer: either a whole `body` or `frames`, each one event (or one slice of a binary body)."""

    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    frames: Iterator[bytes] | None = None
    prelude: int = 0
    """Leading frames that leave together with the frame after them, without a pause."""
    odd: Oddities | None = None
    """The strange events of this stream; None: OpenAI's."""
    crlf: bool = False
    """Whether the provider ends its lines with CRLF."""

    @property
    def is_stream(self) -> bool:
        """Whether the frames are events, so that faults among events apply."""
        return self.frames is not None and (self.content_type == SSE or self.odd is not None)


class Refused(Exception):
    """An error answer; `reply` is OpenAI's envelope, the dialects have theirs.

    `code` is the name that a dialect gives to the error where the status does not tell; `retry` is in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        retry: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.retry = retry
        self.error: Object = {"message": message, "type": type, "param": param, "code": code}
        self.headers = headers

    def with_headers(self, headers: tuple[tuple[str, str], ...], retry: float | None = None) -> "Refused":
        """Return the same refusal with more headers and a time to retry after."""
        error = self.error
        return Refused(
            self.message,
            status=self.status,
            type=str(error["type"]),
            param=None,
            code=self.code,
            headers=(*self.headers, *headers),
            retry=retry,
        )

    def reply(self) -> Reply:
        return Reply(status=self.status, body=orjson.dumps({"error": self.error}), headers=self.headers)


class Call:
    """One request as handlers see it."""

    __slots__ = (
        "_document",
        "body",
        "controls",
        "headers",
        "length",
        "method",
        "params",
        "path",
        "query_string",
        "store",
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query_string: str,
        headers: Mapping[str, str],
        body: bytes,
        length: int,
        controls: Controls,
        store: "Store",
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.body = body
        self.length = length
        self.controls = controls
        self.store = store
        self.params: tuple[str, ...] = ()
        self._document: Object | None = None

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last of a name counts."""
        return {name: values[-1] for name, values in parse_qs(self.query_string, keep_blank_values=True).items()}

    @property
    def is_json(self) -> bool:
        return "multipart/form-data" not in self.headers.get("content-type", "")

    def document(self) -> Object:
        """Return the JSON object of the body, an empty one for an empty body; refuse anything else."""
        if self._document is None:
            try:
                found: object = orjson.loads(self.body) if self.body else {}
            except orjson.JSONDecodeError:
                raise Refused(
                    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
                    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
                    "valid JSON.)"
                ) from None
            if not isinstance(found, dict):
                raise Refused("The body of the request must be a JSON object.", code="invalid_type")
            self._document = found
        return self._document

    def derive(self, *parts: object) -> int:
        """Return a 64-bit number that depends on the seed and on `parts` alone."""
        return digest(str(self.controls.seed).encode(), *(as_bytes(part) for part in parts))


def as_bytes(part: object) -> bytes:
    """Return bytes that are the same for the same value."""
    if isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return part.encode("utf-8", "surrogatepass")
    return orjson.dumps(part)


def json_reply(value: object, *, status: int = 200) -> Reply:
    """Return `value` as a plain JSON answer."""
    return Reply(status=status, body=orjson.dumps(value))


def event(data: bytes, name: str = "") -> bytes:
    """Return one event of a stream; `data` has no line ends."""
    if name:
        return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"


def text_of(document: Object, name: str, default: str = "") -> str:
    """Return the text member `name`, or `default` when it is absent or null; refuse another type."""
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def count_of(document: Object, name: str, *, least: int, most: int | None = None) -> int | None:
    """Return the integer member `name` within its bounds, or None when it is absent or null."""
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, "an integer", value)
    if value < least:
        raise Refused(
            f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {value} instead.",
            param=name,
            code="integer_below_min_value",
        )
    if most is not None and value > most:
        raise Refused(
            f"Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got {value} instead.",
            param=name,
            code="integer_above_max_value",
        )
    return value


def flag_of(document: Object, name: str) -> bool:
    """Return the boolean member `name`, false when it is absent or null."""
    value = document.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong(name, "a boolean", value)
    return value


def object_of(document: Object, name: str) -> Object:
    """Return the object member `name`, an empty one when it is absent or null."""
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def objects_of(document: Object, name: str) -> list[Object]:
    """Return the member `name`, an array of objects, empty when it is absent or null."""
    value = document.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(name, "an array of objects", value)
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise _wrong(f"{name}[{index}]", "an object", item)
    return value


def required(document: Object, name: str) -> object:
    """Return the member `name`; refuse a request without it."""
    value = document.get(name)
    if value is None:
        raise Refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    return value


def model_of(document: Object) -> str:
    """Return the model's name; refuse a request without one, and `missing-…` models as unknown."""
    if document.get("model") is None:
        raise Refused("you must provide a model parameter")
    model = text_of(document, "model")
    if not model:
        raise Refused("you must provide a model parameter")
    return known_model(model)


def known_model(model: str) -> str:
    if model.startswith("missing-"):
        raise Refused(
            f"The model `{model}` does not exist or you do not have access to it.", status=404, code="model_not_found"
        )
    return model


def _wrong(name: str, expected: str, value: object) -> Refused:
    kinds = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    got = kinds.get(type(value), "null")
    return Refused(
        f"Invalid type for '{name}': expected {expected}, but got {got} instead.", param=name, code="invalid_type"
    )
