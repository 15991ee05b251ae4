"""AWS's error answers and exception frames in OpenAI's words. Source: the Bedrock runtime's service model, November 2026."""

from collections.abc import Mapping

import orjson
from msgspec import Struct

from ...errors import RawHeaders, TollwayError, UpstreamAuthFailed, UpstreamRejected
from ...translation.failures import RAW_LIMIT, Said, rejected, said
from ...wire.headers import value_of
from ...wire.values import Json, count, obj, text


class _Meaning(Struct, frozen=True):
    status: int
    type: str = ""
    code: str | None = None


_MEANINGS: Mapping[str, _Meaning] = {
    "ValidationException": _Meaning(400),
    "ResourceNotFoundException": _Meaning(404, "invalid_request_error", "model_not_found"),
    "ModelTimeoutException": _Meaning(408, "server_error", "timeout"),
    "ThrottlingException": _Meaning(429),
    "ModelNotReadyException": _Meaning(429, "rate_limit_error", "model_not_ready"),
    "ServiceQuotaExceededException": _Meaning(429),
    "ModelErrorException": _Meaning(502, "server_error"),
    "ModelStreamErrorException": _Meaning(502, "server_error"),
    "InternalServerException": _Meaning(500, "server_error"),
    "ServiceUnavailableException": _Meaning(503, "server_error", "overloaded"),
}

_CREDENTIALS = frozenset(
    """UnrecognizedClientException InvalidSignatureException ExpiredTokenException ExpiredToken InvalidClientTokenId
    MissingAuthenticationTokenException MissingAuthenticationToken IncompleteSignatureException
    IncompleteSignature""".split()
)
_CLOCK = ("signature expired", "signature not yet current")


def error_of(status: int, headers: RawHeaders, body: bytes) -> TollwayError:
    """A non-2xx answer. Its kind is in ``x-amzn-errortype``, for some front ends in the body's ``__type``."""
    document = _document(body)
    header = (value_of(headers, b"x-amzn-errortype") or b"").decode("latin-1")
    kind = header.partition(":")[0].strip() or text(obj(document).get("__type"))
    return _error(status, headers, kind.rpartition("#")[2], said(body, document), obj(document))


def exception_of(headers: Mapping[str, str], payload: bytes) -> TollwayError:
    """An exception or error frame of an event stream. Exceptions there are spelt with a small first letter."""
    if headers.get(":message-type") == "error":
        kind = headers.get(":error-code", "")
        found = Said(headers.get(":error-message", "") or "The provider gave no reason.")
        return _error(500, (), kind[:1].upper() + kind[1:], found, {})
    kind = headers.get(":exception-type", "")
    document = _document(payload)
    return _error(500, (), kind[:1].upper() + kind[1:], said(payload, document), obj(document))


def _error(status: int, headers: RawHeaders, kind: str, found: Said, document: dict[str, Json]) -> TollwayError:
    found = Said(found.message or "The provider gave no reason.", kind)
    refused = _refused(status, kind, found.message)
    if refused is not None:
        return refused
    meaning = _MEANINGS.get(kind)
    if meaning is None:
        return rejected(502 if status == 424 else status, found, headers)
    if meaning.status == 400 and "model identifier is invalid" in found.message:
        meaning = _Meaning(404, "invalid_request_error", "model_not_found")
    error = rejected(meaning.status, found, headers, type=meaning.type, code=meaning.code)
    return _with_original(error, document) if meaning.status == 502 else error


def _refused(status: int, kind: str, message: str) -> UpstreamAuthFailed | None:
    """Our credentials are at fault, whatever the status."""
    detail = f"status {status}: {kind}: {message[:RAW_LIMIT]}"
    if kind in _CREDENTIALS:
        if any(words in message.lower() for words in _CLOCK):
            return UpstreamAuthFailed(
                "AWS refused the gateway's signature because the gateway's clock is wrong; synchronise it.",
                detail=detail,
            )
        return UpstreamAuthFailed(
            "AWS refused the gateway's credentials; check its AWS keys, session token or Bedrock API key.",
            detail=detail,
        )
    if kind in ("AccessDeniedException", "AccessDenied"):
        return UpstreamAuthFailed(
            "AWS does not let the gateway's credentials use this model; grant bedrock:InvokeModel and "
            "bedrock:InvokeModelWithResponseStream, and ask for access to the model in its region.",
            detail=detail,
        )
    return None


def _with_original(error: TollwayError, document: dict[str, Json]) -> TollwayError:
    """A model's own failure, with what it said."""
    original = text(document.get("originalMessage"))
    told = count(document.get("originalStatusCode"))
    if not isinstance(error, UpstreamRejected) or (not original and told is None):
        return error
    message = (
        f"{error.message} ({original[:RAW_LIMIT]})" if original and original not in error.message else error.message
    )
    return UpstreamRejected(
        message,
        status=error.status,
        type=error.type,
        code=error.code,
        headers=error.headers,
        detail=f"original status {told}" if told is not None else "",
    )


def _document(body: bytes) -> Json:
    try:
        found: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found
