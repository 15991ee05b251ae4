"""What OpenAI's SDK raises when another dialect's provider refuses, breaks off, or lacks what was asked for."""

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.processes import Mock

from .accounts import ALIKE, DIALECTS, FLAVOURED, MODELS, faulty, named
from .asked import ASK, TOOLS

pytestmark = pytest.mark.e2e

OTHERS = [*DIALECTS, *FLAVOURED]
AS_THEY_CAME = {*ALIKE, "openrouter", "zai", "groq"}
"""Whose errors have OpenAI's envelope, though not every member, and pass byte for byte."""
EVERYONE = [*ALIKE, *OTHERS]


def ask(client: openai.OpenAI, model: str, **fields: Any) -> Any:
    return client.chat.completions.create(**{"model": model, "messages": ASK, **fields})


def failure(client: openai.OpenAI, account: str, fault: str, *, stream: bool) -> openai.APIStatusError:
    """What an account raises that always meets ``fault``."""
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, named(faulty(account, fault)), stream=stream)
    error = raised.value
    body: Any = error.body
    if account not in AS_THEY_CAME or fault == "bad-key":
        assert body.keys() == {"message", "type", "param", "code"}
    assert len(error.message) >= 10
    return error


@pytest.fixture(scope="module")
def direct(mock: Mock) -> Iterator[openai.OpenAI]:
    """The SDK at the upstream itself."""
    with openai.OpenAI(base_url=mock.url, api_key="upstream-credential", max_retries=0) as found:
        yield found


@pytest.mark.parametrize("fault", ["rate-limit:seconds=7", "quota", "context-length", "overloaded", "status:404"])
@pytest.mark.parametrize("account", sorted(AS_THEY_CAME - {"azure-dated"}))
def test_an_error_in_openais_envelope_passes_as_it_came(
    client: openai.OpenAI, direct: openai.OpenAI, account: str, fault: str
) -> None:
    flavour = {"x-mock-flavour": account} if account in FLAVOURED else {}
    upstream = (
        direct.with_options(base_url=str(direct.base_url).replace("/v1", "/openai/v1"))
        if account == "azure"
        else direct
    )
    fields: Any = {"messages": ASK, "model": MODELS[account]}
    with pytest.raises(openai.APIStatusError) as through:
        client.chat.completions.create(**{**fields, "model": named(account)}, extra_headers={"x-mock-fault": fault})
    with pytest.raises(openai.APIStatusError) as straight:
        upstream.chat.completions.create(**fields, extra_headers={**flavour, "x-mock-fault": fault})
    assert through.value.response.content == straight.value.response.content
    assert through.value.status_code == straight.value.status_code
    assert type(through.value) is type(straight.value)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("account", EVERYONE)
class TestEveryProvider:
    """A class for its parameters."""

    def test_a_refused_credential_of_the_gateway(self, client: openai.OpenAI, account: str, stream: bool) -> None:
        error = failure(client, account, "bad-key", stream=stream)
        assert (type(error), error.status_code) == (openai.InternalServerError, 502)
        assert error.type == "upstream_error"
        assert "api_key" in error.message
        assert "upstream-credential" not in error.response.text

    def test_a_rate_limit(self, client: openai.OpenAI, account: str, stream: bool) -> None:
        error = failure(client, account, "rate-limit:seconds=7", stream=stream)
        assert isinstance(error, openai.RateLimitError)
        assert error.response.headers["retry-after"] == "7"
        assert error.response.headers["x-tollway-error-source"] == "upstream"
        if account not in AS_THEY_CAME:
            assert error.code == "rate_limit_exceeded"

    def test_a_quota(self, client: openai.OpenAI, account: str, stream: bool) -> None:
        error = failure(client, account, "quota", stream=stream)
        assert error.status_code in (402, 403, 429)
        if account not in AS_THEY_CAME:
            assert error.code in ("insufficient_quota", "billing_error", "rate_limit_exceeded")

    def test_a_conversation_that_is_too_long(self, client: openai.OpenAI, account: str, stream: bool) -> None:
        error = failure(client, account, "context-length", stream=stream)
        assert isinstance(error, openai.BadRequestError)
        if account not in AS_THEY_CAME:
            assert (error.type, error.code) == ("invalid_request_error", "context_length_exceeded")

    def test_an_overloaded_provider(self, client: openai.OpenAI, account: str, stream: bool) -> None:
        error = failure(client, account, "overloaded", stream=stream)
        assert isinstance(error, openai.InternalServerError)
        assert error.status_code in (500, 502, 503, 529)


@pytest.mark.parametrize("account", EVERYONE)
def test_an_error_in_the_middle_of_a_stream(client: openai.OpenAI, account: str) -> None:
    seen = []
    with pytest.raises(openai.APIError) as raised:  # noqa: PT012
        for chunk in ask(client, named(faulty(account, "sse-error:6")), stream=True):
            seen.append(chunk)
    assert seen
    assert not any(choice.finish_reason for chunk in seen for choice in chunk.choices)
    assert str(raised.value)
    assert any(choice.delta.content or choice.delta.model_extra for chunk in seen for choice in chunk.choices)


@pytest.mark.parametrize("account", OTHERS)
def test_an_error_inside_a_200(client: openai.OpenAI, account: str) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, named(faulty(account, "sse-error:6")))
    assert raised.value.status_code >= 400
    assert len(raised.value.message) > 10


def test_retries_of_the_sdk_stop_where_they_cannot_help(client: openai.OpenAI) -> None:
    patient = client.with_options(max_retries=1)
    begun = time.monotonic()
    with pytest.raises(openai.BadRequestError):
        ask(patient, named(faulty("claude", "context-length")))
    assert time.monotonic() - begun < 0.4, "what cannot help is not tried again"


UNSUPPORTED = [
    ("claude", "embeddings"),
    ("groq", "embeddings"),
    ("claude", "rerank"),
    ("gemini", "rerank"),
    ("claude", "speech"),
    ("cohere", "completions"),
    ("bedrock", "moderations"),
    ("gemini", "transcriptions"),
]


@pytest.mark.parametrize(("account", "endpoint"), UNSUPPORTED)
def test_an_endpoint_that_a_provider_lacks(client: openai.OpenAI, account: str, endpoint: str) -> None:
    model: Any = named(account)
    calls: dict[str, Any] = {
        "embeddings": lambda: client.embeddings.create(model=model, input="road"),
        "rerank": lambda: client.post(
            "/rerank", cast_to=object, body={"model": model, "query": "a", "documents": ["b"]}
        ),
        "speech": lambda: client.audio.speech.create(model=model, input="road", voice="alloy"),
        "completions": lambda: client.completions.create(model=model, prompt="road"),
        "moderations": lambda: client.moderations.create(model=model, input="road"),
        "transcriptions": lambda: client.audio.transcriptions.create(model=model, file=("a.wav", b"RIFF")),
    }
    with pytest.raises(openai.NotFoundError) as raised:
        calls[endpoint]()
    error = raised.value
    assert (error.code, error.param) == ("endpoint_unsupported", "model")
    assert "route this model to a provider that has it" in error.message


DROPPED = {"claude": "seed", "bedrock": "seed", "gemini": "logit_bias", "cohere": "logit_bias", "mistral": "logit_bias"}


@pytest.mark.parametrize(("account", "field"), DROPPED.items())
def test_what_does_not_travel_is_named(client: openai.OpenAI, account: str, field: str) -> None:
    fields: dict[str, Any] = {"seed": 7} if field == "seed" else {"logit_bias": {"50256": -100}}
    raw = client.chat.completions.with_raw_response.create(model=named(account), messages=ASK, **fields)
    assert raw.headers["x-tollway-dropped"] == field
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, named(account), extra_headers={"x-tollway-strict": "true"}, **fields)
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", field)
    assert field in raised.value.message


def test_what_travels_with_another_meaning_is_named(client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required"}
    raw = client.chat.completions.with_raw_response.create(model=named("deepseek"), messages=ASK, **fields)
    assert raw.headers["x-tollway-rewritten"] == "tool_choice"
    with pytest.raises(openai.BadRequestError, match="tool_choice"):
        ask(client, named("deepseek"), extra_headers={"x-tollway-strict": "true"}, **fields)


@pytest.mark.parametrize("account", OTHERS)
def test_a_strict_request_that_loses_nothing(client: openai.OpenAI, account: str) -> None:
    assert ask(client, named(account), extra_headers={"x-tollway-strict": "true"}).choices
