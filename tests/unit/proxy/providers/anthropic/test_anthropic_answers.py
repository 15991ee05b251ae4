"""Whole messages, the same messages as events, and what a broken provider may send instead."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import TollwayError, UpstreamCut, UpstreamError, UpstreamInvalid
from proxy.providers.anthropic.dialect import AnthropicChat
from proxy.translation.ask import Ask
from proxy.translation.completion import fold
from proxy.wire.values import JsonObject

DIALECT = AnthropicChat()
USAGE = {"input_tokens": 30, "output_tokens": 55}
THOUGHT = {"type": "thinking", "thinking": "Need the tool.", "signature": "EqQBCg=="}
HIDDEN = {"type": "redacted_thinking", "data": "Zm9v"}
USE = {"type": "tool_use", "id": "toolu_01", "name": "lookup", "input": {"q": "x"}}
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}}
PAGES = {
    "type": "web_search_tool_result",
    "tool_use_id": "srv_1",
    "content": [{"type": "web_search_result", "url": "u"}],
}


def ask(**more: Any) -> Ask:
    return Ask(model="claude-x", created=7, request_id="req0", **more)


def said(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def message(*content: Any, reason: Any = "end_turn", usage: Any = USAGE, **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-served",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
        **more,
    }


def plain(whole: Any, asked: Ask | None = None) -> Any:
    return DIALECT.decode(orjson.dumps(whole), asked or ask())


def answer(whole: Any, asked: Ask | None = None) -> Any:
    return plain(whole, asked)["choices"][0]["message"]


def event(kind: str, **more: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **more}) + b"\n\n"


def delta(index: int, kind: str, **more: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **more})


def pieces(words: str, size: int) -> Iterator[str]:
    for start in range(0, len(words), size):
        yield words[start : start + size]


def block_events(index: int, block: dict[str, Any], size: int) -> Iterator[bytes]:
    """One block as Anthropic streams it, in pieces of ``size`` characters."""
    kind = block["type"]
    opened = dict(block)
    deltas: list[bytes] = []
    if kind == "text":
        opened["text"] = ""
        if "citations" in block:
            opened["citations"] = []
            deltas += [delta(index, "citations_delta", citation=each) for each in block["citations"]]
        deltas += [delta(index, "text_delta", text=piece) for piece in pieces(block["text"], size)]
    elif kind == "thinking":
        opened.update(thinking="", signature="")
        deltas += [delta(index, "thinking_delta", thinking=piece) for piece in pieces(block["thinking"], size)]
        deltas.append(delta(index, "thinking_delta", thinking=""))
        deltas += [delta(index, "signature_delta", signature=piece) for piece in pieces(block["signature"], size)]
    elif kind in ("tool_use", "server_tool_use"):
        opened["input"] = {}
        written = orjson.dumps(block["input"]).decode() if block["input"] else ""
        deltas.append(delta(index, "input_json_delta", partial_json=""))
        deltas += [delta(index, "input_json_delta", partial_json=piece) for piece in pieces(written, size)]
    yield event("content_block_start", index=index, content_block=opened)
    yield from deltas
    yield event("content_block_stop", index=index)


def events_of(whole: dict[str, Any], size: int = 5) -> bytes:
    """The stream of the same answer: counts of the prompt at its start, of the answer at its end."""
    usage = whole["usage"] or {}
    start = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1} if usage else usage}
    end = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details", "container") if name in whole}
    found = [event("message_start", message=start), event("ping")]
    for index, block in enumerate(whole["content"]):
        found += block_events(index, block, size)
    found.append(event("message_delta", delta=end, usage=usage))
    found.append(event("message_stop"))
    return b"".join(found)


def read(*parts: bytes, asked: Ask | None = None) -> tuple[list[JsonObject], TollwayError | None]:
    decoder = DIALECT.decoder(asked or ask())
    chunks: list[JsonObject] = []
    for part in parts:
        chunks += decoder.feed(part)
    return [*chunks, *decoder.close()], decoder.error


def folded(stream: bytes, asked: Ask | None = None) -> Any:
    chunks, error = read(stream, asked=asked)
    assert error is None
    return fold(chunks)


EMULATED = Behaviour(json_schema=False, max_output=100)


def asked_for_json() -> tuple[Ask, str]:
    """A request for structured output from a model without it, and the name of the tool that stands for it."""
    asked = ask(behaviour=EMULATED)
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    request: Any = {"messages": [{"role": "user", "content": "Hi"}], "response_format": form}
    encoded = DIALECT.encode(request, asked)
    return asked, orjson.loads(encoded.body)["tools"][0]["name"]


# ---- whole ----------------------------------------------------------------------------------------------------------


def test_a_whole_message() -> None:
    found = plain(message(THOUGHT, HIDDEN, said("Checking. "), said("Now."), USE, reason="tool_use"))
    assert found == {
        "id": "msg_01",
        "object": "chat.completion",
        "created": 7,
        "model": "claude-served",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Checking. Now.",
                    "refusal": None,
                    "reasoning_content": "Need the tool.",
                    "tool_calls": [
                        {"id": "toolu_01", "type": "function", "function": {"name": "lookup", "arguments": '{"q":"x"}'}}
                    ],
                    "thinking_blocks": [THOUGHT, HIDDEN],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
                "native_finish_reason": "tool_use",
            }
        ],
        "usage": {
            "prompt_tokens": 30,
            "completion_tokens": 55,
            "total_tokens": 85,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("model_context_window_exceeded", "length"),
        ("compaction", "length"),
        ("something_new", "stop"),
        (None, "stop"),
        (3, "stop"),
    ],
)
def test_every_reason_to_stop(reason: object, finish: str) -> None:
    whole = message(said("x"), reason=reason)
    for found in (plain(whole), folded(events_of(whole))):
        assert found["choices"][0]["finish_reason"] == finish
        native = reason if isinstance(reason, str) else None
        assert found["choices"][0].get("native_finish_reason") == native


def test_a_call_is_a_call_whatever_the_reason_says() -> None:
    whole = message(USE, reason="end_turn")
    assert plain(whole)["choices"][0]["finish_reason"] == "tool_calls"
    assert folded(events_of(whole))["choices"][0]["finish_reason"] == "tool_calls"


def test_content_is_null_beside_calls_alone_and_empty_beside_nothing() -> None:
    assert answer(message(USE))["content"] is None
    assert answer(message())["content"] == ""
    assert folded(events_of(message()))["choices"][0]["message"]["content"] == ""


def test_a_refusal_is_an_answer() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "I cannot help."}
    whole = message(said("So"), reason="refusal", stop_details=details)
    for found in (plain(whole), folded(events_of(whole))):
        assert found["choices"][0]["message"]["refusal"] == "I cannot help."
        assert found["choices"][0]["finish_reason"] == "content_filter"
    assert answer(message(reason="refusal", stop_details=None))["refusal"] is None


def test_server_tools_are_no_calls_and_are_kept() -> None:
    found = answer(message(said("a"), SEARCH, PAGES, said("b")))
    assert found["content"] == "ab"
    assert "tool_calls" not in found
    assert found["provider_blocks"] == [
        {"type": "anthropic", "index": 1, "at": 1, "block": SEARCH},
        {"type": "anthropic", "index": 2, "at": 1, "block": PAGES},
    ]


def test_citations_of_web_pages_are_annotations() -> None:
    page = {"type": "web_search_result_location", "url": "https://a", "title": "A", "encrypted_index": "e"}
    place = {"type": "char_location", "cited_text": "c", "document_index": 0}
    found = answer(message(said("See "), said("this", citations=[page, place]), said(".")))
    assert found["annotations"] == [
        {"type": "url_citation", "url_citation": {"start_index": 4, "end_index": 8, "title": "A", "url": "https://a"}}
    ]
    assert found["provider_blocks"] == [
        {"type": "anthropic", "index": 1, "at": 4, "block": said("this", citations=[page, place])}
    ]


def test_an_answer_goes_back_as_it_came() -> None:
    page = {"type": "web_search_result_location", "url": "https://a", "title": "A", "encrypted_index": "e"}
    blocks = [
        THOUGHT,
        said("One "),
        SEARCH,
        PAGES,
        {**THOUGHT, "thinking": "Hm."},
        said("two", citations=[page]),
        said("!"),
        USE,
    ]
    follow = ask(behaviour=Behaviour(max_output=100))
    reply = answer(message(*blocks, reason="tool_use"))
    result = {"role": "tool", "tool_call_id": "toolu_01", "content": "ok"}
    request: Any = {"messages": [{"role": "user", "content": "Hi"}, reply, result]}
    body = DIALECT.encode(request, follow).body
    assert orjson.loads(body)["messages"][1]["content"] == blocks
    assert follow.notes.dropped == []


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (
            {
                "input_tokens": 30,
                "cache_creation_input_tokens": 100,
                "cache_read_input_tokens": 2000,
                "output_tokens": 55,
                "output_tokens_details": {"thinking_tokens": 12},
            },
            (2130, 55, 2000, 100, 12),
        ),
        (
            {
                "input_tokens": 5,
                "output_tokens": 6,
                "cache_read_input_tokens": None,
                "cache_creation_input_tokens": None,
                "output_tokens_details": None,
            },
            (5, 6, 0, None, 0),
        ),
        ({"input_tokens": 5, "output_tokens": 6, "cache_read_input_tokens": -3}, (5, 6, 0, None, 0)),
        (
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "output_tokens": 20},
                    {"type": "message", "input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 4},
                    {"type": "advisor_message", "input_tokens": 999, "output_tokens": 999},
                ],
            },
            (114, 22, 4, None, 0),
        ),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "output_tokens": 20},
                    {"type": "fallback_message", "input_tokens": 10, "output_tokens": 2},
                ],
            },
            (1, 2, 0, None, 0),
        ),
    ],
)
def test_usage_in_classes_that_do_not_overlap(usage: dict[str, Any], counts: tuple[object, ...]) -> None:
    whole = message(said("x"), usage=usage)
    for found in (plain(whole)["usage"], folded(events_of(whole))["usage"]):
        assert found["total_tokens"] == found["prompt_tokens"] + found["completion_tokens"]
        assert (
            found["prompt_tokens"],
            found["completion_tokens"],
            found["prompt_tokens_details"]["cached_tokens"],
            found["prompt_tokens_details"].get("cache_write_tokens"),
            found["completion_tokens_details"]["reasoning_tokens"],
        ) == counts


def test_what_is_billed_beside_tokens_is_kept() -> None:
    usage = {
        **USAGE,
        "server_tool_use": {"web_search_requests": 2},
        "cache_creation": {"ephemeral_1h_input_tokens": 3, "x": 0},
    }
    found = plain(message(usage=usage))["usage"]
    assert found["server_tool_use"] == {"web_search_requests": 2}
    assert found["cache_creation"] == {"ephemeral_1h_input_tokens": 3}


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"input_tokens": -1, "output_tokens": 2},
        {"input_tokens": 1},
        {"input_tokens": 1e30, "output_tokens": 2},
        {"input_tokens": "1", "output_tokens": 2},
        {"input_tokens": 2**63 - 1, "output_tokens": 1, "cache_read_input_tokens": 5},
        [],
    ],
)
def test_usage_that_is_none_is_not_invented(usage: object) -> None:
    assert "usage" not in plain(message(said("x"), usage=usage))
    stream = event("message_start", message={"usage": usage}) + event(
        "message_delta", delta={"stop_reason": "end_turn"}
    )
    assert "usage" not in folded(stream + event("message_stop"))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"type":"message"}', b'{"content":"text"}', b"\xff", b'{"content":' + b"[" * 5000],
)
def test_what_is_no_message_is_one_clear_error(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        DIALECT.decode(body, ask())


def test_an_error_inside_a_200() -> None:
    with pytest.raises(UpstreamError) as failed:
        plain({"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}})
    assert (failed.value.status, failed.value.code) == (503, "overloaded")


def test_odd_blocks_do_not_break_an_answer() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    found = answer(message(None, 3, {}, {"type": 4}, {"type": "text"}, {"type": "tool_use"}, {"type": "new", "x": 1}))
    assert found["tool_calls"][0]["function"] == {"name": "", "arguments": "{}"}
    assert found["tool_calls"][0]["id"]
    assert found["provider_blocks"] == [{"type": "anthropic", "index": 6, "at": 0, "block": {"type": "new", "x": 1}}]
    text = b'{"content":[{"type":"text","text":"a\xff\\ud800b"}],"stop_reason":"end_turn"}'
    assert DIALECT.decode(text, ask())["choices"][0]["message"]["content"] == "a\ufffd?b"  # type: ignore[index, call-overload]
    too_deep = b'{"content":[{"type":"tool_use","name":"f","input":' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"}]}"
    with pytest.raises(UpstreamInvalid):
        DIALECT.decode(too_deep, ask())


def test_structured_output_by_a_tool_is_content() -> None:
    asked, name = asked_for_json()
    whole = message({**USE, "name": name, "input": {"a": [1, "é"]}}, reason="tool_use")
    for found in (plain(whole, asked), folded(events_of(whole, 2), asked)):
        choice = found["choices"][0]
        assert choice["message"]["content"] == '{"a":[1,"é"]}'
        assert "tool_calls" not in choice["message"]
        assert choice["finish_reason"] == "stop"
    empty = message({**USE, "name": name, "input": {}}, reason="tool_use")
    assert folded(events_of(empty), asked)["choices"][0]["message"]["content"] == "{}"


# ---- streamed -------------------------------------------------------------------------------------------------------

words = st.text(min_size=1, max_size=12).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
inputs = st.dictionaries(words, st.one_of(words, st.integers(0, 99), st.booleans(), st.none()), max_size=3)
pages = st.fixed_dictionaries(
    {"type": st.sampled_from(["web_search_result_location", "char_location"]), "url": words, "title": words}
)
blocks = st.lists(
    st.one_of(
        st.builds(said, words),
        st.builds(lambda text, cited: said(text, citations=cited), words, st.lists(pages, min_size=1, max_size=2)),
        st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, words, words),
        st.builds(lambda sign: {"type": "thinking", "thinking": "", "signature": sign}, words),
        st.just(HIDDEN),
        st.builds(
            lambda n, given: {"type": "tool_use", "id": f"t{n}", "name": "f", "input": given}, st.integers(0, 9), inputs
        ),
        st.builds(lambda given: {**SEARCH, "input": given}, inputs),
        st.just(PAGES),
        st.just({"type": "made_up", "value": 1}),
    ),
    max_size=6,
)
messages = st.builds(
    lambda content, reason, usage: message(*content, reason=reason, usage=usage),
    blocks,
    st.sampled_from(["end_turn", "max_tokens", "tool_use", "pause_turn", "refusal", None]),
    st.sampled_from([USAGE, {**USAGE, "cache_read_input_tokens": 9}, None]),
)


@given(whole=messages, size=st.integers(1, 9), cuts=st.lists(st.floats(0, 1), max_size=8), returns=st.booleans())
def test_a_stream_folded_together_is_the_plain_answer_however_it_is_cut(
    whole: dict[str, Any], size: int, cuts: list[float], returns: bool
) -> None:
    stream = events_of(whole, size)
    if returns:
        stream = stream.replace(b"\n", b"\r\n")
    places = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    chunks, error = read(*(stream[start:end] for start, end in pairwise(places)))
    assert error is None
    assert chunks == read(stream)[0]
    assert fold(chunks) == plain(whole)
    assert {chunk["id"] for chunk in chunks} == {"msg_01"}
    roles = [chunk for chunk in chunks if chunk["choices"] and "role" in chunk["choices"][0]["delta"]]  # type: ignore[index, call-overload, operator]
    assert roles == chunks[:1]


def test_every_single_byte_split_gives_the_same_chunks() -> None:
    stream = events_of(message(THOUGHT, said("Grüße 👋"), USE, reason="tool_use"), 3)
    expected = read(stream)
    for place in range(len(stream)):
        assert read(stream[:place], stream[place:]) == expected
    assert read(*(stream[place : place + 1] for place in range(len(stream)))) == expected


def test_parallel_calls_have_dense_indices() -> None:
    whole = message(said("x"), SEARCH, USE, {**USE, "id": "toolu_02", "input": {}}, reason="tool_use")
    chunks, _ = read(events_of(whole))
    calls = [
        call
        for chunk in chunks
        for choice in chunk["choices"]  # type: ignore[union-attr]
        for call in choice["delta"].get("tool_calls", [])  # type: ignore[index, call-overload, union-attr]
    ]
    assert {call["index"] for call in calls} == {0, 1}  # type: ignore[index, call-overload]
    assert [call["function"]["arguments"] for call in calls if call["index"] == 1] == ["", "{}"]  # type: ignore[index, call-overload]


def test_text_leaves_at_once_and_thinking_before_its_signature() -> None:
    decoder = DIALECT.decoder(ask())
    decoder.feed(event("message_start", message={"id": "m"}))
    decoder.feed(event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
    (chunk,) = decoder.feed(delta(0, "text_delta", text="now"))
    assert chunk["choices"][0]["delta"] == {"content": "now"}  # type: ignore[index, call-overload]


def test_events_and_deltas_without_meaning_are_passed_over() -> None:
    stream = b"".join(
        (
            b": comment\n\n",
            event("ping"),
            event("message_start", message={"id": "m", "usage": USAGE}),
            event("new_event", x=1),
            event("content_block_start", index=0, content_block={"type": "text", "text": "He"}),
            delta(0, "text_delta", text="y", estimated_tokens=3),
            delta(0, "new_delta", x=1),
            delta(7, "input_json_delta", partial_json="{"),
            event("content_block_delta", index=0),
            event("content_block_stop", index=9),
            b'data: {"type":"content_block_stop","index":0}   \n\n',
            event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 9}),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 11, "input_tokens": 40}),
            event("message_stop"),
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": "late"}),
            b"data: [DONE]\n\n",
        )
    )
    found = folded(stream)
    assert found["choices"][0]["message"]["content"] == "Hey"
    assert found["choices"][0]["finish_reason"] == "stop"
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (40, 11)


def test_blocks_without_indices_starts_or_stops() -> None:
    stream = b"".join(
        (
            delta(3, "text_delta", text="a"),
            event("content_block_delta", delta={"type": "text_delta", "text": "b"}),
            event("content_block_start", content_block={**USE, "input": {"whole": 1}}),
            event("content_block_start", content_block=THOUGHT),
            event("message_stop"),
        )
    )
    found = folded(stream)["choices"][0]["message"]
    assert found["content"] == "ab"
    assert found["tool_calls"][0]["function"]["arguments"] == '{"whole":1}'
    assert found["thinking_blocks"] == [THOUGHT]


def test_an_index_used_again_is_another_block() -> None:
    start = event("content_block_start", index=0, content_block={**USE, "input": {}})
    given = event("content_block_delta", delta={"type": "input_json_delta", "partial_json": '{"a":1}'})
    calls = folded(start + start + given + event("message_stop"))["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ["{}", '{"a":1}']


def test_a_delta_without_an_index_belongs_to_the_latest_block() -> None:
    start = event("content_block_start", index=2, content_block={**USE, "input": {}})
    given = event("content_block_delta", delta={"type": "input_json_delta", "partial_json": '{"a":1}'})
    (call,) = folded(start + given + event("message_stop"))["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"a":1}'


def test_a_null_corrects_nothing() -> None:
    stream = (
        event("message_start", message={"id": "m", "usage": USAGE})
        + event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 9, "input_tokens": None})
        + event("message_delta", delta={"stop_reason": None}, usage=None)
        + b"data: [DONE]\n\n"
        + event("message_stop")
    )
    found = folded(stream)
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (30, 9)
    assert found["choices"][0]["finish_reason"] == "length"


def test_arguments_that_were_cut_pass_as_they_are() -> None:
    start = event("content_block_start", index=0, content_block={**USE, "input": {}})
    end = event("message_delta", delta={"stop_reason": "max_tokens"}) + event("message_stop")
    found = folded(start + delta(0, "input_json_delta", partial_json='{"a":"b') + end)["choices"][0]
    assert found["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":"b'
    assert found["finish_reason"] == "length"


def test_a_block_that_grows_is_kept_whole() -> None:
    stream = (
        event("content_block_start", index=0, content_block={"type": "compaction", "content": ""})
        + delta(0, "compaction_delta", content="Sum")
        + delta(0, "compaction_delta", content="mary")
        + event("content_block_stop", index=0)
        + event("message_stop")
    )
    (entry,) = folded(stream)["choices"][0]["message"]["provider_blocks"]
    assert entry["block"] == {"type": "compaction", "content": "Summary"}


@pytest.mark.parametrize(
    "before", [b"", event("message_start", message={"id": "m"}) + delta(0, "text_delta", text="a")]
)
def test_an_error_event_ends_the_stream(before: bytes) -> None:
    failed = event("error", error={"type": "overloaded_error", "message": "Busy."})
    chunks, error = read(before + failed + delta(0, "text_delta", text="b") + event("message_stop"))
    assert error is not None
    assert (error.status, error.code, error.message) == (503, "overloaded", "Busy.")
    assert chunks == read(before)[0]


@pytest.mark.parametrize("keep", [0, 1, 3, -1])
def test_a_stream_that_just_ends_was_cut(keep: int) -> None:
    whole = events_of(message(said("abc"))).split(b"\n\n")[:-1]
    chunks, error = read(b"\n\n".join(whole[:keep]) + b"\n\n")
    assert isinstance(error, UpstreamCut)
    assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])  # type: ignore[union-attr, index, call-overload]


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert folded(events_of(message(said("abc")))[:-2])["choices"][0]["finish_reason"] == "stop"


def test_events_that_are_not_json_are_one_clear_error() -> None:
    _, error = read(b"event: x\ndata: {broken\n\n")
    assert isinstance(error, UpstreamInvalid)
    assert isinstance(read(b"data: " + b"a" * 2_000_000)[1], UpstreamInvalid)


def test_a_bad_byte_costs_one_character() -> None:
    stream = events_of(message(said("a-b"))).replace(b"a-b", b"a\xffb")
    assert folded(stream)["choices"][0]["message"]["content"] == "a\ufffdb"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "url"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "new"]
DELTAS = ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta", "new_delta"]
MEMBERS = [
    "text",
    "thinking",
    "signature",
    "input",
    "partial_json",
    "citation",
    "citations",
    "data",
    "id",
    "name",
    "stop_reason",
]
EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


def filled(kinds: list[str]) -> st.SearchStrategy[Any]:
    """An object of one of ``kinds`` whose members hold anything, or anything at all."""
    members = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=5)
    return st.builds(lambda kind, found: {**found, "type": kind}, st.sampled_from(kinds), members) | values


noise = st.fixed_dictionaries(
    {"type": st.sampled_from(EVENTS)},
    optional={
        "index": st.sampled_from([0, 1, -1, None, 2**40, "0"]),
        "content_block": filled(KINDS),
        "delta": filled(DELTAS),
        "message": st.fixed_dictionaries({"usage": values, "id": values, "model": values}) | values,
        "usage": st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "iterations"]), values) | values,
    },
)


@given(events=st.lists(noise, max_size=12))
def test_no_events_break_the_decoder(events: list[Any]) -> None:
    chunks, _ = read(*(b"data: " + orjson.dumps(each) + b"\n\n" for each in events))
    fold(chunks)


@given(content=st.lists(filled(KINDS), max_size=5), usage=values, reason=values)
def test_no_message_breaks_the_reader(content: list[Any], usage: Any, reason: Any) -> None:
    plain(message(*content, usage=usage, reason=reason))


@given(raw=st.binary(max_size=200))
def test_no_bytes_break_the_decoder(raw: bytes) -> None:
    read(raw)
    read(b"data: " + raw + b"\n\n")
