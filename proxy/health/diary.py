"""Good news of tries, written down as it comes and read when somebody wants to know: where there is no choice nobody does for long.

What it comes to is worked out many lines at a time, which costs a fraction of what it costs one by one between other things.
"""

from typing import Protocol

from ..errors import RawHeaders

PAGE = 64
"""Lines that are written at most before somebody reads them."""


class Writer(Protocol):
    """A try. ``now``: when it was written, in monotonic seconds."""

    def learn(self, headers: RawHeaders, now: float) -> None:
        """An answer's head came."""

    def succeed(self, seconds: float, now: float) -> None:
        """The first output came, after ``seconds``."""


class Diary:
    """Lines in the order in which they were written. Whoever notes bad news, or asks how things stand, reads them first."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[tuple[Writer, RawHeaders | None, float, float]] = []

    def answered(self, writer: Writer, headers: RawHeaders, now: float) -> None:
        """One line."""
        self.lines.append((writer, headers, 0.0, now))
        if len(self.lines) >= PAGE:
            self.read()

    def began(self, writer: Writer, seconds: float, now: float) -> None:
        """One line."""
        self.lines.append((writer, None, seconds, now))
        if len(self.lines) >= PAGE:
            self.read()

    def read(self) -> None:
        """What was written is known now."""
        if self.lines:
            lines, self.lines = self.lines, []
            for writer, headers, seconds, now in lines:
                if headers is not None:
                    writer.learn(headers, now)
                else:
                    writer.succeed(seconds, now)
