"""Says when requests are due, from a thread of its own: nothing that a server or this process's loop does can hold it up."""

import asyncio
import threading
from collections.abc import Callable, Iterator

from .asking import Clock

_BATCH = 256
"""Requests that are called for at once after the thread itself was held up."""


class Metronome:
    """Calls ``strike`` on the loop with the times that are due. (A loop's own timers are a millisecond coarse.)"""

    def __init__(self, offsets: Iterator[float], strike: Callable[[list[float]], None], clock: Clock) -> None:
        """``offsets``: seconds since the start, ascending."""
        self._offsets = offsets
        self._strike = strike
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metronome", daemon=True)
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """The first offset counts from now."""
        self._thread.start()

    def stop(self) -> None:
        """No call is made after this; returns once the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        start = self._clock()
        due: list[float] = []
        for offset in self._offsets:
            at = start + offset
            left = at - self._clock()
            if left > 0 or len(due) >= _BATCH:
                self._call(due)
                due = []
            while (left := at - self._clock()) > 0 and not self._stopped.is_set():
                self._stopped.wait(left)
            if self._stopped.is_set():
                return
            due.append(at)
        self._call(due)

    def _call(self, due: list[float]) -> None:
        if due and not self._stopped.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._strike, due)
