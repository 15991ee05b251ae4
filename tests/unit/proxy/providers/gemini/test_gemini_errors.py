"""Google's error answers in OpenAI's terms."""

import orjson
import pytest

from proxy.errors import RawHeaders, UpstreamAuthFailed
from proxy.providers.gemini.dialect import Gemini
from proxy.wire.values import Json, JsonObject

INFO = "type.googleapis.com/google.rpc."


def body(code: int, status: str, message: str, *details: Json) -> JsonObject:
    return {"error": {"code": code, "message": message, "status": status, "details": [*details]}}


@pytest.mark.parametrize(
    ("http", "document", "expected"),
    [
        (400, body(400, "INVALID_ARGUMENT", "Bad."), (400, "invalid_request_error", None)),
        (400, body(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (5)."),
         (400, "invalid_request_error", "context_length_exceeded")),
        (400, body(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
         (400, "permission_error", "permission_denied")),
        (404, body(404, "NOT_FOUND", "models/x is not found"), (404, "invalid_request_error", "model_not_found")),
        (429, body(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
         (429, "rate_limit_error", "rate_limit_exceeded")),
        (429, body(429, "RESOURCE_EXHAUSTED", "Quota.", {"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}),
         (429, "insufficient_quota", "insufficient_quota")),
        (499, body(499, "CANCELLED", "Cancelled."), (504, "server_error", "timeout")),
        (500, body(500, "INTERNAL", "Oops."), (500, "server_error", None)),
        (503, body(503, "UNAVAILABLE", "The model is overloaded."), (503, "server_error", "overloaded")),
        (504, body(504, "DEADLINE_EXCEEDED", "Late."), (504, "server_error", "timeout")),
        (503, [body(503, "UNAVAILABLE", "In a list.")], (503, "server_error", "overloaded")),
    ],
)  # fmt: skip
def test_statuses(http: int, document: Json, expected: tuple[int, str, str | None]) -> None:
    error = Gemini().error(http, (), orjson.dumps(document))
    assert (error.status, error.type, error.code) == expected
    first = document[0] if isinstance(document, list) else document
    assert error.message == first["error"]["message"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("http", "document"),
    [
        (400, body(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
        (400, body(400, "INVALID_ARGUMENT", "No.", {"@type": INFO + "ErrorInfo", "reason": "API_KEY_INVALID"})),
        (401, body(401, "UNAUTHENTICATED", "Who?")),
        (403, body(403, "PERMISSION_DENIED", "No.")),
    ],
)
def test_our_own_credentials_refused(http: int, document: Json) -> None:
    error = Gemini().error(http, (), orjson.dumps(document))
    assert isinstance(error, UpstreamAuthFailed)
    assert error.status == 502


@pytest.mark.parametrize(
    ("message", "details", "headers", "milliseconds"),
    [
        ("Slow.", [{"@type": INFO + "RetryInfo", "retryDelay": "23.5s"}], (), b"23500"),
        ("Please retry in 7s.", [], (), b"7000"),
        ("Slow.", [], ((b"retry-after", b"4"),), b"4000"),
        ("Slow.", [{"retryDelay": "soon"}, 5], (), None),
    ],
)
def test_when_to_try_again(message: str, details: list[Json], headers: RawHeaders, milliseconds: bytes | None) -> None:
    error = Gemini().error(429, headers, orjson.dumps(body(429, "RESOURCE_EXHAUSTED", message, *details)))
    assert dict(error.headers).get(b"retry-after-ms") == milliseconds


def test_an_answer_that_is_no_json() -> None:
    error = Gemini().error(502, (), b"<html><title>Bad Gateway</title></html>")
    assert (error.status, error.message) == (502, "Bad Gateway")


def test_googles_own_headers_pass() -> None:
    given: RawHeaders = ((b"content-type", b"x"), (b"x-gemini-service-tier", b"flex"), (b"server", b"scaffolding"))
    assert Gemini().headers(given) == [(b"x-gemini-service-tier", b"flex")]
