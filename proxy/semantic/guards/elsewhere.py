"""Texts in languages without tables: the same words in the same order and case. Only courtesy and final marks may differ.

Case is kept because it decides (``Sie`` and ``sie``), but for a first word that asks; and so is a question mark that alone makes
the question.
"""

from collections.abc import Sequence

from .tables.languages import ASKING, ASKING_WITHIN, CHINESE_COURTESY, COURTESY, EXCLAIMING, RUSSIAN_COURTESY


def plainly(raw: list[str], text: str) -> list[str]:
    """The tokens without what only surrounds them; the whole, if nothing would be left."""
    tokens, asks = _unmarked(raw)
    if ":" not in tokens:
        tokens = _opened(_closed(tokens))
    tokens, again = _unmarked(tokens)
    if not tokens:
        return raw
    first = tokens[0]
    if first.lower() in ASKING and (first.istitle() or first.islower()):
        tokens = [first.lower(), *tokens[1:]]
        if tokens[0] not in EXCLAIMING:
            return tokens
    if (asks or again) and not any(word in text for word in ASKING_WITHIN):
        tokens = [*tokens, "?"]
    return tokens


def _unmarked(tokens: Sequence[str]) -> tuple[list[str], bool]:
    """Without the marks at the end, and whether one of them asked."""
    end = len(tokens)
    while end and tokens[end - 1] in (".", "?", ","):
        end -= 1
    return list(tokens[:end]), "?" in tokens[end:]


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
