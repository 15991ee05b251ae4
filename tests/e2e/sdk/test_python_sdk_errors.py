"""What the official Python SDK raises through the gateway: its exception classes with their fields, its retries, its timeouts."""

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.processes import KEY, Gateway, Mock

pytestmark = pytest.mark.e2e

ASK: list[Any] = [{"role": "user", "content": "How long is the road?"}]


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    """The SDK without retries of its own."""
    with OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=20) as found:
        yield found


def ask(client: OpenAI, fault: str = "", **fields: Any) -> Any:
    headers = {"x-mock-fault": fault} if fault else {}
    return client.chat.completions.create(**{"model": "gpt-4o", "messages": ASK, "extra_headers": headers, **fields})


PASSED_ON = [
    ("context-length", openai.BadRequestError, 400, "invalid_request_error", "context_length_exceeded", "messages"),
    ("status:404", openai.NotFoundError, 404, "invalid_request_error", None, None),
    ("status:409", openai.ConflictError, 409, "invalid_request_error", None, None),
    ("status:422", openai.UnprocessableEntityError, 422, "invalid_request_error", None, None),
    ("rate-limit", openai.RateLimitError, 429, "requests", "rate_limit_exceeded", None),
    ("quota", openai.RateLimitError, 429, "insufficient_quota", "insufficient_quota", None),
    ("status:500", openai.InternalServerError, 500, "server_error", None, None),
    ("overloaded", openai.InternalServerError, 503, "service_unavailable_error", "server_is_overloaded", None),
]


@pytest.mark.parametrize(("fault", "kind", "status", "type_", "code", "param"), PASSED_ON)
@pytest.mark.parametrize("stream", [False, True])
def test_an_upstreams_error_arrives_as_it_is(
    client: OpenAI, mock: Mock, fault: str, kind: type[openai.APIStatusError], status: int, type_: str, code: str | None,
    param: str | None, stream: bool,
) -> None:  # fmt: skip
    with pytest.raises(kind) as through:
        ask(client, fault, stream=stream)
    error = through.value
    assert (type(error), error.status_code, error.type, error.code, error.param) == (kind, status, type_, code, param)
    assert error.response.headers["x-tollway-error-source"] == "upstream"
    with OpenAI(base_url=mock.url, api_key="sk-any", max_retries=0) as direct, pytest.raises(kind) as straight:
        ask(direct, fault, stream=stream)
    assert str(error) == str(straight.value)
    assert error.body == straight.value.body
    assert error.request_id == straight.value.request_id != None  # noqa: E711


def test_a_wrong_key(gateway: Gateway) -> None:
    with (
        OpenAI(base_url=gateway.url, api_key="sk-wrong-key-of-a-stranger", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        ask(client)
    error = raised.value
    assert (error.status_code, error.type, error.code) == (401, "invalid_request_error", "invalid_api_key")
    assert error.request_id
    assert error.request_id in error.message
    assert "sk-wrong-key-of-a-stranger" not in str(error.body)
    assert error.response.headers["x-tollway-error-source"] == "gateway"
    assert error.response.headers["x-should-retry"] == "false"


def test_a_refused_gateway_credential_is_not_the_clients_fault(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "bad-key")
    assert (raised.value.status_code, raised.value.type) == (502, "upstream_error")
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert "sk-upstream-credential" not in str(raised.value.body)


OURS: list[tuple[str, dict[str, Any], type[openai.APIStatusError], str, str | None]] = [
    ("no model", {"model": ""}, openai.NotFoundError, "model_not_found", "model"),
    ("model of another type", {"model": 5}, openai.BadRequestError, "invalid_type", "model"),
    ("stream of another type", {"extra_body": {"stream": "yes"}}, openai.BadRequestError, "invalid_type", "stream"),
    ("destination", {"extra_body": {"api_base": "http://127.0.0.1:1/v1"}}, openai.BadRequestError, "unsupported_parameter", "api_base"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "kind", "code", "param"), OURS)
def test_an_error_of_ours(
    client: OpenAI, name: str, fields: dict[str, Any], kind: type[openai.APIStatusError], code: str, param: str | None
) -> None:
    with pytest.raises(kind) as raised:
        ask(client, **fields)
    error = raised.value
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert error.request_id == error.response.headers["x-tollway-request-id"]
    assert error.response.headers["x-tollway-error-source"] == "gateway"


@pytest.mark.parametrize("fault", ["reset", "close", "reset-head", "status:042", "html-502"])
def test_a_broken_upstream(client: OpenAI, fault: str) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, fault)
    assert raised.value.status_code == 502


def test_a_cut_stream_raises_and_never_ends_cleanly(client: OpenAI) -> None:
    stream = ask(client, "cut:3", stream=True)
    assert len([next(stream) for _ in range(3)]) == 3
    with pytest.raises(openai.APIError) as raised:
        next(stream)
    assert raised.value.type == "upstream_error"


def test_an_error_event_of_the_upstream_is_passed_on(client: OpenAI) -> None:
    stream = ask(client, "sse-error:2", stream=True)
    with pytest.raises(openai.APIError, match="had an error while processing"):
        list(stream)


def failing(times: int, name: str, fault: str) -> dict[str, str]:
    return {"x-mock-fault": fault, "x-mock-fault-times": str(times), "x-mock-fault-id": f"{name}-{time.monotonic_ns()}"}


@pytest.mark.parametrize(
    ("fault", "least", "most"), [("rate-limit:ms=40", 0.08, 1.5), ("rate-limit:seconds=0.2", 0.4, 2)]
)
def test_sdk_retries_after_the_time_it_is_told(gateway: Gateway, fault: str, least: float, most: float) -> None:
    with OpenAI(base_url=gateway.url, api_key=KEY, max_retries=2, timeout=20) as client:
        begun = time.monotonic()
        found = ask(client, extra_headers=failing(2, "limit", fault))
        assert least <= time.monotonic() - begun <= most
        assert found.choices


async def test_async_sdk_retries(gateway: Gateway) -> None:
    async with AsyncOpenAI(base_url=gateway.url, api_key=KEY, max_retries=2, timeout=20) as client:
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=ASK, stream=True, extra_headers=failing(2, "async", "rate-limit:ms=5")
        )
        assert [chunk async for chunk in stream]


@pytest.mark.parametrize("fault", ["quota", "bad-key"])
def test_sdk_does_not_retry_what_cannot_succeed(gateway: Gateway, mock: Mock, fault: str) -> None:
    before = mock.stats()["requests"]
    with OpenAI(base_url=gateway.url, api_key=KEY, max_retries=2) as client, pytest.raises(openai.APIStatusError):
        ask(client, fault)
    assert mock.stats()["requests"] == before + 1


def test_sdk_timeout(gateway: Gateway, mock: Mock) -> None:
    with OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=0.3) as client:
        with pytest.raises(openai.APITimeoutError):
            ask(client, "hang")
        with pytest.raises(openai.APITimeoutError):
            list(ask(client, "hang-after:2", stream=True))


def test_sdk_on_a_trailing_slash_base_url(gateway: Gateway) -> None:
    with OpenAI(base_url=gateway.url + "/", api_key=KEY, max_retries=0) as client:
        assert ask(client).choices


def test_sdk_on_each_prefix(gateway: Gateway) -> None:
    for prefix in ("/v1", "/openai/v1", "/openai", ""):
        with OpenAI(base_url=gateway.origin + prefix, api_key=KEY, max_retries=0) as client:
            assert ask(client, model="fast").model == "gpt-4o"
