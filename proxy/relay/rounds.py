"""One timer for all requests that have just begun: nearly all of them have ended before anybody would look at one.

Every request is looked at the same while after it began, so that they wait in the order in which they came.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from msgspec import Struct

APART = 0.005
"""Seconds between two rounds at least, so that many requests a second do not mean as many timers."""


class Place(Struct, eq=False):
    """A request's place in the line. Leaving it empty costs nothing."""

    due: float
    look: Callable[[], None] | None

    def leave(self) -> None:
        """Nobody is to be looked at here."""
        self.look = None


class Rounds:
    """One event loop. ``after``: seconds from a request's beginning to the look at it."""

    __slots__ = ("_after", "_line", "_loop")

    def __init__(self, after: float) -> None:
        self._after = after
        self._line: deque[Place] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Whose timer is set; ``None``: none is."""

    def join(self, loop: asyncio.AbstractEventLoop, now: float, look: Callable[[], None]) -> Place:
        """``look`` is called once, in its time, unless the place is left before; ``now``: on the loop's clock."""
        place = Place(now + self._after, look)
        if self._loop is not loop:
            self._line.clear()
            self._loop = loop
            loop.call_at(place.due, self._go)
        self._line.append(place)
        return place

    def _go(self) -> None:
        loop, line = self._loop, self._line
        if loop is None:
            return
        now = loop.time()
        while line:
            place = line[0]
            if place.look is not None and place.due > now:
                loop.call_at(max(place.due, now + APART), self._go)
                return
            line.popleft()
            if place.look is not None:
                place.look()
        self._loop = None
