"""Anthropic's errors and rate limit headers in OpenAI's terms. Source: Anthropic's error reference, version 2026-10-21."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ...errors import RawHeaders, TollwayError
from ...translation.failures import QUOTA, Said, rejected, said
from ...wire.headers import client_headers, value_of
from ...wire.values import JsonObject, obj, text
from .reading import document_in

KINDS: Mapping[str, tuple[int, str, str | None]] = {
    "invalid_request_error": (400, "invalid_request_error", None),
    "authentication_error": (401, "authentication_error", "invalid_api_key"),
    "billing_error": (402, "insufficient_quota", "insufficient_quota"),
    "permission_error": (403, "permission_error", "permission_denied"),
    "not_found_error": (404, "invalid_request_error", "model_not_found"),
    "conflict_error": (409, "conflict_error", "conflict"),
    "request_too_large": (413, "invalid_request_error", "request_too_large"),
    "rate_limit_error": (429, "rate_limit_error", "rate_limit_exceeded"),
    "api_error": (500, "server_error", None),
    "timeout_error": (504, "server_error", "timeout"),
    "overloaded_error": (529, "server_error", "overloaded"),
}
"""``error.type`` to its usual status and OpenAI's type and code."""

_CONTENT = frozenset((b"content-type", b"content-length", b"content-encoding"))
_LIMIT = b"anthropic-ratelimit-"


def error_of(status: int, headers: RawHeaders, body: bytes) -> TollwayError:
    """A non-2xx answer. Overload (529) becomes 503; no ``retry-after`` is made where Anthropic names none (a spent cap)."""
    return _translated(status, said(body, document_in(body)), headers)


def error_within(document: JsonObject) -> TollwayError:
    """An ``error`` object inside a 200: an event of a stream, or a whole body. The status is the one that its type has."""
    found = said(b"", document)
    return _translated(KINDS.get(found.type, (500, "", None))[0], found, ())


def _translated(status: int, found: Said, headers: RawHeaders) -> TollwayError:
    _, kind, code = KINDS.get(found.type, (status, "", None))
    if status == 400 and "credit balance" in found.message and QUOTA.search(found.message) is not None:
        kind = code = "insufficient_quota"
    return rejected(status, found, headers, type=kind, code=code)


def is_error(document: JsonObject) -> bool:
    """Does a whole body say that the request failed?"""
    return document.get("type") == "error" or bool(obj(document.get("error")) or text(document.get("error")))


def answer_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The provider's headers without those of the body; ``anthropic-ratelimit-*`` repeated as ``x-ratelimit-*``.

    Anthropic says when a limit is full again as a moment; counted from the answer's ``date`` it is the duration that clients expect.
    """
    kept = [pair for pair in client_headers(headers) if pair[0] not in _CONTENT]
    for kind in (b"requests", b"tokens"):
        for part in (b"limit", b"remaining"):
            value = value_of(headers, _LIMIT + kind + b"-" + part)
            if value is not None:
                kept.append((b"x-ratelimit-" + part + b"-" + kind, value))
        wait = _seconds_until(value_of(headers, _LIMIT + kind + b"-reset"), value_of(headers, b"date"))
        if wait is not None:
            kept.append((b"x-ratelimit-reset-" + kind, b"%ds" % wait))
    return kept


def _seconds_until(moment: bytes | None, now: bytes | None) -> int | None:
    """Whole seconds from an HTTP date to an RFC 3339 moment, at least 0; ``None`` when either cannot be read."""
    if moment is None or now is None:
        return None
    try:
        end = datetime.fromisoformat(moment.decode("ascii"))
        start = parsedate_to_datetime(now.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    if start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    return max(0, -int(-(end - start).total_seconds() // 1))
