"""Requests under way and the tasks they leave behind: what a drain ends and a shutdown waits for."""

import asyncio
import logging
from collections.abc import Coroutine
from math import inf
from typing import Any

from .context import RequestContext
from .errors import GatewayDraining

_log = logging.getLogger("tollway.inflight")


class InFlight:
    """The registry of one process."""

    def __init__(self) -> None:
        self.draining = False
        self._requests: dict[int, RequestContext] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._requests)

    def enter(self, ctx: RequestContext) -> None:
        """Registers a request."""
        self._requests[id(ctx)] = ctx

    def leave(self, ctx: RequestContext) -> None:
        """It ended."""
        self._requests.pop(id(ctx), None)

    def oldest(self) -> float:
        """When the oldest request under way began; infinite when there is none."""
        return min((ctx.started for ctx in self._requests.values()), default=inf)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs ``work`` in a task that no request owns; a failure is logged, shutdown waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a background task failed: %s", type(error).__name__)

    def end_all(self) -> int:
        """The drain limit passed: every request still open is told so. Returns how many."""
        open_requests = list(self._requests.values())
        for ctx in open_requests:
            ctx.interrupt(GatewayDraining())
        return len(open_requests)

    async def settle(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds for requests and tasks. False when some are left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (self._requests or self._tasks) and loop.time() < deadline:
            if self._tasks:
                await asyncio.wait(list(self._tasks), timeout=deadline - loop.time())
            else:
                await asyncio.sleep(0.01)
        return not self._requests and not self._tasks
