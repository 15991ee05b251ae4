"""Which guard refuses: the first thing in a fixed order of guards that two forms do not have in common. Only for people to read.

It decides nothing: two forms differ if they are not equal, whatever this calls it.
"""

from collections import Counter
from collections.abc import Callable, Set

from .forms import ABOUT_WORDS, ENGLISH, KEPT, OTHER, SEPARATOR, Features
from .tables.meaning import ANTONYMS, COMPARISON, DATES, MODALITY, NEGATIONS, PERSON, QUESTION, SCOPE, TENSE, UNITS

MARKS = frozenset((",", ".", "?", ":", "(", ")", "-", "\n"))
OPPOSING = ("un", "non-", "in", "im", "ir", "dis", "de")
"""Beginnings that turn a word into its opposite."""


def differs(a: Features, b: Features) -> str:
    """ "" if every guard passes, else the name of the first that does not. The same either way round."""
    if a.digest == b.digest:
        return ""
    kind_a, *tokens_a = a.form.split(SEPARATOR)
    kind_b, *tokens_b = b.form.split(SEPARATOR)
    if OTHER in (kind_a, kind_b) and kind_a != kind_b and {ENGLISH, ABOUT_WORDS} & {kind_a, kind_b}:
        return "language"
    if KEPT in (kind_a, kind_b):
        return "code"
    counted_a, counted_b = Counter(tokens_a), Counter(tokens_b)
    only_a, only_b = (counted_a - counted_b).keys(), (counted_b - counted_a).keys()
    if not only_a and not only_b:
        return "direction"
    for name, refuses in _GUARDS.items():
        if refuses(only_a, only_b):
            return name
    return "words"


Words = Set[str]


def _of(words: frozenset[str]) -> Callable[[Words, Words], bool]:
    def refuses(a: Words, b: Words) -> bool:
        return any(token.lower() in words or token in words for token in (*a, *b))

    return refuses


def _any(test: Callable[[str], bool]) -> Callable[[Words, Words], bool]:
    def refuses(a: Words, b: Words) -> bool:
        return any(map(test, (*a, *b)))

    return refuses


def _is_code(token: str) -> bool:
    return token[:1] == "`"


def _is_quoted(token: str) -> bool:
    return len(token) > 1 and token[0] == token[-1] and token[0] in "\"'"


def _is_number(token: str) -> bool:
    return token[-1:].isdecimal() or token.lstrip("+-")[:1].isdecimal()


def _is_entity(token: str) -> bool:
    return not token.isascii() or token != token.lower() or not token.replace("'", "").replace("-", "").isalpha()


def _opposite(a: Words, b: Words) -> bool:
    return any(
        frozenset((one, other)) in ANTONYMS or _negates(one, other) or _negates(other, one) for one in a for other in b
    )


def _negates(one: str, other: str) -> bool:
    return len(other) > 3 and any(one == beginning + other for beginning in OPPOSING)


def _only_marks(a: Words, b: Words) -> bool:
    return a <= MARKS and b <= MARKS


_GUARDS: dict[str, Callable[[Words, Words], bool]] = {
    "code": _any(_is_code),
    "quoted": _any(_is_quoted),
    "punctuation": _only_marks,
    "numbers": _any(_is_number),
    "units": _of(UNITS),
    "dates": _of(DATES),
    "polarity": _of(NEGATIONS),
    "antonyms": _opposite,
    "comparison": _of(COMPARISON),
    "person": _of(PERSON),
    "question": _of(QUESTION),
    "modality": _of(MODALITY),
    "tense": _of(TENSE),
    "scope": _of(SCOPE),
    "entities": _any(lambda token: token not in MARKS and _is_entity(token)),
}

GUARDS = ("language", *_GUARDS, "direction", "words")
"""Names of the guards, in the order in which they are asked; ``direction`` before ``words`` only where no word differs."""
