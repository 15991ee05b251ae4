"""``telemetry.compat_headers`` in real answers: plain, streamed, from the cache, after a failover, and refused."""

import json
from collections.abc import Iterator
from http.client import HTTPMessage
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import KEY, Gateway, Mock, config_for, free_port

ALL = ["litellm", "portkey", "helicone", "cloudflare"]
THEIRS = ("x-litellm-", "x-portkey-", "helicone-", "cf-aig-")


def configured(mock: Mock, dialects: list[str]) -> dict[str, Any]:
    provider = {"use": "openai", "base_url": mock.url, "api_key": "none"}
    return config_for(
        mock.url,
        providers={"mock": provider, "gone": {**provider, "base_url": f"http://127.0.0.1:{free_port()}/v1"}},
        models={
            "fast": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
            "second": {
                "targets": [{"provider": "gone", "model": "gpt-4o"}, {"provider": "mock", "model": "gpt-4o"}],
            },
            "other": {"targets": [{"provider": "gone", "model": "gpt-4o"}], "fallbacks": ["fast"]},
            "down": {"targets": [{"provider": "gone", "model": "gpt-4o"}]},
        },
        keys=[{"name": "app", "key": KEY, "budget": {"usd": 5}}],
        cache={"exact": {}},
        catalogue={"models": {"openai/gpt-4o": {"prices": {"input": 2.5, "output": 10}}}},
        retry={"attempts": 3, "base": 0},
        telemetry={"compat_headers": dialects},
    )


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    upstream = Mock()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(mock: Mock) -> Iterator[Gateway]:
    running = Gateway(configured(mock, ALL))
    yield running
    running.close()


def ask(gateway: Gateway, model: str, *, key: str = KEY, **fields: Any) -> tuple[int, HTTPMessage]:
    body = {"model": model, "messages": [{"role": "user", "content": "How far?"}], "max_tokens": 30, **fields}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}", "x-request-id": "of-the-client"}
    try:
        with urlopen(
            Request(f"{gateway.url}/chat/completions", json.dumps(body).encode(), headers), timeout=20
        ) as answer:
            answer.read()
            return answer.status, answer.headers
    except HTTPError as error:
        error.read()
        return error.code, error.headers


def ids(headers: HTTPMessage) -> set[str | None]:
    names = ("x-litellm-call-id", "x-portkey-trace-id", "helicone-id", "cf-aig-log-id", "cf-aig-event-id")
    return {headers[name] for name in names}


def test_a_plain_answer_and_then_a_hit(gateway: Gateway) -> None:
    status, first = ask(gateway, "fast", seed=1)
    assert (status, ids(first)) == (200, {"of-the-client"})
    assert (first["x-litellm-model-group"], first["x-litellm-model-id"]) == ("fast", "mock/gpt-4o")
    assert (first["x-litellm-attempted-retries"], first["x-litellm-attempted-fallbacks"]) == ("0", "0")
    assert first["x-litellm-response-cost"] == first["x-tollway-cost-usd"]
    assert float(first["x-litellm-response-cost"]) > 0
    assert first["x-litellm-cache-key"] == first["x-tollway-cache-key"]
    assert float(first["x-litellm-response-duration-ms"]) >= float(first["x-litellm-overhead-duration-ms"]) > 0
    said = {"x-portkey-cache-status": "MISS", "helicone-cache": "MISS", "cf-aig-cache-status": "MISS"}
    assert {name: first[name] for name in said} == said
    assert (first["cf-aig-step"], first["x-portkey-retry-attempt-count"]) == ("0", "0")
    _, second = ask(gateway, "fast", seed=1)
    assert {second[name] for name in said} == {"HIT"}
    assert ids(second) == {"of-the-client"}


def test_a_stream(gateway: Gateway) -> None:
    status, headers = ask(gateway, "fast", seed=2, stream=True)
    assert (status, ids(headers), headers["x-litellm-model-name"]) == (200, {"of-the-client"}, "gpt-4o")
    assert headers["x-litellm-response-cost"] is None
    assert headers["content-type"].startswith("text/event-stream")


def test_after_a_failover_and_a_fallback(gateway: Gateway) -> None:
    _, failed_over = ask(gateway, "second", seed=3)
    told = (
        "x-litellm-attempted-retries",
        "x-litellm-attempted-fallbacks",
        "x-portkey-retry-attempt-count",
        "cf-aig-step",
    )
    assert [failed_over[name] for name in told] == ["1", "0", "1", "1"]
    _, fell_back = ask(gateway, "other", seed=4)
    assert [fell_back[name] for name in told] == ["0", "1", "1", "1"]


def test_errors(gateway: Gateway) -> None:
    status, refused = ask(gateway, "fast", key="sk-wrong")
    assert (status, ids(refused), refused["x-portkey-cache-status"]) == (401, {"of-the-client"}, "DISABLED")
    status, down = ask(gateway, "down", seed=5)
    assert status >= 500
    assert (ids(down), down["x-litellm-model-group"], down["helicone-cache"]) == ({"of-the-client"}, "down", "MISS")


def test_probes_have_none_and_nothing_is_said_twice(gateway: Gateway) -> None:
    with urlopen(f"{gateway.origin}/livez", timeout=5) as answer:
        assert not [name for name in answer.headers if name.lower().startswith(THEIRS)]
    _, headers = ask(gateway, "fast", seed=6)
    names = [name.lower() for name in headers]
    assert len(names) == len(set(names))


def test_off_by_default(mock: Mock) -> None:
    running = Gateway(configured(mock, []))
    try:
        _, headers = ask(running, "fast")
    finally:
        running.close()
    assert not [name for name in headers if name.lower().startswith(THEIRS)]
    assert headers["x-tollway-route"] == "fast"
