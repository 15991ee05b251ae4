"""`use: openai`: addresses, credentials, and the client's own bytes."""

import pytest

from proxy.config.secrets import Hidden
from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import EndpointUnsupported, InvalidRequest
from proxy.protocols import Prepared
from proxy.providers.account import Account
from proxy.providers.base import OptionError, Settings
from proxy.providers.openai import BASE_URL, provider
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, COUNT_TOKENS, EMBEDDINGS, MODELS, REALTIME, RERANK, RESPONSES, Endpoint

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)


def made(
    *,
    base_url: str | None = "http://up.test/v1",
    api_key: str | None = "sk-ours",
    headers: tuple[tuple[str, str], ...] = (),
    forwards: bool = False,
    environ: dict[str, str] | None = None,
    **options: str,
) -> Account:
    return provider(
        Settings(
            name="local",
            base_url=base_url,
            api_key=api_key,
            headers=headers,
            forwards=forwards,
            options=options,
            environ=environ or {},
        )
    )


def target(model: str = "small") -> Target:
    return Target(provider="local", model=model, limits=LIMITS)


BODY = b'{ "model" : "fast",  "messages":[] , "x":1.0e2}'


def request(**more: object) -> RequestContext:
    ctx = RequestContext(request_id="r", path="/chat/completions", body=BODY, request=RequestView(model="fast"))
    for name, value in more.items():
        setattr(ctx, name, value)
    return ctx


def prepared(account: Account, ctx: RequestContext, model: str = "small", *, include_usage: bool = False) -> Prepared:
    return account.prepare(ctx, target(model), include_usage=include_usage, now=1)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, BASE_URL + "/chat/completions"),
        ("http://up.test", "http://up.test/v1/chat/completions"),
        ("http://up.test/", "http://up.test/v1/chat/completions"),
        ("http://up.test:9000", "http://up.test:9000/v1/chat/completions"),
        ("http://up.test/v1", "http://up.test/v1/chat/completions"),
        ("http://up.test/v1/", "http://up.test/v1/chat/completions"),
        ("http://up.test/api/openai", "http://up.test/api/openai/chat/completions"),
    ],
)
def test_the_base_url(base_url: str | None, url: str) -> None:
    assert prepared(made(base_url=base_url), request()).request.url == url


def test_an_option_that_a_reference_brought_is_a_text_like_any() -> None:
    sent = prepared(made(organization=Hidden("org-acme")), request()).request
    assert {str(name).lower(): value for name, value in sent.headers}["openai-organization"] == "org-acme"


def test_the_model_is_spliced_and_nothing_else() -> None:
    sent = prepared(made(), request()).request
    assert sent.body == BODY.replace(b'"fast"', b'"small"')
    assert (sent.method, sent.length) == ("POST", None)


def test_an_unchanged_name_sends_the_very_bytes() -> None:
    assert prepared(made(), request(), "fast").request.body is BODY


def test_answers_are_never_repaired() -> None:
    for endpoint, path in ((CHAT, "/chat/completions"), (EMBEDDINGS, "/embeddings"), (RESPONSES, "/responses")):
        assert prepared(made(), request(endpoint=endpoint, path=path), "fast").translation is None


def test_a_stop_sequence_that_a_model_refuses_is_enforced_here() -> None:
    body = b'{"model":"o3","messages":[],"stop":"END"}'
    ctx = request(body=body, request=RequestView(model="o3"))
    found = prepared(made(), ctx, "o3")
    assert found.translation is not None
    assert found.request.body == b'{"model":"o3","messages":[]}'


@pytest.mark.parametrize("endpoint", [EMBEDDINGS, RESPONSES, RERANK, MODELS])
def test_everything_of_the_surface_is_offered(endpoint: Endpoint) -> None:
    account = made()
    assert account.passes(endpoint, "m", f"/{endpoint.name}")


def test_anthropics_dialect_is_not_spoken() -> None:
    assert not made().passes(COUNT_TOKENS, "m", "/messages/count_tokens")
    with pytest.raises(EndpointUnsupported):
        prepared(made(), request(endpoint=COUNT_TOKENS, path="/messages/count_tokens"))


def test_usage_is_asked_for_on_request() -> None:
    body = prepared(made(), request(), "fast", include_usage=True).request.body
    assert isinstance(body, bytes)
    assert b'"stream_options":{"include_usage":true}' in body


def test_the_query_travels_unchanged() -> None:
    sent = prepared(made(), request(query=b"a=%2F&b=%20&a=2")).request
    assert sent.url.endswith("/chat/completions?a=%2F&b=%20&a=2")


def test_our_key_replaces_the_clients() -> None:
    raw = [(b"authorization", b"Bearer sk-tw-client"), (b"x-api-key", b"sk-tw-client"), (b"accept", b"x")]
    sent = prepared(made(), request(raw_headers=raw)).request
    assert sent.headers == [("accept", "x"), ("authorization", "Bearer sk-ours")]


def test_no_key_is_no_header() -> None:
    assert prepared(made(api_key=None), request()).request.headers == []


def test_organization_and_project_by_option_or_variable() -> None:
    account = made(organization="org-1", environ={"OPENAI_ORG_ID": "org-2", "OPENAI_PROJECT_ID": "proj-2"})
    headers = prepared(account, request()).request.headers
    assert ("openai-organization", "org-1") in headers
    assert ("openai-project", "proj-2") in headers


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(OptionError):
        made(think="split")


def test_a_forwarded_key_travels_and_ours_does_not() -> None:
    principal = Principal(name="forwarded", tenant="t", forwarded=b"sk-theirs")
    raw = [(b"authorization", b"Bearer sk-theirs"), (b"openai-organization", b"org")]
    ctx = request(raw_headers=raw, principal=principal)
    sent = prepared(made(forwards=True, environ={"OPENAI_ORG_ID": "ours"}), ctx).request
    assert sent.headers == [("openai-organization", "org"), ("authorization", "Bearer sk-theirs")]


def test_configured_headers_replace_the_clients() -> None:
    raw = [(b"x-team", b"theirs"), (b"x-other", b"1")]
    sent = prepared(made(headers=(("x-team", "ours"),)), request(raw_headers=raw)).request
    assert ("x-team", "ours") in sent.headers
    assert ("x-team", "theirs") not in sent.headers
    assert ("x-other", "1") in sent.headers


def test_a_configured_credential_stands_alone() -> None:
    sent = prepared(made(headers=(("authorization", "Basic abc"),)), request()).request
    assert [value for name, value in sent.headers if name == "authorization"] == ["Basic abc"]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("DELETE", None), ("POST", b""), ("PUT", b"")])
def test_an_empty_body(method: str, body: bytes | None) -> None:
    ctx = request(method=method, body=b"", request=RequestView(), endpoint=MODELS, path="/models")
    assert prepared(made(), ctx, "").request.body == body


@pytest.mark.parametrize(
    ("query", "url"),
    [
        (b"model=fast&x=1", "ws://up.test/v1/realtime?model=small%2Frt&x=1"),
        (b"x=1&model=fast", "ws://up.test/v1/realtime?x=1&model=small%2Frt"),
        (b"%6dodel=fast", "ws://up.test/v1/realtime?model=small%2Frt"),
    ],
)
def test_the_model_of_a_websocket(query: bytes, url: str) -> None:
    ctx = request(method="GET", path="/realtime", query=query, body=b"", endpoint=REALTIME)
    assert prepared(made(), ctx, "small/rt").request.url == url


def test_encoding_twice_gives_the_same() -> None:
    ctx, found = request(raw_headers=[(b"accept", b"x")]), made(headers=(("x-a", "1"),))
    one = prepared(found, ctx, include_usage=True).request
    two = prepared(found, ctx, include_usage=True).request
    assert (one.url, one.headers, one.body) == (two.url, two.headers, two.body)
    assert ctx.body is BODY


def test_headers_that_cannot_travel_are_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest):
        prepared(made(), request(raw_headers=[(b"x-a", b"\xff")], endpoint=CHAT))
