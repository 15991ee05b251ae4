"""The file or stream of one line a request, written by a thread in batches. A slow sink loses lines, which are counted; the loop never
waits for it."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import IO

BATCH_AFTER = 0.2
"""Seconds that a line waits for company."""

BACKLOG = 10_000
"""Lines that may wait for the sink; more are dropped and counted."""


class AccessLog:
    """The sink: ``stdout``, ``stderr`` or a file path. Started by the first line, stopped by ``close``."""

    def __init__(self, sink: str, *, dropped: Callable[[int], None]) -> None:
        self._sink = sink
        self._dropped = dropped
        self._waiting: list[bytes] = []
        # Two counters with one writer each: the loop and the thread never write the same one.
        self._handed_over = 0
        self._done = 0
        self._batches: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def append(self, line: bytes) -> None:
        """Keeps ``line`` for the next batch; drops it when the sink is too far behind."""
        if len(self._waiting) + self._handed_over - self._done >= BACKLOG:
            self._dropped(1)
            return
        self._waiting.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_AFTER, self._hand_over)

    def _hand_over(self) -> None:
        self._timer = None
        batch, self._waiting = self._waiting, []
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="tollway-access-log", daemon=True)
            self._thread.start()
        self._handed_over += len(batch)
        self._batches.put(batch)

    def close(self, timeout: float = 2.0) -> None:
        """Writes what waits and stops the thread; gives a stuck sink ``timeout`` seconds."""
        if self._timer is not None:
            self._timer.cancel()
            self._hand_over()
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join(timeout)

    def _write_all(self) -> None:
        """The thread: batches to bytes to the sink until told to stop. A sink that fails loses the batch, not the gateway."""
        while (batch := self._batches.get()) is not None:
            try:
                with self._open() as stream:
                    stream.write(b"\n".join([*batch, b""]))
            except (OSError, ValueError):
                self._dropped(len(batch))
            finally:
                self._done += len(batch)

    def _open(self) -> IO[bytes]:
        if self._sink in ("stdout", "stderr"):
            fd = (sys.stdout if self._sink == "stdout" else sys.stderr).fileno()
            return os.fdopen(fd, "wb", closefd=False, buffering=0)
        # Opened for each batch, so that a rotated file is left alone and a new one is made.
        return open(self._sink, "ab", buffering=0)
