"""The copies under way in one process: so many at once for each route, and what a shutdown puts an end to."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from math import inf
from typing import Any

from ..protocols import Tasks


class Places:
    """Outlives reloads: what was begun under an old configuration counts for the new one too."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._taken: Counter[str] = Counter()
        self._begun: Counter[float] = Counter()
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def take(self, route: str, most: int, *, begun: float) -> bool:
        """A place among ``most``; False when there is none, or no more copies are to be made. ``give_back`` ends it.

        ``begun``: when the original began, whose configuration holds for its copy.
        """
        if self._closed or self._tasks.draining or self._taken[route] >= most:
            return False
        self._taken[route] += 1
        self._begun[begun] += 1
        return True

    def give_back(self, route: str, *, begun: float) -> None:
        """The copy has ended."""
        self._taken -= Counter((route,))
        self._begun -= Counter((begun,))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs ``work`` behind the requests: shutdown waits until it has ended, ``close`` ends it."""
        task = self._tasks.spawn(work)
        if isinstance(task, asyncio.Task):
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def oldest(self) -> float:
        """When the oldest original of a copy under way began; infinite when there is none."""
        return min(self._begun, default=inf)

    def close(self) -> None:
        """No new copies; those under way are broken off, and their cost so far is written down."""
        self._closed = True
        for task in self._running:
            task.cancel()

    def __len__(self) -> int:
        return self._taken.total()
