"""Pairs of questions with the truth about them: the two built-in sets, and files of the operator's own.

A third of each built-in set, chosen by hash, is held out: nobody looks at it while the guards' tables are worked on.
"""

import hashlib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from math import isfinite
from typing import Literal

import msgspec
from msgspec import Struct

Part = Literal["worked on", "held out", "own"]

RECORDED_WITH = "minilm-l6-int8@8199be6f699a"
"""Embedder whose cosines the built-in sets carry."""


class Pair(Struct, frozen=True, kw_only=True):
    """Two questions. ``same``: may the answer of one be given to the other? ``similarity``: cosine, if it is known."""

    a: str
    b: str
    same: bool
    kind: str = "own"
    similarity: float | None = None
    part: Part = "own"


class PairsUnreadable(Exception):
    """A line that is no pair; ``str()`` is for people."""


class _Written(Struct, frozen=True):
    """A line of a built-in set."""

    kind: str
    a: str
    b: str
    similarity: float | None = None
    seen: bool = False
    """Was it found to slip through, or feared to, while the tables were mended? Then it is not held out."""


def built_in() -> tuple[Pair, ...]:
    """Both sets: first what must not match, then what should."""
    return (*adversarial(), *paraphrases())


def adversarial() -> tuple[Pair, ...]:
    """Pairs that read alike and have different answers."""
    return tuple(_shipped("adversarial.jsonl", same=False))


def paraphrases() -> tuple[Pair, ...]:
    """Pairs that ask the same, as people vary a question."""
    return tuple(_shipped("paraphrases.jsonl", same=True))


def read(lines: Iterable[bytes], *, name: str) -> tuple[Pair, ...]:
    """Pairs of a JSONL file: ``a``, ``b``, ``same``, and if they are known ``kind`` and ``similarity``. Raises ``PairsUnreadable``."""
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            pair = msgspec.json.decode(line, type=Pair)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PairsUnreadable(f"{name}, line {number} is no pair: {error}") from None
        if pair.similarity is not None and not (isfinite(pair.similarity) and -1.001 <= pair.similarity <= 1.001):
            raise PairsUnreadable(f"{name}, line {number} is no pair: a similarity lies between -1 and 1")
        found.append(msgspec.structs.replace(pair, part="own"))
    if not found:
        raise PairsUnreadable(f"{name} has no pairs")
    return tuple(found)


def _shipped(name: str, *, same: bool) -> Iterator[Pair]:
    content = files(__package__).joinpath(name).read_bytes()
    for line in content.splitlines():
        row = msgspec.json.decode(line, type=_Written)
        part: Part = "worked on" if row.seen else _part(row.a, row.b)
        yield Pair(a=row.a, b=row.b, same=same, kind=row.kind, similarity=row.similarity, part=part)


def _part(a: str, b: str) -> Part:
    """By hash, so that nobody chooses."""
    digest = hashlib.sha256(f"{a}\n{b}".encode()).digest()
    return "worked on" if int.from_bytes(digest) % 3 else "held out"
