"""Which headers travel."""

import pytest

from proxy.errors import InvalidRequest, UpstreamInvalid
from proxy.wire.headers import (
    HOP_BY_HOP,
    check_response,
    client_headers,
    moved_aside,
    upstream_headers,
    value_of,
)


@pytest.mark.parametrize(
    "name",
    [
        *HOP_BY_HOP,
        *(b"host", b"content-length", b"cookie", b"expect", b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"),
        *(b"forwarded", b"x-forwarded-for", b"x-real-ip", b"x-tollway-strict", b"x-tollway-anything"),
        *(b"sec-websocket-key", b"sec-websocket-protocol"),
        *(b"x-http-method", b"x-http-method-override", b"x-method-override"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("forwards", [True, False])
def test_what_stays_here(name: bytes, forwards: bool) -> None:
    assert upstream_headers([(name, b"x")], forwards=forwards) == []


@pytest.mark.parametrize(
    "name",
    [
        *(b"accept", b"content-type", b"user-agent", b"openai-beta", b"x-stainless-lang"),
        *(b"traceparent", b"idempotency-key", b"x-request-id", b"x-custom"),
    ],
)
def test_what_travels_unchanged(name: bytes) -> None:
    value = " a, b;q=0.5 é"
    assert upstream_headers([(name, value.encode())], forwards=False) == [(name.decode(), value)]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate;q=0.5", "gzip, deflate;q=0.5"),
        ("GZIP", "GZIP"),
        ("", ""),
        ("zstd", "identity"),
        ("zstd, gzip;q=0.5, *", "gzip;q=0.5"),
    ],
)
def test_no_coding_is_asked_for_that_cannot_be_read(asked: str, sent: str) -> None:
    assert upstream_headers([(b"accept-encoding", asked.encode())], forwards=False) == [("accept-encoding", sent)]


def test_the_account_travels_only_with_the_clients_own_key() -> None:
    headers = [(b"openai-organization", b"org"), (b"openai-project", b"p")]
    assert upstream_headers(headers, forwards=False) == []
    assert len(upstream_headers(headers, forwards=True)) == 2


def test_repeated_headers_stay_repeated_and_in_order() -> None:
    headers = [(b"accept", b"a"), (b"x-b", b"1"), (b"accept", b"c")]
    assert upstream_headers(headers, forwards=False) == [("accept", "a"), ("x-b", "1"), ("accept", "c")]


def test_what_connection_names_is_dropped_both_ways() -> None:
    headers = [(b"connection", b"Close, X-Secret"), (b"x-secret", b"1"), (b"x-other", b"2")]
    assert upstream_headers(headers, forwards=False) == [("x-other", "2")]
    assert client_headers(tuple(headers)) == [(b"x-other", b"2")]


def test_bytes_that_no_library_can_carry_are_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream_headers([(b"x-a", b"\xff\xfe")], forwards=False)
    assert caught.value.code == "invalid_header"


def test_answers_lose_hop_by_hop_and_cookies_only() -> None:
    raw = tuple(
        (name, b"1") for name in (*HOP_BY_HOP, b"set-cookie", b"x-request-id", b"content-length", b"openai-model")
    )
    assert [name for name, _ in client_headers(raw)] == [b"x-request-id", b"content-length", b"openai-model"]


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\x00b", b"\x01", b"a\x7f"])
def test_values_that_split_answers(value: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        check_response([(b"x-a", value)])


@pytest.mark.parametrize("value", [b"", b"a\tb", b"caf\xe9", b"\xff"])
def test_values_that_pass(value: bytes) -> None:
    check_response([(b"x-a", value)])


def test_value_of_takes_the_first() -> None:
    assert value_of(((b"a", b"1"), (b"a", b"2")), b"a") == b"1"
    assert value_of((), b"a") is None


def test_their_limits_step_aside_for_ours() -> None:
    theirs = [(b"x-ratelimit-limit-requests", b"5"), (b"x-request-id", b"1"), (b"x-ratelimit-limit-requests", b"6")]
    ours = [(b"x-tollway-cache", b"miss"), (b"x-ratelimit-limit-requests", b"2")]
    assert moved_aside(theirs, ours[:1]) == theirs
    for _ in range(2):
        assert moved_aside(theirs, ours) == [
            (b"x-tollway-upstream-ratelimit-limit-requests", b"5"),
            (b"x-request-id", b"1"),
            (b"x-tollway-upstream-ratelimit-limit-requests", b"6"),
        ]
