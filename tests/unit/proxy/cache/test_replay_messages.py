"""A message of Anthropic's as events, and back."""

import json
from typing import Any

import anthropic
import pytest
from pydantic import TypeAdapter

from proxy.cache.replay import played, said
from tests.support.fronts import events_in
from tests.support.replays import folded, stored, streamed

EVENT: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)

TEXT = {"type": "text", "text": "One moment please.", "citations": None}
THINKING = {"type": "thinking", "thinking": "Where is it?", "signature": "c2lnbmF0dXJl"}
REDACTED = {"type": "redacted_thinking", "data": "b3BhcXVl"}
CALL = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "find",
    "input": {"city": "Oslo", "at": [1, 2.5, None], "big": 2**70},
}
CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
SERVER = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "roads"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e", "page_age": None}]}  # fmt: skip
USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 1,
    "cache_read_input_tokens": 0,
    "output_tokens": 9,
    "service_tier": "standard",
}


def whole(*content: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content), "stop_reason": "end_turn",
        "stop_sequence": None, "usage": USAGE, **beside,
    }  # fmt: skip


def told(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a message, named alike and typed."""
    found = []
    for name, event in events_in(streamed("messages", given)):
        assert event["type"] == name
        if name != "ping":
            EVENT.validate_python(event)
        found.append(event)
    return found


def test_blocks_in_their_order() -> None:
    events = told(whole(THINKING, REDACTED, TEXT, CALL))
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    start = events[0]["message"]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert start["usage"] == {**USAGE, "output_tokens": 1}
    opened = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert opened == [
        {**THINKING, "thinking": "", "signature": ""},
        REDACTED,
        {**TEXT, "text": ""},
        {**CALL, "input": {}},
    ]
    deltas = [(event["index"], event["delta"]) for event in events if event["type"] == "content_block_delta"]
    assert deltas[:3] == [
        (0, {"type": "thinking_delta", "thinking": "Where"}),
        (0, {"type": "thinking_delta", "thinking": " is it?"}),
        (0, {"type": "signature_delta", "signature": "c2lnbmF0dXJl"}),
    ]
    assert [delta["text"] for index, delta in deltas if index == 2] == ["One moment", " please."]
    pieces = [delta["partial_json"] for index, delta in deltas if index == 3]
    assert pieces[0] == ""
    assert json.loads("".join(pieces)) == CALL["input"]
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1, 2, 3]
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": USAGE,
    }


def test_citations() -> None:
    events = told(whole({**TEXT, "citations": [CITATION, CITATION]}))
    assert events[2]["content_block"] == {**TEXT, "text": "", "citations": []}
    cited = [event["delta"] for event in events if event.get("delta", {}).get("type") == "citations_delta"]
    assert cited == [{"type": "citations_delta", "citation": CITATION}] * 2


@pytest.mark.parametrize(
    "content",
    [
        [],
        [TEXT],
        [{"type": "text", "text": ""}],
        [{**TEXT, "citations": [CITATION]}, {**TEXT, "citations": []}],
        [THINKING, REDACTED, {**THINKING, "thinking": ""}, {**THINKING, "signature": ""}],
        [CALL, {**CALL, "input": {}}],
        [SERVER, RESULT, TEXT],
        [{"type": "of_tomorrow", "text": "whole", "input": [1], "deep": {"a": None}}],
    ],
    ids=lambda content: "+".join(block["type"] for block in content) or "nothing",
)  # fmt: skip
def test_there_and_back(content: list[dict[str, Any]]) -> None:
    given = whole(
        *content, stop_details=None, container={"id": "c"}, context_management={"applied_edits": [1]}, of_tomorrow=2**70
    )
    events = streamed("messages", given)
    assert folded("messages", events) == given
    assert said(stored("messages", "json", given)) == said(stored("messages", "events", events))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


START = {
    "type": "message_start",
    "message": {
        **whole(),
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 3, "output_tokens": 1, "x": 5},
    },
}
STOP = {"type": "message_stop"}


def end(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}


def test_later_figures_hold_and_absent_ones_stay() -> None:
    body = sse(START, end(output_tokens=4), end(output_tokens=9, input_tokens=None, cache_read_input_tokens=2), STOP)
    assert folded("messages", body)["usage"] == {
        "input_tokens": 3,
        "output_tokens": 9,
        "x": 5,
        "cache_read_input_tokens": 2,
    }


def test_blocks_as_hosts_begin_them() -> None:
    """Text in the start, a whole input without deltas, deltas that nobody knows, blocks beside one another."""
    body = sse(
        START,
        {"type": "content_block_start", "index": 1, "content_block": {**CALL}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "One"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " two", "tokens": 4}},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "compaction", "content": None}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "compaction_delta", "content": "short"}},
        {"type": "of_tomorrow"},
        end(output_tokens=9),
        STOP,
    )
    assert folded("messages", body)["content"] == [
        {"type": "text", "text": "One two"}, CALL, {"type": "compaction", "content": "short"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [],
        [START],
        [START, end(output_tokens=1)],
        [end(output_tokens=1), STOP],
        [START, STOP],
        [START, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}, end(), STOP],
        [START, {"type": "content_block_start", "index": "0", "content_block": TEXT}, end(), STOP],
        [START, {"type": "error", "error": {"type": "overloaded_error"}}, end(), STOP],
        [
            START,
            {"type": "content_block_start", "index": 0, "content_block": {**CALL, "input": {}}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
            end(),
            STOP,
        ],
    ],
)
def test_a_stream_that_is_no_answer(events: list[dict[str, Any]]) -> None:
    assert played(stored("messages", "events", sse(*events)), stream=False, include_usage=False) is None


@pytest.mark.parametrize(
    "members", [{"content": None}, {"content": [5]}, {"stop_reason": None}, {"type": "error", "content": "x"}], ids=str
)
def test_an_answer_that_is_none(members: dict[str, Any]) -> None:
    assert played(stored("messages", "json", {**whole(), **members}), stream=True, include_usage=False) is None


def test_what_is_seen_without_thoughts() -> None:
    given = whole(THINKING, TEXT, {**CALL, "input": {"city": "Oslo"}})
    assert said(stored("messages", "json", given)).split("\n") == [TEXT["text"], "find", '{"city":"Oslo"}']
