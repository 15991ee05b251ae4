"""US dollars as people and programs write them, to integer micro-dollars and back. Exact: no float ever takes part in a sum."""

import re
from decimal import Decimal

from ..policy.rules import MICRO

LARGEST = 1_000_000_000 * MICRO
"""Micro-dollars. No amount that a person or a program gives may be larger: a thousand million dollars is a typing error."""

_TEXT = re.compile(r"([+-]?)([0-9]{1,10})(?:\.([0-9]{1,6}))?")
_PLACES = 6


class InvalidAmount(ValueError):
    """Text that reaches whoever gave the amount."""


def micro_dollars(given: object, *, negative: bool = False, zero: bool = False) -> int:
    """Micro-dollars of an amount in dollars: text like ``12.5``, or a number from JSON. Raises ``InvalidAmount``.

    A float counts as the shortest text that stands for it, so 0.1 is ten cents. At most six decimals.
    """
    amount = _exact(given)
    if not negative and amount < 0:
        raise InvalidAmount("An amount in dollars must not be negative here.")
    if not zero and amount == 0:
        raise InvalidAmount("An amount of 0 dollars moves nothing; give one above 0.")
    if abs(amount) > LARGEST:
        raise InvalidAmount(f"An amount is at most {dollars(LARGEST)} dollars.")
    return amount


def _exact(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        raise InvalidAmount("An amount is a number of dollars, such as 12.50.")
    if isinstance(given, int):
        return given * MICRO
    if isinstance(given, str):
        found = _TEXT.fullmatch(given.strip(" "))
        if found is None:
            raise InvalidAmount(
                f"{_shown(given)} is not an amount in dollars: digits, a point and up to six decimals, such as 12.50."
            )
        sign, whole, part = found.groups()
        amount = int(whole) * MICRO + int((part or "").ljust(_PLACES, "0"))
        return -amount if sign == "-" else amount
    number = Decimal(repr(given)) if isinstance(given, float) else given
    if not number.is_finite():
        raise InvalidAmount("An amount must be finite; NaN and infinity are none.")
    if number == 0:
        return 0
    if number.adjusted() > 10:
        raise InvalidAmount(f"An amount is at most {dollars(LARGEST)} dollars.")
    _, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    if int(exponent) + len(digits) - len(significant) < -_PLACES:
        raise InvalidAmount(f"An amount has at most {_PLACES} decimals.")
    return int(number.scaleb(_PLACES))


def _shown(text: str) -> str:
    """What was given, harmless in a message and a log."""
    return repr(text[:40]) + ("…" if len(text) > 40 else "")


def dollars(micro: int) -> str:
    """An amount for people and programs: ``12.345678``, at least two decimals, never an exponent. ``micro_dollars`` reads it back."""
    whole, part = divmod(abs(micro), MICRO)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micro < 0 else ''}{whole}.{decimals}"
