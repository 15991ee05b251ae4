"""The copies under way in one process: so many at once for each route, and what a shutdown puts an end to."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from ..protocols import Tasks


class Places:
    """Outlives reloads: what was begun under an old configuration counts for the new one too."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._taken: Counter[str] = Counter()
        self._providers: Counter[str] = Counter()
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def take(self, route: str, most: int) -> bool:
        """A place among ``most``; False when there is none, or no more copies are to be made. ``give_back`` ends it."""
        if self._closed or self._tasks.draining or self._taken[route] >= most:
            return False
        self._taken[route] += 1
        return True

    def give_back(self, route: str) -> None:
        """The copy has ended."""
        self._taken[route] -= 1
        if not self._taken[route]:
            del self._taken[route]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs ``work`` behind the requests: shutdown waits until it has ended, ``close`` ends it."""
        task = self._tasks.spawn(work)
        if isinstance(task, asyncio.Task):
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    @contextmanager
    def using(self, provider: str) -> Iterator[None]:
        """Within it the provider's connections are needed."""
        self._providers[provider] += 1
        try:
            yield
        finally:
            self._providers[provider] -= 1
            if not self._providers[provider]:
                del self._providers[provider]

    def providers(self) -> set[str]:
        """Whose connections are needed now."""
        return set(self._providers)

    def close(self) -> None:
        """No new copies; those under way are broken off, and their cost so far is written down."""
        self._closed = True
        for task in self._running:
            task.cancel()

    def __len__(self) -> int:
        return self._taken.total()
