"""When a target is left alone: a state machine without a clock, fed with what became of tries.

Closed it counts. Open it takes nothing until its cooldown is over; then one try, the probe, may show whether the target is well.
"""

from collections.abc import Sequence
from math import ceil
from random import Random

from ..policy.routes import Breaker as Settings

JITTER = 0.2
"""A cooldown is up to this share longer or shorter, so that targets (and processes) do not come back all at once."""

SILENCE = 60.0
"""Seconds after which a probe that has told nothing is not waited for any more: the next one may begin."""

CELLS = 60
"""Most cells of the sliding window. A second each, where the window has fewer seconds than this."""

DOUBLINGS = 30
"""More make no difference: ``longest`` is reached before."""


class Breaker:
    """One target's. Times are monotonic seconds, given with every call.

    ``turn`` counts the openings. A try keeps the turn in which it began, and what became of it is of use in that turn alone: whatever
    was under way when the target was given up tells of the time before.
    """

    __slots__ = (
        "_closed_at",
        "_probes",
        "_rng",
        "_row",
        "_settings",
        "_window",
        "probe",
        "probe_until",
        "times",
        "turn",
        "until",
    )

    def __init__(self, settings: Settings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._window = Window(settings.window)
        self._row = 0
        self._closed_at = 0.0
        self._probes = 0
        self.turn = 0
        self.until = 0.0
        """End of the cooldown; 0: closed."""
        self.times = 0
        """Openings without a healthy stretch between them."""
        self.probe = 0
        """The number of the probe under way; 0: none, -1: another process's."""
        self.probe_until = 0.0

    def use(self, settings: Settings) -> None:
        """Other settings from now on. What is under way goes on."""
        if settings.window != self._settings.window:
            self._window = Window(settings.window)
        self._settings = settings

    # ---- what it lets through ---------------------------------------------------------------------------------------

    def probing(self, now: float) -> bool:
        """Is a probe under way that may still tell something?"""
        return self.probe != 0 and now < self.probe_until

    def takes(self, now: float) -> bool:
        """May a try begin?"""
        return not self.until or (now >= self.until and not self.probing(now))

    def blocked_until(self, now: float) -> float:
        """When it may take a try; a time that has passed: now."""
        if not self.until or now < self.until:
            return self.until
        return self.probe_until if self.probing(now) else 0.0

    def begin_probe(self, now: float) -> int:
        """Takes the place of the probe: its number. Only where it ``takes`` one and is not closed."""
        self._probes += 1
        self.probe = self._probes
        self.probe_until = now + SILENCE
        return self.probe

    # ---- what became of tries ---------------------------------------------------------------------------------------

    def succeeded(self, turn: int, now: float) -> bool:
        """A try of ``turn`` did well. Has that closed it?"""
        if turn != self.turn:
            return False
        if self.until:
            self.close(now)
            return True
        self._row = 0
        self._window.note(now, fault=False)
        return False

    def did_well(self, times: Sequence[float]) -> None:
        """Tries of this turn did well while it is closed, one at each of ``times``, which are in order."""
        if times:
            self._row = 0
            self._window.note_good(times)

    def faulted(self, turn: int, probe: int, now: float) -> bool:
        """A try of ``turn`` failed, and the target is at fault; ``probe``: its number if it was one. Has that opened it (again)?"""
        if turn != self.turn:
            return False
        if self.until:
            # Of tries that were let through although it is open, only a probe's word counts.
            if probe:
                self._open(now)
            return bool(probe)
        self._row += 1
        self._window.note(now, fault=True)
        if self._row >= self._settings.consecutive or self._too_many(now):
            self._open(now)
            return True
        return False

    def silent(self, probe: int) -> bool:
        """The probe of this number is over and has told nothing: its place is free. False: it did not have the place any more."""
        if not probe or probe != self.probe:
            return False
        self.probe = 0
        return True

    def close(self, now: float) -> None:
        """The target is well."""
        self.until = 0.0
        self.probe = 0
        self._closed_at = now
        self._row = 0
        self._window.clear()

    def begin_anew(self, now: float) -> None:
        """It is another target now: nothing that is under way tells of it."""
        self.turn += 1
        self.times = 0
        self.close(now)

    # ---- hearsay ----------------------------------------------------------------------------------------------------

    def heard_open(self, now: float, seconds: float, times: int) -> bool:
        """Another process gave it up for ``seconds``. Does that change anything?"""
        until = now + min(max(seconds, 0.0), self._settings.longest)
        if until <= self.until:
            return False
        self.turn += 1
        self.probe = 0
        self.until = until
        self.times = max(self.times, min(times, DOUBLINGS))
        return True

    def heard_probe(self, now: float) -> bool:
        """Another process's probe is under way: ours waits."""
        if not self.until or self.probing(now):
            return False
        self.probe = -1
        self.probe_until = now + SILENCE
        return True

    # ---- opening ----------------------------------------------------------------------------------------------------

    def _too_many(self, now: float) -> bool:
        total, faults = self._window.counts(now)
        return total >= self._settings.minimum and faults >= self._settings.error_rate * total

    def _open(self, now: float) -> None:
        settings = self._settings
        if not self.until and self._closed_at and now - self._closed_at >= settings.longest:
            self.times = 0
        base = min(settings.longest, settings.cooldown * 2.0**self.times)
        jittered = base * (1 - JITTER + 2 * JITTER * self._rng.random())
        self.times = min(self.times + 1, DOUBLINGS)
        self.turn += 1
        self.probe = 0
        self._row = 0
        self._window.clear()
        self.until = now + min(settings.longest, jittered)


class Window:
    """Outcomes of the last ``seconds``, in cells: a ring that forgets one cell at a time."""

    __slots__ = ("_cell", "_cells", "_current", "_faults", "_total", "_width")

    def __init__(self, seconds: float) -> None:
        count = max(1, min(CELLS, ceil(seconds)))
        self._width = seconds / count
        self._cells = [[0, 0] for _ in range(count)]
        self._cell = self._cells[0]
        self._current = 0
        self._total = 0
        self._faults = 0

    def note(self, now: float, *, fault: bool) -> None:
        """One more outcome."""
        number = int(now / self._width)
        if number != self._current:
            self._turn(number)
        cell = self._cell
        cell[0] += 1
        self._total += 1
        if fault:
            cell[1] += 1
            self._faults += 1

    def note_good(self, times: Sequence[float]) -> None:
        """As many outcomes that are no faults, in order: mostly all of one cell."""
        number = int(times[0] / self._width)
        if number == int(times[-1] / self._width):
            if number != self._current:
                self._turn(number)
            self._cell[0] += len(times)
            self._total += len(times)
            return
        for now in times:
            self.note(now, fault=False)

    def counts(self, now: float) -> tuple[int, int]:
        """(all, faults)."""
        number = int(now / self._width)
        if number != self._current:
            self._turn(number)
        return self._total, self._faults

    def clear(self) -> None:
        """Forgets everything."""
        if self._total:
            for cell in self._cells:
                cell[0] = cell[1] = 0
            self._total = self._faults = 0

    def _turn(self, number: int) -> None:
        """Empties the cells between the last one written and ``number``."""
        size = len(self._cells)
        if self._total:
            for passed in range(max(self._current + 1, number - size + 1), number + 1):
                cell = self._cells[passed % size]
                self._total -= cell[0]
                self._faults -= cell[1]
                cell[0] = cell[1] = 0
        self._current = number
        self._cell = self._cells[number % size]
