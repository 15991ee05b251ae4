"""``auth.mode``: keys, forward and open, and what each does with the client's credential and the upstream's refusal of it."""

from collections.abc import Iterator

import pytest

from tests.support.processes import Gateway, Mock, config_for, running

from .wire import ask, chat, mark, one, received, values_of

pytestmark = pytest.mark.e2e

OWN = "sk-the-clients-own-provider-key"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Mock]:
    """An upstream that knows one key."""
    mock = Mock("--key", OWN)
    try:
        yield mock
    finally:
        mock.close()


@pytest.fixture(scope="module")
def forward(guarded: Mock) -> Iterator[Gateway]:
    config = config_for(
        guarded.url, auth={"mode": "forward"}, providers={"mock": {"use": "openai", "base_url": guarded.url}}
    )
    config.pop("keys")
    with running(config) as gateway:
        yield gateway


@pytest.mark.parametrize("header", ["authorization: Bearer {}", "x-api-key: {}", "api-key: {}", "x-goog-api-key: {}"])
def test_the_clients_key_travels(forward: Gateway, guarded: Mock, header: str) -> None:
    marked = mark()
    name, _, value = header.format(OWN).partition(": ")
    account = [("openai-organization", "org-1"), ("openai-project", "proj-1")]
    assert chat(forward.origin, headers=[(name, value), marked, *account], key=None).status == 200
    entry = one(guarded, marked)
    assert values_of(entry, "authorization") == [f"Bearer {OWN}"]
    assert values_of(entry, "openai-organization") == ["org-1"]
    assert values_of(entry, "openai-project") == ["proj-1"]
    assert not {key.lower() for key, _ in entry["headers"]} & {"x-api-key", "api-key", "x-goog-api-key"}
    assert OWN not in forward.log()


def test_the_upstreams_refusal_is_passed_on(forward: Gateway, guarded: Mock) -> None:
    for stream in (b"false", b"true"):
        body = b'{"model":"gpt-4o","messages":[],"stream":' + stream + b"}"
        answer = chat(forward.origin, body, key="sk-wrong-key-of-the-client")
        direct = chat(guarded.origin, body, key="sk-wrong-key-of-the-client")
        assert (answer.status, answer.body) == (direct.status, direct.body)
        assert answer.status == 401
        assert answer.get("x-tollway-error-source") == "upstream"
    assert chat(forward.origin, headers=[("x-mock-fault", "status:403")], key=OWN).status == 403


def test_forward_wants_some_key(forward: Gateway, guarded: Mock) -> None:
    marked = mark()
    answer = chat(forward.origin, headers=[marked], key=None)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert answer.get("x-tollway-error-source") == "gateway"
    assert received(guarded, marked) == []


@pytest.mark.parametrize("fault", ["bad-key", "status:401", "status:403"])
@pytest.mark.parametrize("stream", [b"false", b"true"])
def test_a_refusal_of_our_credential_is_a_502(gateway: Gateway, fault: str, stream: bytes) -> None:
    body = b'{"model":"gpt-4o","messages":[],"stream":' + stream + b"}"
    answer = chat(gateway.origin, body, headers=[("x-mock-fault", fault)])
    assert (answer.status, answer.error["type"], answer.error["code"]) == (502, "upstream_error", "upstream_error")
    assert "refused the gateway's credentials" in answer.error["message"]
    assert answer.get("x-tollway-error-source") == "gateway"
    assert b"sk-" not in answer.body


def test_a_wrong_credential_of_ours(guarded: Mock) -> None:
    provider = {"use": "openai", "base_url": guarded.url, "api_key": "sk-wrong-credential-of-ours"}
    with running(config_for(guarded.url, providers={"mock": provider})) as gateway:
        assert chat(gateway.origin).status == 502
        assert ask(gateway.origin, "GET", "/v1/files").status == 502
        assert "sk-wrong-credential-of-ours" not in gateway.log()


def test_open_mode(mock: Mock) -> None:
    config = config_for(mock.url, auth={"mode": "open"})
    config.pop("keys")
    with running(config) as gateway:
        for key in (None, "anything"):
            marked = mark()
            assert chat(gateway.origin, headers=[marked], key=key).status == 200
            assert values_of(one(mock, marked), "authorization") == ["Bearer sk-upstream-credential"]
        marked = mark()
        assert ask(gateway.origin, "GET", "/v1/files", headers=[marked], key=None).status == 200
        assert one(mock, marked)


def test_open_mode_only_on_loopback(mock: Mock) -> None:
    config = config_for(mock.url, auth={"mode": "open"}, server={"host": "0.0.0.0"})
    config.pop("keys")
    gateway = Gateway(config, wait=False)
    try:
        assert gateway.child.wait(15) != 0
        assert "loopback" in gateway.log()
    finally:
        gateway.close()


def test_a_provider_without_a_credential(mock: Mock) -> None:
    config = config_for(mock.url, providers={"mock": {"use": "openai", "base_url": mock.url, "api_key": "none"}})
    with running(config) as gateway:
        marked = mark()
        assert chat(gateway.origin, headers=[marked]).status == 200
        assert values_of(one(mock, marked), "authorization") == []


def test_provider_headers_are_added_and_replace(mock: Mock) -> None:
    provider = {
        "use": "openai", "base_url": mock.url, "api_key": "sk-p", "headers": {"X-Team": "roads", "OpenAI-Beta": "ours"}
    }  # fmt: skip
    with running(config_for(mock.url, providers={"mock": provider})) as gateway:
        marked = mark()
        assert chat(gateway.origin, headers=[marked, ("openai-beta", "theirs")]).status == 200
        entry = one(mock, marked)
        assert (values_of(entry, "x-team"), values_of(entry, "openai-beta")) == (["roads"], ["ours"])


def test_guessing_is_slowed_down(mock: Mock) -> None:
    config = config_for(mock.url, auth={"mode": "keys", "failures_per_minute": 5})
    with running(config) as gateway:
        found = [chat(gateway.origin, key=f"sk-guess-{number}").status for number in range(8)]
        assert found[:5] == [401] * 5
        assert found[-1] == 429
        limited = chat(gateway.origin, key="sk-guess")
        assert limited.get("retry-after")
        assert limited.error["code"] == "rate_limit_exceeded"
        assert chat(gateway.origin).status == 200
