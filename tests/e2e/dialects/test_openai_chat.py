"""OpenAI's SDK asks for chats at every provider: text, streams, tools in parallel, structured output, thoughts."""

import json
from typing import Any

import openai
import pytest

from tests.support.processes import Mock

from .accounts import ALIKE, DIALECTS, FLAVOURED, named
from .asked import ASK, RESULT, TOOLS, Road, fold, results, whole
from .bodies import received, sent

pytestmark = pytest.mark.e2e

EVERYONE = [*ALIKE, *DIALECTS, *FLAVOURED]
TOOLLESS = {"perplexity"}
UNFORCED = {"deepseek", "zai"}
"""Who leaves the choice of a tool to the model."""
INSTRUCTED = {"deepseek", "zai"}
"""Who knows JSON, but no schemas."""
CALLERS = [name for name in EVERYONE if name not in TOOLLESS]
THINKERS = [*DIALECTS, *(name for name in FLAVOURED if name != "perplexity")]
"""Who shows its thoughts, or signs them."""


def ask(client: openai.OpenAI, account: str, **fields: Any) -> Any:
    """A plain answer."""
    return client.chat.completions.create(**{"model": named(account), "messages": ASK, **fields})


def streamed(client: openai.OpenAI, account: str, **fields: Any) -> dict[str, Any]:
    """A streamed answer, folded, with its usage."""
    return fold(ask(client, account, stream=True, stream_options={"include_usage": True}, **fields))


@pytest.mark.parametrize("account", EVERYONE)
def test_text(client: openai.OpenAI, account: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=named(account), messages=ASK)
    answer = raw.parse()
    found = whole(answer)
    assert len(found["text"].split()) > 10
    assert found["finish"] == "stop"
    assert found["calls"] == []
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens > 10
    assert usage.completion_tokens >= 20
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer.object == "chat.completion"
    assert raw.headers["x-tollway-provider"] == account
    assert "x-tollway-dropped" not in raw.headers
    assert streamed(client, account) == found


@pytest.mark.parametrize("account", EVERYONE)
def test_a_streams_shape(client: openai.OpenAI, account: str) -> None:
    chunks = list(ask(client, account, stream=True))
    if account.startswith("azure"):
        verdict = chunks.pop(0)
        assert verdict.choices == []
        assert verdict.model_extra is not None
        assert "prompt_filter_results" in verdict.model_extra
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert all(chunk.choices for chunk in chunks), "nobody asked for a chunk of usage"
    assert len({chunk.id for chunk in chunks if chunk.id}) == 1
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert finishes == ["stop"]
    assert sum(len(choice.delta.content or "") > 0 for chunk in chunks for choice in chunk.choices) > 10


@pytest.mark.parametrize("account", CALLERS)
def test_tools_in_parallel_and_their_results(client: openai.OpenAI, mock: Mock, account: str) -> None:
    answer = ask(client, account, tools=TOOLS)
    found = whole(answer)
    assert found["finish"] == "tool_calls"
    calls = {call["name"]: json.loads(call["arguments"]) for call in found["calls"]}
    assert calls.keys() == {"look_up", "measure"}
    assert (type(calls["look_up"]["place"]), calls["look_up"].keys()) == (str, {"place", "near"})
    assert calls["measure"]["kind"] in ("long", "short")
    ids = [call["id"] for call in found["calls"]]
    assert len(set(ids)) == 2
    assert all(ids)
    again = streamed(client, account, tools=TOOLS)
    names = ("text", "finish", "usage")
    assert [again[name] for name in names] == [found[name] for name in names]
    assert [call["name"] for call in again["calls"]] == [call["name"] for call in found["calls"]]
    assert {call["name"]: json.loads(call["arguments"]) for call in again["calls"]} == calls

    message = answer.choices[0].message
    follow = whole(ask(client, account, tools=TOOLS, messages=[*ASK, *results(message)]))
    assert follow["finish"] == "stop"
    assert len(follow["text"].split()) > 10
    body = received(mock)["body"]
    assert json.dumps(sent(mock), ensure_ascii=False).count(RESULT) == 2
    assert body.count(b"look_up") >= 2


@pytest.mark.parametrize("account", CALLERS)
def test_a_forced_tool(client: openai.OpenAI, account: str) -> None:
    choice: Any = {"type": "function", "function": {"name": "measure"}}
    raw = client.chat.completions.with_raw_response.create(
        model=named(account), messages=ASK, tools=TOOLS, tool_choice=choice
    )
    if account in UNFORCED:
        assert raw.headers["x-tollway-rewritten"] == "tool_choice"
    else:
        assert {call["name"] for call in whole(raw.parse())["calls"]} == {"measure"}


@pytest.mark.parametrize("account", ["claude", "bedrock"])
def test_one_tool_at_a_time(client: openai.OpenAI, mock: Mock, account: str) -> None:
    choice: Any = {"type": "function", "function": {"name": "measure"}}
    ask(client, account, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)
    body = sent(mock)
    body = body.get("additionalModelRequestFields", body)
    assert body["tool_choice"] == {"type": "tool", "name": "measure", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("account", CALLERS)
def test_no_tool(client: openai.OpenAI, account: str) -> None:
    found = whole(ask(client, account, tools=TOOLS, tool_choice="none"))
    assert found["calls"] == []
    assert found["finish"] == "stop"


@pytest.mark.parametrize("account", [name for name in EVERYONE if name not in INSTRUCTED])
def test_structured_output(client: openai.OpenAI, account: str) -> None:
    fields: dict[str, Any] = {"model": named(account), "messages": ASK, "response_format": Road}
    answer = client.chat.completions.parse(**fields)
    road = answer.choices[0].message.parsed
    assert isinstance(road, Road)
    with client.chat.completions.stream(**fields) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == road


@pytest.mark.parametrize("account", sorted(INSTRUCTED))
def test_a_schema_that_becomes_an_instruction(client: openai.OpenAI, mock: Mock, account: str) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "road", "schema": Road.model_json_schema()}}
    raw = client.chat.completions.with_raw_response.create(model=named(account), messages=ASK, response_format=form)
    assert isinstance(json.loads(raw.parse().choices[0].message.content or ""), dict)
    assert raw.headers["x-tollway-rewritten"] == "response_format"
    body = sent(mock)
    assert body["response_format"] == {"type": "json_object"}
    assert "metres" in json.dumps(body["messages"])


@pytest.mark.parametrize("account", THINKERS)
def test_thoughts_come_back_in_the_next_turn(client: openai.OpenAI, mock: Mock, account: str) -> None:
    fields: dict[str, Any] = {"tools": TOOLS, "reasoning_effort": "high", "max_completion_tokens": 32_000}
    answer = ask(client, account, **fields)
    found = whole(answer)
    assert found["finish"] == "tool_calls"
    assert found["thought"]
    again = streamed(client, account, **fields)
    assert (again["thought"], again["blocks"]) == (found["thought"], found["blocks"])
    follow = whole(ask(client, account, messages=[*ASK, *results(answer.choices[0].message)], **fields))
    assert follow["finish"] == "stop"
    assert len(follow["text"].split()) > 10


@pytest.mark.parametrize("account", ["claude", "bedrock"])
def test_thoughts_that_were_changed_are_refused_by_the_provider(client: openai.OpenAI, account: str) -> None:
    fields: dict[str, Any] = {"tools": TOOLS, "reasoning_effort": "high", "max_completion_tokens": 32_000}
    turn = results(ask(client, account, **fields).choices[0].message)
    turn[0]["thinking_blocks"][0]["signature"] += "x"
    with pytest.raises(openai.BadRequestError, match="Invalid `signature`"):
        ask(client, account, messages=[*ASK, *turn], **fields)


@pytest.mark.parametrize("account", ["gemini", "vertex"])
def test_the_signature_of_a_function_call_reaches_gemini(client: openai.OpenAI, mock: Mock, account: str) -> None:
    answer = ask(client, account, tools=TOOLS)
    turn = results(answer.choices[0].message)
    signature = turn[0]["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    ask(client, account, tools=TOOLS, messages=[*ASK, *turn])
    parts = [part for content in sent(mock)["contents"] for part in content["parts"]]
    assert [part["thoughtSignature"] for part in parts if "thoughtSignature" in part] == [signature]
    turn[0]["tool_calls"][0]["extra_content"]["google"]["thought_signature"] = "AAAA"
    with pytest.raises(openai.BadRequestError):
        ask(client, account, tools=TOOLS, messages=[*ASK, *turn])


@pytest.mark.parametrize("account", [*ALIKE, "gemini", "vertex", "mistral", "openrouter"])
def test_several_answers(client: openai.OpenAI, account: str) -> None:
    answer = ask(client, account, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(len((choice.message.content or "").split()) > 10 for choice in answer.choices)


@pytest.mark.parametrize("account", ["bedrock", "cohere", "groq", "minimax"])
def test_several_answers_where_there_is_only_one(client: openai.OpenAI, account: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=named(account), messages=ASK, n=2)
    assert len(raw.parse().choices) == 1
    assert raw.headers["x-tollway-dropped"] == "n"


def test_several_answers_are_refused_by_name_for_claude(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="set n to 1") as raised:
        ask(client, "claude", n=2)
    assert raised.value.param == "n"


@pytest.mark.parametrize("account", EVERYONE)
def test_a_limit_of_tokens(client: openai.OpenAI, account: str) -> None:
    answer = ask(client, account, max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert streamed(client, account, max_completion_tokens=5) == whole(answer)
