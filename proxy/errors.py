"""Every failure a client can see, and the only place that renders an error envelope, OpenAI's or Anthropic's.

TollwayError
├── ClientError            the request is at fault
│   ├── InvalidRequest (400) ── InvalidJson, UnsupportedMedia (415), RequestTooLarge (413), RequestTimeout (408)
│   ├── AuthenticationFailed (401)
│   ├── PermissionDenied (403)
│   ├── NotFound (404) ── ModelNotFound, EndpointUnsupported, ObjectNotFound
│   ├── Conflict (409)
│   ├── PriceUnknown (400)
│   └── ClientGone (499, nobody reads it) ── IncompleteBody (400)
├── RateLimited (429)      a limit of ours
│   └── BudgetExceeded     a budget or balance is used up
├── LimitsUnavailable, LedgerUnavailable, KeysUnavailable (503)   what decides or remembers cannot be reached
├── UpstreamError          a provider is at fault
│   ├── UpstreamUnavailable (UpstreamDropped), UpstreamInvalid, UpstreamTlsFailed, UpstreamAuthFailed, UpstreamCut (502)
│   ├── UpstreamRefused, UpstreamRejected (as theirs)
│   └── UpstreamTimeout (504) ── UpstreamConnectTimeout
├── NoHealthyTarget (503), DeadlineExceeded (504)
├── GatewayDraining, SpoolFailed (503)
└── InternalError (500)
"""

import json
from typing import ClassVar, Literal

import orjson

Fault = Literal["client", "gateway", "upstream"]
RawHeaders = tuple[tuple[bytes, bytes], ...]


class TollwayError(Exception):
    """A failure with everything its answer, its metric and a failover decision need.

    ``message`` reaches the client: it names what happened, the rule and the fix, never a secret or a foreign exception's
    text. ``detail`` goes to the log only. ``headers`` are added to the answer.
    """

    status: int = 500
    type: str = "server_error"
    default_code: ClassVar[str | None] = None
    source: ClassVar[Fault] = "gateway"
    retryable: ClassVar[bool] = False
    """May another target be tried?"""
    should_retry: ClassVar[bool | None] = None
    """What ``x-should-retry`` tells SDKs; ``None`` leaves it to their rule for the status."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        detail: str = "",
        headers: RawHeaders = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code
        self.param = param
        self.detail = detail
        self.headers = headers


class ClientError(TollwayError):
    """The request is at fault; sending it again unchanged fails again."""

    status = 400
    type = "invalid_request_error"
    source = "client"
    should_retry: ClassVar[bool | None] = False


class InvalidRequest(ClientError):
    """A field is missing, of the wrong type, or not allowed here."""


class InvalidJson(InvalidRequest):
    """The body is not JSON that we and every upstream read alike."""

    default_code = "invalid_json"


class UnsupportedMedia(InvalidRequest):
    """The body's content type or encoding cannot be read on this endpoint."""

    status = 415


class RequestTooLarge(InvalidRequest):
    """The body exceeds ``server.max_body`` or ``server.max_upload``."""

    status = 413


class RequestTimeout(InvalidRequest):
    """The client sent its body too slowly, or broke it off."""

    status = 408
    should_retry = None


class AuthenticationFailed(ClientError):
    """No key, or one we do not know."""

    status = 401
    default_code = "invalid_api_key"


class PermissionDenied(ClientError):
    """The key is known and may not do this."""

    status = 403
    type = "permission_error"
    default_code = "permission_denied"


class NotFound(ClientError):
    """No such path."""

    status = 404


class ModelNotFound(NotFound):
    """Unknown, or not permitted to this key: both read alike."""

    default_code = "model_not_found"


class EndpointUnsupported(NotFound):
    """The model's provider has no such operation."""

    default_code = "endpoint_unsupported"


class ObjectNotFound(NotFound):
    """An object (file, batch, response …) that does not exist or belongs to another account: both read alike."""

    default_code = "not_found"


class Conflict(ClientError):
    """The request contradicts what is there: a replayed Idempotency-Key with another body, a name that is taken."""

    status = 409
    default_code = "conflict"


class PriceUnknown(InvalidRequest):
    """The key has a budget or pays for its use, and nobody knows what this model costs."""

    default_code = "price_unknown"


class ClientGone(ClientError):
    """The client left; nobody reads the answer."""

    status = 499


class IncompleteBody(ClientGone):
    """The body ended before its declared end: the client left, or its framing is wrong. Answered in case it is still there."""

    status = 400
    default_code = "incomplete_body"


class SpoolFailed(TollwayError):
    """The upload could not be kept on disk until its ``model`` field was seen."""

    status = 503
    default_code = "spool_failed"


class RateLimited(TollwayError):
    """A limit of ours. Pass ``retry-after`` in ``headers``."""

    status = 429
    type = "requests"
    default_code = "rate_limit_exceeded"
    source = "client"


class BudgetExceeded(RateLimited):
    """A budget or a prepaid balance is used up: sending it again does not help."""

    type = "insufficient_quota"
    default_code = "insufficient_quota"
    should_retry: ClassVar[bool | None] = False


class LimitsUnavailable(TollwayError):
    """The store that decides a limit cannot be reached, and the limit is ``closed``."""

    status = 503
    default_code = "limits_unavailable"


class LedgerUnavailable(TollwayError):
    """A hold cannot be written down, so nothing that costs money is sent."""

    status = 503
    default_code = "ledger_unavailable"


class KeysUnavailable(TollwayError):
    """The key is not known here and the database that could know it cannot be reached."""

    status = 503
    default_code = "keys_unavailable"


class UpstreamError(TollwayError):
    """A provider failed; another target may be tried."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_error"
    source = "upstream"
    retryable = True


class UpstreamUnavailable(UpstreamError):
    """Refused, reset, unresolvable, or closed before an answer."""

    default_code = "upstream_unavailable"


class UpstreamDropped(UpstreamUnavailable):
    """The connection died after the request was sent and before an answer: it may have been worked on, and billed."""


class UpstreamInvalid(UpstreamError):
    """Not HTTP, or an answer that contradicts itself."""

    default_code = "upstream_invalid_response"


class UpstreamTlsFailed(UpstreamError):
    """The certificate or handshake was not acceptable; never retried in the clear."""

    default_code = "upstream_tls"


class UpstreamAuthFailed(UpstreamError):
    """The provider refused *our* credentials: a 401 would blame the client's key."""

    should_retry = False


class UpstreamCut(UpstreamError):
    """The answer broke off after it had begun."""

    retryable = False


class UpstreamRefused(UpstreamError):
    """A WebSocket handshake that the provider answered with an ordinary status, which is passed on."""

    retryable = False

    def __init__(self, message: str, *, status: int = 502) -> None:
        super().__init__(message, detail=f"status {status}")
        self.status = status


class UpstreamRejected(UpstreamError):
    """An error answer of a provider that speaks another dialect, in OpenAI's words: status, type, code and text are theirs, translated."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 502,
        type: str = "upstream_error",
        code: str | None = None,
        param: str | None = None,
        headers: RawHeaders = (),
        detail: str = "",
    ) -> None:
        super().__init__(message, code=code, param=param, detail=detail, headers=headers)
        self.status = status
        self.type = type
        self.code = code


class UpstreamTimeout(UpstreamError):
    """Connect, first-byte, idle or total limit passed."""

    status = 504
    default_code = "upstream_timeout"


class UpstreamConnectTimeout(UpstreamTimeout):
    """The connect limit passed: nothing was sent, so nothing can have been billed."""


class NoHealthyTarget(TollwayError):
    """Every target rests or is full. The message lists each with its reason; pass ``retry-after`` in ``headers``."""

    status = 503
    default_code = "no_healthy_upstream"


class DeadlineExceeded(TollwayError):
    """The deadline that the request or the route set has passed; all attempts share it."""

    status = 504
    default_code = "deadline_exceeded"


class GatewayDraining(TollwayError):
    """The process is going away and its drain limit passed."""

    status = 503
    default_code = "gateway_draining"
    headers_default: ClassVar[RawHeaders] = ((b"retry-after", b"1"),)

    def __init__(self, message: str = "The gateway is shutting down; send the request again.") -> None:
        super().__init__(message, headers=self.headers_default)


class InternalError(TollwayError):
    """Our bug. The text says nothing but where to look."""

    default_code = "internal_error"

    def __init__(self, message: str = "The gateway failed; its log holds the cause.", *, detail: str = "") -> None:
        super().__init__(message, detail=detail)


Shape = Literal["openai", "anthropic"]
"""Whose error envelope a client expects."""

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Status to the type in Anthropic's envelope; other 4xx are ``invalid_request_error``, the rest ``api_error``."""


def envelope(error: TollwayError, request_id: str, shape: Shape = "openai") -> bytes:
    """The error body: OpenAI's with all four keys, or Anthropic's. Our own messages end with the request id."""
    told = isinstance(error, UpstreamRejected)
    message = error.message if told else f"{error.message} (request id: {request_id})"
    if shape == "anthropic":
        other = "invalid_request_error" if error.status < 500 else "api_error"
        kind = _ANTHROPIC_TYPES.get(error.status, other)
        return _dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})
    return _dumps({"error": {"message": message, "type": error.type, "param": error.param, "code": error.code}})


def _dumps(body: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # A lone surrogate in a provider's text, which no encoder takes.
        return json.dumps(body).encode()


def sse_event(error: TollwayError, request_id: str, shape: Shape = "openai") -> bytes:
    """The same body as one event for a stream that has begun; nothing (no ``[DONE]``) follows it."""
    name = b"event: error\n" if shape == "anthropic" else b""
    return name + b"data: " + envelope(error, request_id, shape) + b"\n\n"


def answer_headers(error: TollwayError, request_id: str) -> list[tuple[bytes, bytes]]:
    """Headers of a gateway-made error answer, as the official SDKs read them."""
    raw_id = request_id.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"x-request-id", raw_id),
        (b"x-tollway-request-id", raw_id),
        (b"x-tollway-error-source", b"upstream" if isinstance(error, UpstreamRejected) else b"gateway"),
        *error.headers,
    ]
    if error.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if error.should_retry else b"false"))
    return headers


def retry_after(seconds: float) -> RawHeaders:
    """``retry-after`` in whole seconds (rounded up) and ``retry-after-ms``, the two forms SDKs read."""
    milliseconds = max(1, round(seconds * 1000))
    return (
        (b"retry-after", b"%d" % -(-milliseconds // 1000)),
        (b"retry-after-ms", b"%d" % milliseconds),
    )
