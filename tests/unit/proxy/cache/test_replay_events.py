"""Single events of a stream, whatever ends its lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.replay import events_in


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"])
def test_each_event_with_its_blank_line(line: bytes) -> None:
    events = [
        b"event: a" + line + b"data: 1" + 2 * line,
        b"data: 2" + line + b"data: 3" + 2 * line,
        b"data: 4" + 2 * line,
    ]
    assert events_in(b"".join(events)) == events


def test_the_last_may_lack_its_blank_line() -> None:
    assert events_in(b"data: 1\n\ndata: 2") == [b"data: 1\n\n", b"data: 2"]
    assert events_in(b"data: 1\n\ndata: 2\n") == [b"data: 1\n\n", b"data: 2\n"]
    assert events_in(b"data: 1\r\n\r\ndata: 2\r\n") == [b"data: 1\r\n\r\n", b"data: 2\r\n"]


def test_more_blank_lines_belong_to_the_event_before() -> None:
    assert events_in(b"data: 1\n\n\n\ndata: 2\n\n") == [b"data: 1\n\n\n\n", b"data: 2\n\n"]


def test_nothing() -> None:
    assert events_in(b"") == []


@given(st.lists(st.sampled_from([b"data: x", b"\n", b"\r", b"\r\n", b"\n\n", b": c"])).map(b"".join))
def test_joined_they_are_the_body(body: bytes) -> None:
    found = events_in(body)
    assert b"".join(found) == body
    assert all(found)
