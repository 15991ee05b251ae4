"""Takes greetings, thanks, politeness and asides from the two ends of a question, as long as a question is left."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from .tables.courtesy import (
    APART,
    ASKINGS,
    BARE_CLOSINGS,
    CLOSINGS,
    DEMONSTRATIONS,
    IMPERATIVES,
    INDIRECT,
    LONGEST,
    NOT_AFTER,
    OPENINGS,
    POLITE_ABILITIES,
    QUESTIONS,
    REQUESTED,
    REQUESTS,
    SHORT_WH,
    STARTERS,
    WH,
    WRITTEN,
)
from .tables.names import LANGUAGES

ASKED = INDIRECT | SHORT_WH
MARKS = frozenset((",", ".", "?", ":", "-", "\n"))
LAST_WORDS = frozenset(phrase[-1] for phrase in CLOSINGS)
Kind = Literal["asking", "showing", "request", "ability", "opening"]


def _by_first_word(kinds: Mapping[Kind, frozenset[tuple[str, ...]]]) -> dict[str, list[tuple[list[str], Kind]]]:
    found: dict[str, list[tuple[list[str], Kind]]] = {}
    for kind, phrases in kinds.items():
        for phrase in phrases:
            found.setdefault(phrase[0], []).append((list(phrase), kind))
    # A stable order, the longest first: what a phrase is must not hang on the order of a set.
    return {first: sorted(rows, key=lambda row: (-len(row[0]), row[1], row[0])) for first, rows in found.items()}


PHRASES = _by_first_word(
    {
        "asking": ASKINGS,
        "showing": DEMONSTRATIONS,
        "request": REQUESTS,
        "ability": POLITE_ABILITIES,
        "opening": OPENINGS,
    }
)


class Bounds(NamedTuple):
    """Where the question itself is: ``tokens[start:end]``."""

    start: int
    end: int
    indirect: bool
    """Does it have the word order of ``tell me what it is``?"""
    asks: bool
    """Did it end with a question mark?"""
    polite: bool
    """Was there anything to leave out, besides marks?"""


def bounds(tokens: Sequence[str]) -> Bounds:
    """The question without what only surrounds it; the whole, if nothing would be left."""
    start, indirect = _opening(tokens)
    end, asks, thanked = _closing(tokens, start)
    return Bounds(start, end, indirect, asks, start > 0 or thanked)


def bounds_about_words(tokens: Sequence[str], usual: Bounds, *, named: bool) -> Bounds:
    """The same where a greeting or thanks may be the very words that are asked about: only what is certainly none of them goes.

    ``named``: the question says so (``spell``, ``translate``), rather than only naming a language.
    """
    start, indirect = usual.start, usual.indirect
    if start and not named and tokens[start] not in WRITTEN:
        start, indirect = 0, False
    if ":" in tokens[start:] or "\n" in tokens[start:]:
        return Bounds(start, len(tokens), indirect, False, start > 0)
    end, asks, thanked = _closing(tokens, start)
    if thanked and not (
        tokens[end] in (".", "?") or tokens[end - 1][-1] in "\"'`" or tokens[end - 1].lower() in LANGUAGES
    ):
        end, asks, thanked = _unmarked(tokens, start), tokens[-1] == "?", False
    return Bounds(start, end, indirect, asks, start > 0 or thanked)


def _opening(tokens: Sequence[str]) -> tuple[int, bool]:
    """How many tokens to leave out at the start, and whether an indirect question follows."""
    at = agreed = 0
    indirect = False
    # A prompt has a handful of these; the bound keeps a text made of greetings linear.
    for _ in range(8):
        if at >= len(tokens) or tokens[at] not in PHRASES:
            break
        length, kind = _phrase(tokens, at)
        if not length:
            break
        at += length
        apart = tokens[at] in MARKS
        while at < len(tokens) and tokens[at] in MARKS:
            at += 1
        if kind == "asking" or (at < len(tokens) and tokens[at] in (STARTERS if apart else QUESTIONS)):
            agreed, indirect = at, kind == "asking"
        if indirect:
            break
    return agreed, indirect


def _phrase(tokens: Sequence[str], at: int) -> tuple[int, Kind]:
    """The longest phrase that begins here and is followed by what it asks for: its length, or 0."""
    for phrase, kind in PHRASES[tokens[at]]:
        rest = at + len(phrase)
        if rest < len(tokens) and tokens[at:rest] == phrase and _fits(tokens, at, rest, kind):
            return len(phrase), "asking" if kind == "showing" else kind
    return 0, "opening"


def _fits(tokens: Sequence[str], at: int, rest: int, kind: Kind) -> bool:
    following = tokens[rest]
    if kind == "asking":
        phrase = tuple(tokens[at:rest])
        # ``Do you know how to swim?`` is about the one who is asked.
        able = "know" in phrase and following == "how" and tokens[rest + 1 : rest + 2] == ["to"]
        return following in ASKED and following not in NOT_AFTER.get(phrase, ()) and not able
    if kind == "showing":
        return following == "how"
    if kind == "request":
        return following in IMPERATIVES
    if kind == "ability":
        return _requested(tokens, rest)
    return following in MARKS or tuple(tokens[at:rest]) not in APART or (at > 0 and following in WH)


def _requested(tokens: Sequence[str], at: int) -> bool:
    """Is what follows ``can you`` something that is asked for, rather than asked about?"""
    if (tokens[at],) in REQUESTED or tuple(tokens[at : at + 2]) in REQUESTED:
        return True
    return tokens[at] == "write" and tuple(tokens[at + 1 : at + 2]) in (("a",), ("an",)) and "about" in tokens


def _closing(tokens: Sequence[str], start: int) -> tuple[int, bool, bool]:
    """Where the question ends, whether a question mark stood there, and whether there was courtesy."""
    end = len(tokens)
    thanked = False
    for _ in range(8):
        end = _unmarked(tokens[:end], start)
        length = _thanks(tokens, start, end)
        if not length:
            break
        end -= length
        thanked = True
    return end, "?" in tokens[end:], thanked


def _unmarked(tokens: Sequence[str], start: int) -> int:
    """The end without the marks there."""
    end = len(tokens)
    while end > start + 1 and tokens[end - 1] in MARKS:
        end -= 1
    return end


def _thanks(tokens: Sequence[str], start: int, end: int) -> int:
    """How many tokens at the end are courtesy."""
    if not end or tokens[end - 1] not in LAST_WORDS:
        return 0
    for length in range(min(LONGEST, end - start - 1), 0, -1):
        if tuple(tokens[end - length : end]) not in CLOSINGS:
            continue
        before = tokens[end - length - 1]
        if before in MARKS or (
            tokens[end - 1] in BARE_CLOSINGS and length == 1 and before not in ("to", "say", "word", "is", "of")
        ):
            return length
    return 0
