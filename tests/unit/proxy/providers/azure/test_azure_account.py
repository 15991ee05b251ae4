"""Azure's addresses, names and credentials; the client's own bytes."""

import json
from typing import Any

import pytest

from proxy.catalogue.behaviour import behaviour_of
from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import EndpointUnsupported
from proxy.protocols import Prepared
from proxy.providers.azure import provider
from proxy.providers.base import OptionError, Settings
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import PASSTHROUGH, REALTIME, SURFACE, Endpoint
from proxy.wire.values import Json

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
ROOT = "https://res.openai.azure.com"
V1 = f"{ROOT}/openai/v1"
BODY = b'{ "model" : "fast",  "messages":[{"role":"user","content":"Hi"}] , "x":1.0e2}'
ENDPOINTS = {path: endpoint for method, path, endpoint in SURFACE if method == "POST"}


def settings(base_url: str | None = V1, environ: dict[str, str] | None = None, **options: Json) -> Settings:
    return Settings(name="az", base_url=base_url, api_key="test-key", options=options, environ=environ or {})


def prepared(
    made: Settings,
    path: str = "/chat/completions",
    *,
    model: str = "small",
    endpoint: Endpoint | None = None,
    body: bytes = BODY,
    query: bytes = b"",
) -> Prepared:
    ctx = RequestContext(
        request_id="r",
        method="POST",
        path=path,
        query=query,
        body=body,
        endpoint=endpoint or ENDPOINTS.get(path, PASSTHROUGH),
        request=RequestView(model="fast"),
    )
    target = Target(provider="az", model=model, limits=LIMITS)
    return provider(made).prepare(ctx, target, include_usage=False, now=1)


def url(made: Settings, path: str = "/chat/completions", **more: Any) -> str:
    return prepared(made, path, **more).request.url


@pytest.mark.parametrize(
    ("base_url", "found"),
    [
        (V1, f"{V1}/chat/completions"),
        (f"{V1}/", f"{V1}/chat/completions"),
        (ROOT, f"{V1}/chat/completions"),
        (f"{ROOT}/", f"{V1}/chat/completions"),
        (f"{ROOT}/openai", f"{V1}/chat/completions"),
        (f"{V1}?api-version=preview", f"{V1}/chat/completions?api-version=preview"),
        ("https://res.services.ai.azure.com", "https://res.services.ai.azure.com/openai/v1/chat/completions"),
        ("https://gate.test/azure/openai/v1", "https://gate.test/azure/openai/v1/chat/completions"),
        ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1/chat/completions"),
        (
            "https://res.services.ai.azure.com/models",
            "https://res.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        (
            f"{ROOT}/openai/deployments/old/chat/completions?api-version=2024-10-21",
            f"{ROOT}/openai/deployments/small/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_the_address_of_chat(base_url: str, found: str) -> None:
    assert url(settings(base_url)) == found


@pytest.mark.parametrize("base_url", [ROOT, V1, f"{ROOT}/openai"])
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/chat/completions", "/openai/deployments/small/chat/completions?api-version=2024-10-21"),
        ("/embeddings", "/openai/deployments/small/embeddings?api-version=2024-10-21"),
        ("/audio/speech", "/openai/deployments/small/audio/speech?api-version=2024-10-21"),
        ("/images/generations", "/openai/deployments/small/images/generations?api-version=2024-10-21"),
        ("/responses", "/openai/responses?api-version=2024-10-21"),
        ("/files", "/openai/files?api-version=2024-10-21"),
    ],
)
def test_a_dated_version_means_addresses_by_deployment(base_url: str, path: str, found: str) -> None:
    assert url(settings(base_url, api_version="2024-10-21"), path) == ROOT + found


MESSAGE = b'{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'


@pytest.mark.parametrize(
    ("made", "path"),
    [
        (settings(base_models={"small": "gpt-5"}), "/openai/v1/chat/completions"),
        (
            settings("https://res.openai.azure.com/openai", api_version="2024-10-21"),
            "/openai/deployments/small/chat/completions?api-version=2024-10-21",
        ),
        (settings(ROOT + "/models"), "/models/chat/completions?api-version=2024-05-01-preview"),
    ],
)
def test_clients_of_anthropics_dialect_reach_every_deployment(made: Settings, path: str) -> None:
    found = prepared(made, "/messages", body=MESSAGE)
    assert found.request.url == ROOT + path
    assert isinstance(found.request.body, bytes)
    sent = json.loads(found.request.body)
    assert sent["model"] == "small"
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]
    assert ("max_completion_tokens" in sent) == bool(made.options.get("base_models"))
    assert found.translation is not None


def test_the_client_s_query_stays_behind_the_version() -> None:
    made = settings(api_version="2024-10-21")
    assert url(made, "/files", query=b"limit=2").endswith("/openai/files?api-version=2024-10-21&limit=2")
    assert url(settings(), "/files", query=b"limit=2") == f"{V1}/files?limit=2"


def test_deployments_with_odd_names_are_quoted() -> None:
    assert "/deployments/a%2Fb%3Fc/" in url(settings(api_version="2024-10-21"), model="a/b?c")


def test_variables_of_the_usual_clients() -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": f"{ROOT}/", "OPENAI_API_VERSION": "2024-10-21", "AZURE_OPENAI_API_KEY": "other"}
    found = prepared(Settings(name="az", api_key="k", environ=environ)).request
    assert found.url == f"{ROOT}/openai/deployments/small/chat/completions?api-version=2024-10-21"
    assert ("api-key", "k") in found.headers
    # A base_url of the operator's has decided already.
    assert url(settings(V1, environ)) == f"{V1}/chat/completions"


def test_no_address() -> None:
    with pytest.raises(OptionError) as refused:
        provider(settings(None))
    assert refused.value.key == "base_url"
    assert "AZURE_OPENAI_ENDPOINT" in refused.value.message


def test_unknown_options_are_refused() -> None:
    with pytest.raises(OptionError):
        provider(settings(api_versoin="2024-10-21"))


def test_the_body_keeps_its_bytes_but_for_the_model() -> None:
    found = prepared(settings())
    assert found.request.body == BODY.replace(b'"fast"', b'"small"')
    assert found.translation is None
    assert [pair for pair in found.request.headers if pair[0] in ("api-key", "authorization")] == [
        ("api-key", "test-key")
    ]


def test_deployments_are_named_in_the_body_and_in_the_path() -> None:
    mapped: dict[str, Json] = {"small": "prod-chat"}
    assert prepared(settings(deployments=mapped)).request.body == BODY.replace(b'"fast"', b'"prod-chat"')
    assert "/deployments/prod-chat/" in url(settings(api_version="2024-10-21", deployments=mapped))


def test_the_base_model_decides_what_is_adapted() -> None:
    assert behaviour_of("gpt-5").completion_cap
    body = b'{"model":"fast","messages":[{"role":"user","content":"Hi"}],"max_tokens":9}'
    assert prepared(settings(), model="prod", body=body).request.body == body.replace(b"fast", b"prod")
    told: Any = prepared(settings(base_models={"prod": "gpt-5"}), model="prod", body=body).request.body
    assert json.loads(told)["max_completion_tokens"] == 9
    both = settings(base_models={"prod": "gpt-5"}, deployments={"chat": "prod"})
    told = prepared(both, model="chat", body=body).request.body
    assert (json.loads(told)["model"], json.loads(told)["max_completion_tokens"]) == ("prod", 9)


@pytest.mark.parametrize("path", ["/moderations", "/rerank"])
def test_what_azure_does_not_have(path: str) -> None:
    with pytest.raises(EndpointUnsupported):
        prepared(settings(), path)


def test_the_models_family_has_chat_and_embeddings_alone() -> None:
    made = settings("https://res.services.ai.azure.com/models")
    assert "/models/embeddings?" in url(made, "/embeddings")
    with pytest.raises(EndpointUnsupported):
        prepared(made, "/audio/speech")


def test_realtime_is_a_socket() -> None:
    assert url(settings(), "/realtime", endpoint=REALTIME, body=b"", query=b"model=fast") == (
        "wss://res.openai.azure.com/openai/v1/realtime?model=small"
    )


FOUNDRY = "https://res.services.ai.azure.com"


def test_claude_in_foundry_for_clients_that_speak_chat() -> None:
    found = prepared(settings(FOUNDRY), model="claude-sonnet-4-5")
    assert found.request.url == f"{FOUNDRY}/anthropic/v1/messages"
    assert found.translation is not None
    assert ("api-key", "test-key") in found.request.headers
    sent: Any = found.request.body
    assert json.loads(sent)["model"] == "claude-sonnet-4-5"


def test_claude_under_a_deployment_s_name() -> None:
    made = settings(FOUNDRY, deployments={"smart": "dep-1"}, base_models={"dep-1": "claude-sonnet-4-5"})
    sent: Any = prepared(made, model="smart").request.body
    assert json.loads(sent)["model"] == "dep-1"
    assert json.loads(sent)["max_tokens"] > 0


@pytest.mark.parametrize("path", ["/messages", "/messages/count_tokens"])
def test_claude_in_foundry_for_clients_that_speak_anthropic(path: str) -> None:
    found = prepared(settings(FOUNDRY), path, model="claude-sonnet-4-5")
    assert found.request.url == f"{FOUNDRY}/anthropic/v1{path}"
    assert found.request.body == BODY.replace(b'"fast"', b'"claude-sonnet-4-5"')
    assert found.translation is None


# ---- credentials ----------------------------------------------------------------------------------------------------

IDENTITY = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/var/token"}


def keyless(environ: dict[str, str], **options: Json) -> Any:
    return provider(Settings(name="az", base_url=V1, options=options, environ=environ))


def test_a_key_wins_unless_entra_is_asked_for() -> None:
    assert provider(settings(environ=IDENTITY)).auth is None
    made = keyless(IDENTITY, auth="entra")
    assert made.auth.scheme == "entra"
    assert made._added == []


def test_a_ready_token_and_a_workload_s_identity_need_no_option() -> None:
    assert keyless({"AZURE_OPENAI_AD_TOKEN": "tok"}).auth.options["token"] == "tok"
    made = keyless(IDENTITY).auth
    assert made.options == {
        "tenant_id": "t",
        "client_id": "c",
        "token_file": "/var/token",
        "scope": "https://cognitiveservices.azure.com/.default",
    }
    assert "/var/token" not in repr(made)


def test_what_the_operator_wrote_wins() -> None:
    environ = {**IDENTITY, "AZURE_OPENAI_AD_TOKEN": "tok", "AZURE_CLIENT_SECRET": "env"}
    options: dict[str, Json] = {"auth": "entra", "client_id": "own", "client_secret": "s", "authority": "http://a.test"}
    found = keyless(environ, **options).auth.options
    assert found.keys() == {"tenant_id", "client_id", "client_secret", "authority", "scope"}
    assert (found["client_id"], found["client_secret"], found["authority"]) == ("own", "s", "http://a.test")
    by_file = keyless(environ, auth="entra", token_file="/own").auth.options
    assert by_file["token_file"] == "/own"
    assert by_file.keys().isdisjoint(("client_secret", "token"))


def test_foundry_has_a_scope_of_its_own() -> None:
    made = provider(Settings(name="az", base_url=FOUNDRY, environ=IDENTITY))
    assert made.auth is not None
    assert made.auth.options["scope"] == "https://ai.azure.com/.default"


def test_entra_without_an_identity() -> None:
    with pytest.raises(OptionError) as refused:
        keyless({"AZURE_TENANT_ID": "t"}, auth="entra")
    assert refused.value.key == "options.auth"
    assert keyless({"AZURE_TENANT_ID": "t"}).auth is None


def test_the_client_s_own_key_goes_where_azure_reads_it() -> None:
    account = provider(Settings(name="az", base_url=V1, forwards=True, environ=IDENTITY))
    assert account.auth is None
    ctx = RequestContext(
        request_id="r",
        method="POST",
        path="/chat/completions",
        body=BODY,
        endpoint=ENDPOINTS["/chat/completions"],
        request=RequestView(model="fast"),
        principal=Principal(name="x", tenant="t", forwarded=b"theirs"),
    )
    target = Target(provider="az", model="small", limits=LIMITS)
    headers = account.prepare(ctx, target, include_usage=False, now=1).request.headers
    assert [pair for pair in headers if pair[0] in ("api-key", "authorization")] == [("api-key", "theirs")]
