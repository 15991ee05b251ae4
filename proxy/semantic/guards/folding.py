"""Contractions, spellings, synonyms, number words and units of an English question, each brought to the one way of writing it."""

import re
from collections.abc import Sequence

from .tables.phrases import ADVERBS, CONTRACTIONS, IS_OR_HAS, PARTICIPLES, PHRASES, SINGLE
from .tables.quantities import (
    HALVES_OF_DAY,
    HYPHENED,
    MONTHS_IN_DATES,
    NUMBER_WORDS,
    NUMBERED,
    ONE_TO_NINE,
    ORDINALS,
    ROMAN,
    SCALES,
    SPELT_UNITS,
    UNITS,
)

CHANGED = CONTRACTIONS.keys() | SINGLE.keys() | SPELT_UNITS.keys() | ORDINALS.keys() | ROMAN.keys() | HYPHENED.keys()
NUMERIC = NUMBER_WORDS.keys() | ONE_TO_NINE.keys() | SCALES.keys()
SECONDS = {first: frozenset(phrase[1] for phrase, _ in rows) for first, rows in PHRASES.items()}
FIGURES = re.compile(r"[0-9](?: |\Z)")
"""The end of a number, among tokens with spaces between them."""

WORDS = {**SINGLE, **SPELT_UNITS, **ORDINALS, **HYPHENED}
AFTER_NUMBERS = {**UNITS, **HALVES_OF_DAY}
CALCULATIONS = {"times": "*", "x": "*", "\u00d7": "*", "plus": "+", "minus": "-", "\u00f7": "/"}


def folded(tokens: Sequence[str]) -> list[str]:
    """The same question in the words that stand for all."""
    found = list(tokens)
    if not CHANGED.isdisjoint(found):
        found = _words(found)
    if not NUMERIC.isdisjoint(found):
        found = _numbers(found)
    if FIGURES.search(" ".join(found)):
        found = _measures(found)
        if not MONTHS_IN_DATES.keys().isdisjoint(found):
            found = _dates(found)
    return _phrases(found)


def _words(tokens: Sequence[str]) -> list[str]:
    found: list[str] = []
    for index, token in enumerate(tokens):
        long = CONTRACTIONS.get(token)
        if long is None:
            number = ROMAN.get(token) if found and found[-1] in NUMBERED else None
            found.append(number or WORDS.get(token, token))
        elif token in IS_OR_HAS and _is_participle(tokens[index + 1 : index + 4]):
            found.append(token)
        else:
            found += long.split()
    return found


def _is_participle(following: Sequence[str]) -> bool:
    """Does one come, if only after an adverb or two?"""
    for word in following:
        if word in PARTICIPLES or word.endswith("ed"):
            return True
        if word not in ADVERBS and not word.endswith("ly"):
            return False
    return False


def _numbers(tokens: Sequence[str]) -> list[str]:
    """``twenty five`` and ``twenty-five`` are 25, ``two hundred`` is 200. What is no plain number stays."""
    found: list[str] = []
    index = 0
    while index < len(tokens):
        value, length = _number(tokens, index) if tokens[index] in NUMERIC else (0, 0)
        if length:
            found.append(str(value))
            index += length
        else:
            found.append(tokens[index])
            index += 1
    return found


def _number(tokens: Sequence[str], at: int) -> tuple[int, int]:
    """A number in words that begins at ``at``, and how many tokens it takes; 0: none that is clear."""
    word = tokens[at]
    value = NUMBER_WORDS.get(word)
    length = 1
    following = tokens[at + 1] if at + 1 < len(tokens) else ""
    if value is None:
        if word != "one" or following not in SCALES:
            return 0, 0
        value = 1
    elif value >= 20 and following in ONE_TO_NINE:
        value += ONE_TO_NINE[following]
        length = 2
        following = tokens[at + 2] if at + 2 < len(tokens) else ""
    if following in SCALES:
        after = tokens[at + length + 1] if at + length + 1 < len(tokens) else ""
        if after in NUMERIC or after == "and" or after[:1].isdigit():
            return 0, 0
        return value * SCALES[following], length + 1
    if following in NUMERIC:
        return 0, 0
    return value, length


def _measures(tokens: Sequence[str]) -> list[str]:
    """Units and signs beside numbers."""
    found: list[str] = []
    last = len(tokens) - 1
    for index, token in enumerate(tokens):
        if found and found[-1][-1:].isdigit() and _is_number(found[-1]):
            if token in CALCULATIONS and index < last and _is_number(tokens[index + 1]):
                found.append(CALCULATIONS[token])
            else:
                found.append(AFTER_NUMBERS.get(token, token))
        else:
            found.append(token)
    return found


def _dates(tokens: Sequence[str]) -> list[str]:
    """``July 20, 1969`` as ``20 July 1969``."""
    found: list[str] = []
    index = 0
    while index < len(tokens):
        month = MONTHS_IN_DATES.get(tokens[index])
        if month and index + 1 < len(tokens) and _is_day(tokens[index + 1]):
            found += (tokens[index + 1], month)
            index += 2
            if index + 1 < len(tokens) and tokens[index] == "," and _is_year(tokens[index + 1]):
                index += 1
            continue
        found.append(month if month and found and _is_day(found[-1]) else tokens[index])
        index += 1
    return found


def _is_day(token: str) -> bool:
    return len(token) < 3 and token.isdecimal() and 0 < int(token) < 32


def _is_year(token: str) -> bool:
    return len(token) == 4 and token.isdecimal()


def _is_number(token: str) -> bool:
    return token.replace(".", "", 1).lstrip("+-").isdecimal()


def _phrases(tokens: Sequence[str]) -> list[str]:
    found: list[str] = []
    index = 0
    last = len(tokens) - 1
    while index <= last:
        first = tokens[index]
        seconds = SECONDS.get(first)
        if seconds is not None and index < last and tokens[index + 1] in seconds:
            for phrase, stands in PHRASES[first]:
                if tuple(tokens[index : index + len(phrase)]) == phrase:
                    found += stands
                    index += len(phrase)
                    break
            else:
                found.append(first)
                index += 1
        else:
            found.append(first)
            index += 1
    return found
