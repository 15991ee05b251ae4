"""Cohere's chat stream, at every split and with every irregularity that hosts are known for."""

import re
from typing import Any

import pytest
from cohere_shapes import START, USAGE, answer, chunks_of, decoded, end, event, message, text_stream
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamAuthFailed, UpstreamCut, UpstreamInvalid
from proxy.translation.completion import fold
from proxy.wire.values import JsonObject


def call_start(index: int | None, ident: str, name: str, arguments: Any = "") -> bytes:
    function = {"name": name, "arguments": arguments}
    return message("tool-call-start", index, tool_calls={"id": ident, "type": "function", "function": function})


def call_delta(index: int | None, piece: str) -> bytes:
    return message("tool-call-delta", index, tool_calls={"function": {"arguments": piece}})


def call_end(index: int | None) -> bytes:
    return event("tool-call-end") if index is None else event("tool-call-end", index=index)


def folded(*parts: bytes) -> Any:
    chunks, error = chunks_of(b"".join(parts))
    assert error is None
    return fold(chunks)


def arguments(*parts: bytes) -> list[str]:
    calls = folded(*parts)["choices"][0]["message"]["tool_calls"]
    return [call["function"]["arguments"] for call in calls]


def test_text() -> None:
    chunks, error = chunks_of(text_stream("Hel", "lo"))
    assert error is None
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": "COMPLETE"}],
        [],
    ]
    assert {chunk["id"] for chunk in chunks} == {"msg-1"}
    usage: Any = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (500, 12)
    assert usage["billed_units"] == USAGE["billed_units"]


RICH = b"".join(
    [
        START,
        message("content-start", 0, content={"type": "thinking", "thinking": ""}),
        message("content-delta", 0, content={"thinking": "hm — é"}),
        event("content-end", index=0),
        message("tool-plan-delta", tool_plan="I will "),
        message("tool-plan-delta", tool_plan="look."),
        call_start(0, "f_1", "weather"),
        call_delta(0, '{"city":'),
        call_delta(0, '"Zürich"}'),
        call_end(0),
        call_start(1, "f_2", "time"),
        call_delta(1, "null"),
        call_end(1),
        message("citation-start", 0, citations={"start": 0, "end": 1, "text": "I", "sources": []}),
        event("citation-end", index=0),
        event("debug", prompt="<|START|>"),
        end("TOOL_CALL"),
    ]
)
WHOLE = answer(
    "TOOL_CALL",
    content=[{"type": "thinking", "thinking": "hm — é"}],
    tool_plan="I will look.",
    tool_calls=[
        {"id": "f_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Zürich"}'}},
        {"id": "f_2", "type": "function", "function": {"name": "time", "arguments": "null"}},
    ],
    citations=[{"start": 0, "end": 1, "text": "I", "sources": []}],
)


def test_every_split_gives_the_same_chunks() -> None:
    whole, _ = chunks_of(RICH)
    for at in range(len(RICH) + 1):
        assert chunks_of(RICH, [at]) == (whole, None)
    assert chunks_of(RICH, range(len(RICH))) == (whole, None)


@given(st.lists(st.integers(0, len(RICH)), max_size=12))
def test_any_splits_give_the_same_chunks(splits: list[int]) -> None:
    assert chunks_of(RICH, splits) == chunks_of(RICH)


def test_a_stream_folded_equals_the_answer() -> None:
    assert folded(RICH) == decoded(WHOLE)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
blocks = st.one_of(
    st.builds(lambda pieces: ("text", pieces), st.lists(words, max_size=4)),
    st.builds(lambda pieces: ("thinking", pieces), st.lists(words, max_size=4)),
    st.builds(lambda pieces: ("sketch", pieces), st.lists(words, max_size=3)),
)
given_arguments = st.sampled_from(["", "null", "{}", '{"a":[1,2]}', '{"n":null}', "nul", " null", "x"])
calls_made = st.lists(st.tuples(words, given_arguments), max_size=3)
cited = st.lists(
    st.fixed_dictionaries(
        {"start": st.integers(0, 9), "end": st.integers(0, 9), "text": words, "sources": st.just([])}
    ),
    max_size=2,
)


@given(
    plan=st.lists(words, max_size=3),
    content=st.lists(blocks, max_size=4),
    calls=calls_made,
    citations=cited,
    reason=st.sampled_from(["COMPLETE", "MAX_TOKENS", "TOOL_CALL", "STOP_SEQUENCE", "ERROR_TOXIC", "NEW", ""]),
    usage=st.sampled_from([USAGE, None, {"billed_units": {"input_tokens": 2.0, "output_tokens": 1}}]),
    step=st.integers(1, 4),
)
def test_any_answer_streamed_equals_itself_whole(
    plan: list[str],
    content: list[tuple[str, list[str]]],
    calls: list[tuple[str, str]],
    citations: list[JsonObject],
    reason: str,
    usage: JsonObject | None,
    step: int,
) -> None:
    parts = [START, *(message("tool-plan-delta", tool_plan=piece) for piece in plan)]
    listed = []
    for index, (kind, pieces) in enumerate(content):
        member = kind if kind != "sketch" else "svg"
        parts.append(message("content-start", index, content={"type": kind, member: ""}))
        parts += [message("content-delta", index, content={member: piece}) for piece in pieces]
        parts.append(event("content-end", index=index))
        listed.append({"type": kind, member: "".join(pieces)})
    made = []
    for index, (name, written) in enumerate(calls):
        parts.append(call_start(index, f"id{index}", name))
        parts += [call_delta(index, written[at : at + step]) for at in range(0, len(written), step)]
        parts.append(call_end(index))
        made.append({"id": f"id{index}", "type": "function", "function": {"name": name, "arguments": written}})
    parts += [message("citation-start", index, citations=citation) for index, citation in enumerate(citations)]
    parts.append(end(reason, usage))
    whole = answer(reason, usage, tool_plan="".join(plan), content=listed, tool_calls=made, citations=citations)
    assert folded(*parts) == decoded(whole)


def test_calls_without_arguments() -> None:
    assert arguments(START, call_start(0, "a", "f"), call_end(0), end("TOOL_CALL")) == ["{}"]
    assert arguments(START, call_start(0, "a", "f", None), call_end(0), end("TOOL_CALL")) == ["{}"]
    assert arguments(START, call_start(0, "a", "f", "null"), call_end(0), end("TOOL_CALL")) == ["{}"]
    pieces = [call_delta(0, piece) for piece in ("n", "ul", "l")]
    assert arguments(START, call_start(0, "a", "f"), *pieces, call_end(0), end("TOOL_CALL")) == ["{}"]
    assert arguments(START, call_start(0, "a", "f"), end("TOOL_CALL")) == ["{}"]


def test_calls_that_come_whole_or_twice_or_without_an_index() -> None:
    assert arguments(START, call_start(0, "a", "f", '{"x":1}'), call_end(0), end()) == ['{"x":1}']
    assert arguments(START, call_start(0, "a", "f"), call_start(0, "a", "f"), call_delta(0, "{}"), end()) == ["{}"]
    parts = [
        call_start(None, "a", "f"),
        call_delta(None, '{"x":1}'),
        call_end(None),
        call_start(None, "b", "g"),
        call_end(None),
    ]
    assert arguments(START, *parts, end()) == ['{"x":1}', "{}"]
    same_index = [call_start(0, "a", "f"), call_delta(0, '{"x":1}'), call_start(0, "b", "g"), call_delta(0, '{"y":2}')]
    assert arguments(START, *same_index, end()) == ['{"x":1}', '{"y":2}']


def test_a_call_whose_place_another_takes_is_whole() -> None:
    assert arguments(START, call_start(0, "a", "f"), call_start(0, "b", "g", '{"y":2}'), end()) == ["{}", '{"y":2}']


def test_a_block_of_another_kind_that_never_ends_is_kept() -> None:
    found = folded(START, message("content-start", 2, content={"type": "sketch", "svg": "<g/>"}), end())
    kept = {"type": "cohere", "index": 2, "block": {"type": "sketch", "svg": "<g/>"}}
    assert found["choices"][0]["message"]["provider_blocks"] == [kept]


def test_nothing_follows_the_end_of_a_call() -> None:
    assert arguments(START, call_start(0, "a", "f"), call_end(0), call_delta(0, "{}"), end()) == ["{}"]
    assert "tool_calls" not in folded(START, call_delta(3, "{}"), end())["choices"][0]["message"]


def test_calls_in_a_list_instead_of_an_object() -> None:
    listed = [{"id": f"i{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(2)]
    assert arguments(START, message("tool-call-start", 0, tool_calls=listed), end()) == ["{}", "{}"]


def test_events_without_their_type_lines_and_a_trailing_done() -> None:
    bare = b"\n".join(line for line in RICH.split(b"\n") if not line.startswith(b"event:"))
    assert folded(bare + b"data: [DONE]\n\n") == decoded(WHOLE)
    assert folded(bare.replace(b"\n", b"\r\n")) == decoded(WHOLE)


def test_events_that_do_not_name_their_type_at_all() -> None:
    bare = re.sub(rb'"type": "[a-z]+(?:-[a-z]+)+"(?:, )?', b"", RICH)
    assert b"content-delta" not in bare.replace(b"event: content-delta", b"")
    assert folded(bare) == decoded(WHOLE)


def test_no_usage_and_empty_deltas() -> None:
    chunks, error = chunks_of(
        START + message("content-delta", 0, content={"text": ""}) + message("content-delta", 0) + end(usage=None)
    )
    assert error is None
    assert len(chunks) == 2
    assert all("usage" not in chunk for chunk in chunks)


def test_logprobs_stand_beside_their_text() -> None:
    told = {"text": "Hi", "token_ids": [1], "logprobs": [-0.5]}
    found = folded(
        START, event("content-delta", index=0, delta={"message": {"content": {"text": "Hi"}}}, logprobs=told), end()
    )
    assert found["choices"][0]["message"]["content"] == "Hi"
    assert found["choices"][0]["logprobs"] == {
        "content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]
    }


@pytest.mark.parametrize("cut", [b"", START, RICH[:-80]])
def test_a_stream_that_breaks_off(cut: bytes) -> None:
    chunks, error = chunks_of(cut)
    assert isinstance(error, UpstreamCut)
    assert all(part["finish_reason"] is None for chunk in chunks for part in chunk["choices"])  # type: ignore[index,call-overload,union-attr]


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert folded(RICH[:-1]) == decoded(WHOLE)


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (end("ERROR"), 502),
        (end("TIMEOUT"), 504),
        (end("COMPLETE", error="the model failed"), 502),
        (b'event: error\ndata: {"message":"too much","id":"x","status":429}\n\n', 429),
        (b'data: {"type":"error","message":"gone"}\n\n', 502),
        (b'data: {"error":{"message":"inner"}}\n\n', 502),
    ],
)
def test_errors_in_the_stream(last: bytes, status: int) -> None:
    for before in (b"", START, START + message("content-delta", 0, content={"text": "Hi"})):
        chunks, error = chunks_of(before + last + end())
        assert error is not None
        assert error.status == status
        assert len(chunks) == 2 * before.count(b"content-delta\n") or len(chunks) == 1


def test_the_provider_s_own_sentence_is_told() -> None:
    assert chunks_of(START + end("ERROR", error="the model failed"))[1].message == "the model failed"
    assert chunks_of(START + end("ERROR", error={"message": "as an object"}))[1].message == "as an object"
    assert isinstance(chunks_of(b'data: {"message":"invalid api token","code":401}\n\n')[1], UpstreamAuthFailed)


def test_an_event_that_is_broken_is_an_error_and_bytes_that_are_no_utf8_are_not() -> None:
    assert isinstance(chunks_of(START + b'data: {"type":"content-del\n\n' + end())[1], UpstreamInvalid)
    found = folded(text_stream("Hi").replace(b"Hi", b"H\xff"))
    assert found["choices"][0]["message"]["content"] == "H�"


def test_unknown_events_and_comments_say_nothing() -> None:
    odd = b": ping\n\ndata: 5\n\ndata: []\n\n" + event("mood-delta", delta={"message": {"mood": "x"}}) + b"data: x\n\n"
    assert folded(START, odd, text_stream("Hi")[len(START) :]) == folded(text_stream("Hi"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from(
    ["message-start", "tool-plan-delta", "content-start", "content-delta", "content-end", "tool-call-start",
     "tool-call-delta", "tool-call-end", "citation-start", "message-end", "error", "debug", "new", ""]
)  # fmt: skip
members = st.dictionaries(
    st.sampled_from(["content", "tool_plan", "tool_calls", "citations", "role"]),
    json_values
    | st.dictionaries(st.sampled_from(["type", "text", "thinking", "id", "function"]), json_values, max_size=3),
    max_size=3,
)
odd_events = st.builds(
    lambda kind, index, told, reason, usage, logprobs: event(
        kind, index=index, delta={"message": told, **reason, "usage": usage}, logprobs=logprobs
    ),
    kinds, json_values, members | json_values,
    st.dictionaries(st.just("finish_reason"), json_values, max_size=1), json_values, json_values,
)  # fmt: skip


@given(st.lists(odd_events | st.binary(max_size=30), max_size=8))
def test_nothing_that_comes_can_break_the_decoder(parts: list[bytes]) -> None:
    chunks, error = chunks_of(b"".join(parts))
    fold(chunks)
    ends = [part for chunk in chunks for part in chunk["choices"] if part["finish_reason"]]  # type: ignore[index,call-overload,union-attr]
    assert (error is None) == (len(ends) == 1)
