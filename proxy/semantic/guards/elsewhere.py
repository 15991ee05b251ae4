"""Texts in languages without tables: the same words in the same order and case. Only courtesy and final marks may differ.

Case is kept because it decides (``Sie`` and ``sie``), but for a first word that asks; and so is a question mark that alone makes
the question.
"""

from collections.abc import Sequence

from .tables.languages import (
    ASKING,
    ASKING_FIRST,
    ASKING_LAST,
    CHINESE_COURTESY,
    COURTESY,
    EXCLAIMING,
    RUSSIAN_COURTESY,
)


def plainly(raw: list[str], text: str) -> list[str]:
    """The tokens without what only surrounds them; the whole, if nothing would be left."""
    tokens, asks, states = _unmarked(raw)
    if ":" not in tokens:
        tokens = _opened(_closed(tokens))
    tokens, again, as_well = _unmarked(tokens)
    if not tokens:
        return raw
    anyway = _asks_anyway(tokens)
    if asks or again:
        return tokens if anyway else [*tokens, "?"]
    # A full stop after what begins like a question: it may be none.
    return [*tokens, "."] if anyway and (states or as_well) else tokens


def _asks_anyway(tokens: list[str]) -> bool:
    """Is it a question with or without its mark? Its first word is made plain. After a comma it may go on as a statement."""
    first = tokens[0]
    if first.lower() in ASKING and (first.istitle() or first.islower()):
        tokens[0] = first.lower()
        return tokens[0] not in EXCLAIMING and "," not in tokens
    return first.startswith(ASKING_FIRST) or tokens[-1].endswith(ASKING_LAST)


def _unmarked(tokens: Sequence[str]) -> tuple[list[str], bool, bool]:
    """Without the marks at the end; whether one of them asked, or one of them stated."""
    end = len(tokens)
    while end and tokens[end - 1] in (".", "?", ","):
        end -= 1
    marks = tokens[end:]
    return list(tokens[:end]), "?" in marks, "." in marks and "?" not in marks


def _opened(tokens: list[str]) -> list[str]:
    lower = tuple(token.lower() for token in tokens[:5])
    phrase = COURTESY.get(lower[0] if lower else "")
    if phrase and lower[: len(phrase)] == phrase and tokens[len(phrase) : len(phrase) + 1] == [","]:
        return tokens[len(phrase) + 1 :]
    if lower[:4] == RUSSIAN_COURTESY:
        return tokens[4:]
    if tokens and tokens[0].startswith(CHINESE_COURTESY) and len(tokens[0]) > len(CHINESE_COURTESY):
        return [tokens[0].removeprefix(CHINESE_COURTESY).lstrip(","), *tokens[1:]]
    return tokens


def _closed(tokens: list[str]) -> list[str]:
    for phrase in COURTESY.values():
        before = len(tokens) - len(phrase) - 1
        if before > 0 and tokens[before] == "," and tuple(token.lower() for token in tokens[before + 1 :]) == phrase:
            return tokens[:before]
    return tokens
