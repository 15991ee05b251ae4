"""What of a connection's bytes is an answer: judged without a socket, whole and byte by byte."""

import pytest

from proxy.upstream.lean.answer import HEAD_LIMIT, HEADERS, INTERIM, REFUSED, Answer

OK = b"HTTP/1.1 200 OK\r\n"


def fed(data: bytes, *, step: int = 0, to_head: bool = False) -> Answer:
    """An answer that has seen ``data``, in pieces of ``step`` bytes. Raises one of ``REFUSED``."""
    answer = Answer()
    answer.expect(to_head=to_head)
    for at in range(0, len(data), step or len(data)):
        piece = data[at : at + (step or len(data))]
        answer.unread += len(piece)
        answer.feed(piece)
    return answer


@pytest.mark.parametrize("step", [0, 1])
def test_a_sized_answer(step: int) -> None:
    answer = fed(OK + b"X-A:  b \t\r\nX-Empty:\r\nContent-Length: 3\r\n\r\nabc", step=step)
    assert answer.headers == ((b"x-a", b"b"), (b"x-empty", b""), (b"content-length", b"3"))
    assert (answer.status, answer.complete, answer.keep) == (200, True, True)
    assert answer.take() == b"abc"
    assert not answer.parts


@pytest.mark.parametrize("step", [0, 1])
def test_trailers_are_nobodys_headers(step: int) -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nX-Trailer: a\r\nX-Last: b\r\n\r\n"
    answer = fed(chunked, step=step)
    assert (answer.take(), answer.complete, answer.keep) == (b"hi", True, True)
    answer.expect(to_head=False)
    answer.feed(OK + b"content-length: 0\r\n\r\n")
    assert answer.headers == ((b"content-length", b"0"),)


@pytest.mark.parametrize("step", [0, 1])
def test_interim_answers_are_passed_over(step: int) -> None:
    answer = fed(b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n" * INTERIM + OK + b"content-length: 1\r\n\r\nx", step=step)
    assert (answer.status, answer.headers, answer.take()) == (200, ((b"content-length", b"1"),), b"x")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 S\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 C\r\n\r\n" * (INTERIM + 1),
        OK + b"a: b\r\n" * (HEADERS + 1) + b"\r\n",
        OK + b"a: " + b"b" * HEAD_LIMIT + b"\r\n\r\n",
        OK + b"transfer-encoding: gzip\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 1\r\n\r\n",
        OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        OK + b"a: b\r\n c\r\n\r\n",
        OK + b"a: b\x01\r\n\r\n",
        OK + b"a : b\r\n\r\n",
        OK.replace(b"\r", b"") + b"\n",
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_what_is_no_head(head: bytes, step: int) -> None:
    with pytest.raises(REFUSED):
        fed(head, step=step)


def test_as_many_fields_as_are_allowed() -> None:
    assert len(fed(OK + b"a: b\r\n" * HEADERS + b"\r\n").headers) == HEADERS


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong", b"x"])
def test_what_follows_an_answer_is_no_part_of_it(more: bytes) -> None:
    answer = Answer()
    answer.expect(to_head=False)
    with pytest.raises(REFUSED):
        answer.feed(OK + b"content-length: 2\r\n\r\nhi" + more)
    assert (answer.complete, answer.keep, answer.take()) == (True, False, b"hi")
    assert answer.headers == ((b"content-length", b"2"),)


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    answer = Answer()
    answer.expect(to_head=True)
    with pytest.raises(REFUSED):
        answer.feed(OK + b"content-length: 2\r\n\r\nhi")
    assert (answer.status, answer.complete, answer.keep, answer.parts) == (200, True, False, [])


def test_the_end_of_the_connection_ends_what_has_no_other_end() -> None:
    answer = fed(OK + b"\r\nabc")
    assert not answer.complete
    assert answer.ended()
    assert (answer.take(), answer.keep) == (b"abc", False)
    assert not fed(OK + b"content-length: 4\r\n\r\nabc").ended()
    assert not fed(OK).ended()


@pytest.mark.parametrize("status", [b"000", b"042", b"999"])
def test_a_status_is_handed_out_as_it_is(status: bytes) -> None:
    answer = fed(b"HTTP/1.1 %b X\r\ncontent-length: 0\r\n\r\n" % status)
    assert (answer.headed, answer.complete, answer.status) == (True, True, int(status))
