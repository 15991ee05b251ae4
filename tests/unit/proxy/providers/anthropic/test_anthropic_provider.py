"""The account at Anthropic: addresses, keys, and which requests pass untouched."""

import pytest

from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import EndpointUnsupported
from proxy.protocols import Provider
from proxy.providers.anthropic import BASE_URL, MessagesPassing, provider
from proxy.providers.base import OptionError, Settings
from proxy.translation.ask import Ask
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, COUNT_TOKENS, EMBEDDINGS, MESSAGES, Endpoint

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
CHAT_BODY = b'{"model":"public","messages":[{"role":"user","content":"Hi"}],"max_tokens":5}'
NATIVE_BODY = b'{ "model" : "public", "temperature": 2, "messages": [], "max_tokens": 5 }'


def context(endpoint: Endpoint, path: str, body: bytes, *headers: tuple[bytes, bytes]) -> RequestContext:
    return RequestContext(
        request_id="r",
        method="POST",
        endpoint=endpoint,
        path=path,
        query=b"beta=true",
        raw_headers=list(headers),
        headers=dict(headers),
        principal=Principal(name="p", tenant="t", forwarded=b"theirs"),
        body=body,
        request=RequestView(model="public"),
    )


def account(**settings: object) -> Provider:
    return provider(Settings(name="claude", **settings))  # type: ignore[arg-type]


TARGET = Target(provider="claude", model="claude-opus-5", limits=LIMITS)


def test_chat_is_translated() -> None:
    ctx = context(CHAT, "/chat/completions", CHAT_BODY, (b"anthropic-beta", b"a"))
    prepared = account(api_key="k").prepare(ctx, TARGET, include_usage=False, now=1)
    headers = dict(prepared.request.headers)
    assert prepared.request.url == f"{BASE_URL}/v1/messages"
    assert headers["x-api-key"] == "k"
    assert headers["anthropic-version"] == "2026-10-21"
    assert headers["anthropic-beta"] == "a"
    assert prepared.translation is not None


def test_its_own_dialect_passes_with_nothing_but_the_model_changed() -> None:
    ctx = context(MESSAGES, "/messages", NATIVE_BODY, (b"anthropic-version", b"2026-10-21"), (b"x-api-key", b"ours"))
    prepared = account(api_key="k").prepare(ctx, TARGET, include_usage=False, now=1)
    assert prepared.request.url == f"{BASE_URL}/v1/messages?beta=true"
    assert prepared.request.body == NATIVE_BODY.replace(b"public", b"claude-opus-5")
    assert prepared.translation is None
    assert [pair for pair in prepared.request.headers if pair[0] == "x-api-key"] == [("x-api-key", "k")]
    assert dict(prepared.request.headers)["anthropic-version"] == "2026-10-21"


def test_counting_tokens_passes() -> None:
    ctx = context(COUNT_TOKENS, "/messages/count_tokens", NATIVE_BODY)
    prepared = account(api_key="k").prepare(ctx, TARGET, include_usage=False, now=1)
    assert prepared.request.url.startswith(f"{BASE_URL}/v1/messages/count_tokens")
    assert prepared.translation is None


def test_what_anthropic_does_not_have() -> None:
    ctx = context(EMBEDDINGS, "/embeddings", b'{"model":"public","input":"x"}')
    with pytest.raises(EndpointUnsupported):
        account().prepare(ctx, TARGET, include_usage=False, now=1)


@pytest.mark.parametrize("base_url", ["https://gw.example/anthropic", "https://gw.example/anthropic/v1/"])
def test_another_host(base_url: str) -> None:
    ctx = context(CHAT, "/chat/completions", CHAT_BODY)
    request = account(base_url=base_url).prepare(ctx, TARGET, include_usage=False, now=1).request
    assert request.url == "https://gw.example/anthropic/v1/messages"


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"api_key": "k", "environ": {"ANTHROPIC_API_KEY": "e"}}, "x-api-key", "k"),
        ({"api_key": "k", "forwards": True}, "authorization", "Bearer theirs"),
        ({"api_key": "k", "headers": (("x-api-key", "h"),)}, "x-api-key", "h"),
    ],
)
def test_credentials(settings: dict[str, object], name: str, value: str) -> None:
    ctx = context(CHAT, "/chat/completions", CHAT_BODY)
    headers = account(**settings).prepare(ctx, TARGET, include_usage=False, now=1).request.headers
    keys = [pair for pair in headers if pair[0] in ("x-api-key", "authorization")]
    assert keys == [(name, value)]


def test_a_variable_does_not_follow_a_foreign_address() -> None:
    ctx = context(CHAT, "/chat/completions", CHAT_BODY)
    made = account(base_url="https://other.example", api_key=None, environ={"ANTHROPIC_API_KEY": "e"})
    headers = made.prepare(ctx, TARGET, include_usage=False, now=1).request.headers
    assert not [pair for pair in headers if pair[0] in ("x-api-key", "authorization")]


def test_options() -> None:
    ctx = context(CHAT, "/chat/completions", CHAT_BODY)
    made = account(options={"version": "2023-06-01", "betas": ["b"]})
    headers = dict(made.prepare(ctx, TARGET, include_usage=False, now=1).request.headers)
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["anthropic-beta"] == "b"
    with pytest.raises(OptionError):
        account(options={"verzion": "x"})


def test_a_passing_body_is_the_same_object() -> None:
    passing = MessagesPassing(BASE_URL)
    assert passing.edit(MESSAGES, NATIVE_BODY, Ask(model="m")) is NATIVE_BODY
    assert passing.repair(MESSAGES, Ask(model="m")) is None
    assert passing.url(CHAT, "m", "/chat/completions") is None
