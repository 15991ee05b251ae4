"""Retry-After in all forms: what can be read is clamped, what cannot is 5 s, and nothing raises."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.failover.told import told_by
from proxy.failover.waits import GARBAGE, LONGEST, asked, in_duration, in_words

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC).timestamp()

RETRY_AFTER = [
    (b"0", 0.0),
    (b"3", 3.0),
    (b" 7 ", 7.0),
    (b"1.5", 1.5),
    (b".25", 0.25),
    (b"300", 300.0),
    (b"301", 300.0),
    (b"86400", 300.0),
    (b"200000000000", 300.0),
    (b"9" * 60, 300.0),
    (b"-1", 0.0),
    (b"-99999", 0.0),
    (b"6m0s", 300.0),
    (b"1m3.5s", 63.5),
    (b"120ms", 0.12),
    (b"34s", 34.0),
    (b"Sun, 22 Nov 2026 12:00:20 GMT", 20.0),
    (b"Sunday, 22-Nov-26 12:00:20 GMT", 20.0),
    (b"Sun Nov 22 12:00:20 2026", 20.0),
    (b"Sun, 22 Nov 2026 13:00:20 +0100", 20.0),
    (b"Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    (b"Sun, 06 Nov 2094 08:49:37 GMT", 300.0),
    (b"2026-11-22T12:00:09Z", 9.0),
    (b"", GARBAGE),
    (b"soon", GARBAGE),
    (b"1e3", GARBAGE),
    (b"nan", GARBAGE),
    (b"inf", GARBAGE),
    (b"0x10", GARBAGE),
    (b"1_000", GARBAGE),
    (b"12, 14", GARBAGE),
    (b"Sun, 99 Nov 2026 12:00:20 GMT", GARBAGE),
    (b"\xd9\xa3", GARBAGE),
    (b"9" * 100_000, GARBAGE),
]


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER, ids=[repr(value[:32]) for value, _ in RETRY_AFTER])
def test_retry_after(value: bytes, seconds: float) -> None:
    assert asked(((b"retry-after", value),), now=NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"retry-after-ms": b"1500"}, 1.5),
        ({b"retry-after-ms": b"12.5", b"retry-after": b"9"}, 0.0125),
        ({b"retry-after-ms": b"-4"}, 0.0),
        ({b"retry-after-ms": b"99999999999"}, LONGEST),
        ({b"retry-after-ms": b"many", b"retry-after": b"9"}, 9.0),
        ({b"retry-after-ms": b"many"}, GARBAGE),
        ({b"retry-after": b"2", b"x-ratelimit-reset": b"90", b"x-ratelimit-remaining": b"0"}, 2.0),
        ({}, None),
    ],
)
def test_milliseconds_come_first(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert asked(tuple(headers.items()), now=NOW, resets=True) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"x-ratelimit-reset-requests": b"6m0s"}, 300.0),
        ({b"x-ratelimit-reset-tokens": b"120ms", b"x-ratelimit-remaining-tokens": b"0"}, 0.12),
        # Of two limits the one that is used up counts, not the later one.
        (
            {
                b"x-ratelimit-remaining-requests": b"99",
                b"x-ratelimit-reset-requests": b"2m",
                b"x-ratelimit-remaining-tokens": b"0",
                b"x-ratelimit-reset-tokens": b"4s",
            },
            4.0,
        ),
        (
            {
                b"anthropic-ratelimit-tokens-remaining": b"0",
                b"anthropic-ratelimit-tokens-reset": b"2026-11-22T12:00:30Z",
            },
            30.0,
        ),
        ({b"anthropic-ratelimit-requests-remaining": b"1", b"anthropic-ratelimit-requests-reset": b"junk"}, None),
        # OpenRouter: milliseconds since 1970; others: seconds.
        ({b"x-ratelimit-reset": b"%d" % ((NOW + 8) * 1000)}, 8.0),
        ({b"x-ratelimit-reset": b"%d" % (NOW + 8)}, 8.0),
        ({b"x-ratelimit-reset": b"%d" % (NOW - 8)}, 0.0),
        ({b"x-ratelimit-reset": b"junk"}, None),
        ({b"x-ratelimit-limit-requests": b"0"}, None),
    ],
)
def test_the_reset_of_what_is_used_up(headers: dict[bytes, bytes], seconds: float | None) -> None:
    found = asked(tuple(headers.items()), now=NOW, resets=True)
    assert found == (pytest.approx(seconds) if seconds is not None else None)
    assert asked(tuple(headers.items()), now=NOW) is None


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"error":{"details":[{"@type":"x.RetryInfo","retryDelay":"34s"}]}}', 34.0),
        (b'[{"error":{"details":[{"retryDelay":"34.074824224s"}]}}]', 34.074824224),
        (b'{"error":{"details":[{"retryDelay":"soon"}]}}', None),
        (b'{"error":{"message":"Rate limit reached. Please try again in 5.289s. Visit ..."}}', 5.289),
        (b'{"error":{"message":"Please try again in 2m3s."}}', 123.0),
        (b'{"error":{"message":"Please try again in 120ms."}}', 0.12),
        (b'{"error":{"message":"Please try again in 20h."}}', LONGEST),
        (b'{"error":{"message":"Please try again later."}}', None),
    ],
)
def test_what_a_body_says(body: bytes, seconds: float | None) -> None:
    assert told_by(body).wait == (pytest.approx(seconds) if seconds is not None else None)


NAMES = st.sampled_from(
    [
        b"retry-after", b"retry-after-ms", b"x-ratelimit-reset", b"x-ratelimit-reset-tokens", b"x-ratelimit-remaining-tokens",
        b"anthropic-ratelimit-tokens-reset", b"anthropic-ratelimit-tokens-remaining",
    ]
)  # fmt: skip
ALMOST = st.from_regex(
    rb"[-+]?[0-9.]{1,12}(ms|s|m|h)?|[A-Z][a-z]{2}, [0-9]{2} Nov [0-9]{2,5} [0-9:]{5,9} (GMT|[+-][0-9]{4,6})",
    fullmatch=True,
)
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat().encode())


@given(st.lists(st.tuples(NAMES, st.one_of(st.binary(max_size=80), ALMOST, MOMENTS)), max_size=6), st.floats(0, 4e9))
def test_no_header_raises_or_leaves_the_range(headers: list[tuple[bytes, bytes]], now: float) -> None:
    found = asked(tuple(headers), now=now, resets=True)
    assert found is None or 0.0 <= found <= LONGEST
    if any(name.startswith(b"retry-after") for name, _ in headers):
        assert found is not None


@given(st.text(max_size=200))
def test_no_words_raise(words: str) -> None:
    for found in (in_words(words), in_words(f"try again in {words}"), in_duration(words)):
        assert found is None or 0.0 <= found <= LONGEST
