"""Anthropic's SDK asks models of other providers: messages, streams, tools with thoughts, counts, errors, lists."""

import json
from typing import Any

import anthropic
import openai
import pytest

from tests.support.processes import KEY, Gateway, Mock

from .accounts import faulty, named
from .asked import RESULT

pytestmark = pytest.mark.e2e

OTHERS = [
    "openai",
    "azure",
    "gemini",
    "vertex",
    "bedrock",
    "cohere",
    "mistral",
    "groq",
    "xai",
    "deepseek",
    "zai",
    "minimax",
]
EVERYONE = ["claude", *OTHERS]
FACES = {"claude", "deepseek", "minimax", "zai"}
"""Who speaks Anthropic's dialect itself, so that its answers come as they are."""
ASK: list[Any] = [{"role": "user", "content": "How long is the road to the mill — in metres?"}]
TOOLS: list[Any] = [
    {
        "name": name,
        "description": f"Does {name}.",
        "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    }
    for name in ("look_up", "measure")
]
THINKING: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 2048}, "tools": TOOLS, "max_tokens": 8000}
THOUGHTLESS = {"openai", "azure"}
"""Whose thoughts are counted, but not shown."""


def ask(client: anthropic.Anthropic, account: str, **fields: Any) -> Any:
    return client.messages.create(**{"model": named(account), "max_tokens": 1000, "messages": ASK, **fields})


def blocks(message: Any) -> list[dict[str, Any]]:
    """The content as plain data, without what no follow-up needs."""
    return [block.model_dump(exclude_none=True) for block in message.content]


def streamed(client: anthropic.Anthropic, account: str, **fields: Any) -> Any:
    """The message that the SDK folds a stream into."""
    given = {"model": named(account), "max_tokens": 1000, "messages": ASK, **fields}
    with client.messages.stream(**given) as stream:
        for event in stream:
            assert event.type
        return stream.get_final_message()


def alike(one: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks without the ids that differ between two answers."""
    return [{name: value for name, value in block.items() if name not in ("id", "signature")} for block in one]


@pytest.mark.parametrize("account", EVERYONE)
def test_text(claude: anthropic.Anthropic, account: str) -> None:
    message = ask(claude, account, system="You know every road.")
    assert message.type == "message"
    assert message.role == "assistant"
    assert message.stop_reason == "end_turn"
    texts = [block for block in message.content if block.type == "text"]
    assert len(texts) == 1
    assert len(texts[0].text.split()) > 10
    assert message.usage.input_tokens > 5
    assert message.usage.output_tokens >= 20
    assert message.model == (named(account).partition("/")[2] if account in FACES else named(account))
    again = streamed(claude, account, system="You know every road.")
    assert alike(blocks(again)) == alike(blocks(message))
    assert again.stop_reason == "end_turn"
    assert (again.usage.input_tokens, again.usage.output_tokens) == (
        message.usage.input_tokens,
        message.usage.output_tokens,
    )


@pytest.mark.parametrize("account", EVERYONE)
def test_the_events_of_a_stream_in_their_order(claude: anthropic.Anthropic, account: str) -> None:
    events = [event.type for event in ask(claude, account, stream=True, tools=TOOLS)]
    events = [event for event in events if event != "ping"]
    assert events[0] == "message_start"
    assert events[-2:] == ["message_delta", "message_stop"]
    assert events.count("message_start") == events.count("message_stop") == 1
    open_ = False
    for event in events[1:-2]:
        assert event in ("content_block_start", "content_block_delta", "content_block_stop")
        assert open_ == (event != "content_block_start")
        open_ = event != "content_block_stop"
    assert not open_


@pytest.mark.parametrize("account", EVERYONE)
def test_tools_and_thoughts_over_two_turns(claude: anthropic.Anthropic, mock: Mock, account: str) -> None:
    message = ask(claude, account, **THINKING)
    assert message.stop_reason == "tool_use"
    found = blocks(message)
    calls = [block for block in found if block["type"] == "tool_use"]
    assert {call["name"] for call in calls} == {"look_up", "measure"}
    assert all(isinstance(call["input"]["place"], str) for call in calls)
    thoughts = [block for block in found if block["type"] == "thinking"]
    assert bool(thoughts) == (account not in THOUGHTLESS)
    assert all(block["signature"] for block in thoughts)
    again = streamed(claude, account, **THINKING)
    assert alike(blocks(again)) == alike(found)
    answers = [{"type": "tool_result", "tool_use_id": call["id"], "content": RESULT} for call in calls]
    turn = [{"role": "assistant", "content": message.content}, {"role": "user", "content": answers}]
    follow = ask(claude, account, messages=[*ASK, *turn], **THINKING)
    assert follow.stop_reason == "end_turn"
    assert any(block.type == "text" for block in follow.content)
    again_turn = [{"role": "assistant", "content": again.content}, {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": block.id, "content": RESULT} for block in again.content if block.type == "tool_use"
    ]}]  # fmt: skip
    assert ask(claude, account, messages=[*ASK, *again_turn], **THINKING).stop_reason == "end_turn"


@pytest.mark.parametrize("account", ["claude", "openai", "gemini", "bedrock", "cohere", "mistral"])
def test_a_forced_tool_and_a_failed_one(claude: anthropic.Anthropic, account: str) -> None:
    message = ask(claude, account, tools=TOOLS, tool_choice={"type": "tool", "name": "measure"})
    call = next(block for block in message.content if block.type == "tool_use")
    assert call.name == "measure"
    calls = [block for block in message.content if block.type == "tool_use"]
    answers = [
        {"type": "tool_result", "tool_use_id": call.id, "is_error": True, "content": [{"type": "text", "text": "No."}]}
        for call in calls
    ]
    turn = [{"role": "assistant", "content": message.content}, {"role": "user", "content": answers}]
    assert ask(claude, account, tools=TOOLS, messages=[*ASK, *turn]).stop_reason == "end_turn"


@pytest.mark.parametrize("account", EVERYONE)
def test_a_limit_of_tokens(claude: anthropic.Anthropic, account: str) -> None:
    assert ask(claude, account, max_tokens=4).stop_reason == "max_tokens"
    assert streamed(claude, account, max_tokens=4).stop_reason == "max_tokens"


@pytest.mark.parametrize("account", EVERYONE)
def test_counting(claude: anthropic.Anthropic, account: str) -> None:
    short = claude.messages.count_tokens(model=named(account), messages=ASK)
    long = claude.messages.count_tokens(model=named(account), messages=ASK * 5, tools=TOOLS, system="Be brief.")
    assert 5 < short.input_tokens < 40
    assert long.input_tokens > short.input_tokens * 3


FAULTS = [
    ("rate-limit:seconds=7", anthropic.RateLimitError, "rate_limit_error"),
    ("context-length", anthropic.BadRequestError, "invalid_request_error"),
    ("bad-key", anthropic.InternalServerError, "api_error"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("fault", "kind", "name"), FAULTS, ids=[row[0] for row in FAULTS])
@pytest.mark.parametrize("account", OTHERS)
def test_errors(
    claude: anthropic.Anthropic, account: str, fault: str, kind: type[anthropic.APIStatusError], name: str, stream: bool
) -> None:
    with pytest.raises(kind) as raised:
        ask(claude, faulty(account, fault), stream=stream)
    error = raised.value
    body: Any = error.body
    assert body["type"] == "error"
    assert body["error"]["type"] == name
    assert len(body["error"]["message"]) >= 10
    if fault.startswith("rate"):
        assert error.response.headers.get("retry-after") == "7"


@pytest.mark.parametrize("account", OTHERS)
def test_an_overloaded_provider(claude: anthropic.Anthropic, account: str) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask(claude, faulty(account, "overloaded"))
    body: Any = raised.value.body
    assert raised.value.status_code >= 500
    assert body["error"]["type"] in ("overloaded_error", "api_error")


@pytest.mark.parametrize("account", OTHERS)
def test_an_error_in_the_middle_of_a_stream(claude: anthropic.Anthropic, account: str) -> None:
    seen = []
    with pytest.raises(anthropic.APIStatusError) as raised:  # noqa: PT012
        for event in ask(claude, faulty(account, "sse-error:6"), stream=True):
            seen.append(event.type)
    assert "message_start" in seen
    assert "message_stop" not in seen
    body: Any = raised.value.body
    assert (body["type"], bool(body["error"]["message"])) == ("error", True)


def test_a_wrong_key(gateway: Gateway) -> None:
    stranger = anthropic.Anthropic(base_url=gateway.origin, api_key="sk-of-a-stranger", max_retries=0)
    with stranger, pytest.raises(anthropic.AuthenticationError) as raised:
        ask(stranger, "gemini")
    body: Any = raised.value.body
    assert body["error"]["type"] == "authentication_error"


def test_a_bearer_token(gateway: Gateway) -> None:
    with anthropic.Anthropic(base_url=gateway.origin, auth_token=KEY, max_retries=0) as client:
        assert ask(client, "gemini").content


def test_an_unknown_model(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as raised:
        claude.messages.create(model="no-such-model", max_tokens=5, messages=ASK)
    body: Any = raised.value.body
    assert body["error"]["type"] == "not_found_error"
    assert "no-such-model" in body["error"]["message"]


def test_what_does_not_travel_and_strict_mode(claude: anthropic.Anthropic) -> None:
    given: dict[str, Any] = {"model": named("openai"), "max_tokens": 100, "messages": ASK, "extra_body": {"top_k": 5}}
    raw = claude.messages.with_raw_response.create(**given)
    assert "top_k" in raw.headers["x-tollway-dropped"]
    with pytest.raises(anthropic.BadRequestError) as raised:
        claude.messages.create(**given, extra_headers={"x-tollway-strict": "true"})
    body: Any = raised.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert "top_k" in body["error"]["message"]


def test_the_list_of_models_in_both_shapes(claude: anthropic.Anthropic, gateway: Gateway) -> None:
    listed = claude.models.list()
    names = [model.id for model in listed]
    assert "allowed" in names
    assert claude.models.retrieve("allowed").type == "model"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("no-such-model")
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        rows = list(client.models.list())
        assert [row.id for row in rows] == names
        assert {row.object for row in rows} == {"model"}


@pytest.mark.parametrize("account", ["openai", "gemini", "bedrock", "cohere"])
def test_pictures_documents_and_structured_output(claude: anthropic.Anthropic, mock: Mock, account: str) -> None:
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content: list[Any] = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture}},
        {"type": "text", "text": "What is it?"},
    ]
    schema = {"type": "object", "properties": {"metres": {"type": "integer"}}, "required": ["metres"], "additionalProperties": False}  # fmt: skip
    message = ask(
        claude,
        account,
        messages=[{"role": "user", "content": content}],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    text = next(block.text for block in message.content if block.type == "text")
    assert isinstance(json.loads(text)["metres"], int)
