"""What holds for every dialect: the same controls, the same bytes for the same request, the same journal."""

from typing import Any

import aiohttp
import orjson
import pytest

from proxy.mock.dialect import FAILURES
from proxy.mock.dialects import DIALECTS, spoken
from proxy.mock.flavours import FLAVOURS
from proxy.mock.server import Running

TEXT = [{"role": "user", "content": "How long is the road?"}]
PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": ("/v1/messages", {"model": "m", "max_tokens": 500, "messages": TEXT, "stream": True}),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "How long?"}]}]},
    ),
    "bedrock": ("/model/m/converse-stream", {"messages": [{"role": "user", "content": [{"text": "How long?"}]}]}),
    "cohere": ("/v2/chat", {"model": "m", "messages": TEXT, "stream": True}),
    "azure": ("/openai/v1/chat/completions", {"model": "m", "messages": TEXT, "stream": True}),
}
USAGE = {"anthropic": b'"usage"', "gemini": b"usageMetadata", "bedrock": b'"usage"', "cohere": b'"usage"'}
ENDS = {
    "anthropic": b"message_stop",
    "gemini": b"finishReason",
    "bedrock": b"messageStop",
    "cohere": b"message-end",
    "azure": b"[DONE]",
}


async def said(http: aiohttp.ClientSession, mock: Running, name: str, **controls: str) -> bytes:
    path, body = PLACES[name]
    headers = {f"x-mock-{key.replace('_', '-')}": value for key, value in controls.items()}
    headers["anthropic-version"] = "2023-06-01"
    async with http.post(f"{mock.url.removesuffix('/v1')}{path}", json=body, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


@pytest.mark.parametrize("name", PLACES)
async def test_controls(http: aiohttp.ClientSession, mock: Running, name: str) -> None:
    plain = await said(http, mock, name)
    assert plain == await said(http, mock, name)
    assert plain == await said(http, mock, name, split="7")
    assert plain == await said(http, mock, name, encoding="gzip")
    assert plain != await said(http, mock, name, seed="5")
    assert len(await said(http, mock, name, tokens="3")) < len(plain) < len(await said(http, mock, name, tokens="60"))
    assert "é".encode() in (await said(http, mock, name, unicode="on")).replace(b"\\u00e9", "é".encode())
    assert ENDS[name] in plain
    assert ENDS[name] not in await said(http, mock, name, done="off")
    stamped = await said(http, mock, name, stamp="on")
    assert b"@" in stamped
    assert b"<stamp>" not in stamped
    assert b"nobody knows this" in await said(http, mock, name, novelty="on")
    if name in USAGE:
        assert USAGE[name] in plain
        assert USAGE[name] not in await said(http, mock, name, usage="off")
    if name != "azure":
        assert len(await said(http, mock, name, reasoning="30")) > len(plain)
    assert b"CURIOUS" in await said(http, mock, name, finish="CURIOUS")


async def test_the_pace_is_kept(http: aiohttp.ClientSession, mock: Running) -> None:
    path, body = PLACES["bedrock"]
    headers = {"x-mock-pace": "15", "x-mock-tokens": "6"}
    reads = 0
    async with http.post(f"{mock.url.removesuffix('/v1')}{path}", json=body, headers=headers) as answer:
        async for _ in answer.content.iter_any():
            reads += 1
    assert reads >= 6


async def test_the_journal_has_every_dialect(http: aiohttp.ClientSession, mock: Running) -> None:
    for name in PLACES:
        await said(http, mock, name)
    async with http.get(f"{mock.url.removesuffix('/v1')}/mock/requests") as answer:
        entries = (await answer.json())["data"]
    assert [entry["path"] for entry in entries] == [path for path, _ in PLACES.values()]
    assert {entry["outcome"] for entry in entries} == {"complete"}


async def test_heads_are_those_of_the_provider(http: aiohttp.ClientSession, mock: Running) -> None:
    shown = {
        "anthropic": "request-id",
        "gemini": "x-gemini-service-tier",
        "bedrock": "x-amzn-requestid",
        "cohere": "x-debug-trace-id",
        "azure": "apim-request-id",
    }
    for name, (path, body) in PLACES.items():
        headers = {"anthropic-version": "2023-06-01"}
        async with http.post(f"{mock.url.removesuffix('/v1')}{path}", json=body, headers=headers) as answer:
            assert shown[name] in answer.headers
            assert "openai-version" not in answer.headers
            await answer.read()


@pytest.mark.parametrize(
    ("path", "headers", "flavour", "expected"),
    [
        ("/v1/chat/completions", {}, "", ("openai", "/chat/completions")),
        ("/v1/messages", {}, "", ("anthropic", "/messages")),
        ("/messages", {}, "", ("anthropic", "/messages")),
        ("/anthropic/v1/messages/count_tokens", {}, "", ("anthropic", "/messages/count_tokens")),
        ("/v1/models", {}, "", ("openai", "/models")),
        ("/v1/models", {"anthropic-version": "x"}, "", ("anthropic", "/models")),
        ("/v1/models", {"x-goog-api-key": "x"}, "", ("gemini", "/models")),
        ("/v1/models/ft:gpt-4o-mini:acme::abc123", {}, "", ("openai", "/models/ft:gpt-4o-mini:acme::abc123")),
        ("/v1/models/m:generateContent", {}, "", ("gemini", "/models/m:generateContent")),
        ("/v1beta/openai/chat/completions", {}, "", ("openai", "/chat/completions")),
        ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", {}, "", ("openai", "/chat/completions")),
        ("/compatibility/v1/chat/completions", {}, "", ("openai", "/chat/completions")),
        ("/v2/chat", {}, "", ("cohere", "/v2/chat")),
        ("/model/m/converse", {}, "", ("bedrock", "/model/m/converse")),
        ("/openai/deployments/d/chat/completions", {}, "", ("azure", "/openai/deployments/d/chat/completions")),
        ("/openai/v1/chat/completions", {}, "groq", ("groq", "/chat/completions")),
        ("/v1/chat/completions", {}, "mistral", ("mistral", "/chat/completions")),
        ("/v1/messages", {}, "deepseek", ("anthropic", "/messages")),
    ],
)
def test_paths_tell_the_dialect(path: str, headers: dict[str, str], flavour: str, expected: tuple[str, str]) -> None:
    dialect, rest = spoken(path, headers, flavour)
    assert (dialect.name, rest) == expected


@pytest.mark.parametrize("name", [*DIALECTS, *FLAVOURS])
def test_every_dialect_has_words_for_every_failure(name: str) -> None:
    dialect = {**DIALECTS, **FLAVOURS}[name]
    assert set(dialect.failures) == set(FAILURES)
    for refused in dialect.failures.values():
        reply = dialect.envelope(refused)
        assert reply.status == (200 if name == "minimax" else refused.status)
        assert refused.message in str(orjson.loads(reply.body)) or name == "mistral"


async def test_blocked_prompts(http: aiohttp.ClientSession, mock: Running) -> None:
    base = mock.url.removesuffix("/v1")
    flagged = {"contents": [{"role": "user", "parts": [{"text": "mock-flag"}]}]}
    for verb in ("generateContent", "streamGenerateContent"):
        async with http.post(f"{base}/v1beta/models/m:{verb}", json=flagged) as answer:
            found = orjson.loads(await answer.read())
        found = found[0] if isinstance(found, list) else found
        assert found["promptFeedback"] == {"blockReason": "SAFETY"}
        assert "candidates" not in found
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "mock-flag"}]}
    async with http.post(f"{base}/v1/messages", json=body, headers={"anthropic-version": "2023-06-01"}) as answer:
        refused = await answer.json()
    assert (refused["stop_reason"], refused["content"], refused["stop_details"]["type"]) == ("refusal", [], "refusal")


async def test_redacted_thoughts_come_back(http: aiohttp.ClientSession, mock: Running) -> None:
    body = {"model": "redacted", "max_tokens": 99, "messages": TEXT, "thinking": {"type": "adaptive"}}
    headers = {"anthropic-version": "2023-06-01"}
    async with http.post(f"{mock.url}/messages", json=body, headers=headers) as answer:
        content = (await answer.json())["content"]
    assert [block["type"] for block in content] == ["redacted_thinking", "text"]
    told = [*TEXT, {"role": "assistant", "content": content}, *TEXT]
    async with http.post(f"{mock.url}/messages", json={**body, "messages": told}, headers=headers) as answer:
        assert answer.status == 200
    content[0]["data"] = "forged"
    async with http.post(f"{mock.url}/messages", json={**body, "messages": told}, headers=headers) as answer:
        assert answer.status == 400
