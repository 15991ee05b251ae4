"""Whole answers of the Responses front, what they echo, and their way back in a follow-up turn."""

from typing import Any

import pytest

from proxy.translation.responses import ResponsesFront
from proxy.wire.values import JsonObject, dumps
from tests.support.fronts import asked, whole_response


def response(
    said: Any, finish: str = "stop", *, usage: Any = None, logprobs: Any = None, **body: Any
) -> dict[str, Any]:
    front, ask = ResponsesFront(), asked()
    front.request({"model": "m", "input": "hello", **body}, ask)
    message = {"role": "assistant", "content": None, **said}
    chat: JsonObject = {"choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}]}
    return front.reply(chat | ({"usage": usage} if usage is not None else {}), ask)


def test_the_response_object_echoes_what_was_asked() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}, "strict": True}
    found = response(
        {"content": "Hi"},
        instructions="Be brief.",
        temperature=0.5,
        metadata={"a": "b"},
        tools=[tool],
        tool_choice="required",
        text={"verbosity": "low"},
        reasoning={"effort": "high"},
        user="u",
        truncation="auto",
        max_output_tokens=9,
        store=True,
    )
    assert found["id"] == "resp_req1"
    assert (found["object"], found["created_at"], found["model"]) == ("response", 1_700_000_000, "claude-public")
    assert (found["instructions"], found["temperature"], found["metadata"]) == ("Be brief.", 0.5, {"a": "b"})
    assert (found["tools"], found["tool_choice"], found["user"]) == ([tool], "required", "u")
    assert found["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert found["reasoning"] == {"effort": "high", "summary": None}
    assert (found["truncation"], found["max_output_tokens"]) == ("auto", 9)
    assert found["store"] is False
    assert (found["status"], found["error"], found["incomplete_details"]) == ("completed", None, None)


def test_the_sdk_reads_every_item() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]
    said = {"content": "So", "reasoning_content": "Hm", "tool_calls": calls}
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    found = whole_response(dumps(response(said, "tool_calls", usage=usage)))
    assert found.output_text == "So"
    assert [type(item).__name__ for item in found.output] == [
        "ResponseReasoningItem", "ResponseOutputMessage", "ResponseFunctionToolCall"
    ]  # fmt: skip
    assert found.output[0].summary[0].text == "Hm"
    assert (found.output[2].call_id, found.output[2].arguments) == ("a", '{"x":1}')
    assert (found.usage.input_tokens, found.usage.input_tokens_details.cached_tokens) == (10, 4)
    assert (found.usage.output_tokens, found.usage.output_tokens_details.reasoning_tokens) == (5, 2)
    assert found.usage.total_tokens == 15


def test_without_usage_none_is_made_up() -> None:
    assert response({"content": "Hi"})["usage"] is None
    assert response({"content": "Hi"}, usage={"prompt_tokens": -1})["usage"] is None


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_is_incomplete(finish: str, reason: str) -> None:
    found = response({"content": "Hi"}, finish)
    assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert found["output"][-1]["status"] == "incomplete"


def test_a_refusal_beside_text() -> None:
    parts = response({"content": "Hi", "refusal": "No."})["output"][0]["content"]
    assert [part["type"] for part in parts] == ["output_text", "refusal"]


def test_citations_and_log_probabilities_belong_to_the_text() -> None:
    entry = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
    note = {"type": "url_citation", "url_citation": {"url": "http://a", "title": "A", "start_index": 0, "end_index": 2}}
    part = response({"content": "Hi", "annotations": [note]}, logprobs={"content": [entry]})["output"][0]["content"][0]
    assert part["annotations"] == [
        {"type": "url_citation", "url": "http://a", "title": "A", "start_index": 0, "end_index": 2}
    ]
    assert part["logprobs"] == [entry]


def test_an_empty_answer_is_an_empty_message() -> None:
    assert response({"content": ""})["output"][0]["content"][0]["text"] == ""


def test_a_custom_tool_gets_its_input() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "patch", "arguments": '{"input":"x"}'}}]
    found = response({"tool_calls": calls}, "tool_calls", tools=[{"type": "custom", "name": "patch"}])
    assert found["output"] == [
        {
            "id": "ctc_req1_0",
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": "a",
            "name": "patch",
            "input": "x",
        }
    ]
    assert type(whole_response(dumps(found)).output[0]).__name__ == "ResponseCustomToolCall"


def test_images_are_items() -> None:
    images = [{"image_url": {"url": "data:image/png;base64,AAAA"}}, {"image_url": {"url": "https://i"}}]
    found = response({"content": "See ", "images": images})["output"]
    assert found[0]["content"][0]["text"] == "See ![image](https://i)"
    assert found[1] == {"id": "ig_req1_1", "type": "image_generation_call", "status": "completed", "result": "AAAA"}


FOLLOWED: list[dict[str, Any]] = [
    {"content": "Hi", "reasoning_content": "Hm"},
    {
        "content": None,
        "reasoning_content": "Hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "EqQB"}],
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
    },
    {"content": "Hi", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
    {"content": "Hi", "extra_content": {"google": {"thought_signature": "t"}}},
    {
        "content": "So",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "c2ln+/="}},
            }
        ],
    },
]


@pytest.mark.parametrize("said", FOLLOWED)
def test_a_follow_up_turn_gives_back_what_the_model_said(said: dict[str, Any]) -> None:
    output = response(said)["output"]
    again: Any = ResponsesFront().request({"input": [{"role": "user", "content": "x"}, *output]}, asked())
    assert again["messages"][1] == {"role": "assistant", **said}
