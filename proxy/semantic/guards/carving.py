"""Code and quotations are cut out of a text before anything else looks at it: they count byte for byte."""

import re

from . import typography

VERBATIM = re.compile(r"""(```.*?```|`[^`\n]*`|"[^"]*"|(?<![^\s(])'[^'\n]*'(?!\w))""", re.DOTALL)
"""Fenced code, inline code, quotations. Each alternative ends at the next mark of its kind, so the whole stays linear."""

CODE_LIKE = re.compile(r"[{}\[\]<>=;|\\^~`\"]|\n[ \t]")
"""Outside of quotations: signs of code without a fence, and marks that found no partner."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
NEEDS_CARVING = re.compile(r"""["`']""")


def carved(text: str) -> list[str] | None:
    """Plain and verbatim pieces in turns, the first one plain and free of typographic noise. ``None``: this is code, or nobody can
    say where a quotation ends."""
    if CONTROL.search(text):
        return None
    marked = typography.marked(text)
    if not NEEDS_CARVING.search(marked):
        return None if CODE_LIKE.search(text) else [typography.folded(marked)]
    pieces = VERBATIM.split(marked)
    at = 0
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = f"{piece[0]}{text[at + 1 : at + len(piece) - 1]}{piece[-1]}"
        elif CODE_LIKE.search(piece) or (piece and _clings(piece, index, len(pieces))):
            return None
        else:
            pieces[index] = typography.folded(piece)
        at += len(piece)
    return pieces


def _clings(piece: str, index: int, count: int) -> bool:
    """Is a quotation beside it part of a word, as in ``f"x"``?"""
    return (index > 0 and _joins(piece[0])) or (index + 1 < count and _joins(piece[-1]))


def _joins(letter: str) -> bool:
    return letter.isalnum() or letter in "_$"
