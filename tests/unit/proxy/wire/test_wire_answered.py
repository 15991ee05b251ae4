"""What a provider's head comes to: the headers that travel, and those that say how the rest is read."""

import pytest

from proxy.errors import UpstreamInvalid
from proxy.wire import answered
from proxy.wire.answered import NO_HEAD, Entity, head_of
from proxy.wire.headers import client_headers, moved_aside

Pairs = list[tuple[bytes, bytes]]

HEADS: list[Pairs] = [
    [(b"date", b"now"), (b"x-request-id", b"1"), (b"content-type", b"application/json")],
    [(b"date", b"now"), (b"connection", b"Keep-Alive"), (b"set-cookie", b"a"), (b"set-cookie", b"b")],
    [(b"date", b"now"), (b"connection", b"x-hop, close"), (b"x-hop", b"1"), (b"transfer-encoding", b"chunked")],
    [(b"date", b"now"), (b"connection", b"close"), (b"x-hop", b"1"), (b"transfer-encoding", b"chunked")],
    [(b"connection", b"close"), (b"x-hop", b"1"), (b"connection", b"x-hop")],
    [(b"x-hop", b"1"), (b"x-hop", b"2")],
    [(b"connection", b"close")],
    [],
]


@pytest.mark.parametrize("head", HEADS)
def test_what_travels_is_the_clients(head: Pairs) -> None:
    for _ in range(2):
        for other in HEADS:
            assert head_of(tuple(other)).theirs == client_headers(tuple(other)), "in any order, however often"
        assert head_of(tuple(head)).theirs == client_headers(tuple(head))


def test_the_same_names_with_other_values() -> None:
    names = (b"connection", b"x-hop", b"content-type")
    for values, kept in (((b"close", b"1", b"A/b"), 2), ((b"X-Hop", b"2", b"c/D"), 1), ((b"close", b"3", b"e/f"), 2)):
        head = head_of(tuple(zip(names, values, strict=True)))
        assert len(head.theirs) == kept
        assert head.kind == values[2].lower()


def test_of_several_the_first_counts() -> None:
    head = head_of(
        (
            (b"content-type", b"Application/JSON; charset=utf-8"),
            (b"content-type", b"text/plain"),
            (b"content-encoding", b"gzip"),
            (b"content-encoding", b"br"),
        )
    )
    assert head.kind == b"application/json; charset=utf-8"
    assert head.encoding == b"gzip"


def test_nothing_is_said() -> None:
    head = head_of(((b"date", b"now"),))
    assert (head.kind, head.encoding, head.ident) == (b"", None, b"")
    assert head_of(()) is NO_HEAD
    NO_HEAD.check()


@pytest.mark.parametrize(
    ("head", "ident"),
    [
        ([(b"request-id", b"b"), (b"x-request-id", b"a")], b"a"),
        ([(b"request-id", b"b"), (b"x-request-id", b"")], b"b"),
        ([(b"apim-request-id", b"c")], b"c"),
        ([(b"x-amzn-requestid", b"d"), (b"x-goog-request-id", b"e")], b"d"),
        ([(b"request-id", b"b"), (b"request-id", b"later")], b"b"),
    ],
)
def test_the_providers_own_id(head: Pairs, ident: bytes) -> None:
    assert head_of(tuple(head)).ident == ident


LIMIT = b"x-ratelimit-limit-requests"


@pytest.mark.parametrize(
    "head",
    [
        [(LIMIT, b"5"), (b"x-request-id", b"1"), (LIMIT, b"6")],
        [(b"connection", b"close"), (b"date", b"now"), (LIMIT, b"5"), (b"set-cookie", b"a"), (b"x-ratelimit-a", b"6")],
        [(b"connection", b"x-hop"), (b"x-hop", b"now"), (LIMIT, b"5"), (b"set-cookie", b"a"), (b"x-ratelimit-a", b"6")],
        [(b"date", b"now")],
    ],
)
def test_their_limits_step_aside_for_ours(head: Pairs) -> None:
    ours = [(b"x-tollway-cache", b"miss"), (LIMIT, b"2")]
    for _ in range(2):
        theirs = client_headers(tuple(head))
        found = head_of(tuple(head))
        assert found.beside(ours[:1]) == theirs
        assert found.beside(ours) == moved_aside(theirs, ours)
        assert found.theirs == theirs, "it is not changed"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "pair", [(b"x-a", b"a\r\nb"), (b"x a", b"1"), (b"x-\n", b"1"), (b"", b"1"), (b"set-cookie", b"\0")]
)
def test_what_no_client_may_see_is_found(pair: tuple[bytes, bytes], place: int, known: bool) -> None:
    head = [(b"date", b"now"), (b"x-a", b"1")]
    if known:
        head_of(tuple(head)).check()
    head.insert(place, pair)
    for _ in range(2):
        with pytest.raises(UpstreamInvalid):
            head_of(tuple(head)).check()


def test_few_heads_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answered, "_known", {})
    for number in range(5000):
        assert head_of(((b"x-%d" % number, b"1"),)).theirs == [(b"x-%d" % number, b"1")]
    assert 0 < len(answered._known) <= 1024
    kept = len(answered._known)
    assert head_of(((b"x" * 5000, b"1"),)).theirs == [(b"x" * 5000, b"1")]
    assert len(answered._known) == kept, "what is long is not kept"


def test_what_a_head_says_of_the_body() -> None:
    head = head_of(((b"content-type", b"Text/Plain"), (b"content-length", b"12"), (b"content-encoding", b"gzip")))
    assert head.entity(stream=False) == Entity(b"Text/Plain", b"12", b"gzip")
    assert head.entity(stream=True) == Entity(b"Text/Plain", None, b"gzip"), "a stream ends by its framing"
    assert NO_HEAD.entity(stream=False) == Entity(b"")


@pytest.mark.parametrize(
    "raw",
    [
        ((b"content-length", b"1"), (b"content-length", b"1")),
        ((b"content-length", b"+1"),),
        ((b"connection", b"content-length"), (b"content-length", b"1")),
    ],
    ids=["twice", "no number", "does not travel"],
)
def test_a_length_that_is_not_simply_there_is_left_to_a_closer_look(raw: tuple[tuple[bytes, bytes], ...]) -> None:
    assert head_of(raw).entity(stream=False) is None
