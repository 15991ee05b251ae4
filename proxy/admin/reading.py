"""From the wire: the body within bounds of size and time, the query without repetitions, headers that may come once."""

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from ..context import Receive, Scope
from ..errors import ClientGone, InvalidRequest, RequestTimeout, RequestTooLarge, UnsupportedMedia
from ..wire.values import Json
from .bodies import CONTROL, strict_json

MAX_BODY = 1024 * 1024
BODY_SECONDS = 20.0
"""A body of the admin API is small; a sender this slow has gone or means harm."""

_NUMBERS = frozenset(("limit",))
_DIGITS = re.compile(r"[0-9]{1,18}")
_SINGLE = frozenset(
    (b"authorization", b"x-api-key", b"content-type", b"content-length", b"host", b"idempotency-key", b"if-match")
)


def headers_in(scope: Scope) -> Mapping[bytes, bytes]:
    """Headers by lower-case name. Raises ``InvalidRequest`` where two could be read differently by two readers."""
    found: dict[bytes, bytes] = {}
    for raw, value in scope["headers"]:
        name = raw.lower()
        if name in _SINGLE and name in found:
            raise InvalidRequest(f"The header {name.decode()} came twice; send it once.", code="duplicate_header")
        found[name] = value
    return found


async def body_in(headers: Mapping[bytes, bytes], receive: Receive) -> Json:
    """The JSON body; an empty one is an empty object."""
    raw = await _bytes_in(headers, receive)
    if not raw.strip():
        return {}
    kind = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise UnsupportedMedia(
            "The body must be JSON: send content-type: application/json.", code="unsupported_content_type"
        )
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UnsupportedMedia("Send the body uncompressed.", code="unsupported_content_encoding")
    return strict_json(raw)


async def _bytes_in(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    too_large = RequestTooLarge(f"The body is larger than {MAX_BODY} bytes.", code="request_too_large")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and (len(declared) > 12 or int(declared) > MAX_BODY):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGone("The client left.")
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise RequestTimeout(f"The body took longer than {BODY_SECONDS:.0f} s to arrive.") from None


def query_in(raw: bytes) -> dict[str, Json]:
    """The query's fields. Raises ``InvalidRequest`` for one that stands twice or cannot be read."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise InvalidRequest(
            "The query string cannot be read; percent-encode it as UTF-8.", code="invalid_query"
        ) from None
    found: dict[str, Json] = {}
    for name, value in pairs:
        if CONTROL.search(name) or CONTROL.search(value):
            raise InvalidRequest("The query holds a control character.", code="invalid_query")
        if name in found:
            raise InvalidRequest(f"{name[:100]} stands in the query twice.", param=name[:100], code="duplicate_field")
        found[name] = int(value) if name in _NUMBERS and _DIGITS.fullmatch(value) else value
    return found


def version_in(headers: Mapping[bytes, bytes]) -> int | None:
    """The version that ``If-Match`` asks for, quoted or not; ``*`` asks for none."""
    given = headers.get(b"if-match")
    if given is None or given.strip() == b"*":
        return None
    digits = given.strip().removeprefix(b"W/").strip(b'"')
    if not digits.isdigit() or len(digits) > 18:
        raise InvalidRequest('If-Match takes the version of the object, such as "3".', code="invalid_value")
    return int(digits)


def repeat_key_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The ``Idempotency-Key``: 1 to 255 printable ASCII characters."""
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    if not 1 <= len(given) <= 255 or any(not 0x20 < byte < 0x7F for byte in given):
        raise InvalidRequest(
            "Idempotency-Key takes 1 to 255 printable ASCII characters without spaces.", code="invalid_value"
        )
    return given.decode("ascii")
