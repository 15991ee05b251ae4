"""Do two answers say the same? A cheap comparison that knows when it cannot tell: what it cannot tell is not counted.

Two good answers of a model that samples differ in most of their words, so two long texts are hardly ever told apart, nor known to agree.
Short ones are, and those that a program reads; so is a yes beside a no.
"""

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from ..wire.values import Json

LONGEST = 10_000
"""Characters beyond which answers are compared as a whole only."""

SHORT, MIDDLE = 12, 60
"""Words up to which an answer is a statement, and up to which its numbers are the point of it."""

PHRASE = 3
"""Words of a JSON text up to which it is a value rather than a text."""

_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NOT = re.compile(r"(?<=[a-z])n[\u2019']t\b|(?<=\bcan)not\b")
_TOKEN = re.compile(r"[-\u2212+]?\d+(?:[.,]\d+)*|[^\W\d_]+|[^\w\s]|_|\d")
_SOFT = frozenset(".,;:!\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u3002\u3001\uff0c\u2014")
"""Marks that people and models set as they like. Not those that calculate, compare or ask."""

_LIGHT = frozenset("a an the it this that is are s sure certainly answer here".split())
"""Words that change nothing, alone or in an answer."""

_YES = frozenset("yes yeah yep correct true indeed ja oui sí si sim はい 是 да".split())
_NO = frozenset("no nope incorrect false nein non não いいえ 不 不是 нет".split())
_NEGATIONS = frozenset("not no never without nicht kein keine nie pas jamais nunca não не".split())


def same(cached: str, fresh: str) -> bool | None:
    """``None``: it cannot be told."""
    cached, fresh = cached.strip(), fresh.strip()
    if not cached or not fresh:
        return None
    if cached == fresh:
        return True
    if len(cached) > LONGEST or len(fresh) > LONGEST:
        return None
    if cached[0] in "{[" and fresh[0] in "{[":
        return _documents_agree(cached, fresh)
    if "`" in cached or "`" in fresh:
        return None  # code, where every mark and the case of every letter counts
    return _texts_agree(_tokens(cached), _tokens(fresh))


def _tokens(text: str) -> list[str]:
    """Words, numbers with their sign, and marks that mean something."""
    text = _NOT.sub(" not", _GROUPED.sub("", _BOLD.sub(r"\1", text)).casefold())
    return [token for token in _TOKEN.findall(text) if token not in _SOFT]


def _texts_agree(cached: list[str], fresh: list[str]) -> bool | None:
    ours, theirs = _weighty(cached), _weighty(fresh)
    if not cached or not fresh:
        return None
    if cached == fresh or (ours == theirs and ours):
        return True
    if _side(cached) * _side(fresh) < 0:
        return False
    longest = max(len(cached), len(fresh))
    numbers, others = _numbers(ours), _numbers(theirs)
    if longest <= MIDDLE and numbers and others and not numbers & others:
        return False
    return False if longest <= SHORT and _differ(ours, theirs) else None


def _differ(ours: list[str], theirs: list[str]) -> bool:
    """Of two statements: nothing in common, one word put for another, or a negation in one of them alone."""
    if not ours or not theirs:
        return False
    only, other = Counter(ours) - Counter(theirs), Counter(theirs) - Counter(ours)
    if len(only) == len(set(ours)) and len(other) == len(set(theirs)):
        return True
    extra = {*only, *other}
    if extra <= _NEGATIONS and extra:
        return True
    return len(ours) == len(theirs) and sum(a != b for a, b in zip(ours, theirs, strict=True)) == 1


def _weighty(tokens: list[str]) -> list[str]:
    return [token for token in tokens if token not in _LIGHT]


def _side(tokens: list[str]) -> int:
    """1: it begins with a yes; -1: with a no."""
    return (tokens[0] in _YES) - (tokens[0] in _NO)


def _numbers(tokens: list[str]) -> frozenset[str]:
    return frozenset(token for token in tokens if token[-1].isdecimal())


# ---- JSON -----------------------------------------------------------------------------------------------------------
def _documents_agree(cached: str, fresh: str) -> bool | None:
    """Values decide, texts do not."""
    try:
        ours, theirs = dict(_leaves(msgspec.json.decode(cached))), dict(_leaves(msgspec.json.decode(fresh)))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if ours == theirs:
        return True
    differing = [(one, theirs[path]) for path, one in ours.items() if path in theirs and theirs[path] != one]
    return False if any(_is_value(one) and _is_value(other) for one, other in differing) else None


def _leaves(document: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON) of all that holds nothing itself; 1, 1.0 and true stay apart."""
    if isinstance(document, dict) and document:
        for name, item in document.items():
            yield from _leaves(item, f"{path}/{name}")
    elif isinstance(document, list) and document:
        for index, item in enumerate(document):
            yield from _leaves(item, f"{path}/{index}")
    else:
        yield path, msgspec.json.encode(document).decode()


def _is_value(leaf: str) -> bool:
    return leaf[0] != '"' or len(leaf.split()) <= PHRASE
