"""The official SDKs' accumulators read an unfolded stream to the object that the plain answer is, with everything an answer can have."""

import json
from typing import Any

import pytest

from tests.support import fronts
from tests.support.replays import streamed, streamed_chat, whole_chat

LOGPROBS = {
    "content": [
        {"token": token, "logprob": -0.5, "bytes": [104], "top_logprobs": []} for token in ("Hel", "lo", " you")
    ]
}
CITED = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 3}}
CALLS = [
    {"id": f"call_{at}", "type": "function", "function": {"name": "find", "arguments": '{"city": "São Paulo", "days": 3}'}} for at in range(3)
]  # fmt: skip
MESSAGES: list[dict[str, Any]] = [
    {"content": "Hello you", "refusal": None, "annotations": [CITED, CITED], "reasoning_content": "What to say? Something kind."},
    {"content": None, "refusal": "I will not do that for you."},
    {"content": "I shall look", "tool_calls": CALLS, "reasoning": "Let me look.", "reasoning_details": [{"type": "reasoning.text", "text": "Let me look.", "index": 0}]},
    {"content": "漢字 and 😀 and é", "audio": {"id": "a", "data": "AAECAw==", "transcript": "Hi", "expires_at": 5}},
]  # fmt: skip


def chat(*messages: dict[str, Any], logprobs: Any = None) -> dict[str, Any]:
    choices = [
        {"index": at, "message": {"role": "assistant", **message}, "logprobs": logprobs, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        for at, message in enumerate(messages)
    ]  # fmt: skip
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    return {
        "id": "c", "object": "chat.completion", "created": 7, "model": "m", "choices": choices, "usage": usage,
        "service_tier": "default", "system_fingerprint": "fp", "citations": ["https://example.com/" + "x" * 200],
    }  # fmt: skip


@pytest.mark.parametrize("messages", [*[[message] for message in MESSAGES], MESSAGES], ids=len)
@pytest.mark.parametrize("logprobs", [None, LOGPROBS])
def test_chat(messages: list[dict[str, Any]], logprobs: Any) -> None:
    whole = chat(*messages, logprobs=logprobs)
    read = streamed_chat(streamed("chat", whole))
    for choice in read["choices"]:
        for at, call in enumerate(choice["message"].get("tool_calls") or []):
            # The accumulator keeps it.
            assert call.pop("index") == at
    assert settled(read) == settled(whole_chat(json.dumps(whole).encode())) == settled(whole)


def settled(value: Any) -> Any:
    """Without members that are ``None``."""
    if isinstance(value, dict):
        return {name: settled(member) for name, member in value.items() if member is not None}
    return [settled(item) for item in value] if isinstance(value, list) else value


def test_responses() -> None:
    text = {
        "type": "output_text", "text": "Hello you", "logprobs": LOGPROBS["content"],
        "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 3}],
    }  # fmt: skip
    output: list[dict[str, Any]] = [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Where is it?"}, {"type": "summary_text", "text": "Here it is."}], "encrypted_content": "gAAA"},
        {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text, {"type": "refusal", "refusal": "Not that, though."}]},
        {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "find", "arguments": '{"city": "São Paulo"}'},
        {"id": "ct_1", "type": "custom_tool_call", "status": "completed", "call_id": "c2", "name": "run", "input": "print('😀')"},
    ]  # fmt: skip
    usage = {
        "input_tokens": 3, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 7,
    }  # fmt: skip
    whole = {
        "id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "model": "m", "output": output, "parallel_tool_calls": True, "temperature": 1.0,
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "usage": usage, "of_tomorrow": [1],
    }  # fmt: skip
    read = fronts.streamed_response(streamed("responses", whole))
    assert settled(read) == settled(fronts.whole_response(json.dumps(whole).encode()).to_dict()) == settled(whole)


def test_messages() -> None:
    cited = {
        "type": "char_location",
        "cited_text": "x",
        "document_index": 0,
        "document_title": "d",
        "start_char_index": 0,
        "end_char_index": 1,
    }
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Where is it? Nobody knows.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "roads"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e", "page_age": "1 day"}]},
        {"type": "text", "text": "漢字 and 😀 and é", "citations": [cited, cited]},
        {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"city": "São Paulo", "deep": [1, 2.5, {"a": None}]}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ]  # fmt: skip
    usage = {
        "input_tokens": 3, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 9, "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    }  # fmt: skip
    whole = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "tool_use", "stop_sequence": None,
        "usage": usage, "of_tomorrow": [1],
    }  # fmt: skip
    read = fronts.streamed_message(streamed("messages", whole))
    assert settled(read) == settled(fronts.whole_message(json.dumps(whole).encode())) == settled(whole)
