"""Dollars in, micro-dollars out, and nothing in between is guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.money.amounts import LARGEST, InvalidAmount, dollars, micro_dollars


@pytest.mark.parametrize(
    ("given_", "micro"),
    [
        ("12.345678", 12_345_678),
        ("12.5", 12_500_000),
        (" 3 ", 3_000_000),
        ("+1", 1_000_000),
        (0.1, 100_000),
        (1e-6, 1),
        (1e9, LARGEST),
        (3, 3_000_000),
        (Decimal("2.50"), 2_500_000),
        (Decimal("1.0000000"), 1_000_000),
    ],
)
def test_amounts_are_exact(given_: object, micro: int) -> None:
    assert micro_dollars(given_) == micro


@pytest.mark.parametrize(
    "given_",
    [
        True, None, [], {}, b"1", "", "abc", "1,5", "1_000", "1e3", "0x1", "١٢", "--1", "1.", ".5", "$5", "1.2345678", "NaN", "inf",
        float("nan"), float("inf"), -float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), 1e-7, 0.1234567, 1e300,
        5e-324, Decimal("1e999999"), Decimal("1e-999999"), 10**30, "9" * 11, "9" * 1_000_000, "1" + "\x00", "-1", -1, 0, "0", -0.0, 0.0,
        1_000_000_000.000001, "1000000000.000001",
    ],
)  # fmt: skip
def test_everything_else_is_refused_in_words(given_: object) -> None:
    with pytest.raises(InvalidAmount) as caught:
        micro_dollars(given_)
    assert 10 < len(str(caught.value)) < 200


def test_negative_and_zero_only_where_they_are_allowed() -> None:
    assert micro_dollars("-1.5", negative=True) == -1_500_000
    assert micro_dollars(0, zero=True) == micro_dollars("0.00", zero=True) == micro_dollars(0.0, zero=True) == 0
    with pytest.raises(InvalidAmount):
        micro_dollars(-1_000_000_001, negative=True)


@pytest.mark.parametrize(
    ("micro", "text"),
    [(12_345_678, "12.345678"), (12_500_000, "12.50"), (0, "0.00"), (1, "0.000001"), (-1_500_000, "-1.50")],
)
def test_amounts_are_written_without_exponent(micro: int, text: str) -> None:
    assert dollars(micro) == text


@given(st.integers(-LARGEST, LARGEST))
def test_what_is_written_reads_back(micro: int) -> None:
    assert micro_dollars(dollars(micro), negative=True, zero=True) == micro


@given(st.text(max_size=30) | st.floats() | st.decimals() | st.integers())
def test_whatever_is_given_there_is_an_amount_or_a_refusal(given_: object) -> None:
    try:
        micro = micro_dollars(given_, negative=True, zero=True)
    except InvalidAmount:
        return
    assert isinstance(micro, int)
    assert abs(micro) <= LARGEST
