"""What a document is made of, found in one walk: a search of its bytes for names costs more the longer its texts are.

Agents send long conversations with tools, which are not plain (``document.is_plain``). Whoever looks for a member, a role or a type asks
the words.
"""

from collections.abc import Iterable

from .values import Json, JsonObject

LONGEST = 64
"""Characters of a text that counts as a word: what is longer is prose, and no protocol's."""

MOST = 4096
"""Values of a document that is walked: beyond, searching its bytes is quicker."""

NO_WORDS: frozenset[str] = frozenset()


def words_in(document: JsonObject, *, levels: int) -> frozenset[str]:
    """Every member's name and every short text, wherever they are; none where it is nested deeper than ``levels``, or too large."""
    words: set[str] = set()
    level: list[JsonObject | list[Json]] = [document]
    left = MOST
    for _ in range(levels):
        below: list[JsonObject | list[Json]] = []
        for each in level:
            left -= len(each)
            if left < 0:
                return NO_WORDS
            values: Iterable[Json] = each
            if type(each) is dict:
                words.update(each)
                values = each.values()
            for value in values:
                kind = type(value)
                if kind is str:
                    if len(value) <= LONGEST:  # type: ignore[arg-type]
                        words.add(value)  # type: ignore[arg-type]
                elif kind is dict or kind is list:
                    below.append(value)  # type: ignore[arg-type]
        if not below:
            return frozenset(words)
        level = below
    return NO_WORDS
