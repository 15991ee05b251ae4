"""Error answers of providers: the sentence in them, whatever their shape, and what it means in OpenAI's terms."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from msgspec import Struct

from ..errors import RawHeaders, TollwayError, UpstreamAuthFailed, UpstreamRejected, retry_after
from ..wire.headers import value_of
from ..wire.values import Json, JsonObject, number, obj, objects, text

RAW_LIMIT = 500
"""Characters of an answer that is not JSON which are shown."""

CONTEXT_LENGTH = re.compile(
    r"context_length_exceeded|maximum context length|context window|prompt is too long|input is too long"
    r"|too many (?:input )?tokens(?!, please wait)|exceeds? the (?:maximum|limit)[^.]*token|reduce the length|max_model_len"
    r"|input length and .max_tokens. exceed|string too long|request too large[^.]*tokens|total number of tokens in the prompt cannot exceed",
    re.IGNORECASE,
)
"""A prompt that does not fit, in the words of many providers."""

QUOTA = re.compile(
    r"insufficient_quota|exceeded_current_quota|quota exceeded|\bbilling\b|\bcredits?\b|\bbalance\b|payment required",
    re.IGNORECASE,
)
"""Money is gone: waiting does not help."""

_AGAIN = re.compile(
    r"(?:try again|retry)(?: in| after)? ((?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?(?= ?sec))", re.IGNORECASE
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Said(Struct, frozen=True):
    """What an error body says. ``type`` and ``code`` are the provider's own words, empty when there are none."""

    message: str
    type: str = ""
    code: str = ""
    param: str | None = None


TYPES: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    408: ("server_error", "timeout"),
    409: ("conflict_error", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    498: ("rate_limit_error", "capacity_exceeded"),
    500: ("server_error", None),
    502: ("server_error", None),
    503: ("server_error", "overloaded"),
    504: ("server_error", "timeout"),
    529: ("server_error", "overloaded"),
}
"""Status to OpenAI's type and code, where a provider's own say nothing better."""


def said(body: bytes, document: Json) -> Said:
    """The sentence in an error body. ``document``: the same body decoded, ``None`` when it is not JSON."""
    if isinstance(document, list):
        document = next((item for item in document if isinstance(item, dict)), None)
    if isinstance(document, str):
        return Said(document[:RAW_LIMIT])
    if not isinstance(document, dict):
        return Said(_plain(body))
    error = document.get("error")
    if isinstance(error, dict):
        found = _of_object(error)
        return found if found.message else Said(text(document.get("message")) or _plain(body), found.type, found.code)
    if isinstance(error, str) and error:
        if not _is_word(error):
            return Said(error, _word(document.get("type")), _word(document.get("code")))
        sentence = text(document.get("message")) or text(document.get("error_description"))
        return Said(sentence or error, _word(document.get("type")), _word(document.get("code")) or error)
    return _flat(document, body)


def _flat(document: JsonObject, body: bytes) -> Said:
    """Bodies without an ``error`` member."""
    kind = _word(document.get("type")) or _word(document.get("error_code")) or _word(document.get("__type"))
    code = _word(document.get("code")) or _word(document.get("error_code")) or _word(document.get("reason"))
    param = text(document.get("param")) or None
    message = document.get("message", document.get("Message", document.get("msg")))
    if isinstance(message, dict):
        return Said(_detail(message.get("detail")) or _plain(body), kind, code, param)
    if isinstance(message, str) and message:
        return Said(message, kind, code, param)
    detail = _detail(document.get("detail"))
    if detail:
        return Said(
            (text(document.get("title")) and f"{text(document.get('title'))}: {detail}") or detail, kind, code, param
        )
    for listed in objects(document.get("errors")):
        inner = _of_object(listed)
        if inner.message:
            return inner
    base = obj(document.get("base_resp"))
    if text(base.get("status_msg")):
        return Said(text(base.get("status_msg")), "", _word(base.get("status_code")))
    return Said(text(document.get("title")) or _plain(body), kind, code, param)


def _of_object(error: JsonObject) -> Said:
    message = error.get("message")
    if not isinstance(message, str):
        message = _detail(message) or text(error.get("detail"))
    kind = _word(error.get("type")) or _word(error.get("status"))
    return Said(message, kind, _word(error.get("code")), text(error.get("param")) or None)


def _detail(value: Json) -> str:
    """FastAPI's ``detail``: a string, or a list of ``{loc, msg, type}``."""
    if isinstance(value, str):
        return value
    parts = []
    for item in objects(value) or ([value] if isinstance(value, dict) else []):
        where = ".".join(str(part) for part in item["loc"]) if isinstance(item.get("loc"), list) else ""  # type: ignore[union-attr]
        sentence = text(item.get("msg")) or text(item.get("message"))
        if sentence:
            parts.append(f"{where}: {sentence}" if where else sentence)
    return "; ".join(parts)


def _word(value: Json) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int) else ""


def _is_word(value: str) -> bool:
    return " " not in value


def _plain(body: bytes) -> str:
    """An answer that is not JSON, as text: tags of an HTML page removed, bounded."""
    shown = body[: RAW_LIMIT * 8].decode("utf-8", "replace")
    if "<" in shown:
        title = re.search(r"<title[^>]*>([^<]{1,300})", shown, re.IGNORECASE)
        shown = title[1] if title else re.sub(r"<[^>]*>", " ", shown)
    return " ".join(shown.split())[:RAW_LIMIT] or "The provider gave no reason."


def rejected(
    status: int,
    found: Said,
    headers: RawHeaders,
    *,
    type: str = "",
    code: str | None = None,
    wait: float | None = None,
) -> TollwayError:
    """The error for a provider's answer. ``type`` and ``code`` are the dialect's translation; without them the status and the
    sentence decide. ``wait``: seconds until a retry, when the body says so. Our own credentials refused becomes a 502."""
    usual, usual_code = TYPES.get(status, ("invalid_request_error", None) if status < 500 else ("server_error", None))
    kind, code = type or usual, code or usual_code
    seconds = wait if wait is not None else wait_in(headers, found.message)
    if status in (400, 413, 422, 429) and CONTEXT_LENGTH.search(found.message) is not None:
        status, kind, code = (
            400 if status != 429 else 429,
            "invalid_request_error" if status != 429 else kind,
            "context_length_exceeded",
        )
    elif _out_of_money(status, found, seconds):
        kind = code = "insufficient_quota"
    if status in (401, 403) and code != "content_filter":
        return UpstreamAuthFailed(
            "The provider refused the gateway's credentials; check its api_key.",
            detail=f"status {status}: {found.message[:RAW_LIMIT]}",
        )
    answered = (
        retry_after(seconds) if seconds is not None and status in (408, 409, 425, 429, 500, 502, 503, 504, 529) else ()
    )
    status = 503 if status == 529 else status if 400 <= status <= 599 else 502
    return UpstreamRejected(found.message, status=status, type=kind, code=code, param=found.param, headers=answered)


def _out_of_money(status: int, found: Said, seconds: float | None) -> bool:
    """Some hosts speak of plans and billing in every rate limit: one that says when to come back is no empty purse."""
    if status == 402 or QUOTA.search(f"{found.type} {found.code}") is not None:
        return status in (402, 429)
    return status == 429 and seconds is None and QUOTA.search(found.message) is not None


def wait_in(headers: RawHeaders, message: str) -> float | None:
    """Seconds until a retry makes sense: ``retry-after-ms``, ``retry-after``, rate-limit resets, or words in the message."""
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        value = value_of(headers, name)
        if value is not None:
            try:
                seconds = float(value) * scale
            except ValueError:
                continue
            if 0 <= seconds <= 86_400:
                return seconds
    dated = _until_date(headers)
    if dated is not None:
        return dated
    reset = _until_reset(headers)
    if reset is not None:
        return reset
    told = _AGAIN.search(message)
    return seconds_in(told[1]) if told is not None else None


def _until_date(headers: RawHeaders) -> float | None:
    """``retry-after`` as an HTTP date, by the answer's own ``date``: there is no clock here."""
    then, now = _moment(value_of(headers, b"retry-after")), _moment(value_of(headers, b"date"))
    if then is None or now is None:
        return None
    return min(max(then - now, 0.0), 86_400.0)


def _moment(value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        return parsedate_to_datetime(value.decode("latin-1")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _until_reset(headers: RawHeaders) -> float | None:
    """The reset of the limit that is used up (``remaining`` 0), in any of its spellings: duration, seconds, epoch."""
    found: list[float] = []
    for name, value in headers:
        if not name.startswith(b"x-ratelimit-reset"):
            continue
        if value_of(headers, name.replace(b"-reset", b"-remaining")) not in (b"0", None):
            continue
        seconds = _reset_in(value.decode("latin-1").strip(), headers)
        if seconds is not None:
            found.append(seconds)
    return max(found) if found else None


def _reset_in(value: str, headers: RawHeaders) -> float | None:
    try:
        amount = float(value)
    except ValueError:
        return seconds_in(value)
    if amount > 1e11:
        amount /= 1000
    if amount > 1e8:
        now = _moment(value_of(headers, b"date"))
        return min(max(amount - now, 0.0), 86_400.0) if now is not None else None
    return amount if 0 <= amount <= 86_400 else None


def seconds_in(duration: str) -> float | None:
    """``2m3.5s``, ``120ms``, ``23`` as seconds; ``None`` for anything else or beyond a day."""
    parts = _DURATION.findall(duration)
    try:
        found = sum(float(amount) * _UNITS[unit] for amount, unit in parts) if parts else float(duration)
    except ValueError:
        return None
    return found if 0 <= found <= 86_400 else None


def code_number(value: Json) -> int | None:
    """An HTTP status hidden in an error body's ``code``."""
    found = number(value)
    if found is None and isinstance(value, str) and value.isdigit() and len(value) == 3:
        found = int(value)
    return int(found) if found is not None and 400 <= found <= 599 else None
