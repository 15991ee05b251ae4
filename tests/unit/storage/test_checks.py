"""Bounds of what is stored."""

import pytest

from proxy.storage import checks


@pytest.mark.parametrize("value", [checks.MOST, -checks.MOST, 0])
def test_amounts_within_bounds(value: int) -> None:
    assert checks.amount("x", value) == value


@pytest.mark.parametrize("value", [checks.MOST + 1, -checks.MOST - 1, 1.0, True, None, "1"])
def test_amounts_out_of_bounds(value: int) -> None:
    with pytest.raises(ValueError, match="x is "):
        checks.amount("x", value)


def test_negative_where_none_may_be() -> None:
    with pytest.raises(ValueError, match="0 to 5 are kept"):
        checks.amount("x", -1, 5, negative=False)
    for value in (0, 6, -1):
        with pytest.raises(ValueError, match="x is"):
            checks.positive("x", value, 5)


@pytest.mark.parametrize("value", ["plain", "ü 🚗", "x" * checks.CLEAN])
def test_what_fits_is_left_alone(value: str) -> None:
    assert checks.fits([value, value])
    assert checks.clean(value) == value


@pytest.mark.parametrize("value", ["\x00", "a\ud83d", "\ude00", "x" * (checks.CLEAN + 1)])
def test_what_does_not_fit_is_made_to(value: str) -> None:
    assert not checks.fits(["a", value])
    assert checks.fits([checks.clean(value)])


def test_two_halves_in_two_texts_are_no_whole() -> None:
    assert not checks.fits(["\ud83d", "\ude00"])
