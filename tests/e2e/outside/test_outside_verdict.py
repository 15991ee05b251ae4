"""llmock as a judge: it saw every try with its time, and says how a client that retries behaved. Our client does not retry."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.processes import KEY, config_for, running

from .servers import Llmock, llmock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

WHOLE, STREAM = False, True


@pytest.fixture(scope="module")
def server() -> Iterator[Llmock]:
    with llmock() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Llmock) -> Iterator[httpx.Client]:
    """Each model has one target, so that every try of a call is seen by the judge."""
    bases = {"openai": "/v1", "anthropic": "/anthropic", "gemini": "/gemini/v1beta"}
    config = config_for(
        "http://127.0.0.1:1/v1",
        providers={
            name: {"use": name, "base_url": server.origin + base, "api_key": "sk-upstream"}
            for name, base in bases.items()
        },
        models={name: {"targets": [{"provider": name, "model": "m"}]} for name in bases},
        health={},
        retry={"attempts": 3, "base": 0.2},
    )
    with running(config) as gateway:
        with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as found:
            yield found


def ask(client: httpx.Client, model: str, *, stream: bool, text: str) -> httpx.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
    return client.post("/chat/completions", json=body)


def judged(server: Llmock) -> list[str]:
    """The codes of its findings, errors and warnings. From two pauses it concludes that they grow, which full jitter does not promise."""
    verdict: dict[str, Any] = httpx.get(f"{server.origin}/_llmock/verdict").json()
    jitter = "at a constant interval"
    return [finding["code"] for finding in verdict["findings"] if jitter not in finding["title"]]


@pytest.mark.parametrize("stream", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("model", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(
    "fault",
    [
        {"type": "fail", "status": 429, "retry_after": 1, "times": 1},
        {"type": "fail", "status": 500, "times": 1},
        {"type": "fail", "status": 503, "times": 1},
        {"type": "stream_fault", "kind": "disconnect", "after_chunks": 0, "times": 1},
    ],
    ids=["rate-limit", "server-error", "overloaded", "cut-before-output"],
)
def test_what_passes_is_tried_again_in_good_manners(
    server: Llmock, client: httpx.Client, model: str, stream: bool, fault: dict[str, Any]
) -> None:
    if fault["type"] == "stream_fault" and not stream:
        fault = {"type": "fail", "status": 502, "times": 1}
    server.script(fault)
    answer = ask(client, model, stream=stream, text=f"{model} {stream} {fault}")
    assert answer.status_code == 200, answer.text
    assert judged(server) == []
    assert len(httpx.get(f"{server.origin}/_llmock/requests").json()["requests"]) == fault["times"] + 1


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_a_clients_own_mistake_goes_back_at_once(server: Llmock, client: httpx.Client, model: str, status: int) -> None:
    server.script({"type": "fail", "status": status, "times": None})
    assert ask(client, model, stream=False, text=f"{model} {status}").status_code == status
    assert judged(server) == []
    assert len(httpx.get(f"{server.origin}/_llmock/requests").json()["requests"]) == 1


def test_an_outage_is_no_storm(server: Llmock, client: httpx.Client) -> None:
    server.script({"type": "fail", "status": 503, "times": None})
    assert ask(client, "openai", stream=False, text="outage").status_code == 503
    assert len(httpx.get(f"{server.origin}/_llmock/requests").json()["requests"]) == 3
    assert judged(server) in ([], ["no_backoff"])
