"""CORS: only when configured, only for the origins named, and never in the way of a request that is not a preflight."""

from collections.abc import Iterator

import pytest

from tests.support.processes import Gateway, Mock, config_for, running

from .wire import CHAT, ask, chat, mark, received

pytestmark = pytest.mark.e2e

APP = "https://app.example"
PREFLIGHT = [
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
]


@pytest.fixture(scope="module")
def open_to_app(mock: Mock) -> Iterator[Gateway]:
    with running(config_for(mock.url, server={"cors": {"origins": [APP], "max_age": "5m"}})) as gateway:
        yield gateway


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files", "/openai/v1/models", "/v1/new/thing"])
def test_preflight(open_to_app: Gateway, mock: Mock, path: str) -> None:
    marked = mark()
    answer = ask(open_to_app.origin, "OPTIONS", path, headers=[("origin", APP), *PREFLIGHT, marked], key=None)
    assert answer.status in (200, 204)
    assert answer.get("access-control-allow-origin") == APP
    assert "POST" in (answer.get("access-control-allow-methods") or "")
    allowed = (answer.get("access-control-allow-headers") or "").lower()
    assert all(name in allowed for name in ("authorization", "content-type", "x-stainless-lang"))
    assert answer.get("access-control-max-age") == "300"
    assert received(mock, marked) == []


@pytest.mark.parametrize("body", [CHAT, CHAT[:-1] + b',"stream":true}'])
def test_answers_to_the_origin(open_to_app: Gateway, mock: Mock, body: bytes) -> None:
    answer = chat(open_to_app.origin, body, headers=[("origin", APP)])
    assert answer.get("access-control-allow-origin") == APP
    assert "origin" in (answer.get("vary") or "").lower()
    assert "x-request-id" in (answer.get("access-control-expose-headers") or "")
    assert answer.body == chat(mock.origin, body).body


def test_errors_too(open_to_app: Gateway) -> None:
    answer = chat(open_to_app.origin, headers=[("origin", APP)], key="sk-wrong")
    assert (answer.status, answer.get("access-control-allow-origin")) == (401, APP)


@pytest.mark.parametrize("origin", ["https://evil.example", f"{APP}.evil.example", "http://app.example", "null"])
def test_other_origins(open_to_app: Gateway, origin: str) -> None:
    answer = ask(open_to_app.origin, "OPTIONS", "/v1/files", headers=[("origin", origin), *PREFLIGHT], key=None)
    assert answer.get("access-control-allow-origin") is None
    assert answer.status >= 400
    assert chat(open_to_app.origin, headers=[("origin", origin)]).get("access-control-allow-origin") is None


def test_none_by_default(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    answer = ask(
        gateway.origin, "OPTIONS", "/v1/chat/completions", headers=[("origin", APP), *PREFLIGHT, marked], key=None
    )
    assert answer.status >= 400
    assert received(mock, marked) == []
    for found in (answer, chat(gateway.origin, headers=[("origin", APP)])):
        assert not [name for name, _ in found.headers if name.lower().startswith("access-control-")]
