"""What is kept of a client's headers gives the same as working them out each time, and nothing secret or changing is kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import InvalidRequest
from proxy.wire.headers import upstream_headers
from proxy.wire.outgoing import Outgoing

OWN = [("authorization", "Bearer ours"), ("x-own", "1")]
AGENT = b"OpenAI/Python 3"
USUAL = [
    (b"host", b"gateway"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, zstd"),
    (b"content-length", b"10"),
    (b"authorization", b"Bearer theirs"),
    (b"user-agent", AGENT),
    (b"x-stainless-os", b"Linux"),
]


def outgoing(*, forwards: bool = False, replaced: frozenset[str] = frozenset()) -> Outgoing:
    return Outgoing(forwards=forwards, added=OWN, replaced=replaced)


def changed(name: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    return [(given, value if given == name else was) for given, was in USUAL]


def test_the_same_headers_are_worked_out_once() -> None:
    account = outgoing()
    first = account.headers(USUAL, AGENT)
    assert first == [
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("user-agent", "OpenAI/Python 3"),
        ("x-stainless-os", "Linux"),
        *OWN,
    ]
    assert account.headers(list(USUAL), AGENT) is first
    assert account.headers(changed(b"content-length", b"99"), AGENT) is first, "another body"
    assert account.headers(changed(b"authorization", b"Bearer another"), AGENT) is first, "another key"


@pytest.mark.parametrize(
    "raw",
    [
        changed(b"x-stainless-os", b"macOS"),
        USUAL[:-1],
        [*USUAL, (b"x-title", b"t")],
        [(b"x-unknown", value) if name == b"content-length" else (name, value) for name, value in USUAL],
        [(b"accept", value) if name == b"host" else (name, value) for name, value in USUAL],
        [*USUAL, (b"connection", b"x-stainless-os")],
    ],
)
def test_others_are_others(raw: list[tuple[bytes, bytes]]) -> None:
    account = outgoing()
    account.headers(USUAL, AGENT)
    for _ in range(2):
        assert account.headers(raw, AGENT) == [*upstream_headers(raw, forwards=False), *OWN]
        assert account.headers(USUAL, AGENT) == [*upstream_headers(USUAL, forwards=False), *OWN]


def test_a_replaced_header_is_ours_alone() -> None:
    account = outgoing(replaced=frozenset(("accept",)))
    for _ in range(2):
        assert [name for name, _ in account.headers(USUAL, AGENT)].count("accept") == 0


@pytest.mark.parametrize("name", [b"x-my-token", b"traceparent", b"x-tollway-timeout-ms", b"helicone-auth"])
@pytest.mark.parametrize("forwards", [False, True])
def test_what_may_be_secret_or_of_one_request_is_not_kept(name: bytes, forwards: bool) -> None:
    account = outgoing(forwards=forwards)
    raw = [*USUAL, (name, b"s3cret")]
    first = account.headers(raw, AGENT)
    assert account.headers(raw, AGENT) is not first
    assert account.headers(raw, AGENT) == first
    assert b"s3cret" not in repr(kept(account)).encode()


def test_no_key_is_kept() -> None:
    account = outgoing(forwards=True)
    account.headers(USUAL, AGENT)
    assert "theirs" not in repr(kept(account))
    assert kept(account), "something is"


def kept(account: Outgoing) -> list[object]:
    return [(known.picked, known.names, known.made) for client in account._clients.values() for known in client.sets]


def test_headers_that_keep_changing_are_let_go() -> None:
    account = outgoing()
    for number in range(200):
        account.headers(changed(b"accept", b"%d" % number), AGENT)
    assert kept(account) == []


def test_little_is_kept() -> None:
    account = outgoing()
    for number in range(500):
        agent = b"agent %d" % number
        account.headers(changed(b"user-agent", agent), agent)
    assert len(kept(account)) <= 64
    account.headers(changed(b"user-agent", b"long"), b"long")
    account.headers(changed(b"accept", b"a" * 5000), b"long")
    assert "aaaaa" not in repr(kept(account))


def test_bytes_that_cannot_travel_are_refused_each_time() -> None:
    account = outgoing()
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            account.headers(changed(b"accept", b"\xff\xfe"), AGENT)


names = st.sampled_from(
    [
        b"accept",
        b"user-agent",
        b"host",
        b"content-length",
        b"cookie",
        b"connection",
        b"x-stainless-a",
        b"x-other",
        b"te",
    ]
)
values = st.sampled_from([b"a", b"b", b"close", b"accept", b"x-other, te"])
sets = st.lists(st.tuples(names, values), max_size=5)


@settings(max_examples=200, deadline=None)
@given(st.lists(sets, min_size=1, max_size=12))
def test_any_requests_of_one_client(requests: list[list[tuple[bytes, bytes]]]) -> None:
    account = outgoing()
    for raw in requests:
        assert account.headers(raw, AGENT) == [*upstream_headers(raw, forwards=False), *OWN]
