"""Models of one provider that take different things: how they think, what they refuse, how they are blocked."""

from typing import Any

import openai
import pytest

from tests.support.processes import Mock

from .asked import ASK, TOOLS, fold, results, whole
from .bodies import sent

pytestmark = pytest.mark.e2e

THINKERS = [
    "claude/claude-haiku-4-5",
    "claude/claude-sonnet-4-6",
    "claude/claude-opus-4-7",
    "claude/claude-opus-5",
    "claude/claude-opus-5-5",
    "claude/claude-sonnet-5-5",
    "claude/claude-fable-5-1",
    "gemini/gemini-2.5-flash",
    "gemini/gemini-2.5-pro",
    "gemini/gemini-3.1-pro-preview",
    "gemini/gemini-3.8-flash",
    "gemini/gemini-4-argon",
    "vertex/gemini-4-argon",
    "bedrock/global.anthropic.claude-opus-5-5",
    "bedrock/us.anthropic.claude-sonnet-4-6",
    "bedrock/amazon.nova-2-lite-v1:0",
    "cohere/command-a-reasoning-08-2025",
    "cohere/command-a-plus-05-2026",
]
SAMPLERS = [
    *THINKERS,
    "bedrock/amazon.nova-pro-v1:0",
    "bedrock/meta.llama3-3-70b-instruct-v1:0",
    "bedrock/mistral.mistral-large-2407-v1:0",
    "cohere/command-r7b-12-2024",
    "mistral/mistral-large-4",
    "xai/grok-4.3",
    "deepseek/deepseek-v4-flash",
    "perplexity/sonar-reasoning-pro",
    "minimax/MiniMax-M2.5",
    "zai/glm-4.7",
    "groq/openai/gpt-oss-20b",
    "openrouter/openai/gpt-5.1",
]


def ask(client: openai.OpenAI, model: str, **fields: Any) -> Any:
    return client.chat.completions.create(**{"model": model, "messages": ASK, **fields})


@pytest.mark.parametrize("effort", ["low", "high"])
@pytest.mark.parametrize("model", THINKERS)
def test_three_turns_of_thought(client: openai.OpenAI, model: str, effort: str) -> None:
    """The provider checks every signature, wherever in the history it is."""
    fields: dict[str, Any] = {"tools": TOOLS, "reasoning_effort": effort, "max_completion_tokens": 20_000}
    messages = [*ASK]
    for _ in range(2):
        answer = ask(client, model, messages=messages, **fields)
        assert answer.choices[0].finish_reason == "tool_calls"
        again = fold(
            ask(client, model, messages=messages, stream=True, stream_options={"include_usage": True}, **fields)
        )
        alone = whole(answer)
        assert [call["name"] for call in again.pop("calls")] == [call["name"] for call in alone.pop("calls")]
        assert again == alone
        messages += results(answer.choices[0].message)
        told = ask(client, model, messages=messages, **fields)
        assert told.choices[0].finish_reason == "stop"
        messages += [told.choices[0].message.model_dump(exclude_none=True), {"role": "user", "content": "And back?"}]


@pytest.mark.parametrize("model", SAMPLERS)
def test_everything_an_application_sets(client: openai.OpenAI, model: str) -> None:
    """No model answers 400 to an ordinary request: what it does not take is left out, and said."""
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "developer", "content": "Be brief."}, *ASK],
        temperature=0.3,
        top_p=0.9,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        seed=7,
        stop=["THE END"],
        user="somebody",
        max_tokens=500,
        logprobs=False,
        n=1,
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
    )
    answer = raw.parse()
    assert answer.choices[0].finish_reason == "stop"
    assert len((answer.choices[0].message.content or "").split()) > 10


def test_thoughts_that_are_sealed_come_back(client: openai.OpenAI, mock: Mock) -> None:
    model = "claude/claude-redacted-4-5"
    fields: dict[str, Any] = {"tools": TOOLS, "reasoning_effort": "high", "max_completion_tokens": 20_000}
    answer = ask(client, model, **fields)
    turn = results(answer.choices[0].message)
    blocks = turn[0]["thinking_blocks"]
    assert {block["type"] for block in blocks} == {"redacted_thinking"}
    ask(client, model, messages=[*ASK, *turn], **fields)
    assert blocks[0] in sent(mock)["messages"][1]["content"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("model", ["claude/claude-haiku-4-5", "gemini/gemini-3.8-flash", "vertex/gemini-3.8-flash"])
def test_a_prompt_that_is_blocked(client: openai.OpenAI, model: str, stream: bool) -> None:
    blocked: list[Any] = [{"role": "user", "content": "mock-flag"}]
    if stream:
        found = fold(ask(client, model, messages=blocked, stream=True))
    else:
        found = whole(ask(client, model, messages=blocked))
    assert found["finish"] == "content_filter"


def test_a_prompt_that_azure_blocks(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, "azure/gpt-5-mini", messages=[{"role": "user", "content": "mock-flag"}])
    assert raised.value.code == "content_filter"


def test_a_picture_at_everyone(client: openai.OpenAI, mock: Mock) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts: Any = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}", "detail": "low"}},
    ]
    for model in (
        *THINKERS[:1],
        "gemini/gemini-3.8-flash",
        "bedrock/amazon.nova-pro-v1:0",
        "cohere/command-a-vision-07-2025",
    ):
        assert ask(client, model, messages=[{"role": "user", "content": parts}]).choices
        assert pixel in str(sent(mock))
