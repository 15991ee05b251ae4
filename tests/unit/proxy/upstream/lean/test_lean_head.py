"""A request's head is exactly the bytes that were meant, or none at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.lean.framing import CHUNKED, NOTHING, bodiless, ends_with_connection, sized
from proxy.upstream.lean.head import head, opening
from proxy.upstream.sendable import MADE_HERE, Unsendable, check_line
from proxy.wire.outgoing import SharedHeaders

START = opening("POST", "/v1/chat?a=%20b", "h.test:81")


def test_a_whole_head() -> None:
    written = head(START, [("Accept", "a"), ("x-b", "")], sized(12))
    assert written == (
        b"POST /v1/chat?a=%20b HTTP/1.1\r\nhost: h.test:81\r\nAccept: a\r\nx-b: \r\ncontent-length: 12\r\n\r\n"
    )


def test_without_headers_and_without_a_body() -> None:
    assert head(opening("GET", "/", "h"), [], bodiless("GET")) == b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    assert bodiless("HEAD") == NOTHING
    assert bodiless("POST") == bodiless("DELETE") == sized(0)
    assert head(START, [], CHUNKED).endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")


def test_bytes_above_ascii_travel_as_they_are() -> None:
    """The gateway reads a client's values as UTF-8."""
    assert b"x: caf\xc3\xa9 \xe2\x82\xac\r\n" in head(START, [("x", "caf\xe9 \u20ac")], NOTHING)
    assert head(opening("GET", "/\u00e9", "h"), [], NOTHING).startswith(b"GET /\xc3\xa9 HTTP/1.1\r\nhost: h")


def test_headers_that_come_again_are_written_once() -> None:
    pairs = [("accept", "a"), ("x-b", "caf\xe9")]
    shared = SharedHeaders(pairs)
    first = head(START, shared, sized(12))
    assert first == head(START, pairs, sized(12)) == head(START, shared, sized(12))
    assert shared.lines
    assert head("GET / HTTP/1.1\r\nhost: h", shared, NOTHING) == head("GET / HTTP/1.1\r\nhost: h", pairs, NOTHING)
    with pytest.raises(Unsendable):
        head(START, SharedHeaders([("a", "b\r\nc: d")]), NOTHING)


@pytest.mark.parametrize(
    "header",
    [
        ("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\rb"), ("x", "a\r\n"), ("x", "\0"), ("x", "\ud800"), ("", "a"), ("x y", "a"),
        ("x:", "a"), ("x\r\nb", "a"), ("\xe9", "a"), *((name, "a") for name in sorted(MADE_HERE)), ("Content-Length", "3"),
    ],
)  # fmt: skip
def test_what_would_change_the_request_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(Unsendable) as caught:
        head(START, [("a", "b"), header], sized(1))
    assert header[1] not in str(caught.value) or len(header[1]) < 2


@given(
    st.lists(
        st.tuples(st.sampled_from(("x-a", "x-b")), st.text(st.characters(max_codepoint=0x100, exclude_categories=()))),
        max_size=4,
    )
)
def test_every_header_is_one_line(headers: list[tuple[str, str]]) -> None:
    try:
        written = head(START, headers, sized(1))
    except Unsendable:
        assert any(set(value) & set("\r\n\0") for _, value in headers)
        return
    lines = written.decode().split("\r\n")
    assert lines[2:-3] == [f"{name}: {value}" for name, value in headers]
    assert not set("".join(lines)) & set("\r\n\0")


@pytest.mark.parametrize(
    ("method", "url"), [("G ET", "http://h/"), ("", "http://h/"), ("GET", "http://h/a b"), ("GET", "http://h/\t"), ("GET", "")]
)  # fmt: skip
def test_a_request_line_is_one_line_of_three_words(method: str, url: str) -> None:
    with pytest.raises(Unsendable):
        check_line(method, url)


def test_where_an_answer_ends() -> None:
    assert ends_with_connection(())
    assert ends_with_connection(((b"connection", b"close"),))
    assert not ends_with_connection(((b"a", b"b"), (b"content-length", b"3")))
    assert not ends_with_connection(((b"transfer-encoding", b"Chunked"), (b"a", b"b")))
    for coding in (b"gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked", b""):
        with pytest.raises(ValueError, match="transfer coding"):
            ends_with_connection(((b"transfer-encoding", coding),))
    with pytest.raises(ValueError, match="transfer coding"):
        ends_with_connection(((b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity")))
