"""Caps that are not read, caps that are ignored: a hard budget is not passed, whatever the client claims."""

from typing import Any

import pytest

from .stand import MODEL, Stand, controls

pytestmark = pytest.mark.e2e

MESSAGES = [{"role": "user", "content": "Where is it?"}]
LONG = {"tokens": 5000}
USD = 0.02
"""Less than 1,000 tokens of output."""

CHAT = {"model": MODEL, "messages": MESSAGES}
TRICKS: dict[str, tuple[str, dict[str, Any]]] = {
    "no cap": ("/v1/chat/completions", CHAT),
    "another operation's cap": ("/v1/chat/completions", {**CHAT, "max_output_tokens": 1}),
    "null": ("/v1/chat/completions", {**CHAT, "max_tokens": None}),
    "zero": ("/v1/chat/completions", {**CHAT, "max_tokens": 0}),
    "one beside none": ("/v1/chat/completions", {**CHAT, "max_tokens": 0, "max_completion_tokens": None}),
    "inside": ("/v1/chat/completions", {**CHAT, "metadata": {"max_tokens": "1"}}),
    "choices": ("/v1/chat/completions", {**CHAT, "n": 4}),
    "responses": ("/v1/responses", {"model": MODEL, "input": "x"}),
    "responses, chat's cap": ("/v1/responses", {"model": MODEL, "input": "x", "max_tokens": 1}),
    "responses, chat's other cap": ("/v1/responses", {"model": MODEL, "input": "x", "max_completion_tokens": 1}),
    "completions": ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "x", "max_completion_tokens": 1}),
    "best of": ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "x", "best_of": 8}),
    "native": ("/native/mock/v1/chat/completions", {**CHAT, "max_output_tokens": 1}),
    "native responses": ("/native/mock/v1/responses", {"model": MODEL, "input": "x"}),
    "a deployment": (f"/openai/deployments/{MODEL}/chat/completions", CHAT),
    "escaped path": ("/v1/chat/%63ompletions", CHAT),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trick", TRICKS)
async def test_a_budget_is_not_passed(stand: Stand, trick: str, stream: bool) -> None:
    path, body = TRICKS[trick]
    thief = await stand.thief(usd=USD)
    answer = await thief.ask(path, {**body, "stream": stream}, headers=controls(LONG))
    assert answer.status in (200, 400, 404, 429), answer.body
    reached = answer.status == 200
    spent = await thief.spent(1) if reached else 0
    assert spent <= USD * 1_000_000
    balance = await stand.balance(thief)
    assert float(balance["balance"]) >= 0
    assert round(float(balance["granted"]) - float(balance["balance"]), 6) == spent / 1_000_000
    if answer.status == 429:
        assert answer.code == "insufficient_quota"


@pytest.mark.parametrize(
    "members",
    [
        '"max_tokens": 1, "max_completion_tokens": 100000',
        '"max_completion_tokens": 1, "max_tokens": 100000',
        '"max_tokens": 1, "max_tok\\u0065ns": 100000',
        '"max_tokens": 1, "max_tokens": 100000',
        '"n": 1, "n": 100, "max_tokens": 900',
        '"max_tokens": 100000000',
        '"max_tokens": 100000001',
        '"max_tokens": -1',
        '"max_tokens": 1e3',
        '"max_tokens": "1"',
        '"max_tokens": true',
    ],
)
async def test_two_caps_and_strange_ones_are_refused(stand: Stand, members: str) -> None:
    thief = await stand.thief(usd=USD)
    raw = f'{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "x"}}], {members}}}'.encode()
    before = len(stand.mock.requests())
    answer = await thief.ask(raw=raw, headers=controls(LONG))
    assert answer.status in (400, 429), answer.body
    assert len(stand.mock.requests()) == before
    assert await thief.entries(0) == []


async def test_a_provider_that_ignores_the_cap_is_stopped_by_the_meter(stand: Stand) -> None:
    """The mock obeys; a native path has no cap of ours, and its whole hold is the model's longest answer."""
    thief = await stand.thief(usd=0.5)
    answer = await thief.ask("/native/mock/v1/chat/completions", {**CHAT, "stream": True}, headers=controls(LONG))
    assert answer.status == 200
    (entry,) = await thief.entries(1)
    assert entry["held"] >= entry["charge"] > 0


async def test_a_native_stream_without_usage_is_counted(stand: Stand) -> None:
    for path, body in {
        "/native/mock/v1/chat/completions": {**CHAT, "stream": True},
        "/native/google/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse": {
            "contents": [{"role": "user", "parts": [{"text": "x"}]}]
        },
        "/native/google/v1beta/models/gemini-3.8-flash:generateContent": {
            "contents": [{"role": "user", "parts": [{"text": "x"}]}]
        },
    }.items():
        thief = await stand.thief(usd=5)
        answer = await thief.ask(path, body, headers=controls({"tokens": 200, "usage": "off"}))
        assert answer.status == 200
        (entry,) = await thief.entries(1)
        assert entry["output_tokens"] >= 150, path
        assert entry["input_tokens"] > 0
        assert entry["charge"] >= 150 * 20


async def test_background_is_not_for_those_who_pay(stand: Stand) -> None:
    """Its answer is fetched with a GET, which is free; without a budget nobody is stopped."""
    for path in ("/v1/responses", "/native/mock/v1/responses"):
        for body in (b'"background": true', b'"backgroun\\u0064": true'):
            thief = await stand.thief(usd=1)
            raw = b'{"model": "gpt-4o", "input": "x", %s}' % body
            answer = await thief.ask(path, raw=raw)
            assert (answer.status, answer.document["error"]["param"]) == (400, "background")
            assert await thief.entries(0) == []
    free = await stand.thief()
    assert (await free.ask("/v1/responses", {"model": MODEL, "input": "x", "background": True})).status == 200
