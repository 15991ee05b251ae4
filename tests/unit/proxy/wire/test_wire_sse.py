"""The framer: any split of any stream gives the same events."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.wire import sse
from proxy.wire.sse import Framer


def reference(stream: bytes) -> list[bytes]:
    """Payloads by the HTML standard's rules, on the whole stream at once; a last event may lack its blank line."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    payloads, lines = [], []
    for line in [*text.split(b"\n"), b""]:
        if line == b"":
            if lines:
                payloads.append(b"\n".join(lines))
            lines = []
        elif line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return [payload for payload in payloads if payload]


def framed(*pieces: bytes) -> list[bytes]:
    framer = Framer()
    found = [payload for piece in pieces for payload in framer.feed(piece)]
    return [payload for payload in found + framer.close() if payload]


fragments = st.sampled_from(
    [
        b"data: a\n\n",
        b"data:b\n\n",
        b"data: c\r\n\r\n",
        b"data: d\r\r",
        b"data: 1\ndata: 2\n\n",
        b"data: 1\r\ndata: 2\r\n\r\n",
        b": comment\n\n",
        b"event: x\ndata: e\nid: 5\n\n",
        b"retry: 5\n\n",
        b"\n",
        b"\r\n",
        b"data:\n\n",
        b"data\n\n",
        b"data:  two\n\n",
        b"data: \xff\xfe\n\n",
        b"data: tail",
        b"nonsense",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    bom=st.booleans(),
    parts=st.lists(fragments, max_size=8),
    cuts=st.lists(st.integers(0, 120), max_size=6, unique=True),
)
@example(bom=True, parts=[b"data: a\n\n"], cuts=[1])
@example(bom=True, parts=[b"data: a\n\n"], cuts=[0])
@example(bom=False, parts=[b"data: d\r\r", b"data: a\n\n"], cuts=[8, 9])
def test_any_split_gives_the_standards_events(bom: bool, parts: list[bytes], cuts: list[int]) -> None:
    stream = (b"\xef\xbb\xbf" if bom else b"") + b"".join(parts)
    edges = [0, *sorted(cut for cut in cuts if cut <= len(stream)), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert framed(*pieces) == reference(stream)


@given(st.lists(fragments, max_size=6))
def test_byte_by_byte(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    assert framed(*(bytes((byte,)) for byte in stream)) == reference(stream)


@pytest.mark.parametrize(
    ("seen", "boundary"),
    [
        (b"", True),
        (b"data: a\n\n", True),
        (b"data: a\r\n\r\n", True),
        (b"data: a\r\r", True),
        (b"data: a\n", False),
        (b"data: a", False),
        (b"data: a\r\n", False),
        (b"data: a\n\ndata", False),
    ],
)
def test_at_boundary_however_it_was_split(seen: bytes, boundary: bool) -> None:
    for at in range(len(seen) + 1):
        framer = Framer()
        framer.feed(seen[:at])
        framer.feed(seen[at:])
        assert framer.at_boundary is boundary


@pytest.mark.parametrize("size", [1, 10, 64, 100, 1000, 5000])
@pytest.mark.parametrize("before", [b"", b"data: first\n\n"])
def test_a_giant_event_costs_itself_only(size: int, before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LIMIT", 200)
    giant = b"data: " + b"g" * 3000 + b"\n\n"
    stream = before + giant + b"data: after\n\n" + giant + b"data: last\n\n"
    found = framed(*(stream[at : at + size] for at in range(0, len(stream), size)))
    small = [payload for payload in found if payload != b"g" * 3000]
    assert small == ([b"first"] if before else []) + [b"after", b"last"]


def test_two_giants_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LIMIT", 200)
    giant = b"data: " + b"g" * 1000
    assert framed(giant, b"g\n\n" + giant, b"g\n\ndata: after\n\n") == [b"after"]


def test_an_endless_event_is_kept_in_bounded_memory() -> None:
    framer = Framer()
    for _ in range(64):
        framer.feed(b"x" * (256 * 1024))
    assert len(framer._tail) <= sse.LIMIT
    assert framer.feed(b"\n\ndata: after\n\n") == [b"after"]
    assert framer.skipped == 1


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    framed(*pieces)
