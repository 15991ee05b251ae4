"""The rule by which a configuration on trial is kept or taken back. Pure: figures of both arms in, one word out."""

from typing import Literal

from msgspec import Struct

from ..policy.routes import Canary

Verdict = Literal["", "promoted", "failing", "errors", "latency", "elsewhere"]
"""``""``: it goes on; ``promoted``: it is everybody's now. The others take it back: nothing works, more errors, slower, or another
worker has seen one of these."""

FIRST = 10
"""Requests after which a trial that has answered none is over."""

TIMED = 20
"""Answers of each arm below which times say nothing."""

LEAST = 0.05
"""Seconds: a smaller difference of times is none."""


class Figures(Struct, frozen=True, kw_only=True):
    """One arm so far. ``p95``: seconds to the first output of ``timed`` answers, 0 without any."""

    requests: int = 0
    errors: int = 0
    timed: int = 0
    p95: float = 0.0

    @property
    def share(self) -> float:
        """Of requests that failed."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def failing(self) -> bool:
        """Has every one failed, and were there enough of them?"""
        return self.requests >= FIRST and self.errors == self.requests


def verdict(rule: Canary, *, base: Figures, trial: Figures, elapsed: float) -> Verdict:
    """After ``elapsed`` seconds.

    A trial in which nothing works ends at once, unless nothing works without it either. Otherwise it is judged from
    ``rule.minimum`` requests on, and what stands when ``rule.seconds`` are over is kept. One that had fewer requests goes on up to
    twice as long and is then judged by those.
    """
    if trial.failing and not base.failing:
        return "failing"
    late = elapsed >= 2 * rule.seconds
    if trial.requests < rule.minimum and not late:
        return ""
    if trial.share > base.share + rule.errors:
        return "errors"
    if _slower(rule, base, trial):
        return "latency"
    return "promoted" if elapsed >= rule.seconds else ""


def _slower(rule: Canary, base: Figures, trial: Figures) -> bool:
    if min(base.timed, trial.timed) < TIMED:
        return False
    return trial.p95 > base.p95 * rule.latency and trial.p95 - base.p95 > LEAST
