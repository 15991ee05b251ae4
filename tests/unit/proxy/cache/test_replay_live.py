"""A plain answer and its live stream, both made by the mock in the ways of every provider it knows: folded they are the same, and each
replays as the other."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from proxy.cache.replay import played, said
from proxy.mock.controls import FLAVOURS
from proxy.mock.server import Running, Settings, start
from tests.support.replays import folded, saying, stored, streamed

ASK = [{"role": "user", "content": "How long is the road?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "parameters": SCHEMA}
CHAT: dict[str, Any] = {"model": "small", "messages": ASK}
RESPONSES: dict[str, Any] = {"model": "small", "input": "How long is the road?", "store": False}
MESSAGES: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": ASK}
COMPLETIONS: dict[str, Any] = {"model": "small", "prompt": "How long"}

VARIANTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "plain": ({}, {}),
    "unicode": ({}, {"unicode": "on"}),
    "tools": ({"tools": [{"type": "function", "function": FUNCTION}]}, {"tool-calls": "2"}),
    "custom": ({"tools": [{"type": "custom", "custom": {"name": "run"}}]}, {"tool-calls": "1"}),
    "functions": ({"functions": [FUNCTION]}, {"tool-calls": "1"}),
    "thoughts": ({"reasoning_effort": "high"}, {"reasoning": "5"}),
    "choices": ({"n": 3}, {}),
    "logprobs": ({"logprobs": True, "top_logprobs": 2}, {}),
    "novelty": ({}, {"novelty": "on"}),
}
OTHERS: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    ("completions", "/completions", COMPLETIONS, {}),
    ("completions", "/completions", {**COMPLETIONS, "n": 2, "logprobs": 2}, {}),
    ("completions", "/completions", {**COMPLETIONS, "echo": True, "logprobs": 1}, {"unicode": "on"}),
    ("responses", "/responses", RESPONSES, {}),
    ("responses", "/responses", {**RESPONSES, "tools": [{"type": "function", **FUNCTION}]}, {"tool-calls": "2"}),
    ("responses", "/responses", {**RESPONSES, "tools": [{"type": "custom", "name": "run"}]}, {"tool-calls": "1"}),
    ("messages", "/messages", MESSAGES, {"unicode": "on"}),
    ("messages", "/messages", {**MESSAGES, "tools": [{"name": "f", "input_schema": SCHEMA}]}, {"tool-calls": "2"}),
    ("messages", "/messages", {**MESSAGES, "thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning": "5"}),
]


class Mock:
    """Asks the same in both forms."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def both(self, path: str, body: dict[str, Any], controls: dict[str, str]) -> tuple[bytes, bytes] | None:
        """The plain answer and the stream; ``None`` where the flavour refuses the question."""
        chunked = path.endswith("completions") and controls.get("flavour") != "mistral"
        options = {"stream_options": {"include_usage": True}} if chunked else {}
        plain = await self._ask(path, body, controls)
        events = await self._ask(path, {**body, **options, "stream": True}, controls)
        assert (plain is None) == (events is None)
        return (plain, events) if plain is not None and events is not None else None

    async def _ask(self, path: str, body: dict[str, Any], controls: dict[str, str]) -> bytes | None:
        headers = {f"x-mock-{name}": value for name, value in controls.items()}
        if path == "/messages":
            headers |= {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        async with self._http.post(self._url + path, json=body, headers=headers) as answer:
            data = await answer.read()
            return data if answer.status == 200 else None


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    running: Running = await start(settings=Settings())
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        yield Mock(running.url, http)
    await running.stop()


def check(endpoint: str, plain: bytes, events: bytes) -> None:
    """Both forms say the same, and each comes back from the other."""
    whole, live = json.loads(plain), folded(endpoint, events)
    assert saying(without_request_ids(live)) == saying(without_request_ids(whole))
    assert folded(endpoint, streamed(endpoint, whole)) == whole
    assert folded(endpoint, streamed(endpoint, live)) == live
    assert said(stored(endpoint, "json", plain)) == said(stored(endpoint, "events", events)) != ""
    assert played(stored(endpoint, "events", events), stream=True, include_usage=True) == events


def without_request_ids(whole: dict[str, Any]) -> dict[str, Any]:
    """Groq's ``x_groq`` holds nothing but its request's id, and is not in all its plain answers."""
    return {name: value for name, value in whole.items() if name != "x_groq"}


@pytest.mark.parametrize("flavour", ["", *FLAVOURS])
async def test_chat_of_every_host(mock: Mock, flavour: str) -> None:
    asked = 0
    for extra, controls in VARIANTS.values():
        given = {**controls, "flavour": flavour} if flavour else controls
        answers = await mock.both("/chat/completions", {**CHAT, **extra}, given)
        if answers is not None:
            asked += 1
            check("chat", *answers)
    assert asked >= 4


@pytest.mark.parametrize(("endpoint", "path", "body", "controls"), OTHERS)
async def test_other_dialects(
    mock: Mock, endpoint: str, path: str, body: dict[str, Any], controls: dict[str, str]
) -> None:
    answers = await mock.both(path, body, controls)
    assert answers is not None
    check(endpoint, *answers)
