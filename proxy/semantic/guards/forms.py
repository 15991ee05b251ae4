"""The canonical form of a question, computed once: equal forms pass every guard, and nothing else does.

There are four kinds of it. English questions are folded by the tables; what is about words, and other languages, only loses its
courtesies; code and whatever is not understood stays as it is, byte for byte.
"""

from hashlib import blake2b

from msgspec import Struct

from .carving import carved
from .courtesy import Bounds, bounds, bounds_about_words
from .elsewhere import plainly
from .english import is_about_words, is_english, is_named
from .folding import folded
from .frames import SENTENCE_MARKS, framed
from .tables.courtesy import AUXILIARIES, IMPERATIVES, WH
from .tables.phrases import CONTRACTIONS
from .words import raw_tokens_in, tokens_in

SEPARATOR = "\x1f"
"""Between tokens. A text that holds one is kept whole."""

ENGLISH, ABOUT_WORDS, OTHER, KEPT = "en", "words", "other", "kept"
"""Kinds of form: the first token of each."""

ASKING = WH | AUXILIARIES | CONTRACTIONS.keys()
"""A sentence that begins with one of these asks, with or without its mark."""
COMMANDED = frozenset("it that this these those not a an the your my some fun".split())
"""``Do`` and ``have`` before one of these may be a command."""

LONGEST = 10_000
"""Characters of a text that is looked at; a longer one is no question that somebody else puts in other words."""


class Features(Struct, frozen=True, array_like=True, gc=False):
    """What the guards know of one text. ``form``: its tokens, joined; ``digest``: 16 bytes of it."""

    form: str
    digest: bytes


def features(text: str) -> Features:
    """Linear in the text; never raises."""
    form = canonical(text)
    return Features(form, blake2b(form.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def signature(of: Features) -> bytes:
    """16 bytes, equal exactly when ``differs`` finds nothing."""
    return of.digest


def canonical(text: str) -> str:
    """The form, as one string."""
    text = text.strip()
    pieces = carved(text) if len(text) <= LONGEST else None
    if pieces is None:
        return f"{KEPT}{SEPARATOR}{text}"
    tokens = _tokens(pieces)
    if not is_english(tokens):
        return SEPARATOR.join([OTHER, *plainly(_raw(pieces), text)])
    found = bounds(tokens)
    about = is_about_words(tokens[found.start :], quotes=any("'" in piece for piece in pieces))
    if about:
        found = bounds_about_words(tokens, found, named=is_named(tokens))
    body = tokens[found.start : found.end]
    if about:
        raw = _raw(pieces)[found.start :]
        raw = raw[: len(raw) - (len(tokens) - found.end)]
        said = _beginning(body, raw)
        return SEPARATOR.join([ABOUT_WORDS, *said, *_mark(tokens, found, body)])
    said = framed(folded(body), indirect=found.indirect)
    return SEPARATOR.join([ENGLISH, *said, *_mark(tokens, found, said)])


def _tokens(pieces: list[str]) -> list[str]:
    tokens: list[str] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            tokens.append(piece)
        elif piece:
            tokens_in(piece, tokens)
    return tokens


def _raw(pieces: list[str]) -> list[str]:
    tokens: list[str] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            tokens.append(piece)
        elif piece:
            raw_tokens_in(piece, tokens)
    return tokens


def _beginning(body: list[str], raw: list[str]) -> list[str]:
    """The words as typed, but for the case and the contraction of a first one that asks, which is never what is asked about."""
    first = body[0]
    if first in ASKING or first in IMPERATIVES:
        return [*CONTRACTIONS.get(first, first).split(), *raw[1:]]
    return raw


def _mark(tokens: list[str], found: Bounds, said: list[str]) -> list[str]:
    """The mark, where it decides: ``You may go?`` is not ``You may go.``, and ``Who dares wins.`` is no question."""
    alone = SENTENCE_MARKS.isdisjoint(said)
    if not found.asks:
        return ["."] if alone and not found.polite and _states(tokens, found) else []
    if alone and _asks(said, 0) and not _may_state(said):
        return []
    start = found.end - 1
    while start > found.start and tokens[start - 1] not in SENTENCE_MARKS:
        start -= 1
    if (_asks(tokens, start) and not _may_state(tokens[start : found.end])) or (
        found.polite and tokens[start] in IMPERATIVES
    ):
        return []
    return ["?"]


def _states(tokens: list[str], found: Bounds) -> bool:
    """Does it begin as a question, and end as a statement does?"""
    return tokens[found.end : found.end + 1] == ["."] and _asks(tokens, found.start)


def _may_state(said: list[str]) -> bool:
    """Could it be a statement although it begins like a question? ``When it rains, it pours``; ``what a day``."""
    return said[0] in WH and ("," in said or said[1:2] == ["a"])


def _asks(tokens: list[str], at: int) -> bool:
    """Does a sentence that begins here ask by its first words? ``Do it`` does not."""
    first = tokens[at]
    return first in ASKING and (first not in ("do", "have") or COMMANDED.isdisjoint(tokens[at + 1 : at + 2]))
