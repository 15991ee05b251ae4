"""The retry budget: retries stay a share of the requests, so that an upstream in trouble is not asked many times as often.

Counted per upstream, and over all of them, in a sliding ten seconds with cells of one second; every step is O(1).
"""

from collections import OrderedDict

from ..policy.routes import Retries
from ..protocols import Clock

SECONDS = 10
"""The window, and the number of its cells."""

UPSTREAMS = 1024
"""Budgets that are kept; the one not used for longest goes first."""


class Window:
    """Two counts over the last ten seconds: ``whole`` and, of it, ``part``. Times are monotonic seconds."""

    __slots__ = ("_at", "_parts", "_wholes", "part", "whole")

    def __init__(self) -> None:
        self._at = 0
        self._wholes = [0] * SECONDS
        self._parts = [0] * SECONDS
        self.whole = 0
        self.part = 0

    def pass_to(self, now: float) -> None:
        """Forgets what is more than ten cells ago. A time before the last one is the last one."""
        cell = int(now)
        passed = cell - self._at
        if passed <= 0:
            return
        for gone in range(self._at + 1, self._at + 1 + min(passed, SECONDS)):
            at = gone % SECONDS
            self.whole -= self._wholes[at]
            self.part -= self._parts[at]
            self._wholes[at] = self._parts[at] = 0
        self._at = cell

    def add(self, now: float, *, whole: int = 0, part: int = 0) -> None:
        """Counts."""
        self.pass_to(now)
        at = self._at % SECONDS
        self._wholes[at] += whole
        self._parts[at] += part
        self.whole += whole
        self.part += part


class Budgets:
    """The retry budget of every upstream. One for the process: it outlives reloads.

    Each may be asked again for a share of its own requests, or so many a second where that is more. All tries after the first, also those
    elsewhere, which cost their own upstream nothing, are a share of all requests: small allowances do not add up to more than that, and
    what was granted ahead is not forgotten when it leaves the window.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, Window] = OrderedDict()
        self._all = Window()
        self._ratio = Retries().ratio
        self._ahead = 0.0
        """Retries that requests have not paid for yet; below 0: what they have, at most a window's."""
        self._second = 0
        self._begun: dict[str, int] = {}
        """Requests of this second that are in no window yet: most seconds pass without a retry."""

    def requested(self, upstream: str) -> None:
        """A request begins with ``upstream``."""
        second, begun = int(self._clock()), self._begun
        if second != self._second or len(begun) >= UPSTREAMS:
            self._count()
            self._second = second
        begun[upstream] = begun[upstream] + 1 if upstream in begun else 1

    def _count(self) -> None:
        """Into the windows with them."""
        for upstream, begun in self._begun.items():
            self._window(upstream).add(self._second, whole=begun)
            self._all.add(self._second, whole=begun)
            self._ahead = max(self._ahead - self._ratio * begun, -self._ratio * self._all.whole)
        self._begun.clear()

    def allows(self, upstream: str, rule: Retries, *, elsewhere: bool = False) -> bool:
        """May one more of its requests be tried again? ``elsewhere``: at another upstream."""
        self._ratio = rule.ratio
        self._count()
        now, window, every = self._clock(), self._window(upstream), self._all
        window.pass_to(now)
        every.pass_to(now)
        floor = rule.per_second * SECONDS
        if not elsewhere and window.part + 1 > max(rule.ratio * window.whole, floor):
            return False
        return self._ahead + 1 <= 0 or every.part + 1 <= floor * len(self._windows)

    def take(self, upstream: str, rule: Retries, *, elsewhere: bool = False) -> bool:
        """Takes one retry; false: there is none left, and none is taken."""
        if not self.allows(upstream, rule, elsewhere=elsewhere):
            return False
        now = self._clock()
        if not elsewhere:
            self._window(upstream).add(now, part=1)
        self._all.add(now, part=1)
        self._ahead += 1
        return True

    def _window(self, upstream: str) -> Window:
        found = self._windows.get(upstream)
        if found is None:
            found = self._windows[upstream] = Window()
            if len(self._windows) > UPSTREAMS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(upstream)
        return found
