"""Embeddings and rerank at providers with dialects of their own, by OpenAI's SDK and by plain requests."""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.processes import KEY, Mock, running

from .accounts import MODELS, config, named
from .asked import ASK, TOOLS, fold, results, whole

pytestmark = pytest.mark.e2e

EMBEDDERS = [
    ("gemini", "gemini-embedding-001"),
    ("vertex", "gemini-embedding-001"),
    ("cohere", "embed-v4.0"),
    ("bedrock", "amazon.titan-embed-text-v2:0"),
    ("bedrock", "cohere.embed-english-v3"),
    ("openai", "text-embedding-3-small"),
    ("mistral", "mistral-embed"),
]
RANKERS = [("cohere", "rerank-v4.0-pro"), ("bedrock", "cohere.rerank-v3-5:0"), ("bedrock", "amazon.rerank-v1:0")]


@pytest.mark.parametrize(("account", "model"), EMBEDDERS)
def test_vectors_as_floats_and_as_base64(client: openai.OpenAI, account: str, model: str) -> None:
    name = f"{account}/{model}"
    floats: list[float] = (
        client.embeddings.create(model=name, input="the road", encoding_format="float").data[0].embedding
    )
    assert len(floats) >= 256
    assert any(floats)
    coded: Any = client.embeddings.create(model=name, input="the road", encoding_format="base64").data[0].embedding
    raw = base64.b64decode(coded, validate=True)
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == pytest.approx(floats, abs=1e-6)
    usual: list[float] = client.embeddings.create(model=name, input="the road").data[0].embedding
    assert usual == pytest.approx(floats, abs=1e-6)


SINGLE = [("vertex", "gemini-embedding-001"), ("bedrock", "amazon.titan-embed-text-v2:0")]
"""Models that take one text a request."""


@pytest.mark.parametrize(("account", "model"), SINGLE)
def test_a_model_that_takes_one_text_says_so(client: openai.OpenAI, mock: Mock, account: str, model: str) -> None:
    before = mock.stats()["requests"]
    with pytest.raises(openai.BadRequestError, match=r"send them in parts|one text"):
        client.embeddings.create(model=f"{account}/{model}", input=["the road", "the mill"])
    assert mock.stats()["requests"] == before


@pytest.mark.parametrize(("account", "model"), [row for row in EMBEDDERS if row not in SINGLE])
def test_several_texts_keep_their_order(client: openai.OpenAI, account: str, model: str) -> None:
    texts = ["the road", "the mill", "the sea"]
    name = f"{account}/{model}"
    found = client.embeddings.create(model=name, input=texts, encoding_format="float")
    assert [row.index for row in found.data] == [0, 1, 2]
    for text, row in zip(texts, found.data, strict=True):
        alone = client.embeddings.create(model=name, input=text, encoding_format="float").data[0].embedding
        assert row.embedding == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(("account", "model"), RANKERS)
def test_ranks(client: openai.OpenAI, account: str, model: str) -> None:
    body = {
        "model": f"{account}/{model}",
        "query": "the road",
        "documents": ["a sea", "the road north", "a mill"],
        "top_n": 2,
    }
    found: Any = client.post("/rerank", cast_to=object, body=body)
    assert len(found["results"]) == 2
    assert found["results"][0]["index"] == 1
    scores = [row["relevance_score"] for row in found["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.fixture(scope="module")
def signing() -> Iterator[openai.OpenAI]:
    """A gateway that signs for an upstream that recomputes the signature; ``forged`` has another secret."""
    upstream = Mock("--key", "AKIDEXAMPLE:a/secret+key")
    options = {"region": "us-east-1", "access_key_id": "AKIDEXAMPLE"}
    given: dict[str, Any] = {"use": "bedrock", "base_url": upstream.origin, "headers": {"x-mock-tool-calls": "2"}}
    providers = {
        "signed": {**given, "options": {**options, "secret_access_key": "a/secret+key"}},
        "forged": {**given, "options": {**options, "secret_access_key": "another"}},
    }
    try:
        with (
            running(config(providers, models={})) as gateway,
            openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client,
        ):
            yield client
    finally:
        upstream.close()


def test_signed_requests(signing: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"model": named("signed"), "messages": ASK, "tools": TOOLS}
    answer = signing.chat.completions.create(**fields)
    assert answer.choices[0].finish_reason == "tool_calls"
    turn = [*ASK, *results(answer.choices[0].message)]
    follow = signing.chat.completions.create(**{**fields, "messages": turn})
    stream: Any = signing.chat.completions.create(
        **{**fields, "messages": turn}, stream=True, stream_options={"include_usage": True}
    )
    assert fold(stream) == whole(follow)
    vectors = signing.embeddings.create(model="signed/amazon.titan-embed-text-v2:0", input="the road — é")
    assert vectors.data[0].embedding


def test_a_signature_with_another_secret(signing: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        signing.chat.completions.create(model=f"forged/{MODELS['bedrock']}", messages=ASK)
    assert raised.value.status_code == 502
    assert "credentials" in raised.value.message


def test_a_bearer_key_is_not_signed(client: openai.OpenAI, mock: Mock) -> None:
    client.chat.completions.create(model=named("bedrock"), messages=ASK)
    headers = {name.lower(): value for name, value in mock.requests(1)[-1]["headers"]}
    assert headers["authorization"] == "Bearer upstream-credential"
    assert "x-amz-date" not in headers
