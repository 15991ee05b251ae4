"""Events that are alike but for their text, found as a run; what a decoder that puts them together says is what each of them says."""

from collections.abc import Sequence
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.alike import END, Shape, pieces, usual
from proxy.wire.endpoints import Dialect
from proxy.wire.stream import StreamDecoder


def chunk(text: str, **members: object) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": {"content": text, **members}}]}) + END


def block(text: str, **members: object) -> bytes:
    delta = {"type": "text_delta", "text": text, **members}
    data = orjson.dumps({"type": "content_block_delta", "index": 0, "delta": delta})
    return b"event: content_block_delta\ndata: " + data + END


SHAPE = Shape(b'data: {"content":"', b"x", b'"}')


@pytest.mark.parametrize(
    ("texts", "fine"),
    [
        ([b"a", b"", b"\\n", b"\xc3\xa9", b'\\"', b"\\u00e9", b"\\\\"], True),
        ([b"a", b'b"'], False),
        ([b'"', b'"'], False),
        ([b"a\\", b'"b'], False),
        ([b"\\u00", b"e9"], False),
        ([b"\xc3", b"\xa9"], False),
        ([b"a\nb"], False),
        ([b"\\x"], False),
    ],
)
def test_pieces_of_strings(texts: list[bytes], fine: bool) -> None:
    assert pieces(texts) is fine


def test_the_usual_event() -> None:
    events = [chunk(f"{index}") for index in range(9)]
    shape = usual(b"".join(events))
    assert shape is not None
    assert shape.event(shape.text) + END in events
    assert usual(b"".join([chunk('"')] * 30)) is None, "none whose text could be told from what is around it"
    assert usual(b"data: [DONE]\n\n" * 30) is None
    assert usual(b"".join(events).replace(b"\n", b"\r\n")) is None


@pytest.mark.parametrize("between", [b"", b": ping\n\n", b"\n", chunk("x", role="user"), b"data: [DONE]\n\n"])
def test_a_run_is_of_one_shape_to_its_last_byte(between: bytes) -> None:
    events = [SHAPE.event(b"%d" % index) + END for index in range(9)]
    body = b": begin\n\n" + b"".join(events[:5]) + between + b"".join(events[5:]) + b"data: [DONE]\n\n"
    begin, end = SHAPE.run(body)
    assert body[:begin], body[end:] == (b": begin\n\n", b"data: [DONE]\n\n")
    assert SHAPE.texts(body[begin:end]) == (None if between else [b"%d" % index for index in range(9)])


PIECE = st.text(max_size=5) | st.sampled_from(["", '"', "\\", "\n\n", "word", '"},"delta":{"content":"'])
MEMBERS = st.sampled_from([{}, {}, {}, {"role": "assistant"}, {"reasoning": "hm"}, {"refusal": "no"}])


@settings(max_examples=150, deadline=None)
@given(
    dialect=st.sampled_from(["chat", "messages"]),
    odd=st.lists(st.tuples(PIECE, MEMBERS), max_size=6),
    words=st.lists(PIECE, min_size=1, max_size=4),
    same=st.sampled_from([{}, {"reasoning": "hm"}, {"refusal": "no"}]),
    cuts=st.lists(st.integers(0, 20_000), max_size=4),
)
def test_together_they_say_what_each_of_them_says(
    dialect: Dialect,
    odd: Sequence[tuple[str, dict[str, str]]],
    words: list[str],
    same: dict[str, str],
    cuts: list[int],
) -> None:
    event = chunk if dialect == "chat" else block
    strange = [event(text, **members) for text, members in odd]
    run = b"".join(event(words[index % len(words)], **same) for index in range(70))
    data = event("first") + b"".join(strange[::2]) + run + b"".join(strange[1::2])
    eager, deferred = StreamDecoder(dialect, eager=True), StreamDecoder(dialect)
    for start, stop in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        eager.feed(data[start:stop])
        deferred.feed(data[start:stop])
    eager.close()
    deferred.close()
    assert deferred.text() == eager.text()
    assert deferred.tokens == eager.tokens
    assert (deferred.complete, deferred.failed) == (eager.complete, eager.failed)
    assert deferred.at_boundary == eager.at_boundary


def test_a_run_is_decoded_as_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = StreamDecoder("messages")
    decoder.feed(block("first "))
    read, seen = decoder._read, 0

    def counted(payload: bytes) -> object:
        nonlocal seen
        seen += 1
        return read(payload)

    monkeypatch.setattr(decoder, "_read", counted)
    for index in range(200):
        decoder.feed(block(f"{index} "))
    decoder.close()
    assert decoder.text() == "first " + "".join(f"{index} " for index in range(200))
    assert decoder.tokens == 201
    assert seen < 10
