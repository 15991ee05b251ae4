"""GCRA: a limit that refills evenly, with a burst of the whole of it.

The algorithm's theoretical arrival time is the moment when all that was used will have drained away. Kept as an amount and its
moment instead, so that whole numbers stay exact. Plain arithmetic: the clock is an argument, and may step back.
"""

from math import ceil

_GRAIN = 1e-6
"""Of one request or token: what rounding may have added."""


class Steady:
    """What was ``used`` and has not drained yet (rounded up), and what is ``held`` by requests under way: that does not drain.

    ``until``: when ``advance`` is due next: always, before anything is asked.
    """

    __slots__ = ("_at", "_level", "_period", "_rate", "held", "until", "used")

    def __init__(self, period: float, now: float, limit: int) -> None:
        """``period`` in seconds: how long a full one, of ``limit``, takes to drain."""
        self.used = 0
        self.held = 0
        self.until = float("-inf")
        self._level = 0.0
        self._at = now
        self._period = period
        self._rate = limit / period

    @property
    def arrival(self) -> float:
        """The theoretical arrival time: when nothing will count as used."""
        return self._at + self._level / self._rate

    def advance(self, now: float, limit: int) -> None:
        """Time has passed: drains at ``limit`` a period. A step back drains nothing, and the rest goes on from ``now``."""
        self._rate = limit / self._period
        if now > self._at and self._level:
            self._level = max(self._level - (now - self._at) * self._rate, 0.0)
            self.used = ceil(self._level - _GRAIN)
        self._at = now

    def add(self, amount: int) -> None:
        """Used now; a negative amount is given back."""
        self._level = max(self._level + amount, 0.0)
        self.used = ceil(self._level - _GRAIN)

    def undo(self, amount: int) -> None:
        """Takes back an ``add`` of this very moment."""
        self.add(-amount)

    def wait(self, excess: int, now: float) -> float | None:
        """Seconds until ``excess`` of what was used has drained; ``None``: less than that was used."""
        if excess > self.used:
            return None
        return max((excess - self.used + self._level) / self._rate, 0.0)

    def reset(self, now: float) -> float:
        """Seconds until nothing counts, were all that is held used now."""
        return (self._level + self.held) / self._rate

    def idle(self, now: float) -> bool:
        """Would a new one in its place say the same?"""
        return not self.held and now >= self.arrival
