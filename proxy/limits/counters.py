"""The counters of every method of limiting, in one shape: ``used``, ``held``, and arithmetic that is told the time.

Slots and money live here; what is counted over time is in ``window.py`` and ``steady.py``.
"""

from datetime import UTC, date, datetime

from ..policy.rules import Rule, window_end
from ..policy.terms import Per
from .steady import Steady
from .window import Window

LINGER = 86_400.0
"""Seconds for which money is remembered after its calendar period: longer than any clock is put back."""

_NEVER = float("inf")


class Slots:
    """Requests at once: only ever held."""

    __slots__ = ("held", "until", "used")

    def __init__(self) -> None:
        self.used = 0
        self.held = 0
        self.until = float("inf")

    def advance(self, now: float, limit: int) -> None:
        """Time frees no slot."""

    def add(self, amount: int) -> None:
        """A slot that is given back leaves nothing behind."""

    def undo(self, amount: int) -> None:
        """As ``add``."""

    def wait(self, excess: int, now: float) -> float | None:
        """Nobody knows when requests end."""
        return None

    def reset(self, now: float) -> float:
        """Nothing is ever counted."""
        return 0.0

    def idle(self, now: float) -> bool:
        """Would a new one in its place say the same?"""
        return not self.held


class Money:
    """Micro-dollars of one calendar period, which is over at ``ends`` (never, for a total)."""

    __slots__ = ("ends", "held", "until", "used")

    def __init__(self, ends: float, used: int = 0) -> None:
        """``ends`` on the clock that the others are told the time by."""
        self.used = used
        self.held = 0
        self.until = float("inf")
        self.ends = ends

    def advance(self, now: float, limit: int) -> None:
        """Time gives no money back: the next period is another counter."""

    def add(self, amount: int) -> None:
        """Used; a negative amount is given back."""
        self.used = max(self.used + amount, 0)

    def undo(self, amount: int) -> None:
        """Takes back an ``add``."""
        self.add(-amount)

    def wait(self, excess: int, now: float) -> float | None:
        """Waiting does not help."""
        return None

    def reset(self, now: float) -> float:
        """Seconds until the next period, 0 for a total."""
        left = self.ends - now
        return left if 0.0 < left < _NEVER else 0.0

    def idle(self, now: float) -> bool:
        """Would a new one in its place say the same, or is its period long over?"""
        return not self.held and (not self.used or now >= self.ends + LINGER)


Counter = Window | Steady | Slots | Money


def counter_of(rule: Rule, limit: int, ends: float, now: float) -> Counter:
    """A new counter for ``rule``; ``ends``: of money, when its calendar period is over."""
    match rule.method:
        case "window":
            return Window(rule.period, now)
        case "steady":
            return Steady(rule.period, now, limit)
        case "slots":
            return Slots()
        case "money":
            return Money(ends)


def end_of(window: str) -> float | None:
    """When a calendar period, named as ``policy.rules.window_of`` does, is over, in unix seconds; ``None``: never, or not such a name."""
    per: Per
    try:
        if "W" in window:
            year, week = window.split("-W")
            per, first = "week", date.fromisocalendar(int(year), int(week), 1)
        elif window.count("-") == 1:
            per, first = "month", date.fromisoformat(f"{window}-01")
        else:
            per, first = "day", date.fromisoformat(window)
    except ValueError:
        return None
    return window_end(per, datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
