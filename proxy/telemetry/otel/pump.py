"""The thread that exports metrics every so often, and keeps what the loop has counted short in between."""

import threading
import time
from collections.abc import Callable

from .outbox import Complaints
from .points import MetricEncoder
from .tallies import Spread, Tallies

FOLD = 2.0
"""Seconds between looks at what was counted."""


class Pump:
    """``send(data)`` blocks and says why it was not taken; ``dropped`` and ``taken`` count data points. ``wall`` in unix seconds."""

    def __init__(
        self,
        tallies: Tallies,
        encoder: MetricEncoder,
        send: Callable[[bytes], str],
        *,
        interval: float,
        wall: Callable[[], float],
        dropped: Callable[[int], None],
        taken: Callable[[int], None],
    ) -> None:
        self._tallies = tallies
        self._encoder = encoder
        self._send = send
        self._interval = interval
        self._wall = wall
        self._dropped = dropped
        self._taken = taken
        self._stopping = threading.Event()
        self._complaints = Complaints("metrics")
        self._thread = threading.Thread(target=self._run, name="tollway-otel-metrics", daemon=True)

    def start(self) -> None:
        """From the process that serves, after any fork."""
        self._thread.start()

    def stop(self) -> None:
        """One last export, if it can be."""
        self._stopping.set()

    def join(self, timeout: float) -> None:
        """Waits for the thread at most so many seconds."""
        self._thread.join(max(timeout, 0.0))

    def _run(self) -> None:
        due = time.monotonic() + self._interval
        while not self._stopping.wait(min(FOLD, max(0.0, due - time.monotonic()))):
            if time.monotonic() >= due:
                self._export()
                due = max(due + self._interval, time.monotonic())
            else:
                self._fold()
        self._export()

    def _fold(self) -> None:
        for tally in [*self._tallies.made]:
            if isinstance(tally.amounts, Spread):
                tally.amounts.fold()

    def _export(self) -> None:
        try:
            data = self._encoder.encoded([*self._tallies.made], int(self._wall() * 1e9))
            why = self._send(data) if data else ""
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever one export dies of
            why = f"they could not be written ({type(error).__name__})"
        points = self._encoder.points
        if why:
            self._dropped(points)
        else:
            self._taken(points)
        self._complaints.note(why, points)
