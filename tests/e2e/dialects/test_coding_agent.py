"""What coding agents that speak Anthropic do: long cached prompts, many tools with long names, loops, probes; and bytes that pass."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from tests.support.observed import settled
from tests.support.processes import KEY, Gateway, Mock

from .accounts import MODELS, named
from .asked import RESULT
from .bodies import received, sent

pytestmark = pytest.mark.e2e

TARGETS = ["claude", "openai", "azure", "gemini", "vertex", "bedrock", "cohere", "mistral", "openrouter", "groq", "xai"]
CACHED = {"cache_control": {"type": "ephemeral"}}
SYSTEM: list[Any] = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=0af3;"},
    {"type": "text", "text": "You are a careful engineer. " * 400, **CACHED},
    {"type": "text", "text": "Work in /srv/mill.", **CACHED},
]


def tool(number: int) -> dict[str, Any]:
    """As servers of the Model Context Protocol describe theirs."""
    name = f"mcp__surveyors_office_of_the_northern_roads__measure_each_stone_{number:03}_v2"
    assert len(name) == 70
    return {
        "name": name,
        "description": f"Measures stone {number}.",
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Where."},
                "depth": {"type": "integer", "minimum": 1, "default": 1},
                "mode": {"anyOf": [{"type": "string", "enum": ["wet", "dry"]}, {"type": "null"}]},
            },
            "required": ["path"],
            "additionalProperties": False,
        },
    }


TOOLS: list[Any] = [tool(number) for number in range(20)]
TOOLS[-1]["cache_control"] = {"type": "ephemeral"}


@pytest.fixture(scope="module")
def agent(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    """With the headers of such an agent; the version of the API in its headers is the SDK's."""
    headers = {
        "x-app": "cli",
        "user-agent": "claude-cli/2.1.0 (external, cli)",
        "x-claude-code-session-id": "5f0d",
        "anthropic-beta": "interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
    }
    with anthropic.Anthropic(
        base_url=gateway.origin, auth_token=KEY, max_retries=0, timeout=30, default_headers=headers
    ) as client:
        yield client


def marked(messages: list[Any]) -> list[Any]:
    """The messages with the last block marked for the cache, as the agent moves its mark on every turn."""
    last = messages[-1]
    blocks = last["content"] if isinstance(last["content"], list) else [{"type": "text", "text": last["content"]}]
    return [*messages[:-1], {**last, "content": [*blocks[:-1], {**blocks[-1], **CACHED}]}]


@pytest.mark.parametrize("account", TARGETS)
def test_a_loop_of_tools(agent: anthropic.Anthropic, mock: Mock, account: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "Measure the road, stone by stone."}]
    given: dict[str, Any] = {
        "model": named(account),
        "max_tokens": 32_000,
        "system": SYSTEM,
        "tools": TOOLS,
        "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "session_id": "s" * 36})},
        "thinking": {"type": "adaptive"} if account == "openrouter" else {"type": "enabled", "budget_tokens": 4000},
        "extra_query": {"beta": "true"},
    }
    names = {tool["name"] for tool in TOOLS}
    for turn in range(4):
        with agent.messages.stream(messages=marked(messages), **given) as stream:
            message = stream.get_final_message()
        calls = [block for block in message.content if block.type == "tool_use"]
        assert message.stop_reason == "tool_use", turn
        assert len(calls) == 2
        assert {call.name for call in calls} <= names
        assert all(isinstance(call.input["path"], str) for call in calls)
        messages.append({"role": "assistant", "content": message.model_dump(exclude_none=True)["content"]})
        found: list[Any] = [
            {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": f"{turn}: {RESULT}"}]}
            for call in calls
        ]
        messages.append({"role": "user", "content": found})
        answer = agent.messages.create(messages=marked(messages), **{**given, "tool_choice": {"type": "auto"}})
        assert answer.stop_reason == "end_turn"
        messages.append({"role": "assistant", "content": answer.model_dump(exclude_none=True)["content"]})
        messages.append({"role": "user", "content": "Go on."})
    final = agent.messages.create(messages=marked(messages), tool_choice={"type": "none"}, **given)
    body = received(mock)["body"].decode()
    if account == "bedrock":
        assert "Do not call any tool" in body
    else:
        assert final.stop_reason == "end_turn"
    for turn in range(4):
        assert f"{turn}: 9007199254740993 m" in body
    assert "careful engineer" in body
    if account not in ("claude", "openrouter"):
        assert "cch=" not in body, "what changes on every request would defeat every cache"


@pytest.mark.parametrize("account", TARGETS)
def test_words_behind_the_results(agent: anthropic.Anthropic, mock: Mock, account: str) -> None:
    given: dict[str, Any] = {"model": named(account), "max_tokens": 1000, "tools": TOOLS}
    messages: list[Any] = [{"role": "user", "content": "Measure."}]
    message = agent.messages.create(messages=messages, **given)
    found: list[Any] = [
        {"type": "tool_result", "tool_use_id": block.id, "content": RESULT}
        for block in message.content
        if block.type == "tool_use"
    ]
    found.append({"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"})
    turn: list[Any] = [{"role": "assistant", "content": message.content}, {"role": "user", "content": found}]
    assert agent.messages.create(messages=[*messages, *turn], **given).content
    body = received(mock)["body"].decode()
    assert body.index(RESULT.partition(" ")[0]) < body.index("<system-reminder>")


@pytest.mark.parametrize("account", TARGETS)
def test_the_probe_for_quota(agent: anthropic.Anthropic, account: str) -> None:
    message = agent.beta.messages.create(
        model=named(account), max_tokens=1, messages=[{"role": "user", "content": "quota"}]
    )
    assert message.stop_reason == "max_tokens"


def test_the_probe_for_life(gateway: Gateway) -> None:
    for method, path in (("HEAD", "/"), ("GET", "/")):
        found = httpx.request(method, gateway.origin + path)
        assert found.status_code < 500
        assert "Traceback" not in found.text


@pytest.mark.parametrize("account", ["claude", "bedrock", "openrouter"])
def test_marks_of_the_cache_reach_those_that_cache(agent: anthropic.Anthropic, mock: Mock, account: str) -> None:
    messages: Any = marked([{"role": "user", "content": "Measure the road."}])
    given: dict[str, Any] = {"model": named(account), "max_tokens": 1000, "system": SYSTEM, "tools": TOOLS}
    message = agent.messages.create(messages=messages, **given)
    body = received(mock)["body"]
    assert body.count(b"cache_control") + body.count(b"cachePoint") == 4
    if account != "openrouter":
        assert message.usage.cache_read_input_tokens
        assert message.usage.cache_creation_input_tokens


def test_beta_headers_and_counting_reach_anthropic(agent: anthropic.Anthropic, mock: Mock) -> None:
    counted = agent.beta.messages.count_tokens(
        model=named("claude"),
        messages=[{"role": "user", "content": "quota"}],
        betas=["token-counting-2024-11-01"],
        extra_query={"beta": "true"},
    )
    assert counted.input_tokens
    entry = received(mock)
    assert "token-counting-2024-11-01" in entry["headers"]["anthropic-beta"]
    assert entry["path"] == "/v1/messages/count_tokens?beta=true"


class Recorder(httpx2.HTTPTransport):
    """Keeps what the SDK sent and what it was answered, byte for byte."""

    def __init__(self) -> None:
        super().__init__()
        self.request = b""
        self.answer = b""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.request = request.read()
        response = super().handle_request(request)
        self.answer = response.read()
        return httpx2.Response(response.status_code, headers=response.headers, content=self.answer)


@pytest.mark.parametrize("door", ["{origin}", "{origin}/anthropic"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", ["", "rate-limit:seconds=7", "unknown-event:2", "sse-error:3", "odd-error:2"])
def test_bytes_pass_untouched_to_anthropic(gateway: Gateway, mock: Mock, door: str, stream: bool, fault: str) -> None:
    """The model's name has no prefix here, so that nothing is due."""
    recorder, straight = Recorder(), Recorder()
    given: dict[str, Any] = {
        "model": "plain-claude",
        "max_tokens": 3000,
        "system": SYSTEM,
        "tools": TOOLS,
        "stream": stream,
        "messages": [{"role": "user", "content": "Märchen 🚂"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "extra_headers": {"x-mock-fault": fault, "x-mock-novelty": "on", "x-mock-tool-calls": "2"},
        "extra_body": {},
    }
    answers = []
    for base, key, transport in ((door.format(origin=gateway.origin), KEY, recorder), (mock.origin, "x", straight)):
        with (
            httpx2.Client(transport=transport) as http,
            anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, http_client=http) as client,
        ):
            try:
                raw = client.messages.with_raw_response.create(**given)
                answers.append(raw.status_code)
            except anthropic.APIStatusError as error:
                answers.append(error.status_code)
    assert answers[0] == answers[1]
    assert recorder.request == straight.request
    assert recorder.answer == straight.answer
    first, second = mock.requests(2)
    assert first["body_sha256"] == second["body_sha256"] == hashlib.sha256(recorder.request).hexdigest()
    assert first["path"] == second["path"]


async def test_usage_of_untouched_answers_is_settled(gateway: Gateway, claude: anthropic.Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(
        model=named("claude"), max_tokens=200, messages=[{"role": "user", "content": "How long?"}]
    )
    usage = raw.parse().usage
    line = await settled(gateway, raw.headers["x-tollway-request-id"])
    assert (line["input_tokens"], line["output_tokens"]) == (usage.input_tokens, usage.output_tokens)
    assert line["outcome"] == "ok"


def test_names_of_tools_reach_the_provider_in_its_own_spelling(agent: anthropic.Anthropic, mock: Mock) -> None:
    agent.messages.create(
        model=named("openai"), max_tokens=500, tools=TOOLS, messages=[{"role": "user", "content": "Measure."}]
    )
    names = [found["function"]["name"] for found in sent(mock)["tools"]]
    assert len(set(names)) == 20
    assert max(map(len, names)) <= 64
    assert MODELS["openai"] == sent(mock)["model"]
