"""An event that a signal handler may set: ``threading.Event`` is not one.

Its lock is held for a moment by whoever wakes up from waiting; a handler that runs in that thread at that moment waits for it for ever.
The launcher waits so, and is woken by a worker's end and by SIGTERM at one time when a whole process group is told to end.
"""

import threading
from queue import Empty, SimpleQueue


class SignalledEvent(threading.Event):
    """The same methods over a queue whose ``put`` may interrupt itself (documented of ``queue.SimpleQueue``)."""

    def __init__(self) -> None:
        super().__init__()
        self._set = False
        self._woken: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        """Was it set, and not cleared since?"""
        return self._set

    def set(self) -> None:
        """Wakes the one that waits."""
        self._set = True
        self._woken.put(None)

    def clear(self) -> None:
        """As it was made. What woke nobody is looked at, and passed over, by who waits next."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set, or for ``timeout`` seconds at least; whether it is set. One thread may wait at a time."""
        while not self._set:
            try:
                self._woken.get(timeout=timeout)
            except Empty:
                break
        return self._set
