"""Do two answers say the same? A cheap comparison that knows when it cannot tell: what it cannot tell is not counted.

Two good answers of a model that samples differ in most of their words, so a difference in words alone proves nothing, unless they are
short; different numbers, or a yes beside a no, do.
"""

import re
from collections import Counter

LONGEST = 20_000
"""Characters of each answer that are compared."""

SHORT = 12
"""Words up to which an answer is a statement rather than a text."""

ALIKE, UNLIKE = 0.75, 0.5
"""Share of words in common from which two answers are the same, and below which two short ones are not."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"\w+", re.UNICODE)
_YES = frozenset("yes yeah yep correct true indeed ja oui sí si sim はい 是 да".split())
_NO = frozenset("no nope incorrect false nein non não いいえ 不 不是 нет".split())


def same(cached: str, fresh: str) -> bool | None:
    """``None``: it cannot be told."""
    cached, fresh = cached[:LONGEST].casefold(), fresh[:LONGEST].casefold()
    words, others = _WORD.findall(cached), _WORD.findall(fresh)
    if words == others and words:
        return True
    if not words or not others:
        return None
    if _side(words) * _side(others) < 0:
        return False
    numbers, theirs = _numbers(cached), _numbers(fresh)
    if numbers and theirs and not numbers & theirs:
        return False
    common = 2 * (Counter(words) & Counter(others)).total() / (len(words) + len(others))
    if common >= ALIKE:
        return numbers == theirs or None
    if common < UNLIKE and max(len(words), len(others)) <= SHORT:
        return False
    return None


def _side(words: list[str]) -> int:
    """1: it begins with a yes; -1: with a no."""
    return (words[0] in _YES) - (words[0] in _NO)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(number.replace(",", "").rstrip(".") for number in _NUMBER.findall(text))
