"""A running count of the tokens of a text that comes in pieces: exact when asked, a cheap upper bound in between."""

from collections.abc import Callable

LONGEST_TAIL = 512
"""Characters that are counted again with what follows them, where no word ends before."""

MOST_UNCOUNTED = 16 * 1024
"""Bytes of text that are kept uncounted."""


class Tally:
    """Pieces are joined before they are counted, so that a word in two pieces is one word. Words that are whole are counted once.

    ``ceiling`` is never below ``total()``: a token is at least one byte.
    """

    __slots__ = ("_closed", "_count", "_pieces", "_tail", "_uncounted", "ceiling")

    def __init__(self, count: Callable[[str], int]) -> None:
        """``count``: exact tokens of a text."""
        self._count = count
        self._closed = 0
        self._tail = ""
        self._pieces: list[str] = []
        self._uncounted = 0
        self.ceiling = 0

    def add(self, text: str) -> None:
        """Takes a piece, without counting it."""
        size = bytes_of(text)
        self._pieces.append(text)
        self._uncounted += size
        self.ceiling += size
        if self._uncounted > MOST_UNCOUNTED:
            self.total()

    def charge(self, tokens: int) -> None:
        """Tokens of something that cannot be read."""
        self._closed += tokens
        self.ceiling += tokens

    def total(self) -> int:
        """Tokens of everything added, exactly."""
        if self._pieces:
            self._closed, self._tail, self.ceiling = self._counted("".join((self._tail, *self._pieces)))
            self._pieces.clear()
            self._uncounted = 0
        return self.ceiling

    def with_more(self, text: str) -> int:
        """What ``total()`` would be after ``add(text)``."""
        self.total()
        return self._counted(self._tail + text)[2] if text else self.ceiling

    def _counted(self, text: str) -> tuple[int, str, int]:
        """Tokens of whole words, the unfinished rest, tokens in all."""
        closed, seam = self._closed, _seam(text)
        if seam:
            closed += self._count(text[:seam])
        tail = text[seam:]
        total = closed + (self._count(tail) if tail else 0)
        return (total, "", total) if len(tail) > LONGEST_TAIL else (closed, tail, total)


def bytes_of(text: str) -> int:
    """The size of ``text`` in UTF-8, lone surrogates included."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _seam(text: str) -> int:
    """Where the last word begins: a space after something visible. Every tokeniser of ours begins a new word there. 0: nowhere."""
    at = len(text)
    while (at := text.rfind(" ", 0, at)) > 0:
        if not text[at - 1].isspace():
            return at
    return 0
