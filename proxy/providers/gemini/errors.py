"""Google's error answers (``google.rpc.Status``) in OpenAI's terms."""

import orjson

from ...errors import RawHeaders, TollwayError, UpstreamInvalid, UpstreamRejected, retry_after
from ...translation.failures import Said, code_number, rejected, said, seconds_in, wait_in
from ...wire.values import Json, JsonObject, obj, objects, text

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""google.rpc.Code to HTTP."""

_KEY_REASONS = frozenset(("API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED"))
_KEY_WORDS = ("API key not valid", "API key expired", "API Key not found", "Please pass a valid API key")


def error_answer(status: int, headers: RawHeaders, body: bytes) -> TollwayError:
    """A non-2xx answer: an object, a list of objects (streams without ``alt=sse``), or anything else."""
    try:
        document: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    return _error(status, headers, said(body, document), _status_object(document))


def error_within(document: JsonObject) -> TollwayError | None:
    """The error in what came with status 200; ``None`` when there is none."""
    if not document.get("error"):
        return None
    status = obj(document["error"])
    code = code_number(status.get("code")) or STATUSES.get(text(status.get("status")), 500)
    return _error(code, (), said(b"", document), status)


def no_answer(what: str) -> UpstreamInvalid:
    """An answer that is none; ``what`` completes the sentence."""
    return UpstreamInvalid(f"Gemini's answer {what}.")


def _error(http: int, headers: RawHeaders, found: Said, status: JsonObject) -> TollwayError:
    details = objects(status.get("details"))
    word = text(status.get("status"))
    wait = _retry_delay(details)
    if http == 400 and _about_key(found.message, details):
        return rejected(401, found, headers)
    if http == 400 and word == "FAILED_PRECONDITION":
        return rejected(400, found, headers, type="permission_error", code="permission_denied")
    if http == 429:
        return _exhausted(found, headers, details, wait)
    if http == 499:
        return rejected(504, found, headers, wait=wait)
    return rejected(http, found, headers, wait=wait)


def _exhausted(found: Said, headers: RawHeaders, details: list[JsonObject], wait: float | None) -> UpstreamRejected:
    """Google speaks of quota and billing in every 429; only a daily quota is one that waiting does not help."""
    daily = any(
        "PerDay" in text(violation.get("quotaId"))
        for detail in details
        for violation in objects(detail.get("violations"))
    )
    seconds = wait if wait is not None else wait_in(headers, found.message)
    return UpstreamRejected(
        found.message,
        status=429,
        type="insufficient_quota" if daily else "rate_limit_error",
        code="insufficient_quota" if daily else "rate_limit_exceeded",
        headers=retry_after(seconds) if seconds is not None else (),
    )


def _about_key(message: str, details: list[JsonObject]) -> bool:
    return any(
        detail.get("reason") in _KEY_REASONS for detail in details if isinstance(detail.get("reason"), str)
    ) or any(words in message for words in _KEY_WORDS)


def _retry_delay(details: list[JsonObject]) -> float | None:
    for detail in details:
        delay = text(detail.get("retryDelay"))
        if delay:
            return seconds_in(delay)
    return None


def _status_object(document: Json) -> JsonObject:
    if isinstance(document, list):
        document = next((item for item in document if isinstance(item, dict)), None)
    return obj(obj(document).get("error"))
