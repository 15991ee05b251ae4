"""Chat requests as Cohere takes them, and what is told about the rest."""

import copy

import pytest
from cohere_shapes import CHAT, ask, reasoning_model, sent

from proxy.errors import InvalidRequest
from proxy.wire.values import Json, JsonObject

TOOL: JsonObject = {
    "type": "function",
    "function": {"name": "weather", "description": "Now", "parameters": {"type": "object", "properties": {}}},
}
OTHER: JsonObject = {"type": "function", "function": {"name": "time"}}


def test_plain_text_is_all_there_is() -> None:
    asked = ask()
    assert sent({"model": "fast", "temperature": 0.5, "seed": 7}, asked) == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "seed": 7,
    }
    assert asked.notes.dropped == asked.notes.rewritten == []


def test_a_conversation_with_tools_and_their_results() -> None:
    calls: list[Json] = [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
        {"id": "c2", "type": "function", "function": {"name": "time", "arguments": ""}},
    ]
    asked = ask()
    found = sent(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "Metric."}]},
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": "I will look.", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": '{"t":3}'},
                {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "noon"}]},
                {"role": "user", "content": "And?"},
            ]
        },
        asked,
    )
    assert found["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Metric."}]},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "tool_plan": "I will look.",
            "tool_calls": [
                calls[0],
                {"id": "c2", "type": "function", "function": {"name": "time", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"t":3}'},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "noon"}]},
        {"role": "user", "content": "And?"},
    ]
    assert asked.notes.dropped == []


def test_an_answer_with_reasoning_and_citations_goes_back_as_it_came() -> None:
    citation: JsonObject = {"start": 0, "end": 2, "text": "Hi", "sources": []}
    said: JsonObject = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "greet",
        "provider_blocks": [{"type": "cohere", "index": 0, "block": {"type": "citation", "citation": citation}}],
        "annotations": [],
        "refusal": None,
    }
    asked = ask()
    assert sent({"messages": [said]}, asked)["messages"] == [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "greet"}, {"type": "text", "text": "Hi"}],
            "citations": [citation],
        }
    ]
    assert asked.notes.dropped == []


def test_reasoning_beside_calls_stays_beside_the_plan() -> None:
    call: JsonObject = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    blocks: list[Json] = [
        {"type": "thinking", "thinking": "why", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    asked = ask()
    [found] = sent(
        {"messages": [{"role": "assistant", "content": "plan", "tool_calls": [call], "thinking_blocks": blocks}]}, asked
    )["messages"]
    assert found["tool_plan"] == "plan"
    assert found["content"] == [{"type": "thinking", "thinking": "why"}]
    assert asked.notes.dropped == ["messages[].thinking_blocks[].redacted_thinking"]


def test_a_model_that_does_not_reason_is_shown_no_reasoning() -> None:
    asked = ask(info=reasoning_model(reasons=False))
    said: JsonObject = {"role": "assistant", "content": "Hi", "reasoning_content": "greet"}
    assert sent({"messages": [said]}, asked)["messages"] == [{"role": "assistant", "content": "Hi"}]
    assert asked.notes.dropped == ["messages[].reasoning_content"]


def test_images_travel_and_other_media_are_refused() -> None:
    image: JsonObject = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
    found = sent({"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]})
    assert found["messages"][0]["content"] == [{"type": "text", "text": "What?"}, image]
    with pytest.raises(InvalidRequest, match="'input_audio'") as refused:
        sent({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "input_audio"}]}]})
    assert refused.value.code == "unsupported_content_part"


@pytest.mark.parametrize(
    ("given", "name", "value", "rewritten"),
    [
        ({"temperature": 1.7}, "temperature", 1, ["temperature"]),
        ({"temperature": 1}, "temperature", 1, []),
        ({"temperature": 0}, "temperature", 0, []),
        ({"top_p": 1}, "p", 0.99, []),
        ({"top_p": 0}, "p", 0.01, ["top_p"]),
        ({"top_p": 0.5}, "p", 0.5, []),
        ({"top_k": 700}, "k", 500, ["top_k"]),
        ({"frequency_penalty": -1}, "frequency_penalty", 0, ["frequency_penalty"]),
        ({"presence_penalty": 2}, "presence_penalty", 1, ["presence_penalty"]),
        ({"presence_penalty": 0}, "presence_penalty", None, []),
        ({"max_tokens": 5}, "max_tokens", 5, []),
        ({"max_completion_tokens": 6, "max_tokens": 5}, "max_tokens", 6, []),
        ({"stop": "a"}, "stop_sequences", ["a"], []),
        ({"stop": list("abcdef")}, "stop_sequences", list("abcde"), ["stop"]),
        ({"logprobs": True}, "logprobs", True, []),
        ({"logprobs": False}, "logprobs", None, []),
        ({"temperature": "warm"}, "temperature", "warm", []),
        ({"safety_mode": "OFF"}, "safety_mode", "OFF", []),
        ({"documents": ["d"]}, "documents", ["d"], []),
        ({"citation_options": {"mode": "off"}}, "citation_options", {"mode": "off"}, []),
        ({"priority": 3}, "priority", 3, []),
    ],
)
def test_parameters(given: JsonObject, name: str, value: Json, rewritten: list[str]) -> None:
    asked = ask()
    assert sent(given, asked).get(name) == value
    assert asked.notes.rewritten == rewritten
    assert asked.notes.dropped == []


def test_what_cohere_has_no_word_for_is_named() -> None:
    asked = ask()
    sent(
        {
            "n": 2,
            "user": "u",
            "logit_bias": {"5": 1},
            "parallel_tool_calls": False,
            "top_logprobs": 3,
            "metadata": {"a": "b"},
            "messages": [
                {"role": "user", "name": "ann", "content": [{"type": "text", "text": "x", "cache_control": {}}]}
            ],
        },
        asked,
    )
    assert set(asked.notes.dropped) == {
        "n", "user", "logit_bias", "parallel_tool_calls", "top_logprobs", "metadata", "messages[].name",
        "messages[].content[].cache_control",
    }  # fmt: skip


def test_defaults_go_without_a_word() -> None:
    asked = ask(stream=True)
    found = sent(
        {
            "n": 1,
            "store": False,
            "parallel_tool_calls": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logit_bias": {},
            "user": None,
            "tool_choice": "auto",
            "response_format": {"type": "text"},
        },
        asked,
    )
    assert found.keys() == {"model", "messages", "stream"}
    assert asked.notes.dropped == []


@pytest.mark.parametrize(
    ("choice", "sent_choice", "names"),
    [
        (None, None, ["weather", "time"]),
        ("auto", None, ["weather", "time"]),
        ("required", "REQUIRED", ["weather", "time"]),
        ("none", "NONE", ["weather", "time"]),
        ({"type": "function", "function": {"name": "time"}}, "REQUIRED", ["time"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [OTHER]}},
            None,
            ["time"],
        ),
    ],
)
def test_tool_choice(choice: Json, sent_choice: str | None, names: list[str]) -> None:
    found = sent({"tools": [TOOL, OTHER], "tool_choice": choice})
    assert found.get("tool_choice") == sent_choice
    assert [tool["function"]["name"] for tool in found["tools"]] == names


def test_a_tool_without_parameters_gets_an_empty_object() -> None:
    assert sent({"tools": [OTHER]})["tools"] == [
        {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}
    ]


def test_models_before_command_r7b_choose_for_themselves() -> None:
    asked = ask("command-r-08-2024")
    found = sent({"tools": [TOOL], "tool_choice": "required"}, asked)
    assert "tool_choice" not in found
    assert asked.notes.dropped == ["tool_choice"]
    assert "tools" not in sent({"tools": [TOOL], "tool_choice": "none"}, ask("command-r-plus-08-2024"))
    assert sent({"tools": [TOOL], "tool_choice": "none"}, ask("command-r7b-12-2024"))["tool_choice"] == "NONE"


@pytest.mark.parametrize(
    "given",
    [
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "gone"}}},
        {"tool_choice": "required"},
        {"messages": []},
        {"messages": "Hi"},
        {"messages": [{"role": "function", "name": "f", "content": "1"}]},
        {"messages": [{"role": "tool", "content": "1"}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": ["Hi"]},
    ],
)
def test_what_cannot_be_asked(given: JsonObject) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sent(given)
    assert refused.value.param


def test_strict_tools() -> None:
    strict: JsonObject = {
        "type": "function",
        "function": {"name": "s", "parameters": {"type": "object"}, "strict": True},
    }
    found = sent({"tools": [strict]})
    assert found["strict_tools"] is True
    assert "strict" not in found["tools"][0]["function"]
    asked = ask()
    assert "strict_tools" not in sent({"tools": [strict, TOOL]}, asked)
    assert asked.notes.dropped == ["tools[].strict"]


def test_tools_of_other_kinds_are_named() -> None:
    asked = ask()
    assert "tools" not in sent({"tools": [{"type": "web_search"}]}, asked)
    assert asked.notes.dropped == ["tools[].web_search"]


def test_structured_output() -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    wanted: JsonObject = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    assert sent({"response_format": wanted})["response_format"] == {"type": "json_object", "json_schema": schema}
    assert sent({"response_format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    asked = ask()
    assert "response_format" not in sent({"response_format": wanted, "tools": [TOOL]}, asked)
    assert asked.notes.dropped == ["response_format"]


@pytest.mark.parametrize(
    ("given", "thinking"),
    [
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 1024}),
        ({"reasoning_effort": "high", "max_tokens": 1000}, {"type": "enabled", "token_budget": 750}),
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"type": "enabled", "token_budget": 2000}),
        ({"thinking": {"type": "enabled", "token_budget": 300}}, {"type": "enabled", "token_budget": 300}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
        ({}, None),
    ],
)
def test_thinking(given: JsonObject, thinking: JsonObject | None) -> None:
    assert sent(given, ask("command-a-reasoning-08-2025")).get("thinking") == thinking


def test_effort_for_a_model_that_does_not_reason() -> None:
    asked = ask(info=reasoning_model(reasons=False))
    assert "thinking" not in sent({"reasoning_effort": "low"}, asked)
    assert asked.notes.dropped == ["reasoning_effort"]
    quiet = ask(info=reasoning_model(reasons=False))
    assert "thinking" not in sent({"reasoning_effort": "none"}, quiet)
    assert quiet.notes.dropped == []


def test_the_request_is_not_changed_in_place() -> None:
    call: Json = {"id": "c", "type": "function", "function": {"name": "f", "arguments": None}}
    chat: JsonObject = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ],
        "tools": [TOOL],
        "stop": ["a"],
        "temperature": 2,
    }
    before = copy.deepcopy(chat)
    CHAT.encode(chat, ask())
    assert chat == before
