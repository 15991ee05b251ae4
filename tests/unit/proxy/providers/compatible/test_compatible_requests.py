"""Parameter maps: what each provider is sent, and what is said about it. The clients' bytes stay where nothing is due."""

import json

import pytest

from proxy.catalogue import ModelInfo
from proxy.errors import InvalidJson
from proxy.providers import dashscope, databricks, deepseek, fireworks, groq, minimax, mistral, moonshot, xai, zai
from proxy.providers.openai_dialect.passing import CompatiblePassing
from proxy.providers.openai_dialect.spec import Compatible
from proxy.providers.together import TOGETHER
from proxy.translation.ask import Ask
from proxy.wire.endpoints import CHAT, EMBEDDINGS
from proxy.wire.values import JsonObject

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def edited(
    spec: Compatible, body: JsonObject, model: str = "m", info: ModelInfo | None = None
) -> tuple[JsonObject, Ask]:
    ask = Ask(model=model, info=info)
    passing = CompatiblePassing(spec, spec.base_url, forwards=False)
    found: JsonObject = json.loads(passing.edit(CHAT, json.dumps(body).encode(), ask))
    return found, ask


def test_a_body_that_needs_nothing_is_the_very_object() -> None:
    body = b'{ "model":"m", "messages":[ {"role":"user","content":"developer"} ], "temperature":1.0e0, "max_tokens":5}'
    for spec in (TOGETHER, groq.GROQ, minimax.MINIMAX, fireworks.FIREWORKS):
        assert CompatiblePassing(spec, spec.base_url, forwards=False).edit(CHAT, body, Ask(model="m")) is body


def test_only_what_changes_is_spliced() -> None:
    body = b'{ "model":"m",  "max_completion_tokens" : 5, "x":1.0e2, "messages":[ {"role":"user"} ] }'
    found = CompatiblePassing(TOGETHER, "http://x", forwards=False).edit(CHAT, body, Ask(model="m"))
    assert found == body.replace(b"max_completion_tokens", b"max_tokens")


def test_the_newer_cap_wins() -> None:
    assert edited(TOGETHER, {"max_tokens": 1, "max_completion_tokens": 2})[0] == {"max_tokens": 2}


def test_defaults_are_left_out_in_silence() -> None:
    found, ask = edited(groq.GROQ, {"n": 1, "logprobs": False, "logit_bias": {}, "top_logprobs": None})
    assert (found, ask.notes.dropped) == ({}, [])
    found, ask = edited(groq.GROQ, {"n": 2, "logprobs": True})
    assert (found, ask.notes.dropped) == ({}, ["n", "logprobs"])


def test_developer_is_system() -> None:
    found, ask = edited(
        TOGETHER, {"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]}
    )
    assert found["messages"] == [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]
    assert ask.notes.rewritten == []


def test_half_a_character_is_the_clients_fault() -> None:
    body = rb'{"model":"m","messages":[{"role":"developer","content":"\ud83d"}]}'
    with pytest.raises(InvalidJson):
        CompatiblePassing(TOGETHER, "http://x", forwards=False).edit(CHAT, body, Ask(model="m"))


def test_bytes_that_are_no_text_are_replaced_where_a_message_is_edited() -> None:
    body = b'{"model":"m","messages":[{"role":"developer","content":"\xff"}]}'
    found = CompatiblePassing(TOGETHER, "http://x", forwards=False).edit(CHAT, body, Ask(model="m"))
    assert json.loads(found)["messages"] == [{"role": "system", "content": "\ufffd"}]


def test_mistral_ids_are_nine_letters_and_agree() -> None:
    call = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_abc", "name": "f", "content": "r"},
    ]
    found, ask = edited(mistral.MISTRAL, {"messages": messages})
    first, second = found["messages"]  # type: ignore[misc]
    ident = first["tool_calls"][0]["id"]  # type: ignore[index,call-overload]
    assert second["tool_call_id"] == ident  # type: ignore[index,call-overload]
    assert second["name"] == "f"  # type: ignore[index,call-overload]
    assert isinstance(ident, str)
    assert len(ident) == 9
    assert ident.isalnum()
    assert (ask.notes.dropped, ask.notes.rewritten) == ([], [])


def test_mistral_schemas_lose_their_dialects_name() -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "strict": True,
            "parameters": {"$schema": "s", "type": "object", "additionalProperties": False},
        },
    }
    found, _ = edited(mistral.MISTRAL, {"tools": [tool], "messages": []})
    assert found["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "strict": True, "parameters": {"type": "object", "additionalProperties": False}},
        }
    ]


def test_mistral_takes_no_unknown_field() -> None:
    found, ask = edited(mistral.MISTRAL, {"model": "m", "foo": 1, "store": False, "stream_options": {}, "messages": []})
    assert (sorted(found), ask.notes.dropped) == (["messages", "model"], ["foo"])


def test_mistral_embeddings() -> None:
    passing = CompatiblePassing(mistral.MISTRAL, "http://x", forwards=False)
    found = passing.edit(EMBEDDINGS, b'{"model":"m", "input":"x", "dimensions":8}', Ask(model="m"))
    assert found == b'{"model":"m", "input":"x", "output_dimension":8}'


@pytest.mark.parametrize(
    ("body", "expected", "dropped", "rewritten"),
    [
        (
            {"reasoning_effort": "none", "temperature": 0.2, "tool_choice": "required"},
            {"thinking": {"type": "disabled"}, "temperature": 0.2, "tool_choice": "required"},
            [],
            [],
        ),
        (
            {"reasoning_effort": "xhigh", "logprobs": True},
            {"reasoning_effort": "max"},
            ["logprobs"],
            ["reasoning_effort"],
        ),
        ({"tool_choice": "auto", "temperature": 1}, {"tool_choice": "auto"}, [], []),
        ({"tools": [*TOOLS, {"type": "custom", "custom": {"name": "g"}}]}, {"tools": TOOLS}, ["tools[].custom"], []),
    ],
)
def test_deepseek(body: JsonObject, expected: JsonObject, dropped: list[str], rewritten: list[str]) -> None:
    found, ask = edited(deepseek.DEEPSEEK, body, "deepseek-v4")
    assert (found, ask.notes.dropped, ask.notes.rewritten) == (expected, dropped, rewritten)


def test_deepseeks_chat_model_samples() -> None:
    assert edited(deepseek.DEEPSEEK, {"temperature": 0.2}, "deepseek-chat")[0] == {"temperature": 0.2}


def test_deepseek_reasoner_gets_reasoning_with_tool_calls_alone() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": "a", "reasoning_content": "r"},
        {"role": "assistant", "tool_calls": [call], "reasoning_content": "r"},
    ]
    found, _ = edited(deepseek.DEEPSEEK, {"messages": messages}, "deepseek-reasoner")
    assert found["messages"] == [{"role": "assistant", "content": "a"}, messages[1]]
    assert edited(deepseek.DEEPSEEK, {"messages": messages}, "deepseek-v4")[0]["messages"] == messages


@pytest.mark.parametrize(
    ("model", "body", "expected", "dropped"),
    [
        (
            "grok-4.3",
            {"stop": ["x"], "presence_penalty": 0.1, "reasoning_effort": "none"},
            {"reasoning_effort": "none"},
            ["presence_penalty", "stop"],
        ),
        ("grok-4.7", {"reasoning_effort": "none"}, {"reasoning_effort": "low"}, []),
        ("grok-4.20", {"reasoning_effort": "low", "logprobs": True}, {}, ["logprobs", "reasoning_effort"]),
        ("grok-build-1", {"reasoning_effort": "low"}, {}, ["reasoning_effort"]),
        (
            "grok-4-fast-non-reasoning",
            {"stop": ["x"], "reasoning_effort": "low"},
            {"stop": ["x"]},
            ["reasoning_effort"],
        ),
        ("grok-3", {"stop": ["x"]}, {"stop": ["x"]}, []),
    ],
)
def test_xai(model: str, body: JsonObject, expected: JsonObject, dropped: list[str]) -> None:
    found, ask = edited(xai.XAI, body, model)
    assert (found, ask.notes.dropped) == (expected, dropped)


@pytest.mark.parametrize(
    ("model", "body", "expected", "dropped", "rewritten"),
    [
        ("kimi-k2.5", {"temperature": 1, "top_p": 0.95}, {"top_p": 0.95}, [], []),
        ("kimi-k2.5", {"temperature": 0.5, "top_p": 0.5}, {}, ["temperature", "top_p"], []),
        ("moonshot-v1", {"temperature": 0, "n": 2}, {"temperature": 0.3, "n": 2}, [], ["temperature"]),
        ("moonshot-v1", {"temperature": 2, "functions": [{}]}, {"temperature": 1}, ["functions"], ["temperature"]),
    ],
)
def test_moonshot(model: str, body: JsonObject, expected: JsonObject, dropped: list[str], rewritten: list[str]) -> None:
    found, ask = edited(moonshot.MOONSHOT, body, model)
    assert (found, ask.notes.dropped, ask.notes.rewritten) == (expected, dropped, rewritten)


def test_moonshots_tool_calls_have_reasoning() -> None:
    call = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "assistant", "tool_calls": [call]}]
    assert edited(moonshot.MOONSHOT, {"messages": messages}, "kimi-k2.5")[0]["messages"] == [
        {**messages[0], "reasoning_content": " "}
    ]
    assert edited(moonshot.MOONSHOT, {"messages": messages}, "moonshot-v1")[0]["messages"] == messages


@pytest.mark.parametrize(
    ("body", "expected", "rewritten"),
    [
        ({"top_p": 0, "temperature": 1.8}, {"top_p": 0.01, "temperature": 1}, ["temperature", "top_p"]),
        ({"tool_choice": "none", "tools": TOOLS}, {}, []),
        ({"stream": True, "tools": TOOLS}, {"stream": True, "tools": TOOLS, "tool_stream": True}, []),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, []),
        ({"stop": "a"}, {"stop": "a"}, []),
    ],
)
def test_zai(body: JsonObject, expected: JsonObject, rewritten: list[str]) -> None:
    found, ask = edited(zai.ZAI, body, "glm-4.6")
    assert (found, ask.notes.rewritten) == (expected, rewritten)


def test_zais_newest_takes_an_effort() -> None:
    assert edited(zai.ZAI, {"reasoning_effort": "low"}, "glm-5.3")[0] == {"reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        ("qwen3-8b", {"messages": []}, {"messages": [], "enable_thinking": False}),
        ("qwen3-8b", {"stream": True}, {"stream": True}),
        ("qwen-plus", {"messages": []}, {"messages": []}),
        ("qwen-plus", {"enable_thinking": True, "response_format": {"type": "json_object"}}, {"enable_thinking": True}),
        ("qwen-plus", {"n": 9}, {"n": 4}),
        ("deepseek-v4", {"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
    ],
)
def test_dashscope(model: str, body: JsonObject, expected: JsonObject) -> None:
    assert edited(dashscope.DASHSCOPE, body, model)[0] == expected


def test_databricks_messages() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "r"},
    ]
    found, _ = edited(databricks.DATABRICKS, {"messages": messages}, "databricks-claude-sonnet")
    assert found["messages"] == [messages[1], {**messages[2], "name": "f"}]


def test_minimax_ranges() -> None:
    found, ask = edited(minimax.MINIMAX, {"temperature": 0, "n": 1, "presence_penalty": 1})
    assert (found, ask.notes.rewritten, ask.notes.dropped) == (
        {"temperature": 0.01},
        ["temperature"],
        ["presence_penalty"],
    )


def test_fireworks_takes_one_of_two() -> None:
    found, ask = edited(
        fireworks.FIREWORKS, {"thinking": {"type": "enabled", "budget_tokens": 2048}, "reasoning_effort": "low"}
    )
    assert (list(found), ask.notes.dropped) == (["thinking"], ["reasoning_effort"])


def test_groq_history() -> None:
    found, ask = edited(
        groq.GROQ,
        {
            "messages": [
                {"role": "user", "name": "ann", "content": "x"},
                {"role": "assistant", "content": "y", "reasoning_content": "r", "annotations": []},
            ]
        },
    )
    assert found["messages"] == [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "y", "reasoning": "r"},
    ]
    assert ask.notes.dropped == ["messages[].name"]
