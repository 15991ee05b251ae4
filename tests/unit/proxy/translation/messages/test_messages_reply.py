"""Whole answers of the Messages front, their way back in a follow-up turn, and the answers that are no messages."""

import json
from typing import Any

import pytest

from proxy.translation.carried import unseal
from proxy.translation.messages import MessagesFront
from proxy.translation.messages.listing import Listed, model_list, token_count
from proxy.translation.messages.thinking import ours
from proxy.wire.values import JsonObject, dumps
from tests.support.fronts import asked, whole_message


def message(
    said: Any = None, finish: str = "stop", *, usage: Any = None, stops: Any = (), **choice: Any
) -> dict[str, Any]:
    front, ask = MessagesFront(), asked()
    front.request({"messages": [{"role": "user", "content": "x"}], "stop_sequences": list(stops)}, ask)
    made = {
        "index": 0,
        "message": {"role": "assistant", "content": None, **(said or {})},
        "finish_reason": finish,
        **choice,
    }
    chat: JsonObject = {"id": "chatcmpl-7", "choices": [made]} | ({"usage": usage} if usage is not None else {})
    return whole_message(dumps(front.reply(chat, ask)))


def test_a_text() -> None:
    assert message({"content": "Hi"}) == {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "claude-public",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def test_blocks_in_the_order_in_which_models_speak() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]
    found = message({"tool_calls": calls, "content": "So", "reasoning_content": "Hm"}, "tool_calls")
    assert [block["type"] for block in found["content"]] == ["thinking", "text", "tool_use"]
    assert found["content"][2] == {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    assert found["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("function_call", "end_turn"),
        ("something_new", "end_turn"),
    ],
)  # fmt: skip
def test_reasons(finish: str, reason: str) -> None:
    expected = "tool_use" if finish == "function_call" else reason
    assert message({"content": "Hi"}, finish)["stop_reason"] == expected


@pytest.mark.parametrize("native", ["pause_turn", "model_context_window_exceeded"])
def test_anthropics_own_reasons_come_back(native: str) -> None:
    assert message({"content": "Hi"}, "length", native_finish_reason=native)["stop_reason"] == native


def test_a_stop_sequence_that_is_known() -> None:
    found = message({"content": "Hi"}, stops=["A", "B"], stop_reason="B")
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "B")
    found = message({"content": "Hi"}, stops=["A"], native_finish_reason="stop_sequence")
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "A")
    found = message({"content": "Hi"}, stops=["A", "B"], stop_reason="</s>")
    assert (found["stop_reason"], found["stop_sequence"]) == ("end_turn", None)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), ("{}", {}), ('{"a":', {"_raw": '{"a":'}), ("[1]", {"_raw": "[1]"}), ({"a": 1}, {"a": 1})],
)
def test_arguments_are_always_an_object(arguments: Any, given: Any) -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": arguments}}]
    assert message({"tool_calls": calls}, "tool_calls")["content"][0]["input"] == given


def test_arguments_nested_absurdly_are_kept_as_text() -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    calls = [{"id": "a", "function": {"name": "f", "arguments": deep}}]
    assert message({"tool_calls": calls}, "tool_calls")["content"][0]["input"] == {"_raw": deep}


def test_usage_in_disjoint_classes_whatever_was_reported() -> None:
    details = {"cached_tokens": 90, "cache_write_tokens": 50}
    usage = message(
        {"content": ""}, usage={"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": details}
    )["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"] == 100
    assert message({"content": ""}, usage={"prompt_tokens": -4, "completion_tokens": "x"})["usage"]["input_tokens"] == 0


def test_ids_of_tools_are_unique_and_plain() -> None:
    calls = [
        {"id": ident, "function": {"name": "f", "arguments": "{}"}} for ident in ("functions.f:0", "functions.f:0", "")
    ]
    idents = [block["id"] for block in message({"tool_calls": calls}, "tool_calls")["content"]]
    assert len(set(idents)) == 3
    assert all(ident.replace("_", "").replace("-", "").isalnum() for ident in idents)


def test_an_image_is_shown_as_a_link() -> None:
    found = message({"content": "See ", "images": [{"type": "image_url", "image_url": {"url": "https://i/x.png"}}]})
    assert found["content"][0]["text"] == "See ![image](https://i/x.png)"


def test_an_answer_without_choices_is_an_empty_message() -> None:
    assert MessagesFront().reply({"choices": []}, asked())["content"] == []


FOLLOWED: list[dict[str, Any]] = [
    {"content": "Hi", "reasoning_content": "Hm"},
    {
        "content": None,
        "reasoning_content": "Hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "EqQB"}],
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
    },
    {"content": "Hi", "thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]},
    {
        "content": "Hi",
        "reasoning_content": "Hm",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}],
        "extra_content": {"google": {"thought_signature": "t"}},
    },
    {"content": "Hi", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
    {
        "content": None,
        "tool_calls": [
            {
                "id": "call:1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "c2ln+/="}},
            }
        ],
    },
    {
        "content": "Hi",
        "reasoning_content": "other",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "E"}],
    },
]


@pytest.mark.parametrize("said", FOLLOWED)
def test_a_follow_up_turn_gives_back_what_the_model_said(said: dict[str, Any]) -> None:
    content = message(said, "stop")["content"]
    again = MessagesFront().request(
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": content}]}, asked()
    )
    messages: Any = again["messages"]
    assert messages[1] == {"role": "assistant", **said}


def test_only_our_own_blocks_are_ours() -> None:
    content = message({"content": "Hi", "reasoning_content": "Hm"})["content"]
    assert ours(content[0])
    assert unseal(content[0]["signature"]) == {}
    assert not ours({"type": "thinking", "thinking": "Hm", "signature": "EqQB"})
    assert not ours({"type": "text", "text": "tollway1."})


def test_a_count_of_tokens() -> None:
    assert json.loads(token_count(17)) == {"input_tokens": 17}


def test_the_list_of_models() -> None:
    body = json.loads(
        model_list([Listed(id="claude-a", created=1_767_225_600), Listed(id="b", lifecycle="deprecated", max_input=9)])
    )
    assert body["data"][0] == {
        "type": "model",
        "id": "claude-a",
        "display_name": "claude-a",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": None,
        "max_tokens": None,
    }
    assert (body["first_id"], body["last_id"], body["has_more"]) == ("claude-a", "b", False)
    assert json.loads(model_list([]))["first_id"] is None
