"""Whole answers of Cohere's chat."""

import json
from typing import Any

import pytest
from cohere_shapes import answer, decoded

from proxy.errors import TollwayError, UpstreamAuthFailed, UpstreamInvalid


def text(value: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": value}]


def test_text_and_usage() -> None:
    assert decoded(answer(content=text("Hi"))) == {
        "id": "msg-1",
        "object": "chat.completion",
        "created": 1,
        "model": "command-a-03-2025",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "COMPLETE",
            }
        ],
        "usage": {
            "prompt_tokens": 500,
            "completion_tokens": 12,
            "total_tokens": 512,
            "prompt_tokens_details": {"cached_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "billed_units": {"input_tokens": 9, "output_tokens": 4},
        },
    }


def message_of(body: bytes) -> Any:
    return decoded(body)["choices"][0]["message"]


def test_a_plan_is_the_text_beside_calls() -> None:
    calls = [
        {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "f_2", "type": "function", "function": {"name": "g", "arguments": "null"}},
        {"id": "f_3", "type": "function", "function": {"name": "h"}},
        {"type": "function", "function": {"name": "i", "arguments": {"b": 2}}},
    ]
    found = decoded(answer("TOOL_CALL", tool_plan="I will look.", tool_calls=calls))["choices"][0]
    assert found["finish_reason"] == "tool_calls"
    assert found["message"]["content"] == "I will look."
    assert [call["function"]["arguments"] for call in found["message"]["tool_calls"]] == [
        '{"a":1}',
        "{}",
        "{}",
        '{"b":2}',
    ]
    assert [call["id"] for call in found["message"]["tool_calls"]] == ["f_1", "f_2", "f_3", "call_req-1_3"]
    assert message_of(answer("TOOL_CALL", tool_calls=calls))["content"] is None


def test_a_call_under_another_reason_still_finishes_as_one() -> None:
    calls = [{"id": "f", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert decoded(answer("COMPLETE", tool_calls=calls))["choices"][0]["finish_reason"] == "tool_calls"


def test_thinking_and_blocks_of_other_kinds() -> None:
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "a"},
        {"type": "chart", "x": 1},
        *text("b"),
    ]
    found = message_of(answer(content=content))
    assert found["reasoning_content"] == "hm"
    assert found["content"] == "ab"
    assert found["provider_blocks"] == [{"type": "cohere", "index": 2, "block": {"type": "chart", "x": 1}}]


def test_citations_are_kept_whole_and_pages_annotated() -> None:
    page = {"type": "document", "id": "d", "document": {"url": "https://a.test", "title": "A"}}
    told = {"start": 0, "end": 2, "text": "Hi", "sources": [page, {"type": "tool", "id": "t"}], "type": "TEXT_CONTENT"}
    found = message_of(answer(content=text("Hi"), citations=[told]))
    assert found["provider_blocks"] == [{"type": "cohere", "index": 0, "block": {"type": "citation", "citation": told}}]
    assert found["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"start_index": 0, "end_index": 2, "url": "https://a.test", "title": "A"},
        }
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("ERROR_LIMIT", "length"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    found = decoded(answer(reason, content=text("x")))["choices"][0]
    assert (found["finish_reason"], found["native_finish_reason"]) == (finish, reason)


@pytest.mark.parametrize(("reason", "status"), [("ERROR", 502), ("TIMEOUT", 504)])
def test_an_answer_that_failed(reason: str, status: int) -> None:
    with pytest.raises(TollwayError) as raised:
        decoded(answer(reason, content=text("x")))
    assert (raised.value.status, raised.value.type) == (status, "server_error")


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (None, None),
        ({}, None),
        ({"tokens": {"input_tokens": -1, "output_tokens": "9"}}, None),
        ({"billed_units": {"input_tokens": 3, "output_tokens": 2}}, (3, 2, 0)),
        ({"tokens": {"input_tokens": 7.0, "output_tokens": 2.0}, "cached_tokens": 99}, (7, 2, 7)),
        ({"tokens": {"input_tokens": 10**30}, "billed_units": {"input_tokens": 4}}, (4, 0, 0)),
    ],
)
def test_usage(usage: Any, found: tuple[int, int, int] | None) -> None:
    told = decoded(answer(content=text("x"), usage=usage)).get("usage")
    if told is not None:
        told = (told["prompt_tokens"], told["completion_tokens"], told["prompt_tokens_details"]["cached_tokens"])
    assert told == found


def test_billed_units_that_are_no_figures_are_left_out() -> None:
    usage = {
        "tokens": {"input_tokens": 1},
        "billed_units": {"search_units": 2.0, "images": -1, "odd": "x", "part": 0.5},
    }
    assert decoded(answer(content=text("x"), usage=usage))["usage"]["billed_units"] == {"search_units": 2, "part": 0.5}


def test_logprobs() -> None:
    body = json.loads(answer(content=text("Hé")))
    body["logprobs"] = [
        {"text": "H", "token_ids": [1], "logprobs": [-0.5]},
        {"text": "é", "logprobs": [-1.0, -0.25]},
        {},
    ]
    assert decoded(json.dumps(body).encode())["choices"][0]["logprobs"] == {
        "content": [
            {"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": []},
            {"token": "é", "logprob": -1.25, "bytes": [195, 169], "top_logprobs": []},
        ]
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"message":null}', b'"text"'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        decoded(body)


def test_an_error_inside_a_success() -> None:
    with pytest.raises(TollwayError, match="model overloaded") as raised:
        decoded(b'{"message":"model overloaded","id":"x"}')
    assert raised.value.status == 502
    with pytest.raises(UpstreamAuthFailed):
        decoded(b'{"message":"invalid api token","code":401}')


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    body = answer(content=text("Hi")).replace(b"Hi", b"H\xff")
    assert message_of(body)["content"] == "H�"


@pytest.mark.parametrize(
    "members",
    [
        {"content": None},
        {"content": 5},
        {"content": [None, 1, "x", {}, {"type": 3}]},
        {"tool_calls": {"id": "a"}, "citations": "no"},
        {"tool_calls": [None, {"function": None}], "tool_plan": 4},
        {"citations": [{"start": "a", "sources": [{"document": {"url": 5}}]}]},
    ],
)
def test_members_of_other_types_do_no_harm(members: dict[str, Any]) -> None:
    assert decoded(answer(**members))["choices"][0]["message"]["role"] == "assistant"
