"""Which of some texts has most words in common with another: a hint for explaining a refusal, never for serving anything."""

import re
from collections.abc import Iterable
from zlib import crc32

BITS = 256
WORDS = 200
"""Of a text that are looked at."""

COMMON = 0.5
"""Share of words in common from which two texts are called kin."""

_WORD = re.compile(r"\w+")


def words(text: str) -> int:
    """The set of its words, a bit each."""
    bits = 0
    for number, word in enumerate(_WORD.finditer(text.lower())):
        if number == WORDS:
            break
        bits |= 1 << crc32(word[0].encode("utf-8", "surrogatepass")) % BITS
    return bits


def kin(text: str, others: Iterable[tuple[int, str]]) -> str:
    """Which of ``others`` (words, text) shares most with it, "" where none shares much."""
    own, found, most = words(text), "", COMMON
    for bits, other in others:
        share = (own & bits).bit_count() / max(1, (own | bits).bit_count())
        if share >= most:
            found, most = other, share
    return found
