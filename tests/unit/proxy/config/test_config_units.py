"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.units import DURATION_PATTERN, SIZE_PATTERN, seconds, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5s", 5.0),
        ("500ms", 0.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1800", 1800.0),
        ("1.5s", 1.5),
        (" 5 s ", 5.0),
        ("0", 0.0),
        ("5S", 5.0),
        ("-1s", -1.0),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "5 parsecs", "5s5", "1h30m", "inf", "nan", "1e999", "0x10", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    assert seconds(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64MiB", 64 * 1024**2),
        ("512KB", 512_000),
        ("1GiB", 1024**3),
        ("10", 10),
        ("10b", 10),
        ("1.5KiB", 1536),
        ("1 mb", 1_000_000),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "MiB", "64M", "1.5", "1.0001KB", "1e999", "9" * 30, "nan", "64 MiBs"])
def test_what_is_no_size(text: str) -> None:
    assert size(text) is None


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(seconds(text), float | None)
    assert isinstance(size(text), int | None)


def test_the_schema_patterns_agree() -> None:
    import re

    for text in ("5s", "500ms", "2m", "1h", "1800"):
        assert re.match(DURATION_PATTERN, text)
    for text in ("64MiB", "512KB", "1GiB", "10"):
        assert re.match(SIZE_PATTERN, text)
    assert not re.match(DURATION_PATTERN, "5 parsecs")
    assert not re.match(SIZE_PATTERN, "64M")
