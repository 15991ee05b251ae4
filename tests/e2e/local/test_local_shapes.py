"""The same model in the other dialects: Responses and Anthropic's Messages are translated, plain and streamed."""

import json
from typing import Any

import jsonschema
import pytest
from anthropic import Anthropic
from openai import OpenAI

from .asked import CITY, PERSON

pytestmark = pytest.mark.e2e

FRANCE: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]

FLAT_TOOL: Any = {"type": "function", "name": "get_weather", "description": "Weather of a city", "parameters": CITY}
SHOWN_ITEMS: list[Any] = [
    {"role": "user", "content": "What is the weather in Oslo?"},
    {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city": "Oslo"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "4 C, rain"},
    {"role": "assistant", "content": "It is 4 C and rainy in Oslo."},
    {"role": "user", "content": "What is the weather in Paris?"},
]

CLAUDE_TOOL: Any = {"name": "get_weather", "description": "Weather of a city", "input_schema": CITY}
SHOWN_BLOCKS: list[Any] = [
    {"role": "user", "content": "What is the weather in Oslo?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "4 C, rain"}]},
    {"role": "assistant", "content": "It is 4 C and rainy in Oslo."},
    {"role": "user", "content": "What is the weather in Paris?"},
]


# ---- Responses ----------------------------------------------------------------------------------------------------------


def test_responses_plain(openai: OpenAI) -> None:
    answer = openai.responses.create(
        model="any",
        input="What is the capital of France?",
        instructions="Be brief.",
        temperature=0,
        max_output_tokens=40,
    )
    assert answer.status == "completed"
    assert "Paris" in answer.output_text
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_responses_streamed(openai: OpenAI) -> None:
    events = list(
        openai.responses.create(
            model="any", input="What is the capital of France?", temperature=0, max_output_tokens=40, stream=True
        )
    )
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    assert last.type == "response.completed"
    assert "Paris" in text
    assert last.response.output_text == text
    assert last.response.usage is not None
    assert last.response.usage.output_tokens > 0


def test_responses_that_end_early_say_so(openai: OpenAI) -> None:
    answer = openai.responses.create(model="any", input="Tell a story.", temperature=0, max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_responses_with_a_tool(openai: OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {
        "model": "any",
        "input": SHOWN_ITEMS,
        "tools": [FLAT_TOOL],
        "temperature": 0,
        "max_output_tokens": 60,
    }
    if stream:
        last: Any = list(openai.responses.create(stream=True, **asked))[-1]
        answer = last.response
    else:
        answer = openai.responses.create(**asked)
    (call,) = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "Paris"}


def test_responses_with_a_schema(openai: OpenAI) -> None:
    answer = openai.responses.create(
        model="any",
        input="Describe a person.",
        text={"format": {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}},
        temperature=0,
        max_output_tokens=80,
    )
    jsonschema.validate(json.loads(answer.output_text), PERSON)


# ---- Anthropic's Messages -----------------------------------------------------------------------------------------------


def test_messages_plain(anthropic: Anthropic) -> None:
    answer = anthropic.messages.create(
        model="any", system="Be brief.", messages=FRANCE, max_tokens=40, extra_body={"temperature": 0}
    )
    (block,) = answer.content
    assert block.type == "text"
    assert "Paris" in block.text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


def test_messages_streamed(anthropic: Anthropic) -> None:
    with anthropic.messages.stream(
        model="any", messages=FRANCE, max_tokens=40, extra_body={"temperature": 0}
    ) as stream:
        parts = list(stream.text_stream)
        answer = stream.get_final_message()
    (block,) = answer.content
    assert block.type == "text"
    assert len(parts) > 3
    assert block.text == "".join(parts)
    assert "Paris" in block.text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_messages_with_a_tool(anthropic: Anthropic, stream: bool) -> None:
    asked: dict[str, Any] = {
        "model": "any",
        "messages": SHOWN_BLOCKS,
        "tools": [CLAUDE_TOOL],
        "max_tokens": 60,
        "extra_body": {"temperature": 0},
    }
    if stream:
        with anthropic.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = anthropic.messages.create(**asked)
    (call,) = [block for block in answer.content if block.type == "tool_use"]
    assert call.name == "get_weather"
    assert call.input == {"city": "Paris"}
    assert answer.stop_reason == "tool_use"
