"""The stream of the Messages front: order, blocks, endings, and Anthropic's SDK as the judge."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.translation.carried import unseal
from proxy.translation.completion import unfold
from proxy.translation.messages import MessagesFront
from proxy.translation.messages.stream import MessagesStream
from proxy.wire.values import JsonObject, dumps
from tests.support.fronts import (
    asked,
    chunk,
    completions,
    events_in,
    odd_chunks,
    split,
    streamed_message,
    usage_chunk,
    whole_message,
)


def told(chunks: list[JsonObject], stops: tuple[str, ...] = ()) -> bytes:
    stream = MessagesStream(asked(), stops)
    return stream.begin() + stream.feed(chunks) + stream.close()


def call(
    index: int | None = None, ident: str | None = None, name: str | None = None, arguments: str | None = None
) -> JsonObject:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece: JsonObject = {"function": {**function}}
    if index is not None:
        piece["index"] = index
    if ident is not None:
        piece["id"] = ident
    return chunk({"tool_calls": [piece]})


def content(chunks: list[JsonObject]) -> list[dict[str, Any]]:
    return list(streamed_message(told(chunks))["content"])


def check_order(data: bytes) -> None:
    """Anthropic's rules for a stream of events."""
    names = [name for name, _ in events_in(data)]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert names.count("message_start") == names.count("message_delta") == names.count("message_stop") == 1
    open_block: str | None = None
    following = 0
    fits = {
        "text": ("text_delta", "citations_delta"),
        "tool_use": ("input_json_delta",),
        "thinking": ("thinking_delta", "signature_delta"),
    }
    for name, event in list(events_in(data))[2:-2]:
        assert event["type"] == name
        if name == "content_block_start":
            assert open_block is None
            assert event["index"] == following
            open_block = event["content_block"]["type"]
        elif name == "content_block_delta":
            assert open_block is not None
            assert event["index"] == following
            assert event["delta"]["type"] in fits[open_block]
        else:
            assert name == "content_block_stop"
            assert event["index"] == following
            open_block = None
            following += 1
    assert open_block is None


def test_a_text_in_the_documented_order() -> None:
    data = told([chunk({"role": "assistant", "content": ""}), chunk({"content": "Hi"}), chunk({}, "stop")])
    assert [name for name, _ in events_in(data)] == [
        "message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip
    start = dict(events_in(data))["message_start"]["message"]
    assert start["model"] == "claude-public"
    assert start["id"] == "msg_req1"
    assert start["content"] == []
    assert b"[DONE]" not in data


def test_the_usage_that_comes_last_is_told_in_disjoint_classes() -> None:
    usage = usage_chunk(
        prompt_tokens=100,
        completion_tokens=7,
        prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 30},
        completion_tokens_details={"reasoning_tokens": 4},
    )
    message = streamed_message(told([chunk({"content": "Hi"}), chunk({}, "stop"), usage]))
    assert message["usage"] == {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4},
    }


def test_empty_deltas_open_no_block() -> None:
    data = told([chunk({"content": ""}), chunk({"content": None}), chunk({"reasoning_content": ""}), chunk({}, "stop")])
    assert b"content_block_start" not in data
    assert streamed_message(data)["stop_reason"] == "end_turn"


def test_a_tool_without_arguments_has_an_empty_input() -> None:
    found = content([call(0, "call_1", "now", ""), chunk({}, "tool_calls")])
    assert found == [{"type": "tool_use", "id": "call_1", "name": "now", "input": {}}]


def test_a_finished_call_makes_room_at_once() -> None:
    stream = MessagesStream(asked())
    stream.begin()
    stream.feed([call(0, "a", "f", '{"x":1}')])
    out = stream.feed([call(1, "b", "g", "")])
    assert [name for name, _ in events_in(out)] == ["content_block_stop", "content_block_start"]


def test_mixed_calls_are_told_one_after_the_other() -> None:
    pieces = [
        call(0, "a", "f", '{"x":'),
        call(1, "b", "g", '{"y":'),
        call(0, arguments="1}"),
        call(1, arguments="2}"),
        chunk({}, "tool_calls"),
    ]
    data = told(pieces)
    check_order(data)
    assert [(block["name"], block["input"]) for block in streamed_message(data)["content"]] == [
        ("f", {"x": 1}),
        ("g", {"y": 2}),
    ]


def test_text_after_an_unfinished_call_waits_for_its_end() -> None:
    found = content(
        [call(0, "a", "f", '{"x":'), chunk({"content": "so"}), call(0, arguments="1}"), chunk({}, "tool_calls")]
    )
    assert [block["type"] for block in found] == ["tool_use", "text"]
    assert found[0]["input"] == {"x": 1}


def test_a_name_that_comes_late_is_waited_for() -> None:
    found = content([call(0, "a", arguments='{"x":'), call(0, name="f", arguments="1}"), chunk({}, "tool_calls")])
    assert found == [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]


def test_repeated_ids_and_names_are_told_once() -> None:
    found = content([call(0, "a", "f", '{"x":'), call(0, "a", "f", "1}"), chunk({}, "tool_calls")])
    assert found == [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]


def test_a_host_that_numbers_every_call_zero() -> None:
    found = content([call(0, "a", "f", '{"x":1}'), call(0, "b", "f", '{"x":2}'), chunk({}, "tool_calls")])
    assert [(block["id"], block["input"]) for block in found] == [("a", {"x": 1}), ("b", {"x": 2})]


def test_calls_without_index_and_id() -> None:
    found = content(
        [call(None, None, "f", '{"x":'), call(arguments="1}"), call(None, None, "g", "{}"), chunk({}, "stop")]
    )
    assert [(block["name"], block["input"]) for block in found] == [("f", {"x": 1}), ("g", {})]
    assert len({block["id"] for block in found}) == 2


def test_the_same_id_twice_becomes_two() -> None:
    found = content([call(0, "a", "f", "{}"), call(1, "a", "f", "{}"), chunk({}, "tool_calls")])
    assert len({block["id"] for block in found}) == 2


def test_tool_use_is_the_reason_even_when_the_host_says_stop() -> None:
    message = streamed_message(told([call(0, "a", "f", "{}"), chunk({}, "stop")]))
    assert message["stop_reason"] == "tool_use"


def test_cut_arguments_are_told_as_they_came() -> None:
    message = streamed_message(told([call(0, "a", "f", '{"x": "abc'), chunk({}, "length")]))
    assert message["stop_reason"] == "max_tokens"
    assert message["content"][0]["name"] == "f"


def test_reasoning_without_signature_gets_one_of_ours() -> None:
    found = content(
        [
            chunk({"reasoning_content": "Hm"}),
            chunk({"reasoning_content": "m"}),
            chunk({"content": "Hi"}),
            chunk({}, "stop"),
        ]
    )
    assert found[0]["thinking"] == "Hmm"
    assert unseal(found[0]["signature"]) == {}
    assert found[1]["text"] == "Hi"


def test_signatures_of_the_provider_pass_unchanged() -> None:
    real: JsonObject = {"type": "thinking", "thinking": "Hmm", "signature": "EqQB"}
    redacted: JsonObject = {"type": "redacted_thinking", "data": "abc"}
    found = content(
        [
            chunk({"reasoning_content": "Hmm"}),
            chunk({"thinking_blocks": [real]}),
            chunk({"thinking_blocks": [redacted]}),
            chunk({"content": "Hi"}),
            chunk({}, "stop"),
        ]
    )
    assert found[:2] == [real, redacted]


def test_a_signature_without_text_is_a_thinking_block() -> None:
    real: JsonObject = {"type": "thinking", "thinking": "", "signature": "EqQB"}
    assert content([chunk({"thinking_blocks": [real]}), chunk({"content": "Hi"}), chunk({}, "stop")])[0] == real


def test_state_that_no_block_can_take_follows_as_redacted_thinking() -> None:
    detail: JsonObject = {"type": "reasoning.encrypted", "data": "x"}
    found = content([chunk({"content": "Hi"}), chunk({"reasoning_details": [detail]}), chunk({}, "stop")])
    assert found[-1]["type"] == "redacted_thinking"
    assert unseal(found[-1]["data"]) == {"reasoning_details": [detail]}


def test_thinking_shown_in_another_division_keeps_its_signatures_for_the_way_back() -> None:
    blocks: list[Any] = [{"type": "thinking", "thinking": told, "signature": told} for told in ("a", "b")]
    found = content(
        [
            chunk({"reasoning_content": "ab"}),
            chunk({"thinking_blocks": blocks}),
            chunk({"content": "Hi"}),
            chunk({}, "stop"),
        ]
    )
    assert [block["type"] for block in found] == ["thinking", "text"]
    assert unseal(found[0]["signature"]) == {"thinking_blocks": blocks}


def test_citations_of_claude_stand_at_the_text() -> None:
    citation: JsonObject = {"type": "page_location", "cited_text": "c", "document_index": 0}
    cited: JsonObject = {
        "type": "anthropic",
        "index": 0,
        "at": 0,
        "block": {"type": "text", "text": "Hi", "citations": [citation]},
    }
    found = content([chunk({"content": "Hi"}), chunk({"provider_blocks": [cited]}), chunk({}, "stop")])
    assert found[0]["text"] == "Hi"
    assert found[0]["citations"][0]["cited_text"] == "c"
    said: JsonObject = {
        "choices": [{"message": {"content": "Hi", "provider_blocks": [cited]}, "finish_reason": "stop"}]
    }
    assert MessagesFront().reply(said, asked())["content"] == [{"type": "text", "text": "Hi", "citations": [citation]}]


def test_a_name_that_was_spelt_otherwise_comes_back() -> None:
    front, ask = MessagesFront(), asked()
    long = "mcp__server__" + "x" * 80
    sent: Any = front.request({"messages": [{"role": "user", "content": "x"}], "tools": [{"name": long}]}, ask)
    stream = front.stream(ask)
    out = stream.feed([call(0, "a", sent["tools"][0]["function"]["name"], "{}")]) + stream.close()
    assert streamed_message(out)["content"][0]["name"] == long


def test_a_refusal_is_shown_and_named() -> None:
    message = streamed_message(told([chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop")]))
    assert message["content"][0]["text"] == "I cannot."
    assert message["stop_reason"] == "refusal"
    assert message["stop_details"]["explanation"] == "I cannot."


def test_a_known_stop_sequence_is_named() -> None:
    end: JsonObject = chunk({}, "stop", stop_reason="END")
    message = streamed_message(told([chunk({"content": "Hi"}), end], ("END",)))
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


def test_blocks_of_server_tools_keep_their_place() -> None:
    block: JsonObject = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    found = content(
        [
            chunk({"provider_blocks": [{"type": "anthropic", "index": 0, "block": block}]}),
            chunk({"content": "Hi"}),
            chunk({}, "stop"),
        ]
    )
    assert [each["type"] for each in found] == ["server_tool_use", "text"]


def test_lone_surrogates_do_not_break_a_stream() -> None:
    assert content([chunk({"content": "a\ud800b"}), chunk({}, "stop")])[0]["text"] == "a?b"


def test_other_choices_have_no_place() -> None:
    other: JsonObject = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]}
    assert content([chunk({"content": "yes"}), other, chunk({}, "stop")]) == [{"type": "text", "text": "yes"}]


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_a_stream_adds_up_to_the_whole_answer(data: st.DataObject) -> None:
    whole = data.draw(completions())
    front = MessagesFront()
    ask = asked()
    events = told(data.draw(st.composite(lambda draw: split(draw, unfold(whole)))()))
    check_order(events)
    streamed, plain = streamed_message(events), whole_message(dumps(front.reply(whole, ask)))
    streamed.pop("id"), plain.pop("id")
    assert streamed == plain


@given(odd_chunks)
@settings(max_examples=300, deadline=None)
def test_odd_chunks_give_a_well_formed_stream_however_they_are_fed(chunks: list[JsonObject]) -> None:
    together = told(chunks)
    check_order(together)
    single = MessagesStream(asked())
    alone = single.begin() + b"".join([single.feed([each]) for each in chunks]) + single.close()
    assert alone == together
    for name, event in events_in(together):
        if name == "message_delta":
            assert all(
                isinstance(value, int) and value >= 0 for key, value in event["usage"].items() if key.endswith("tokens")
            )
    json.dumps(together.decode())
