"""The OpenAI dialect: addresses, credentials, and the client's own bytes."""

import pytest

from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import InvalidRequest
from proxy.protocols import Provider
from proxy.providers.openai import BASE_URL, provider
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, MODELS, REALTIME

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)


def made(
    *,
    base_url: str | None = "http://up.test/v1",
    api_key: str | None = "sk-ours",
    headers: tuple[tuple[str, str], ...] = (),
    forwards: bool = False,
) -> Provider:
    return provider("local", base_url=base_url, api_key=api_key, headers=headers, forwards=forwards)


def target(model: str = "small") -> Target:
    return Target(provider="local", model=model, limits=LIMITS)


BODY = b'{ "model" : "fast",  "messages":[] , "x":1.0e2}'


def request(**more: object) -> RequestContext:
    ctx = RequestContext(request_id="r", path="/chat/completions", body=BODY, request=RequestView(model="fast"))
    for name, value in more.items():
        setattr(ctx, name, value)
    return ctx


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
    assert made(base_url=base_url).encode(request(), target(), include_usage=False).url == url


def test_the_model_is_spliced_and_nothing_else() -> None:
    sent = made().encode(request(), target(), include_usage=False)
    assert sent.body == BODY.replace(b'"fast"', b'"small"')
    assert (sent.method, sent.length) == ("POST", None)


def test_an_unchanged_name_sends_the_very_bytes() -> None:
    assert made().encode(request(), target("fast"), include_usage=False).body is BODY


def test_usage_is_asked_for_on_request() -> None:
    body = made().encode(request(), target("fast"), include_usage=True).body
    assert isinstance(body, bytes)
    assert b'"stream_options":{"include_usage":true}' in body


def test_the_query_travels_unchanged() -> None:
    sent = made().encode(request(query=b"a=%2F&b=%20&a=2"), target(), include_usage=False)
    assert sent.url.endswith("/chat/completions?a=%2F&b=%20&a=2")


def test_our_key_replaces_the_clients() -> None:
    raw = [(b"authorization", b"Bearer sk-tw-client"), (b"x-api-key", b"sk-tw-client"), (b"accept", b"x")]
    sent = made().encode(request(raw_headers=raw), target(), include_usage=False)
    assert sent.headers == [("accept", "x"), ("authorization", "Bearer sk-ours")]


def test_no_key_is_no_header() -> None:
    assert made(api_key=None).encode(request(), target(), include_usage=False).headers == []


def test_a_forwarded_key_travels_and_ours_does_not() -> None:
    principal = Principal(name="forwarded", tenant="t", forwarded=b"sk-theirs")
    raw = [(b"authorization", b"Bearer sk-theirs"), (b"openai-organization", b"org")]
    ctx = request(raw_headers=raw, principal=principal)
    sent = made(forwards=True).encode(ctx, target(), include_usage=False)
    assert sent.headers == [("openai-organization", "org"), ("authorization", "Bearer sk-theirs")]


def test_configured_headers_replace_the_clients() -> None:
    raw = [(b"x-team", b"theirs"), (b"x-other", b"1")]
    sent = made(headers=(("x-team", "ours"),)).encode(request(raw_headers=raw), target(), include_usage=False)
    assert ("x-team", "ours") in sent.headers
    assert ("x-team", "theirs") not in sent.headers
    assert ("x-other", "1") in sent.headers


def test_a_configured_credential_stands_alone() -> None:
    sent = made(headers=(("authorization", "Basic abc"),)).encode(request(), target(), include_usage=False)
    assert [value for name, value in sent.headers if name == "authorization"] == ["Basic abc"]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("DELETE", None), ("POST", b""), ("PUT", b"")])
def test_an_empty_body(method: str, body: bytes | None) -> None:
    ctx = request(method=method, body=b"", request=RequestView(), endpoint=MODELS)
    assert made().encode(ctx, target(""), include_usage=False).body == body


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
    assert made().encode(ctx, target("small/rt"), include_usage=False).url == url


def test_encoding_twice_gives_the_same() -> None:
    ctx, found = request(raw_headers=[(b"accept", b"x")]), made(headers=(("x-a", "1"),))
    one = found.encode(ctx, target(), include_usage=True)
    two = found.encode(ctx, target(), include_usage=True)
    assert (one.url, one.headers, one.body) == (two.url, two.headers, two.body)
    assert ctx.body is BODY


def test_headers_that_cannot_travel_are_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest):
        made().encode(request(raw_headers=[(b"x-a", b"\xff")], endpoint=CHAT), target(), include_usage=False)
