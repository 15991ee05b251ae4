"""The Messages request as a chat request: members, blocks, tools, and what Claude Code sends."""

from typing import Any

import pytest

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.translation.ask import Ask
from proxy.translation.carried import public_id, seal
from proxy.translation.messages import MessagesFront
from proxy.wire.values import JsonObject
from tests.support.fronts import asked

USER: Any = [{"role": "user", "content": "hello"}]


def chat(ask: Ask | None = None, **body: Any) -> dict[str, Any]:
    return MessagesFront().request({"model": "m", "max_tokens": 100, "messages": USER, **body}, ask or asked())


def messages(*given: Any, ask: Ask | None = None, **body: Any) -> list[Any]:
    return list(chat(ask, messages=list(given), **body)["messages"])


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def test_the_least_request() -> None:
    assert chat() == {"model": "up", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}


def test_sampling_and_stops_keep_their_values() -> None:
    found = chat(temperature=0.3, top_p=0.9, top_k=5, stop_sequences=["END", "\n\n"])
    assert (found["temperature"], found["top_p"], found["top_k"], found["stop"]) == (0.3, 0.9, 5, ["END", "\n\n"])


def test_a_stream_asks_for_its_usage() -> None:
    found = chat(stream=True)
    assert (found["stream"], found["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in chat(stream=False)


def test_the_cap_is_clamped_to_the_model_and_said_so() -> None:
    ask = asked(behaviour=Behaviour(max_output=4096))
    assert chat(ask, max_tokens=64_000)["max_tokens"] == 4096
    assert ask.notes.rewritten == ["max_tokens"]


def test_a_probe_of_one_token_stays_one() -> None:
    ask = asked()
    assert chat(ask, max_tokens=1)["max_tokens"] == 1
    assert ask.notes.rewritten == []


def test_models_with_one_spelling_of_the_cap_get_that_one() -> None:
    found = chat(asked(behaviour=Behaviour(completion_cap=True)))
    assert found["max_completion_tokens"] == 100
    assert "max_tokens" not in found


def test_instructions_are_the_first_message() -> None:
    assert messages(*USER, system="Be brief.")[0] == {"role": "system", "content": "Be brief."}
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages(*USER, system=blocks)[0] == {"role": "system", "content": "a\n\nb"}


def test_cached_instructions_keep_their_marks() -> None:
    mark = {"type": "ephemeral"}
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": mark}]
    assert messages(*USER, system=blocks)[0]["content"] == blocks


def test_the_billing_block_of_coding_agents_is_left_out() -> None:
    ask = asked()
    billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=0af3"}
    assert messages(*USER, ask=ask, system=[billing, {"type": "text", "text": "a"}])[0]["content"] == "a"
    assert len(messages(*USER, system=[billing])) == 1
    assert len(messages(*USER, system=billing["text"])) == 1
    assert ask.notes.dropped == []


def test_system_messages_stay_in_place() -> None:
    found = messages(*USER, {"role": "system", "content": "now"}, *USER)
    assert [each["role"] for each in found] == ["user", "system", "user"]


def test_texts_images_and_documents() -> None:
    found = messages(
        user(
            {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {
                "type": "document",
                "title": "T.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "BB"},
            },
            {
                "type": "document",
                "title": "Notes",
                "source": {"type": "text", "media_type": "text/plain", "data": "told"},
            },
            {
                "type": "search_result",
                "title": "S",
                "source": "http://s",
                "content": [{"type": "text", "text": "found"}],
            },
        )
    )
    assert found == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "T.pdf", "file_data": "data:application/pdf;base64,BB"}},
                {"type": "text", "text": "Notes\n\ntold"},
                {"type": "text", "text": "S\nhttp://s\nfound"},
            ],
        }
    ]


def test_a_document_of_blocks_is_its_blocks() -> None:
    source = {"type": "content", "content": [{"type": "text", "text": "a"}]}
    assert messages(user({"type": "document", "source": source}))[0]["content"] == "a"


@pytest.mark.parametrize("kind", ["file", "url"])
def test_what_only_anthropic_can_fetch_is_refused_with_the_way_out(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="base64") as raised:
        messages(user({"type": "document", "source": {"type": kind, "file_id": "file_1", "url": "https://a"}}))
    assert raised.value.param == "messages.0.content.0.source"


def test_a_lone_text_block_is_a_string() -> None:
    assert messages(user({"type": "text", "text": "hi"}))[0]["content"] == "hi"


def test_results_come_before_what_the_user_says() -> None:
    found = messages(
        assistant(
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ),
        user(
            {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
            {
                "type": "tool_result",
                "tool_use_id": "t2",
                "is_error": True,
                "content": [{"type": "text", "text": "two"}],
            },
            {"type": "text", "text": "go on"},
        ),
    )
    assert found == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: two"},
        {"role": "user", "content": "go on"},
    ]


def test_a_result_without_content_is_empty() -> None:
    assert messages(user({"type": "tool_result", "tool_use_id": "t1"})) == [
        {"role": "tool", "tool_call_id": "t1", "content": ""}
    ]


IMAGE: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}


def test_images_of_results_follow_in_a_user_message() -> None:
    found = messages(
        user({"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "shot"}, IMAGE]})
    )
    assert [each["role"] for each in found] == ["tool", "user"]
    assert found[0]["content"].startswith("shot\n(The image of this result")
    assert found[1]["content"] == [
        {"type": "text", "text": "Result of the tool call t1:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    ]


def test_claude_elsewhere_keeps_images_in_results() -> None:
    ask = asked(model="us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    found = messages(user({"type": "tool_result", "tool_use_id": "t1", "content": [IMAGE]}), ask=ask)
    assert len(found) == 1
    assert found[0]["content"][0]["type"] == "image_url"


def test_real_thinking_passes_with_its_signatures() -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
    redacted = {"type": "redacted_thinking", "data": "abc"}
    found = messages(*USER, assistant(thinking, redacted, {"type": "text", "text": "so"}))[1]
    assert found == {
        "role": "assistant",
        "content": "so",
        "reasoning_content": "Hm",
        "thinking_blocks": [thinking, redacted],
    }


def test_our_own_signature_is_stripped_and_its_state_restored() -> None:
    detail = {"type": "reasoning.encrypted", "data": "x"}
    ours = {"type": "thinking", "thinking": "Hm", "signature": seal({"reasoning_details": [detail]})}
    found = messages(*USER, assistant(ours, {"type": "text", "text": "so"}))[1]
    assert found == {"role": "assistant", "content": "so", "reasoning_content": "Hm", "reasoning_details": [detail]}


def test_ids_give_back_what_they_carried() -> None:
    extra: JsonObject = {"google": {"thought_signature": "c2ln"}}
    ident = public_id("functions.f:0", extra, strict=True)
    found = messages(
        assistant({"type": "tool_use", "id": ident, "name": "f", "input": {}}),
        user({"type": "tool_result", "tool_use_id": ident, "content": "1"}),
    )
    assert found[0]["tool_calls"][0] == {
        "id": "functions.f:0",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": extra,
    }
    assert found[1]["tool_call_id"] == "functions.f:0"


def test_thinking_without_a_signature_is_only_reasoning() -> None:
    found = messages(
        *USER, assistant({"type": "thinking", "thinking": "Hm", "signature": ""}, {"type": "text", "text": "so"})
    )[1]
    assert found == {"role": "assistant", "content": "so", "reasoning_content": "Hm"}


def test_marks_stay_on_calls_and_results() -> None:
    mark = {"type": "ephemeral"}
    found = messages(
        assistant({"type": "tool_use", "id": "t1", "name": "f", "input": {}, "cache_control": mark}),
        user({"type": "tool_result", "tool_use_id": "t1", "content": "1", "cache_control": mark}),
    )
    assert found[0]["tool_calls"][0]["cache_control"] == mark
    assert found[1]["cache_control"] == mark


LONG = "mcp__server__" + "x" * 80


def test_names_that_chat_does_not_admit_are_spelt_otherwise_everywhere() -> None:
    ask = asked()
    found = chat(
        ask,
        tools=[{"name": LONG}, {"name": "plain"}],
        tool_choice={"type": "tool", "name": LONG},
        messages=[*USER, assistant({"type": "tool_use", "id": "t1", "name": LONG, "input": {}})],
    )
    sent = found["tools"][0]["function"]["name"]
    assert len(sent) <= 64
    assert found["tools"][1]["function"]["name"] == "plain"
    assert found["tool_choice"]["function"]["name"] == sent
    assert found["messages"][1]["tool_calls"][0]["function"]["name"] == sent
    assert ask.names.back(sent) == LONG


def test_claude_keeps_the_names_that_its_api_admits() -> None:
    assert chat(asked(model="claude-opus-5"), tools=[{"name": LONG}])["tools"][0]["function"]["name"] == LONG


def test_blocks_of_server_tools_are_kept_for_their_own_dialect() -> None:
    block = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    found = messages(*USER, assistant(block, {"type": "text", "text": "so"}))[1]
    assert found["provider_blocks"] == [{"type": "anthropic", "index": 0, "at": 0, "block": block}]
    assert found["content"] == "so"


def test_tools_are_functions_without_what_hosts_refuse() -> None:
    ask = asked()
    tool = {
        "name": "f",
        "description": "d",
        "input_schema": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {}},
        "cache_control": {"type": "ephemeral"},
        "strict": True,
        "eager_input_streaming": True,
    }
    assert chat(ask, tools=[tool, {"name": "g", "type": "custom"}])["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "d",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert "$schema" in tool["input_schema"]  # type: ignore[operator]
    assert ask.notes.dropped == []


@pytest.mark.parametrize(
    ("kind", "name", "member"),
    [
        ("bash_20250124", "bash", "command"),
        ("text_editor_20250728", "str_replace_based_edit_tool", "insert_text"),
        ("memory_20250818", "memory", "old_path"),
        ("computer_20250124", "computer", "coordinate"),
    ],
)
def test_tools_that_the_client_runs_get_their_schema(kind: str, name: str, member: str) -> None:
    function = chat(tools=[{"type": kind, "name": name}])["tools"][0]["function"]
    assert function["name"] == name
    assert member in function["parameters"]["properties"]


def test_the_display_of_a_computer_is_described() -> None:
    tool = {"type": "computer_20250124", "name": "computer", "display_width_px": 1024, "display_height_px": 768}
    assert "1024 x 768" in chat(tools=[tool])["tools"][0]["function"]["description"]


def test_tools_that_anthropic_runs_are_dropped_with_a_note() -> None:
    ask = asked()
    found = chat(
        ask,
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
        tool_choice={"type": "tool", "name": "web_search"},
    )
    assert "tools" not in found
    assert "tool_choice" not in found
    assert ask.notes.dropped == ["tools[].web_search_20250305"]


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_choices(choice: Any, found: Any) -> None:
    made = chat(tools=[{"name": "f"}], tool_choice={**choice, "disable_parallel_tool_use": True})
    assert made["tool_choice"] == found
    assert made["parallel_tool_calls"] is False


def test_a_choice_of_a_dropped_tool_is_dropped() -> None:
    ask = asked()
    tools = [{"name": "f"}, {"type": "web_search_20250305", "name": "web_search"}]
    assert "tool_choice" not in chat(ask, tools=tools, tool_choice={"type": "tool", "name": "web_search"})
    assert "tool_choice" in ask.notes.dropped


def test_structured_output() -> None:
    shape = {"type": "json_schema", "schema": {"type": "object"}}
    expected = {"type": "json_schema", "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True}}
    assert chat(output_config={"format": shape})["response_format"] == expected
    assert chat(output_format=shape)["response_format"] == expected


REASONER = Behaviour(efforts=("low", "medium", "high"))


@pytest.mark.parametrize(
    ("thinking", "config", "behaviour", "effort", "rewritten"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, {}, REASONER, "low", ["thinking.budget_tokens"]),
        ({"type": "enabled", "budget_tokens": 4096}, {}, REASONER, "medium", ["thinking.budget_tokens"]),
        ({"type": "enabled", "budget_tokens": 31999}, {}, REASONER, "high", ["thinking.budget_tokens"]),
        ({"type": "adaptive"}, {"effort": "medium"}, REASONER, "medium", []),
        ({"type": "adaptive"}, {}, REASONER, None, []),
        ({"type": "adaptive"}, {}, Behaviour(thinking="adaptive", efforts=("low", "high")), "high", []),
        ({}, {"effort": "max"}, REASONER, "high", ["output_config.effort"]),
        ({}, {"effort": "max"}, Behaviour(), "high", ["output_config.effort"]),
        ({}, {"effort": "xhigh"}, Behaviour(efforts=("low", "xhigh")), "xhigh", []),
        ({"type": "disabled"}, {}, Behaviour(efforts=("none", "low")), "none", []),
        ({"type": "disabled"}, {}, Behaviour(efforts=("minimal", "low")), "minimal", []),
        ({"type": "disabled"}, {}, Behaviour(), None, []),
        ({"type": "disabled"}, {}, Behaviour(thinking="adaptive", efforts=("low", "high")), "none", []),
        ({}, {}, REASONER, None, []),
    ],
)
def test_effort(thinking: Any, config: Any, behaviour: Behaviour, effort: str | None, rewritten: list[str]) -> None:
    ask = asked(behaviour=behaviour)
    assert chat(ask, thinking=thinking, output_config=config).get("reasoning_effort") == effort
    assert ask.notes.rewritten == rewritten


def test_thinking_that_cannot_be_turned_off_is_noted() -> None:
    ask = asked(behaviour=Behaviour(thinking="always", can_disable_thinking=False))
    assert "reasoning_effort" not in chat(ask, thinking={"type": "disabled"})
    assert ask.notes.dropped == ["thinking"]


def test_users_keep_their_id_and_long_ones_are_hashed() -> None:
    assert chat(metadata={"user_id": "u-1"})["user"] == "u-1"
    long = '{"device_id":"' + "a" * 200 + '"}'
    hashed = chat(metadata={"user_id": long})["user"]
    assert len(hashed) <= 64
    assert hashed == chat(metadata={"user_id": long})["user"]
    assert hashed != chat(metadata={"user_id": long + "b"})["user"]


def test_what_does_not_travel_is_named() -> None:
    ask = asked()
    chat(
        ask,
        service_tier="standard_only",
        container="c",
        mcp_servers=[{}],
        context_management={"edits": []},
        speed="fast",
        something={"new": 1},
        metadata={"user_id": "u", "other": 1},
        output_config={"task_budget": {}},
    )
    assert set(ask.notes.dropped) == {
        "service_tier", "container", "mcp_servers", "context_management", "speed", "something", "metadata.other",
        "output_config.task_budget",
    }  # fmt: skip


def test_defaults_are_not_worth_a_note() -> None:
    ask = asked()
    chat(ask, service_tier="auto", speed="standard", container=None, anthropic_version="x")
    assert ask.notes.dropped == []


def test_a_mark_for_the_whole_prompt_goes_to_its_end() -> None:
    assert messages(*USER, cache_control={"type": "ephemeral"})[-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content"),
        ({"messages": [user({"type": "tool_result"})]}, "messages.0.content.0.tool_use_id"),
        ({"messages": [assistant({"type": "tool_use", "id": "a"})]}, "messages.0.content.0"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools.0"),
        ({"tools": [{}]}, "tools.0.name"),
        ({"tools": [{"name": "f"}], "tool_choice": {"type": "odd"}}, "tool_choice.type"),
    ],
)
def test_what_anthropic_refuses_is_refused_here(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        chat(**body)
    assert raised.value.param == param


def test_the_clients_body_is_not_changed() -> None:
    body: Any = {
        "model": "m",
        "messages": [user({"type": "text", "text": "a"})],
        "cache_control": {"type": "ephemeral"},
    }
    before = repr(body)
    MessagesFront().request(body, asked())
    assert repr(body) == before
