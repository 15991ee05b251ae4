"""The Responses request as a chat request: members, items, tools, and what is refused because nothing is stored."""

from typing import Any

import pytest

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.translation.ask import Ask
from proxy.translation.carried import public_id, seal
from proxy.translation.responses import ResponsesFront
from proxy.wire.values import JsonObject
from tests.support.fronts import asked


def chat(ask: Ask | None = None, **body: Any) -> dict[str, Any]:
    return ResponsesFront().request({"model": "m", "input": "hello", **body}, ask or asked())


def messages(*items: Any, ask: Ask | None = None, **body: Any) -> list[Any]:
    return list(chat(ask, input=list(items), **body)["messages"])


def say(role: str, *parts: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def call(ident: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": ident, "name": name, "arguments": arguments}


def output(ident: str, told: Any = "1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": ident, "output": told}


def chat_call(ident: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_the_least_request() -> None:
    assert chat() == {"model": "up", "messages": [{"role": "user", "content": "hello"}]}


def test_instructions_come_first() -> None:
    assert chat(instructions="Be brief.")["messages"][0] == {"role": "system", "content": "Be brief."}


def test_members_under_other_names() -> None:
    found = chat(
        max_output_tokens=9,
        text={
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
        },
        reasoning={"effort": "high", "summary": "auto"},
        top_logprobs=2,
        stream=True,
    )
    assert found["max_tokens"] == 9
    assert found["verbosity"] == "low"
    assert found["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    }
    assert found["reasoning_effort"] == "high"
    assert (found["logprobs"], found["top_logprobs"]) == (True, 2)
    assert found["stream_options"] == {"include_usage": True}


def test_members_under_the_same_name() -> None:
    same = {"temperature": 0.5, "top_p": 0.5, "user": "u", "service_tier": "flex", "prompt_cache_key": "k"}
    assert same.items() <= chat(**same).items()


def test_models_with_one_spelling_of_the_cap_get_that_one() -> None:
    assert chat(asked(behaviour=Behaviour(completion_cap=True)), max_output_tokens=9)["max_completion_tokens"] == 9


def test_the_other_formats_and_includes() -> None:
    assert chat(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert "response_format" not in chat(text={"format": {"type": "text"}})
    assert chat(include=["message.output_text.logprobs"])["logprobs"] is True


def test_texts_images_files_and_sounds() -> None:
    found = messages(
        say(
            "user",
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
            {"type": "input_file", "file_id": "file-1"},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        )
    )
    assert found[0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]


def test_roles_and_the_short_form_of_messages() -> None:
    found = messages(
        {"role": "developer", "content": "d"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}
    )
    assert [(each["role"], each["content"]) for each in found] == [
        ("developer", "d"),
        ("user", "u"),
        ("assistant", "a"),
    ]


def test_one_turn_of_the_model_is_one_message() -> None:
    found = messages(
        say("user", {"type": "input_text", "text": "go"}),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        say("assistant", {"type": "output_text", "text": "calling", "annotations": []}),
        call("a", "f", '{"x":1}'),
        call("b", "g"),
        output("a"),
        output("b", [{"type": "input_text", "text": "two"}]),
        {"type": "reasoning", "id": "rs_2", "summary": []},
        say("assistant", {"type": "output_text", "text": "done"}),
    )
    assert found == [
        {"role": "user", "content": "go"},
        {
            "role": "assistant",
            "content": "calling",
            "reasoning_content": "Hm",
            "tool_calls": [chat_call("a", "f", '{"x":1}'), chat_call("b", "g")],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "two"},
        {"role": "assistant", "content": "done"},
    ]


def test_a_result_goes_right_after_its_call_whatever_came_between() -> None:
    found = messages(
        call("a"),
        call("b"),
        {"role": "user", "content": "wait"},
        output("a"),
        output("b"),
        {"role": "user", "content": "so"},
    )
    assert [each["role"] for each in found] == ["assistant", "tool", "tool", "user", "user"]
    assert [each.get("tool_call_id") for each in found[1:3]] == ["a", "b"]


def test_two_messages_of_the_model_stay_two() -> None:
    found = messages({"role": "assistant", "content": "one"}, {"role": "assistant", "content": "two"})
    assert [each["content"] for each in found] == ["one", "two"]


def test_text_after_a_call_joins_the_calls_message() -> None:
    found = messages(call("a"), {"role": "assistant", "content": "so"}, output("a"))
    assert [each["role"] for each in found] == ["assistant", "tool"]
    assert found[0]["content"] == "so"


def test_a_refusal_comes_back_as_one() -> None:
    assert messages(say("assistant", {"type": "refusal", "refusal": "No."}))[0]["refusal"] == "No."


def test_images_of_results_follow_in_a_user_message() -> None:
    found = messages(
        call("a"), output("a", [{"type": "input_image", "image_url": "https://a"}]), {"role": "user", "content": "see?"}
    )
    assert [each["role"] for each in found] == ["assistant", "tool", "user"]
    assert [part["type"] for part in found[2]["content"]] == ["text", "image_url", "text"]
    assert [
        each["role"] for each in messages(call("a"), output("a", [{"type": "input_image", "image_url": "https://a"}]))
    ] == [
        "assistant",
        "tool",
        "user",
    ]


def test_carried_state_is_restored() -> None:
    block: JsonObject = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
    extra: JsonObject = {"google": {"thought_signature": "c2ln"}}
    ident = public_id("call_1", extra, strict=False)
    found = messages(
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "encrypted_content": seal({"thinking_blocks": [block]}),
        },
        call(ident),
        output(ident),
    )
    assert found[0]["thinking_blocks"] == [block]
    assert found[0]["reasoning_content"] == "Hm"
    assert found[0]["tool_calls"] == [{**chat_call("call_1"), "extra_content": extra}]
    assert found[1]["tool_call_id"] == "call_1"


def test_reasoning_of_others_is_dropped_with_a_note() -> None:
    ask = asked()
    found = messages(
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}, {"role": "user", "content": "x"}, ask=ask
    )
    assert len(found) == 1
    assert ask.notes.dropped == ["input[].encrypted_content"]


def test_tools_are_nested() -> None:
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    assert chat(tools=[tool], parallel_tool_calls=False, tool_choice="required") == {
        "model": "up",
        "messages": [{"role": "user", "content": "hello"}],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }


FUNCTIONS: Any = [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "c"}]


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("none", "none"),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "custom", "name": "c"}, {"type": "function", "function": {"name": "c"}}),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        ),
    ],
)
def test_choices(choice: Any, found: Any) -> None:
    assert chat(tools=FUNCTIONS, tool_choice=choice)["tool_choice"] == found


@pytest.mark.parametrize("choice", [{"type": "web_search"}, {"type": "function", "name": "unknown"}])
def test_a_choice_of_what_is_not_there_is_dropped(choice: Any) -> None:
    ask = asked()
    assert "tool_choice" not in chat(ask, tools=FUNCTIONS, tool_choice=choice)
    assert "tool_choice" in ask.notes.dropped


def test_tools_that_openai_runs_are_dropped_with_a_note() -> None:
    ask = asked()
    found = chat(ask, tools=[{"type": "web_search"}, {"type": "mcp", "server_label": "x"}], tool_choice="auto")
    assert "tools" not in found
    assert "tool_choice" not in found
    assert ask.notes.dropped == ["tools[].web_search", "tools[].mcp"]


def test_custom_tools_are_functions_of_one_string() -> None:
    ask = asked()
    tool = {
        "type": "custom",
        "name": "patch",
        "description": "Edits.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
    }
    function = chat(ask, tools=[tool])["tools"][0]["function"]
    assert function["parameters"]["required"] == ["input"]
    assert "start: x" in function["description"]
    assert ask.notes.rewritten == ["tools[].custom"]
    assert ask.notes.dropped == ["tools[].format"]
    found = messages(
        {"type": "custom_tool_call", "call_id": "a", "name": "patch", "input": 'say "x"'},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "ok"},
    )
    assert found[0]["tool_calls"] == [chat_call("a", "patch", '{"input":"say \\"x\\""}')]
    assert found[1] == {"role": "tool", "tool_call_id": "a", "content": "ok"}


def test_tools_of_a_namespace_carry_it_in_their_name() -> None:
    tools = [{"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]}]
    assert chat(tools=tools)["tools"][0]["function"]["name"] == "crm__find"
    assert messages({**call("a", "find"), "namespace": "crm"})[0]["tool_calls"][0]["function"]["name"] == "crm__find"


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt"])
def test_what_refers_to_stored_things_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="stores no responses") as raised:
        chat(**{name: "x"})
    assert (raised.value.param, raised.value.code) == (name, "unsupported_parameter")
    chat(**{name: None})


def test_background_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="stream"):
        chat(background=True)
    chat(background=False)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"]}, "input.0"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input.0"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "user"}]}, "input.0.content"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input.0"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input.0.output"),
        ({"input": [say("user", {"type": "input_image", "file_id": "file-1"})]}, "input.0.content.0"),
        ({"input": [say("user", {"type": "input_file", "file_url": "https://a"})]}, "input.0.content.0"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input"),
        ({"max_output_tokens": "x"}, "max_output_tokens"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": FUNCTIONS, "tool_choice": 4}, "tool_choice"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        chat(**body)
    assert raised.value.param == param


def test_what_does_not_travel_is_named() -> None:
    ask = asked()
    chat(
        ask,
        input=[{"role": "user", "content": "x"}, {"type": "web_search_call", "id": "ws_1"}],
        store=True,
        truncation="auto",
        max_tool_calls=3,
        context_management=[{}],
        something=1,
        include=["web_search_call.action.sources"],
        reasoning={"effort": "low", "mode": "pro"},
    )
    assert set(ask.notes.dropped) == {
        "input[].web_search_call", "store", "truncation", "max_tool_calls", "context_management", "something",
        "include[].web_search_call.action.sources", "reasoning.mode",
    }  # fmt: skip


def test_what_codex_sends_is_not_worth_a_note() -> None:
    ask = asked()
    chat(
        ask,
        store=False,
        include=["reasoning.encrypted_content"],
        reasoning={"effort": "medium", "summary": "auto"},
        prompt_cache_key="k",
        parallel_tool_calls=False,
        stream=True,
        metadata={"a": "b"},
        truncation="disabled",
        stream_options={"include_obfuscation": False},
    )
    assert ask.notes.dropped == []


def test_the_clients_body_is_not_changed() -> None:
    body: Any = {"input": [call("a"), call("b"), output("a"), {"role": "assistant", "content": "x"}]}
    before = repr(body)
    ResponsesFront().request(body, asked())
    assert repr(body) == before
