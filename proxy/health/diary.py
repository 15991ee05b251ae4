"""Good news of tries, written down as it comes and read when somebody wants to know: where there is no choice nobody does for long.

What it comes to is worked out many lines at a time, which costs a fraction of what it costs one by one between other things.
"""

from collections.abc import Sequence
from typing import Protocol

from ..errors import RawHeaders
from .keys import Pair

PAGE = 64
"""Lines of each kind that wait to be read, about."""


class Subject(Protocol):
    """A target."""

    def begun(self, lines: "Sequence[Output]") -> None:
        """First outputs of some of its tries."""


class Writer(Protocol):
    """A try. ``now``: when it was written, in monotonic seconds."""

    pair: Pair

    @property
    def subject(self) -> Subject:
        """Whom it tells of."""

    @property
    def turn(self) -> int:
        """How often its target had been given up when it began."""

    def learn(self, headers: RawHeaders, now: float) -> bool:
        """An answer's head came. Does it say anything?"""

    def succeed(self, seconds: float, now: float) -> None:
        """The first output came, after ``seconds``."""


Output = tuple[Writer, float, float]
"""Who, the seconds that it took, and when that was."""


class Diary:
    """``heads`` and ``outputs`` in the order in which they were written: who, what, and when.

    Whoever notes bad news, or asks how things stand, reads them first; so does a try that ends when the page is full.
    """

    __slots__ = ("heads", "outputs")

    def __init__(self) -> None:
        self.heads: list[tuple[Writer, RawHeaders, float]] = []
        self.outputs: list[Output] = []

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
            for subject, lines in _sorted(outputs).items():
                subject.begun(lines)


def _sorted(outputs: Sequence[Output]) -> dict[Subject, list[Output]]:
    """By the target that they tell of."""
    pages: dict[Subject, list[Output]] = {}
    for line in outputs:
        try:
            pages[line[0].subject].append(line)
        except KeyError:
            pages[line[0].subject] = [line]
    return pages
