"""Accounts at AI Studio and Vertex AI: addresses, credentials, and who speaks which dialect."""

from collections.abc import Mapping

import orjson
import pytest

from proxy.providers import gemini, vertex
from proxy.providers.account import Account
from proxy.providers.anthropic.dialect import AnthropicChat
from proxy.providers.base import OptionError, Settings
from proxy.providers.gemini.dialect import Gemini
from proxy.providers.vertex import Place, SharedEndpoint
from proxy.translation.ask import Ask
from proxy.wire.endpoints import CHAT, EMBEDDINGS
from proxy.wire.values import Json

PLACE = Place(project="p-1", location="europe-west4")
ROOT = "/projects/p-1/locations/europe-west4"


def account(environ: Mapping[str, str] = {}, key: str | None = None, **options: Json) -> Account:
    return vertex.provider(Settings(name="v", api_key=key, environ=environ, options=options))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-x", f"{ROOT}/publishers/google/models/gemini-x"),
        ("google/gemini-x", f"{ROOT}/publishers/google/models/gemini-x"),
        ("endpoints/123", f"{ROOT}/endpoints/123"),
        ("endpoints/../../x", f"{ROOT}/endpoints/..%2F..%2Fx"),
        ("../x", f"{ROOT}/publishers/google/models/..%2Fx"),
    ],
)
def test_paths(model: str, path: str) -> None:
    assert PLACE.google(model) == path


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com/v1"),
        ("global", "https://aiplatform.googleapis.com/v1"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com/v1"),
    ],
)
def test_hosts(location: str, host: str) -> None:
    assert Place(project="p", location=location).host() == host


def test_express_mode_has_no_project_and_no_other_publishers() -> None:
    express = Place()
    assert express.host() == "https://aiplatform.googleapis.com/v1"
    assert express.google("gemini-x") == "/publishers/google/models/gemini-x"
    assert SharedEndpoint("https://h/v1", express).url(CHAT, "meta/llama", "/chat/completions") is None
    found = account(key="k", environ={"GOOGLE_CLOUD_PROJECT": "p"})
    assert found.auth is None
    assert found._operations("chat", "claude-sonnet-4-5") is None


def test_claude_is_asked_in_anthropics_words() -> None:
    found = account(project="p-1", location="europe-west4")._operations("chat", "claude-sonnet-4-5@20250929")
    assert isinstance(found, AnthropicChat)
    ask = Ask(model="claude-sonnet-4-5@20250929", stream=True)
    encoded = found.encode({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}, ask)
    assert encoded.path == f"{ROOT}/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict"
    body = orjson.loads(encoded.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    ask.stream = False
    assert found.encode({"messages": [{"role": "user", "content": "hi"}]}, ask).path.endswith(":rawPredict")


def test_others_pass_at_the_shared_endpoint() -> None:
    shared = SharedEndpoint("https://h/v1", PLACE)
    url = f"https://h/v1{ROOT}/endpoints/openapi/chat/completions"
    assert shared.url(CHAT, "meta/llama-4", "/chat/completions") == url
    for model in ("gemini-x", "google/gemini-x", "anthropic/claude-x", "endpoints/1"):
        assert shared.url(CHAT, model, "/chat/completions") is None
    assert shared.url(EMBEDDINGS, "meta/llama-4", "/embeddings") is None


def test_credentials_are_found_where_google_keeps_them() -> None:
    environ = {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": "/a.json"}
    found = account(environ)
    assert found.auth is not None
    assert (found.auth.scheme, found.auth.options) == ("google", {"credentials_file": "/a.json"})
    own = account(environ, credentials_file="/b.json")
    assert own.auth is not None
    assert own.auth.options == {"credentials_file": "/b.json"}
    adc = account(project="p")
    assert adc.auth is not None
    assert adc.auth.options == {}


def test_a_missing_project_is_named() -> None:
    with pytest.raises(OptionError) as caught:
        account()
    assert caught.value.key == "options.project"
    with pytest.raises(OptionError, match="prject"):
        account(prject="x")


@pytest.mark.parametrize(
    ("given", "base"),
    [
        (None, "https://generativelanguage.googleapis.com/v1beta"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/v1beta"),
        ("http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1"),
    ],
)
def test_ai_studio(given: str | None, base: str) -> None:
    found = gemini.provider(
        Settings(name="g", base_url=given, api_key="k1", environ={"GEMINI_API_KEY": "k2", "GOOGLE_API_KEY": "k3"})
    )
    assert found._base_url == base
    assert found._added == [("x-goog-api-key", "k1")]
    assert isinstance(found._operations("chat", "gemini-x"), Gemini)
    assert found._operations("rerank", "gemini-x") is None
