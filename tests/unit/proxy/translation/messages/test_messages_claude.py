"""Anthropic's clients in front of Claude through the hub (another host's Claude): nothing that a follow-up turn needs is lost."""

import json
from typing import Any

from proxy.providers.anthropic.dialect import AnthropicChat
from proxy.translation.messages import MessagesFront
from tests.support.fronts import asked, streamed_message

MODEL = "claude-sonnet-4-5"
CITATION = {
    "type": "page_location",
    "cited_text": "c",
    "document_index": 0,
    "start_page_number": 1,
    "end_page_number": 2,
}
NATIVE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "Hi", "citations": [CITATION]},
        {"type": "tool_use", "id": "toolu_1", "name": "mcp__" + "x" * 80, "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 3,
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 5,
        "output_tokens": 6,
    },
}


def events() -> bytes:
    parts: list[dict[str, Any]] = [{"type": "message_start", "message": {**NATIVE, "content": []}}]
    for index, block in enumerate(NATIVE["content"]):
        empty, deltas = {**block}, []
        if block["type"] == "thinking":
            empty |= {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": "Hm"}, {"type": "signature_delta", "signature": "EqQB"}]
        elif block["type"] == "text":
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": "Hi"}, {"type": "citations_delta", "citation": CITATION}]
        elif block["type"] == "tool_use":
            empty["input"] = {}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"a"', ":1}")]
        parts.append({"type": "content_block_start", "index": index, "content_block": empty})
        parts += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        parts.append({"type": "content_block_stop", "index": index})
    parts.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": NATIVE["usage"]})
    parts.append({"type": "message_stop"})
    return b"".join(b"event: %b\ndata: %b\n\n" % (part["type"].encode(), json.dumps(part).encode()) for part in parts)


def told(message: dict[str, Any]) -> dict[str, Any]:
    return {name: message[name] for name in ("content", "stop_reason", "usage")}


def test_a_whole_answer_comes_through_as_it_is() -> None:
    ask = asked(model=MODEL)
    found = MessagesFront().reply(AnthropicChat().decode(json.dumps(NATIVE).encode(), ask), ask)
    assert told(found) == told(NATIVE)


def test_a_stream_comes_through_as_it_is() -> None:
    ask = asked(model=MODEL)
    decoder, stream = AnthropicChat().decoder(ask), MessagesFront().stream(ask)
    out = stream.begin() + stream.feed([*decoder.feed(events()), *decoder.close()]) + stream.close()
    assert decoder.error is None
    assert told(streamed_message(out)) == told(NATIVE)


def test_the_next_turn_sends_back_what_was_signed() -> None:
    ask = asked(model=MODEL)
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}
    tool = {"name": "mcp__" + "x" * 80, "input_schema": {"type": "object"}}
    body: Any = {
        "max_tokens": 100,
        "tools": [tool],
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": NATIVE["content"]},
            {"role": "user", "content": [result]},
        ],
    }
    sent = json.loads(AnthropicChat().encode(MessagesFront().request(body, ask), ask).body)
    assert sent["messages"][1]["content"][:2] == NATIVE["content"][:2]
    assert sent["messages"][1]["content"][3] == NATIVE["content"][3]
    assert sent["messages"][2]["content"] == [result]
