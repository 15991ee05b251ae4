"""What waits for the exporter's thread. It is bounded: a collector that hangs costs what is beyond, counted, and nobody's time."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

_log = logging.getLogger("tollway.otel")

QUIET = 60.0
"""Seconds between two complaints about one collector."""


class Sized(Protocol):
    """Something that becomes spans."""

    @property
    def spans(self) -> int:
        """How many."""


Item = TypeVar("Item", bound=Sized)


class Complaints:
    """Says that a signal is not taken, once a minute, and that it is again."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._last = float("-inf")
        self._lost = 0

    def note(self, why: str, size: int) -> None:
        """An export of ``size`` things ended; ``why``: "" where it was taken."""
        if not why:
            if self._lost:
                _log.info("the collector takes %s again; %d were lost", self._signal, self._lost)
            self._lost, self._last = 0, float("-inf")
            return
        self._lost += size
        now = time.monotonic()
        if now - self._last >= QUIET:
            self._last = now
            _log.warning(
                "the collector does not take %s: %s; %d are lost so far, requests go on", self._signal, why, self._lost
            )


class Outbox(Generic[Item]):
    """A queue and its thread. ``send(items)`` blocks and says why they were not taken; ``dropped`` and ``taken`` count spans."""

    def __init__(
        self,
        send: Callable[[Sequence[Item]], str],
        *,
        limit: int,
        batch: int,
        delay: float,
        dropped: Callable[[int], None],
        taken: Callable[[int], None],
    ) -> None:
        self._send = send
        self._limit = limit
        self._batch = batch
        self._delay = delay
        self._dropped = dropped
        self._taken = taken
        self._queue: deque[Item] = deque()
        # Two counters with one writer each: the loop and the thread never write the same one.
        self._put = 0
        self._done = 0
        self._wake = threading.Event()
        self._stopping = False
        self._complaints = Complaints("spans")
        self._thread = threading.Thread(target=self._run, name="tollway-otel-traces", daemon=True)

    def start(self) -> None:
        """From the process that serves, after any fork."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Called by the event loop. What finds no room is dropped and counted."""
        waiting = self._put - self._done
        if waiting + item.spans > self._limit:
            self._dropped(item.spans)
            return
        self._queue.append(item)
        self._put += item.spans
        if waiting < self._batch <= waiting + item.spans:
            self._wake.set()

    def stop(self) -> None:
        """What waits is sent now, if it can be."""
        self._stopping = True
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Waits for the thread at most so many seconds; what it still holds then is lost, and counted."""
        self._thread.join(max(timeout, 0.0))
        lost = self._put - self._done
        if lost:
            self._dropped(lost)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._empty()

    def _empty(self) -> None:
        while self._queue:
            items, size = self._next()
            try:
                why = self._send(items)
            except Exception as error:  # noqa: BLE001 - whatever one batch holds, the next one is to be sent
                why = f"it could not be written ({type(error).__name__})"
            if why:
                self._dropped(size)
            else:
                self._taken(size)
            self._complaints.note(why, size)
            self._done += size

    def _next(self) -> tuple[list[Item], int]:
        """The oldest, up to a batch."""
        items = [self._queue.popleft()]
        size = items[0].spans
        while self._queue and size + self._queue[0].spans <= self._batch:
            items.append(self._queue.popleft())
            size += items[-1].spans
        return items, size
