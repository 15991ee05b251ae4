"""A plain piece of text cut into tokens: words, punctuation, numbers with their units, and whatever has to stay as it was typed.

Each run between spaces is looked at once, from its ends inwards, so that the time is linear whatever the text. A capital is folded where
it cannot make a name of an ordinary word; elsewhere it stays.
"""

import re
from collections.abc import Sequence

from .tables.courtesy import COURTESIES, IMPERATIVES
from .tables.names import ACRONYMS, FUNCTION, NAMES, ORDINARY, TITLES_TOO
from .tables.phrases import CONTRACTIONS
from .tables.quantities import CURRENCIES, HALVES_OF_DAY, ORDINALS, UNITS

NUMBER = re.compile(
    r"([+-]?)([$£€¥]?)([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)*)(%|°[CF]?|[A-Za-z]{1,4}|(?:[ap]\.m))?"
)
"""Sign, currency, figures, unit."""

SUM = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[+*\u00d7\u00f7][0-9]+(?:\.[0-9]+)?)+")
SUM_PARTS = re.compile(r"[0-9.]+|[+*\u00d7\u00f7]")
COUNTED = re.compile(r"([0-9]+)-([a-z]+)")
"""``5-day``, but not ``man-eating``: there the hyphen decides."""

ENDS = ".?!"
AFTER = ".,?!:)؟"
ABBREVIATED = {
    "U.S.": "usa", "U.S.A.": "usa", "U.K.": "uk", "E.U.": "eu", "e.g.": "e.g.", "i.e.": "i.e.", "vs.": "vs", "a.m.": "am", "p.m.": "pm",
    "Mr.": "Mr", "Mrs.": "Mrs", "Dr.": "Dr", "St.": "St",
}  # fmt: skip
SIMPLE = ORDINARY | NAMES | ACRONYMS | FUNCTION | {"who", "it", "can"}
"""Lower-case words that nothing has to be asked about."""

FIRST = {
    word.capitalize(): word
    for word in ORDINARY | FUNCTION | COURTESIES | CONTRACTIONS.keys() | {"who", "it", "can", "i"}
}
"""A capital at the start of a sentence that says nothing."""

WITHIN = {
    **{word.capitalize(): word for word in FUNCTION if word.capitalize() not in TITLES_TOO and len(word) > 1},
    **{name.capitalize(): name for name in NAMES},
    **{name.upper(): name for name in ACRONYMS},
    "JavaScript": "javascript", "TypeScript": "typescript", "PostgreSQL": "postgresql", "MySQL": "mysql", "SQLite": "sqlite",
    "MongoDB": "mongodb", "GitHub": "github", "GitLab": "gitlab", "NumPy": "numpy", "SciPy": "scipy", "PyTorch": "pytorch",
    "TensorFlow": "tensorflow", "PowerShell": "powershell", "macOS": "macos", "MacOS": "macos", "iOS": "ios", "iPhone": "iphone",
    "iPad": "ipad", "YouTube": "youtube", "TikTok": "tiktok", "WhatsApp": "whatsapp", "LinkedIn": "linkedin", "OpenAI": "openai",
    "ChatGPT": "chatgpt", "WiFi": "wifi", "PhD": "phd", "I": "i",
}  # fmt: skip
"""A capital within a sentence that says nothing."""

_ENDINGS = frozenset((".", "?", "\n"))
OPENING = 4
"""Tokens within which a greeting ends."""

SHOUTED_NAMES = frozenset("us it who may can will".split())
"""Of a text that shouts nobody can say whether these are names."""

WORKS = frozenset(
    "About About? Plot Wrote Directed Starred Author Cast Sang Album Movie Film Novel Book Song Show Band Game".split()
)
"""Words that capitalised titles come with."""

UNCASED = 3
"""Words from which on a text that shouts, or has all its words capitalised, is taken for one that says nothing by its capitals."""


def tokens_in(piece: str, tokens: list[str]) -> None:
    """Adds the tokens of one plain piece."""
    for number, line in enumerate(piece.splitlines()):
        if number and tokens and tokens[-1] != "\n":
            tokens.append("\n")
        chunks = line.split()
        loud = says_nothing_by_case(chunks)
        for chunk in chunks:
            if chunk in SIMPLE:
                tokens.append(chunk)
            else:
                _add(chunk, tokens, loud)


def raw_tokens_in(piece: str, tokens: list[str]) -> None:
    """The same, with every word as it was typed: for text that is about words."""
    for number, line in enumerate(piece.splitlines()):
        if number and tokens and tokens[-1] != "\n":
            tokens.append("\n")
        for chunk in line.split():
            core = chunk.rstrip(AFTER)
            if core:
                tokens.append(core)
            if len(core) != len(chunk):
                _punctuate(_after_factorial(core, chunk[len(core) :], tokens), tokens)


def says_nothing_by_case(chunks: Sequence[str]) -> bool:
    """Is every word of it capitalised, or all of it upper case? Not where a work may be meant: ``Describe The Road``."""
    if len(chunks) < UNCASED or chunks[1][:1].islower():
        return False
    if chunks[0].lower() in IMPERATIVES or not WORKS.isdisjoint(chunks):
        return False
    return not any(chunk[:1].islower() for chunk in chunks)


def _add(chunk: str, tokens: list[str], loud: bool) -> None:
    """The tokens of one run between spaces."""
    bare = chunk.rstrip(",?!:)")
    abbreviated = ABBREVIATED.get(bare)
    core = bare if abbreviated else chunk.rstrip(AFTER)
    tail = chunk[len(core) :]
    if core[:1] == "(":
        inner = core.lstrip("(")
        tokens += "(" * (len(core) - len(inner))
        core = inner
    if abbreviated:
        tokens.append(abbreviated)
    elif core:
        _word(core, tokens, loud)
    if tail:
        _punctuate(_after_factorial(core, tail, tokens), tokens)


def _word(core: str, tokens: list[str], loud: bool) -> None:
    if core in SIMPLE or (core.islower() and core.isalpha()):
        tokens.append(core)
    elif core.isalpha() or "'" in core:
        tokens.append(_cased(core, _begins(tokens), loud))
    elif not _quantity(core, tokens):
        tokens.append(WITHIN.get(core, core))


def _begins(tokens: Sequence[str]) -> bool:
    """Does a sentence begin here? After a comma or colon only near the start, where a greeting or an aside ends."""
    if not tokens:
        return True
    last = tokens[-1]
    return last in _ENDINGS or (last in ",:" and len(tokens) <= OPENING)


def _cased(word: str, first: bool, loud: bool) -> str:
    """The word, folded if its capitals say nothing."""
    if first and word in FIRST:
        return FIRST[word]
    if loud:
        lower = word.lower()
        if lower in SHOUTED_NAMES and not (first and lower == "who"):
            # Code has this sign, and code never comes here: no other token is like it.
            return f"^{lower}"
        return lower if lower in SIMPLE or lower in CONTRACTIONS else WITHIN.get(word, word)
    if word in WITHIN:
        return WITHIN[word]
    stem, mark, rest = word.partition("'")
    if mark and (stem in WITHIN or (first and stem in FIRST)):
        return f"{WITHIN.get(stem) or FIRST[stem]}'{rest.lower()}"
    return word


def _quantity(core: str, tokens: list[str]) -> bool:
    """Adds it, if it is a number with what clings to it."""
    found = NUMBER.fullmatch(core)
    if found:
        sign, currency, figures, unit = found.groups()
        if unit and not (unit in UNITS or unit in HALVES_OF_DAY or unit[0] in "%°"):
            tokens.append(ORDINALS.get(core.lower(), core))
            return True
        tokens.append(sign + figures.replace(",", ""))
        if currency:
            tokens.append(CURRENCIES[currency])
        if unit:
            tokens.append(UNITS.get(unit) or HALVES_OF_DAY.get(unit) or unit)
        return True
    counted = COUNTED.fullmatch(core)
    if counted:
        tokens += (counted[1], UNITS.get(counted[2], counted[2]))
        return True
    if SUM.fullmatch(core):
        tokens += SUM_PARTS.findall(core)
        return True
    return False


def _after_factorial(core: str, tail: str, tokens: list[str]) -> str:
    """The marks after one that may belong to the number: ``5!`` is 120, and so it is in ``n!`` and ``(2+3)!``."""
    bracketed = tail[:1] == ")"
    marks = tail.lstrip(")") if bracketed else tail
    if marks[:1] != "!" or not (bracketed or core[-1:].isdigit() or (len(core) == 1 and core.isalpha())):
        return tail
    rest = marks.lstrip("!")
    tokens += (*tail[: len(tail) - len(marks)], marks[: len(marks) - len(rest)])
    return rest


def _punctuate(tail: str, tokens: list[str]) -> None:
    """Marks after a word; a run of those that end a sentence counts once, as a question if it asks."""
    if not tail:
        return
    if len(tail) == 1:
        tokens.append("?" if tail == "؟" else "." if tail == "!" else tail)
        return
    end = ""
    for mark in tail:
        if mark in "?؟":
            end = "?"
        elif mark in ENDS:
            end = end or "."
        else:
            if end:
                tokens.append(end)
                end = ""
            tokens.append(mark)
    if end:
        tokens.append(end)
