"""Changes of health as log lines and metrics. Names of models may be a client's invention: they are quoted, cut and kept few."""

import logging
from collections.abc import Iterable
from typing import Protocol

from ..protocols import Clock
from .board import HealthBoard
from .changes import STATES, Change, State

_log = logging.getLogger("tollway.health")

LINES = 20
"""Log lines at once; after these, one a second."""

NAME = 100
"""Characters of a name in the log."""


class HealthMetrics(Protocol):
    """What telemetry keeps of health. It bounds the labels."""

    def target_opened(self, provider: str, model: str, reason: str) -> None:
        """A breaker opened, again or for the first time."""

    def key_rested(self, provider: str, key: int, reason: str) -> None:
        """A key is not used for a while; ``key`` counts from 0."""

    def targets_stand(self, states: Iterable[tuple[str, str, int]], waiting: int) -> None:
        """(provider, model, state as a number: 0 ready to 5 open) of each target, and how many requests wait for a place."""


class Reporter:
    """Hears the ``board``; ``measure`` is called now and then, for the gauges."""

    def __init__(self, board: HealthBoard, metrics: HealthMetrics, *, clock: Clock) -> None:
        self._board = board
        self._metrics = metrics
        self._clock = clock
        self._left = float(LINES)
        self._at = clock()
        self._skipped = 0
        board.listen(self._heed)

    def measure(self) -> None:
        """Sets the gauges."""
        self._metrics.targets_stand(map(_numbered, self._board.states()), self._board.waiting)

    def _heed(self, change: Change) -> None:
        if change.kind == "opened":
            self._metrics.target_opened(change.provider, change.model, change.reason)
        elif change.kind == "rested":
            self._metrics.key_rested(change.provider, change.key, change.reason)
        elif change.kind in {"probing", "unproved"}:
            return
        if not self._may_speak():
            self._skipped += 1
            return
        level = logging.WARNING if change.kind in {"opened", "rested"} else logging.INFO
        _log.log(level, "%s%s", said(change), f" ({self._skipped} more not logged)" if self._skipped else "")
        self._skipped = 0

    def _may_speak(self) -> bool:
        now = self._clock()
        self._left = min(float(LINES), self._left + now - self._at)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def said(change: Change) -> str:
    """One line, without secrets: a key is its number."""
    place = ascii(f"{change.provider}/{change.model}"[:NAME])
    key = f"key {change.key} of {change.provider}" + (f" for {place}" if change.model else "")
    if change.kind == "opened":
        return f"target {place} is left alone for {change.seconds:.1f} s: {change.reason}"
    if change.kind == "closed":
        return f"target {place} is well again"
    if change.kind == "rested":
        return f"{key} rests for {change.seconds:.1f} s: {change.reason}"
    return f"{key} is used again"


def _numbered(target: tuple[str, str, State]) -> tuple[str, str, int]:
    provider, model, state = target
    return provider, model, STATES.index(state)
