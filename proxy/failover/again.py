"""Which targets that failed may be asked once more by the same request, and when."""

from collections.abc import Iterator

from ..policy.faults import Fault
from ..policy.targets import Candidate

_A_HAIR = 0.001
"""Seconds after a rest that was asked for, so that it is over by every clock."""


class Again:
    """Of one request. Times are monotonic seconds."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[Candidate, float] = {}

    def note(self, candidate: Candidate, fault: Fault, *, now: float, longest: float) -> None:
        """``candidate`` failed. Where it asks for a pause longer than ``longest`` it is not asked again."""
        self._due.pop(candidate, None)
        wait = fault.wait or 0.0
        if fault.action.again and wait <= longest:
            self._due[candidate] = now + (wait + _A_HAIR if wait else 0.0)

    def soonest(self) -> float | None:
        """When the first of them may be asked; ``None``: there is none."""
        return min(self._due.values(), default=None)

    def due(self, now: float) -> Iterator[Candidate]:
        """Those that may be asked, whoever could have been first before others."""
        for candidate in sorted(self._due, key=self._due.__getitem__):
            if self._due[candidate] <= now:
                yield candidate
