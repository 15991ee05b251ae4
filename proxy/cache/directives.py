"""What a request's ``Cache-Control`` says to a cache (RFC 9111 section 5.2.1), read as loosely as it is written."""

import re

from msgspec import Struct

_DIRECTIVE = re.compile(r'([^\s,;="]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"?|[^\s,;]*))?|"(?:[^"\\]|\\.)*"?')

LONGEST = 2.0**31
"""Seconds; whatever is longer means this (RFC 9111 section 1.2.2)."""


class Directives(Struct, frozen=True):
    """``max_age``: seconds that a stored answer may be old at most; ``None``: any."""

    no_store: bool = False
    no_cache: bool = False
    max_age: float | None = None


def read_directives(value: str) -> Directives:
    """Of the field's lines joined by commas. What is not known is passed over; of several ages the least holds.

    An age that is no number is 0: whoever sets one does not want any answer.
    """
    names: set[str] = set()
    ages: list[float] = []
    for found in _DIRECTIVE.finditer(value):
        name = (found[1] or "").lower()
        names.add(name)
        if name == "max-age":
            ages.append(_seconds((found[2] or "").strip('"').strip()))
    return Directives("no-store" in names, "no-cache" in names, min(ages, default=None))


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return LONGEST if len(text) > 10 else min(float(text), LONGEST)
