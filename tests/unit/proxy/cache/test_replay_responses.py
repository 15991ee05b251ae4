"""A response as numbered events, and the response that events end with."""

import json
from typing import Any

import openai
import pytest
from pydantic import TypeAdapter

from proxy.cache.replay import played, said
from tests.support.fronts import events_in
from tests.support.replays import folded, stored, streamed

EVENT: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)

TEXT = {"type": "output_text", "text": "One moment please.", "annotations": [], "logprobs": []}
CITED = {**TEXT, "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 3}]}
TOKENS = [{"token": token, "logprob": -0.5, "bytes": [1], "top_logprobs": []} for token in ("To", " be", "!")]
MESSAGE = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [TEXT]}
REASONING = {
    "id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Where is it?"}], "encrypted_content": "gAAA",
}  # fmt: skip
CALL = {
    "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "find", "arguments": '{"city": "Oslo"}',
}  # fmt: skip
CUSTOM = {
    "id": "ct_1",
    "type": "custom_tool_call",
    "status": "completed",
    "call_id": "c2",
    "name": "run",
    "input": "print('ä')",
}


def whole(*output: dict[str, Any], **beside: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 3, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 7,
    }  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "model": "m", "output": list(output), "parallel_tool_calls": True, "temperature": 1.0,
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "usage": usage, **beside,
    }  # fmt: skip


def told(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a response: typed, named alike, numbered from 0."""
    events = streamed("responses", given)
    found = []
    for number, (name, event) in enumerate(events_in(events)):
        assert (event["type"], event["sequence_number"]) == (name, number)
        EVENT.validate_python(event)
        found.append(event)
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Their names, repeated ones once."""
    names = [event["type"].removeprefix("response.") for event in events]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def test_a_message() -> None:
    events = told(whole(MESSAGE))
    assert kinds(events) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    begun = events[0]["response"]
    assert (begun["status"], begun["output"], begun["usage"], begun["id"]) == ("in_progress", [], None, "resp_1")
    assert events[2]["item"] == {**MESSAGE, "status": "in_progress", "content": []}
    assert events[3]["part"] == {**TEXT, "text": ""}
    assert [event["delta"] for event in events if "delta" in event] == ["One moment", " please."]
    assert {(e["item_id"], e["output_index"], e["content_index"]) for e in events if "delta" in e} == {("msg_1", 0, 0)}
    assert events[-1]["response"] == whole(MESSAGE)


def test_reasoning_then_calls() -> None:
    events = told(whole(REASONING, CALL, CUSTOM))
    assert kinds(events) == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done",
        "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert added == [{**REASONING, "summary": []}, {**CALL, "status": "in_progress", "arguments": ""}, {**CUSTOM, "status": "in_progress", "input": ""}]  # fmt: skip
    assert "".join(e["delta"] for e in events if e["type"].endswith("arguments.delta")) == CALL["arguments"]
    assert "".join(e["delta"] for e in events if e["type"].endswith("input.delta")) == CUSTOM["input"]


def test_log_probabilities_citations_and_refusals() -> None:
    refusal = {"type": "refusal", "refusal": "I cannot help."}
    probable = {**TEXT, "text": "To be!", "logprobs": TOKENS}
    events = told(whole({**MESSAGE, "content": [CITED, refusal, probable]}))
    deltas = [
        event for event in events if event["type"] == "response.output_text.delta" and event["content_index"] == 2
    ]
    assert [(event["delta"], event["logprobs"]) for event in deltas] == [(entry["token"], [entry]) for entry in TOKENS]
    (cited,) = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert (cited["annotation_index"], cited["annotation"]) == (0, CITED["annotations"][0])
    assert [event["refusal"] for event in events if event["type"] == "response.refusal.done"] == ["I cannot help."]


def test_reasoning_text() -> None:
    item = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Deep thoughts here"}],
    }
    events = told(whole(item, MESSAGE))
    assert (
        "".join(event["delta"] for event in events if event["type"] == "response.reasoning_text.delta")
        == "Deep thoughts here"
    )


@pytest.mark.parametrize(
    "kind", ["web_search_call", "file_search_call", "mcp_call", "image_generation_call", "of_tomorrow"]
)
def test_items_of_other_kinds(kind: str) -> None:
    item = {
        "id": "x_1",
        "type": kind,
        "status": "completed",
        "result": "AAAA",
        "arguments": "{}",
        "name": "n",
        "server_label": "s",
    }
    given = whole(item)
    events = [event for _, event in events_in(streamed("responses", given))]
    assert events[2]["item"]["status"] == "in_progress"
    assert events[-2]["item"] == item
    assert events[-1]["response"] == given


def test_an_incomplete_one_ends_otherwise() -> None:
    given = whole(MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    events = told(given)
    assert events[0]["response"]["incomplete_details"] is None
    assert (events[-1]["type"], events[-1]["response"]) == ("response.incomplete", given)


@pytest.mark.parametrize(
    "output", [[], [MESSAGE], [REASONING, CALL, CUSTOM, MESSAGE], [{"type": "odd", "deep": [2**70, None]}]], ids=len
)
def test_there_and_back(output: list[dict[str, Any]]) -> None:
    given = whole(*output, of_tomorrow={"big": 2**70})
    events = streamed("responses", given)
    assert folded("responses", events) == given
    assert said(stored("responses", "json", given)) == said(stored("responses", "events", events))


def test_output_that_the_end_leaves_out_comes_from_the_events_before() -> None:
    events = streamed("responses", whole(REASONING, MESSAGE))
    last = events.rindex(b"event: response.completed")
    for left_out in ([], None):
        end = {"type": "response.completed", "response": {**whole(), "output": left_out}}
        body = events[:last] + b"data: " + json.dumps(end).encode() + b"\n\n"
        assert folded("responses", body) == whole(REASONING, MESSAGE)
        unended = body.replace(b'"type":"response.output_item.done"', b'"type":"response.odd"')
        assert played(stored("responses", "events", unended), stream=False, include_usage=False) is None


@pytest.mark.parametrize(
    "members", [{"status": "in_progress"}, {"status": None}, {"output": None}, {"output": [5]}], ids=str
)
def test_an_answer_that_is_none(members: dict[str, Any]) -> None:
    assert played(stored("responses", "json", {**whole(), **members}), stream=True, include_usage=False) is None


def test_a_stream_without_its_end() -> None:
    events = streamed("responses", whole(MESSAGE))
    cut = events[: events.rindex(b"event: response.completed")]
    assert played(stored("responses", "events", cut), stream=False, include_usage=False) is None


def test_what_is_seen_without_thoughts() -> None:
    refusal = {"type": "refusal", "refusal": "No"}
    given = whole(REASONING, {**MESSAGE, "content": [TEXT, refusal]}, CALL, CUSTOM)
    assert said(stored("responses", "json", given)).split("\n") == [
        TEXT["text"], "No", "find", CALL["arguments"], "run", "print('ä')",
    ]  # fmt: skip
