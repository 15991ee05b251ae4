"""The account: where it listens, how it proves who it is, what it offers; embeddings and rerank."""

import base64
import struct
from typing import Any

import orjson
import pytest

from proxy.errors import InvalidRequest, UpstreamInvalid
from proxy.providers.account import Account
from proxy.providers.base import OptionError, Settings
from proxy.providers.bedrock import provider
from proxy.providers.bedrock.embeddings import Cohere, Rerank, Titan
from proxy.translation.ask import Ask


def made(
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    forwards: bool = False,
    options: Any = None,
    **environ: str,
) -> Account:
    return provider(
        Settings(
            name="aws", base_url=base_url, api_key=api_key, forwards=forwards, options=options or {}, environ=environ
        )
    )


@pytest.mark.parametrize(
    ("account", "url"),
    [
        (made(api_key="k", options={"region": "eu-west-1"}), "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        (made(api_key="k", AWS_REGION="us-east-1"), "https://bedrock-runtime.us-east-1.amazonaws.com"),
        (made(api_key="k", AWS_DEFAULT_REGION="cn-north-1"), "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        (made(api_key="k", options={"endpoint": "http://127.0.0.1:9/"}), "http://127.0.0.1:9"),
        (
            made(api_key="k", base_url="https://vpce.example", options={"endpoint": "http://other"}),
            "https://vpce.example",
        ),
    ],
)
def test_where_it_listens(account: Account, url: str) -> None:
    assert account._base_url == url


def test_a_bedrock_key_is_a_bearer_token() -> None:
    account = made(api_key="bedrock-api-key-x", AWS_REGION="us-east-1")
    assert account.auth is None
    assert ("authorization", "Bearer bedrock-api-key-x") in account._added


def signing(account: Account) -> dict[str, str]:
    assert account.auth is not None
    assert account.auth.scheme == "sigv4"
    assert not account._added
    return account.auth.options


def test_without_a_key_requests_are_signed() -> None:
    base = {"region": "us-east-1", "service": "bedrock"}
    assert signing(made(AWS_REGION="us-east-1")) == base
    static = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    found = {**base, "access_key_id": "AK", "secret_access_key": "s", "session_token": "t"}
    assert signing(made(AWS_REGION="us-east-1", **static)) == found
    assert signing(made(AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="AK", AWS_PROFILE="dev")) == {
        **base,
        "profile": "dev",
    }
    assert signing(made(AWS_REGION="us-east-1", options={"profile": "dev"}, **static)) == {**base, "profile": "dev"}


def test_what_the_options_name_beats_the_environment() -> None:
    account = made(
        AWS_REGION="us-east-1", AWS_BEARER_TOKEN_BEDROCK="k", options={"access_key_id": "AK", "secret_access_key": "s"}
    )
    assert signing(account)["access_key_id"] == "AK"
    assert "session_token" not in signing(account)


def test_the_region_of_an_aws_host_is_known() -> None:
    account = made(base_url="https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com")
    assert signing(account)["region"] == "us-west-2"
    assert (
        signing(made(base_url="https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"))["region"] == "us-gov-west-1"
    )


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "options.region"),
        ({"base_url": "http://127.0.0.1:9"}, "options.region"),
        ({"options": {"region": "us-east-1.evil.example"}}, "options.region"),
        ({"options": {"region": "us-east-1", "access_key_id": "AK"}}, "options.secret_access_key"),
        ({"options": {"regoin": "x"}}, "options"),
        ({"options": {"region": "us-east-1", "guardrail": {"id": "a", "trace": "loud"}}}, "options.guardrail.trace"),
    ],
)
def test_settings_that_are_wrong_are_named(given: dict[str, Any], key: str) -> None:
    with pytest.raises(OptionError) as caught:
        made(**given)
    assert caught.value.key == key


def test_a_clients_own_key_needs_none_of_ours() -> None:
    account = made(forwards=True, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="AK", AWS_SECRET_ACCESS_KEY="s")
    assert account.auth is None


def test_the_guardrail_is_on_every_request() -> None:
    account = made(api_key="k", options={"region": "us-east-1", "guardrail": {"id": "abc", "version": "3"}})
    chat = account._operations("chat", "amazon.nova-pro-v1:0")
    assert chat is not None
    body = orjson.loads(
        chat.encode({"messages": [{"role": "user", "content": "x"}]}, Ask(model="amazon.nova-pro-v1:0")).body
    )
    assert body["guardrailConfig"] == {"guardrailIdentifier": "abc", "guardrailVersion": "3", "trace": "disabled"}


@pytest.mark.parametrize(
    ("endpoint", "model", "kind"),
    [
        ("embeddings", "amazon.titan-embed-text-v2:0", Titan),
        ("embeddings", "us.cohere.embed-v4:0", Cohere),
        ("embeddings", "amazon.nova-pro-v1:0", type(None)),
        ("rerank", "cohere.rerank-v3-5:0", Rerank),
        ("images", "amazon.titan-embed-text-v2:0", type(None)),
    ],
)
def test_what_is_offered(endpoint: str, model: str, kind: type) -> None:
    assert type(made(api_key="k", AWS_REGION="us-east-1")._operations(endpoint, model)) is kind


def test_titan_embeds_one_text() -> None:
    ask = Ask(model="amazon.titan-embed-text-v2:0")
    titan = Titan()
    encoded = titan.encode({"model": "m", "input": ["hello"], "dimensions": 256, "normalize": True, "user": "u"}, ask)
    assert encoded.path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert orjson.loads(encoded.body) == {"inputText": "hello", "dimensions": 256, "normalize": True}
    answer = titan.decode(b'{"embedding":[0.5,-1],"inputTextTokenCount":3}', ask)
    assert answer == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1]}],
        "model": "amazon.titan-embed-text-v2:0",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    with pytest.raises(InvalidRequest, match="one text a request"):
        Titan().encode({"input": ["a", "b"]}, ask)


def test_titan_of_the_first_version_has_one_size() -> None:
    ask = Ask(model="amazon.titan-embed-text-v1")
    assert orjson.loads(Titan().encode({"input": "a", "dimensions": 256}, ask).body) == {"inputText": "a"}
    assert ask.notes.dropped == ["dimensions"]


def test_cohere_embeds_many_and_reports_no_usage() -> None:
    ask = Ask(model="cohere.embed-v4:0")
    cohere = Cohere()
    encoded = cohere.encode(
        {"input": ["a", "b"], "dimensions": 512, "input_type": "search_query", "encoding_format": "base64"}, ask
    )
    assert orjson.loads(encoded.body) == {
        "texts": ["a", "b"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 512,
    }
    answer: Any = cohere.decode(b'{"embeddings":{"float":[[0.5],[1]]}}', ask)
    assert [struct.unpack("<f", base64.b64decode(found["embedding"])) for found in answer["data"]] == [(0.5,), (1.0,)]
    assert "usage" not in answer
    plain: Any = Cohere().decode(b'{"embeddings":[[0.5],[1]]}', ask)
    assert [found["embedding"] for found in plain["data"]] == [[0.5], [1]]


@pytest.mark.parametrize("given", [None, "", [], [1, 2], [[1]], 3])
def test_input_that_is_no_text(given: Any) -> None:
    if given == "":
        given = []
    with pytest.raises(InvalidRequest):
        Cohere().encode({"input": given}, Ask(model="cohere.embed-v4:0"))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"embedding":[]}', b'{"embedding":["x"]}', b'{"embedding":[null]}', b'{"embedding":[1e300]}']
)
def test_answers_without_vectors(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        Titan().decode(body, Ask(model="m"))


def test_rerank() -> None:
    ask = Ask(model="cohere.rerank-v3-5:0")
    encoded = Rerank().encode({"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}, ask)
    assert orjson.loads(encoded.body) == {"query": "q", "documents": ["a", "b"], "top_n": 1, "api_version": 2}
    answer = Rerank().decode(b'{"results":[{"index":1,"relevance_score":0.9}]}', ask)
    assert answer["results"] == [{"index": 1, "relevance_score": 0.9}]
    with pytest.raises(InvalidRequest):
        Rerank().encode({"query": "q", "documents": []}, ask)
    with pytest.raises(UpstreamInvalid):
        Rerank().decode(b"{}", ask)
