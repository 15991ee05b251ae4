"""What events mean, in each dialect, and that no shape raises."""

import gzip
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import stream
from proxy.wire.endpoints import Dialect
from proxy.wire.stream import StreamDecoder, Withholder, read_chunk, read_realtime_usage, read_response_event
from proxy.wire.usage import NO_USAGE


def chat(delta: object = None, **more: object) -> bytes:
    return orjson.dumps({"choices": [{"index": 0, "delta": delta, **more}]})


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (chat({"content": "hi"}), "hi"),
        (chat({"content": ""}), ""),
        (chat({"content": None}), ""),
        (chat({"role": "assistant"}), ""),
        (chat({"reasoning_content": "hm"}), "hm"),
        (chat({"reasoning": "hm"}), "hm"),
        (chat({"refusal": "no"}), "no"),
        (chat({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"a"'}}]}), 'f{"a"'),
        (chat({"tool_calls": [{"custom": {"input": "x"}}, {"function": None}]}), "x"),
        (chat({"function_call": {"name": "f", "arguments": "1"}}), "f1"),
        (b'{"choices":[{"text":"legacy"}]}', "legacy"),
        (b'{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}', "ab"),
        (b'{"choices":[]}', ""),
        (b'{"choices":null}', ""),
        (b"{}", ""),
        (b"[DONE]", ""),
    ],
)
def test_text_of_chat_events(payload: bytes, text: str) -> None:
    assert read_chunk(payload).text == text


def test_content_beside_reasoning_is_all_counted() -> None:
    assert sorted(read_chunk(chat({"content": "a", "reasoning_content": "b"}, finish_reason="stop")).text) == ["a", "b"]
    assert sorted(read_chunk(chat({"content": "a", "reasoning_content": "b"})).text) == ["a", "b"]


@pytest.mark.parametrize(
    ("payload", "finished"),
    [
        (chat({"content": "a"}), False),
        (chat({}, finish_reason="stop"), True),
        (chat({}, finish_reason="length"), True),
        (chat({}, finish_reason="made_up"), True),
        (chat({}, finish_reason=None), False),
        (b"[DONE]", True),
        (b"[DONE] ", True),
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', False),
        (b'{"error":{"message":"x"}}', False),
    ],
)
def test_the_end_of_chat_streams(payload: bytes, finished: bool) -> None:
    assert read_chunk(payload).finished is finished


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b'{"error":{"message":"overloaded","code":503}}', True),
        (b'{"error":"overloaded"}', True),
        (b'{"error":null}', False),
        (chat({"content": "a"}), False),
        (b'{"choices":[{"delta":{"content":"a"}}],"error":null}', False),
        (b'{"choices":[],"error":{"message":"x"}}', True),
    ],
)
def test_error_events_of_chat_streams(payload: bytes, error: bool) -> None:
    assert read_chunk(payload).error is error


@pytest.mark.parametrize(
    ("payload", "bare", "figures"),
    [
        (b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}', True, (3, 4)),
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}', True, (3, 4)),
        (b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}', False, (3, 4)),
        (b'{"choices":[{"delta":{"content":"a"}}],"usage":null}', False, None),
        (b'{"choices":[],"prompt_filter_results":[]}', False, None),
        (b'{"choices":[],"usage":{"prompt_tokens":-3}}', True, None),
    ],
)  # fmt: skip
def test_usage_chunks(payload: bytes, bare: bool, figures: tuple[int, int] | None) -> None:
    event = read_chunk(payload)
    assert event.bare_usage is bare
    assert (None if event.usage is None else (event.usage.input, event.usage.output)) == figures


@pytest.mark.parametrize(
    ("event", "text", "finished", "error"),
    [
        ({"type": "response.output_text.delta", "delta": "hi"}, "hi", False, False),
        ({"type": "response.function_call_arguments.delta", "delta": "{}"}, "{}", False, False),
        ({"type": "response.audio.delta", "delta": "AAAA"}, "", False, False),
        ({"type": "speech.audio.delta", "audio": "AAAA"}, "", False, False),
        ({"type": "response.output_text.done", "text": "hi"}, "", False, False),
        ({"type": "response.output_item.done"}, "", False, False),
        ({"type": "response.web_search_call.completed"}, "", False, False),
        ({"type": "response.completed", "response": {}}, "", True, False),
        ({"type": "response.incomplete", "response": {}}, "", True, False),
        ({"type": "response.failed", "response": {}}, "", True, False),
        ({"type": "error", "message": "no"}, "", False, True),
        ({"type": "x", "error": {"message": "no"}}, "", False, True),
        ({"type": "x", "error": None}, "", False, False),
        ({"type": "transcript.text.delta", "delta": "hi"}, "hi", False, False),
        ({"type": "transcript.text.done", "text": "hi"}, "", True, False),
        ({"type": "speech.audio.done"}, "", True, False),
        ({"type": "image_generation.completed", "b64_json": "AA"}, "", True, False),
        ({"type": "image_generation.partial_image"}, "", False, False),
    ],
)
def test_typed_events(event: dict[str, object], text: str, finished: bool, error: bool) -> None:
    found = read_response_event(orjson.dumps(event))
    assert (found.text, found.finished, found.error) == (text, finished, error)


def test_usage_of_a_responses_stream() -> None:
    event = {"type": "response.completed", "response": {"usage": {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}}}}  # fmt: skip
    usage = read_response_event(orjson.dumps(event)).usage
    assert usage is not None
    assert (usage.input, usage.output, usage.reasoning, usage.input_source) == (3, 4, 2, "reported")


MALFORMED = [
    b"", b" ", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b'{"choices":5}', b'{"choices":{}}', b'{"choices":[5]}',
    b'{"choices":[{"delta":5}]}', b'{"choices":[{"delta":{"content":5}}]}', b'{"choices":[{"delta":{"tool_calls":{}}}]}',
    b'{"choices":[{"finish_reason":5}]}', b'{"usage":5}', b'{"usage":{"prompt_tokens":"3"}}', b'{"type":5}',
    b'{"type":"response.completed","response":5}', b'{"delta":5}', b"[" * 10_000, b'{"a":' * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("payload", MALFORMED)
def test_malformed_events_mean_nothing(payload: bytes) -> None:
    for read in (read_chunk, read_response_event):
        event = read(payload)
        assert (event.text, event.usage, event.bare_usage) == ("", None, False)
    assert read_realtime_usage(payload, NO_USAGE) == NO_USAGE


STREAM = (
    b"data: " + chat({"role": "assistant", "content": ""}) + b"\n\n"
    b"data: " + chat({"content": "h\u00e9"}) + b"\n\n"
    b": comment\n\n"
    b"data: " + chat({"content": "llo"}) + b"\n\n"
    b"data: " + chat({}, finish_reason="stop") + b"\n\n"
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
    b"data: [DONE]\n\n"
)


@settings(max_examples=150, deadline=None)
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8), defer=st.booleans())
def test_any_split_adds_up_to_the_same(cuts: list[int], defer: bool) -> None:
    decoder = StreamDecoder("chat", usage_due=defer)
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        decoder.feed(STREAM[start:end])
    decoder.close()
    assert decoder.complete
    assert not decoder.failed
    assert decoder.usage is not None
    assert decoder.usage.output == 4
    assert decoder.text() == "h\u00e9llo"


@given(count=st.integers(0, 40), cut=st.integers(0, 40))
def test_deferred_text_keeps_its_order(count: int, cut: int) -> None:
    texts = [f"{index}," for index in range(count)]
    decoder = StreamDecoder("chat", usage_due=True)
    for index, text in enumerate(texts):
        decoder.feed(b"data: " + chat({"content": text}) + b"\n\n")
        if index == cut:
            assert decoder.text() == "".join(texts[: cut + 1])
    decoder.close()
    assert decoder.text() == "".join(texts)
    assert decoder.tokens == count
    assert decoder.text() == "".join(texts)


LONG = [b"data: " + chat({"content": f"{index},"}) + b"\n\n" for index in range(40)]
ENDING = [
    b"data: " + chat({}, finish_reason="stop") + b"\n\n",
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":40}}\n\n',
    b"data: [DONE]\n\n",
]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("lead", [b"data: ", b"data:"])
@pytest.mark.parametrize("whole", [True, False])
@given(cuts=st.lists(st.integers(0, 4000), max_size=6))
@settings(max_examples=20, deadline=None)
def test_events_before_the_report_are_counted_without_being_read(
    end: bytes, lead: bytes, whole: bool, cuts: list[int]
) -> None:
    data = b"".join([*LONG, *ENDING]).replace(b"data: ", lead).replace(b"\n", end)
    if not whole:
        data = data[: -len(end)]
    decoder = StreamDecoder("chat", usage_due=True)
    for start, stop in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        decoder.feed(data[start:stop])
    decoder.close()
    assert decoder.usage is not None
    assert (decoder.complete, decoder.failed, decoder.usage.output) == (True, False, 40)
    assert abs(decoder.tokens - len(LONG)) <= len(ENDING), "those of the ending may be taken for some that generate"
    assert decoder.at_boundary is whole


def test_an_ending_without_a_report_is_no_reason_to_read_less() -> None:
    decoder = StreamDecoder("chat", usage_due=True)
    decoder.feed(b"".join([*LONG, ENDING[0], ENDING[2]]))
    decoder.close()
    assert decoder.tokens == len(LONG)
    assert decoder.text() == "".join(f"{index}," for index in range(len(LONG)))


def test_an_early_report_does_not_hide_what_follows() -> None:
    decoder = StreamDecoder("chat", usage_due=True)
    decoder.feed(b"".join([LONG[0], ENDING[1], *LONG[1:]]))
    decoder.close()
    assert decoder.tokens == len(LONG)
    assert decoder.text().endswith("39,")


@pytest.mark.parametrize(
    ("dialect", "complete"),
    [("chat", False), ("completions", False), ("responses", False), ("opaque", True)],
)
def test_an_empty_stream_is_whole_only_where_the_end_of_the_body_is_the_end(dialect: Dialect, complete: bool) -> None:
    decoder = StreamDecoder(dialect)
    decoder.close()
    assert decoder.complete is complete


def test_an_error_is_remembered() -> None:
    decoder = StreamDecoder("chat")
    decoder.feed(b'data: {"error":{"message":"x"}}\n\n')
    assert decoder.failed
    assert not decoder.complete


# ---- the withholder -------------------------------------------------------------------------------------------------

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'


def withheld(*pieces: bytes) -> bytes:
    withholder = Withholder()
    return b"".join([withholder.feed(piece) for piece in pieces]) + withholder.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("closed", [True, False])
def test_only_the_usage_chunk_is_taken_out(end: bytes, closed: bool) -> None:
    usage = USAGE.replace(b"\n", end)
    before = STREAM.split(b'data: {"choices":[],"usage"', maxsplit=1)[0].replace(b"\n", end)
    after = b"data: [DONE]\n\n".replace(b"\n", end) if closed else b""
    stream = before + usage + after
    for at in range(0, len(stream) + 1, 3):
        assert withheld(stream[:at], stream[at:]) == before + after
    assert withheld(*(bytes((byte,)) for byte in stream)) == before + after


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\"usage\\""}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n',
        b'data: {"choices":[],"prompt_filter_results":[]}\n\n',
        b'data: {"error":{"usage":1}}\n\n',
        b': "usage"\n\n',
    ],
)
def test_events_with_more_than_usage_stay(event: bytes) -> None:
    assert withheld(event + USAGE + b"data: [DONE]\n\n") == event + b"data: [DONE]\n\n"


NULL = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n'


def test_an_empty_usage_in_every_event_hides_nothing() -> None:
    stream = NULL * 9 + USAGE + NULL
    for at in range(0, len(stream), 7):
        assert withheld(stream[:at], stream[at:]) == NULL * 10


def test_events_with_an_empty_usage_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(payload: bytes) -> None:
        raise AssertionError(payload)

    monkeypatch.setattr(stream, "read_chunk", never)
    assert withheld(NULL * 9, NULL) == NULL * 10


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_bytes_without_usage_pass_unchanged(pieces: list[bytes]) -> None:
    assert withheld(*pieces) == b"".join(pieces)


def test_an_endless_event_is_not_held_back_for_ever() -> None:
    withholder = Withholder()
    left = sum(len(withholder.feed(b"x" * 65536)) for _ in range(64))
    assert left >= 2 * 1024 * 1024, "held back 4 MiB: an event must not be collected without bound"


def test_garbage_is_carried() -> None:
    data = gzip.compress(STREAM)
    assert withheld(data[:30], data[30:]) == data


def test_usage_is_taken_out_wherever_it_stands_in_a_read() -> None:
    said, bare = b'data: {"choices":[{"delta":{"content":"_tokens"}}]}\n\n', USAGE_EVENT
    for read in (bare + said, said + bare, said + bare + said + bare + said, bare, b": _tokens\n\n" + bare + said):
        withholder = Withholder()
        assert withholder.feed(read) + withholder.close() == read.replace(bare, b"")
        assert withholder.withheld == bare


def test_a_finish_reason_far_before_the_report_ends_the_answer() -> None:
    """Where the last events do not end it, those before are read, too."""
    decoder = StreamDecoder("chat")
    late = b'data: {"choices":[{"delta":{},"annotations":{}}]}\n\n' * 20
    decoder.feed(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    decoder.feed(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n' + late + USAGE_EVENT)
    decoder.close()
    assert decoder.complete
    assert decoder.usage is not None


def test_the_ends_of_several_choices_are_all_looked_for() -> None:
    ended = [b'data: {"choices":[{"index":%d,"delta":{},"finish_reason":"stop"}]}\n\n' % at for at in range(8)]
    for count, complete in ((8, True), (7, False)):
        decoder = StreamDecoder("chat", choices=8)
        decoder.feed(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
        decoder.feed(b"".join(ended[:count]) + USAGE_EVENT)
        decoder.close()
        assert decoder.complete is complete
        assert decoder.usage is not None


USAGE_EVENT = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
