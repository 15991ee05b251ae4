"""Anthropic's errors and headers in OpenAI's terms."""

import orjson
import pytest

from proxy.errors import RawHeaders, UpstreamAuthFailed, UpstreamRejected
from proxy.providers.anthropic.dialect import AnthropicChat

DIALECT = AnthropicChat()


def body(kind: str, message: str = "It failed.") -> bytes:
    return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


@pytest.mark.parametrize(
    ("status", "kind", "shown", "type_", "code"),
    [
        (400, "invalid_request_error", 400, "invalid_request_error", None),
        (402, "billing_error", 402, "insufficient_quota", "insufficient_quota"),
        (404, "not_found_error", 404, "invalid_request_error", "model_not_found"),
        (409, "conflict_error", 409, "conflict_error", "conflict"),
        (413, "request_too_large", 413, "invalid_request_error", "request_too_large"),
        (429, "rate_limit_error", 429, "rate_limit_error", "rate_limit_exceeded"),
        (500, "api_error", 500, "server_error", None),
        (504, "timeout_error", 504, "server_error", "timeout"),
        (529, "overloaded_error", 503, "server_error", "overloaded"),
        (500, "overloaded_error", 500, "server_error", "overloaded"),
        (418, "teapot_error", 418, "invalid_request_error", None),
    ],
)
def test_every_type(status: int, kind: str, shown: int, type_: str, code: str | None) -> None:
    error = DIALECT.error(status, (), body(kind))
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.type, error.code, error.message) == (shown, type_, code, "It failed.")


@pytest.mark.parametrize(("status", "kind"), [(401, "authentication_error"), (403, "permission_error")])
def test_our_own_credentials_refused_are_not_the_clients_fault(status: int, kind: str) -> None:
    error = DIALECT.error(status, (), body(kind, "invalid x-api-key"))
    assert isinstance(error, UpstreamAuthFailed)
    assert error.status == 502
    assert "x-api-key" not in error.message


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 250000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ],
)
def test_a_prompt_that_does_not_fit(message: str) -> None:
    error = DIALECT.error(400, (), body("invalid_request_error", message))
    assert (error.status, error.code, error.message) == (400, "context_length_exceeded", message)


def test_money_that_is_gone() -> None:
    error = DIALECT.error(400, (), body("invalid_request_error", "Your credit balance is too low."))
    assert (error.status, error.type, error.code) == (400, "insufficient_quota", "insufficient_quota")


def test_retry_after() -> None:
    limited = DIALECT.error(429, ((b"retry-after", b"7"),), body("rate_limit_error"))
    assert dict(limited.headers)[b"retry-after"] == b"7"
    assert DIALECT.error(429, (), body("rate_limit_error")).headers == ()
    busy = DIALECT.error(529, ((b"retry-after", b"2"),), body("overloaded_error"))
    assert dict(busy.headers)[b"retry-after"] == b"2"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (b"", "The provider gave no reason."),
        (b'{"message":"flat"}', "flat"),
        (b'{"type":"error","error":"words"}', "words"),
        (b"[]", "[]"),
        (b'{"type":"error","error":{"type":"api_error","message":"a\xffb"}}', "a\ufffdb"),
    ],
)
def test_odd_bodies(raw: bytes, message: str) -> None:
    error = DIALECT.error(502, (), raw)
    assert (error.status, error.message) == (502, message)


def test_rate_limits_under_openais_names() -> None:
    raw: RawHeaders = (
        (b"content-type", b"application/json"),
        (b"content-length", b"3"),
        (b"set-cookie", b"a=b"),
        (b"date", b"Sun, 22 Nov 2026 10:00:00 GMT"),
        (b"request-id", b"req_1"),
        (b"anthropic-ratelimit-requests-limit", b"50"),
        (b"anthropic-ratelimit-requests-remaining", b"49"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-22T10:00:12.5Z"),
        (b"anthropic-ratelimit-tokens-limit", b"1000"),
        (b"anthropic-ratelimit-tokens-reset", b"2026-11-22T09:59:00Z"),
    )
    found = dict(DIALECT.headers(raw))
    assert found[b"x-ratelimit-limit-requests"] == b"50"
    assert found[b"x-ratelimit-remaining-requests"] == b"49"
    assert found[b"x-ratelimit-reset-requests"] == b"13s"
    assert found[b"x-ratelimit-limit-tokens"] == b"1000"
    assert found[b"x-ratelimit-reset-tokens"] == b"0s"
    assert found[b"request-id"] == b"req_1"
    assert b"x-ratelimit-remaining-tokens" not in found
    assert not {b"content-type", b"content-length", b"set-cookie"} & set(found)


@pytest.mark.parametrize("moment", [b"soon", b"\xff", b""])
def test_a_reset_that_cannot_be_read_is_left_out(moment: bytes) -> None:
    raw: RawHeaders = (
        (b"date", b"Sun, 22 Nov 2026 10:00:00 GMT"),
        (b"anthropic-ratelimit-requests-reset", moment),
        (b"anthropic-ratelimit-tokens-reset", b"2026-11-22T10:00:12"),
    )
    found = dict(DIALECT.headers(raw))
    assert b"x-ratelimit-reset-requests" not in found
    assert found[b"x-ratelimit-reset-tokens"] == b"12s"
    assert b"x-ratelimit-reset-tokens" not in dict(DIALECT.headers(raw[1:]))
