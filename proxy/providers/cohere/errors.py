"""Cohere's failures and headers in OpenAI's words. Its error body is ``{"message", "id"}``."""

import re

from ...errors import RawHeaders, TollwayError, UpstreamInvalid
from ...translation.failures import Said, code_number, rejected, said
from ...wire.headers import client_headers
from ...wire.values import Json, JsonObject, obj, object_in, text

_STATUSES = {498: 401, 499: 503}
"""Cohere's 498 is an invalid token, its 499 a request that it cancelled itself."""

_MONTHLY = re.compile(r"(?:/|per|a) ?month\b|monthly", re.IGNORECASE)
"""A trial key's allowance for the month is used up: waiting a minute does not help."""

_LIMITS = {
    b"x-trial-endpoint-call-limit": b"x-ratelimit-limit-requests",
    b"x-trial-endpoint-call-remaining": b"x-ratelimit-remaining-requests",
}
"""Headers of trial keys: calls a minute."""


def json_of(data: bytes) -> JsonObject | None:
    """``data`` as an object, bytes that are no UTF-8 replaced; ``None`` for what is no object."""
    found = object_in(data)
    return found if found is not None else object_in(data.decode("utf-8", "replace").encode())


def error_of(status: int, headers: RawHeaders, body: bytes) -> TollwayError:
    """A non-2xx answer."""
    found = said(body, json_of(body))
    if status == 429 and _MONTHLY.search(found.message) is not None:
        return rejected(status, found, headers, type="insufficient_quota", code="insufficient_quota")
    return rejected(_STATUSES.get(status, status), found, headers)


def error_inside(body: bytes, document: JsonObject) -> TollwayError:
    """What stands in a 2xx answer, or in an event, where an answer should: a reported failure, else nonsense."""
    if not text(document.get("message")) and not document.get("error"):
        return UpstreamInvalid("Cohere's answer holds no message.")
    status = code_number(document.get("status")) or code_number(document.get("code")) or 502
    return rejected(_STATUSES.get(status, status), said(body, document), ())


def ended_by(native: str, told: Json) -> TollwayError:
    """An answer that Cohere ended with ``ERROR`` or ``TIMEOUT``; ``told`` is its own sentence, if any."""
    message = (
        text(told)
        or text(obj(told).get("message"))
        or f"Cohere could not finish its answer ({native or 'no reason given'})."
    )
    return rejected(504 if native.upper() == "TIMEOUT" else 502, Said(message), ())


def headers_of(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Headers that reach the client: Cohere's own, a trial key's limits in OpenAI's names too."""
    kept = [pair for pair in client_headers(headers) if not pair[0].startswith(b"content-")]
    kept += [(_LIMITS[name], value) for name, value in headers if name in _LIMITS]
    return kept
