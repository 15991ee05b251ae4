"""Good news of tries, written down as it comes and read when somebody wants to know: where there is no choice nobody does for long.

What it comes to is worked out many lines at a time, which costs a fraction of what it costs one by one between other things.
"""

from typing import Protocol

from ..errors import RawHeaders
from .keys import Pair

PAGE = 64
"""Lines of each kind that wait to be read, about."""


class Writer(Protocol):
    """A try. ``now``: when it was written, in monotonic seconds."""

    pair: Pair

    def learn(self, headers: RawHeaders, now: float) -> bool:
        """An answer's head came. Does it say anything?"""

    def succeed(self, seconds: float, now: float) -> None:
        """The first output came, after ``seconds``."""


class Diary:
    """``heads`` and ``outputs`` in the order in which they were written: who, what, and when.

    Whoever notes bad news, or asks how things stand, reads them first; so does a try that ends when the page is full.
    """

    __slots__ = ("heads", "outputs")

    def __init__(self) -> None:
        self.heads: list[tuple[Writer, RawHeaders, float]] = []
        self.outputs: list[tuple[Writer, float, float]] = []

    def read(self) -> None:
        """What was written is known now."""
        if self.heads:
            heads, self.heads = self.heads, []
            known: set[Pair] = set()
            # What a provider said last of a key makes nothing of what it said before.
            for writer, headers, now in reversed(heads):
                if writer.pair not in known and writer.learn(headers, now):
                    known.add(writer.pair)
        if self.outputs:
            outputs, self.outputs = self.outputs, []
            for writer, seconds, now in outputs:
                writer.succeed(seconds, now)
