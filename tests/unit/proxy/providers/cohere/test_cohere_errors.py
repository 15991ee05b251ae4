"""Cohere's failures and headers, and the account that it is reached by."""

import pytest
from cohere_shapes import CHAT

from proxy.errors import UpstreamAuthFailed
from proxy.providers.base import Settings
from proxy.providers.cohere import operation, provider


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (400, b'{"message":"invalid request: temperature"}', (400, "invalid_request_error", None)),
        (
            400,
            b'{"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081"}',
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (404, b'{"id":"x","message":"model \'m\' not found"}', (404, "invalid_request_error", "model_not_found")),
        (422, b'{"message":"tool_choice: unknown"}', (422, "invalid_request_error", None)),
        (429, b'{"message":"limited to 20 API calls / minute"}', (429, "rate_limit_error", "rate_limit_exceeded")),
        (429, b'{"message":"limited to 1000 API calls / month"}', (429, "insufficient_quota", "insufficient_quota")),
        (499, b'{"message":"request cancelled"}', (503, "server_error", "overloaded")),
        (500, b'{"message":"oops"}', (500, "server_error", None)),
        (501, b"", (501, "server_error", None)),
        (503, b"<html><title>Down</title></html>", (503, "server_error", "overloaded")),
        (504, b"\xff", (504, "server_error", "timeout")),
    ],
)
def test_errors(status: int, body: bytes, found: tuple[int, str, str | None]) -> None:
    error = CHAT.error(status, (), body)
    assert (error.status, error.type, error.code) == found
    assert error.message


@pytest.mark.parametrize("status", [401, 403, 498])
def test_our_credentials_refused(status: int) -> None:
    assert isinstance(CHAT.error(status, (), b'{"message":"invalid api token"}'), UpstreamAuthFailed)


def test_retry_after_and_limits_of_a_trial_key() -> None:
    error = CHAT.error(429, ((b"retry-after", b"3"),), b'{"message":"slow down"}')
    assert (b"retry-after", b"3") in error.headers
    headers = CHAT.headers(
        (
            (b"content-type", b"application/json"),
            (b"content-length", b"5"),
            (b"set-cookie", b"a=b"),
            (b"x-trial-endpoint-call-remaining", b"19"),
            (b"x-debug-trace-id", b"t"),
        )
    )
    assert headers == [
        (b"x-trial-endpoint-call-remaining", b"19"),
        (b"x-debug-trace-id", b"t"),
        (b"x-ratelimit-remaining-requests", b"19"),
    ]


def test_what_is_offered() -> None:
    assert {
        name for name in ("chat", "embeddings", "rerank", "images", "responses", "speech") if operation(name, "m")
    } == {
        "chat",
        "embeddings",
        "rerank",
    }


def test_the_key_is_the_configured_one() -> None:
    assert provider(Settings(name="c", base_url="https://x.test", environ={"CO_API_KEY": "k"}))._added == []
    assert provider(Settings(name="c", api_key="own", environ={"CO_API_KEY": "k"}))._added == [
        ("authorization", "Bearer own")
    ]
    assert provider(Settings(name="c", base_url="https://x.test/v2/"))._base_url == "https://x.test"
