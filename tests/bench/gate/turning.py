"""An event loop that counts what it is asked for: tasks, timers, callbacks. uvloop's, as in production, where it is installed."""

from collections.abc import Callable
from typing import Any

from ..chain import loop_factory


class LoopCounts:
    """Since the start."""

    __slots__ = ("callbacks", "tasks", "timers")

    def __init__(self) -> None:
        self.tasks = self.timers = self.callbacks = 0


def counting_loop(counts: LoopCounts) -> Callable[[], Any]:
    """A factory of such loops. asyncio's C code calls these methods too, so nothing passes them by."""
    made = loop_factory()
    kind: Any = type(_closed(made()))

    class CountingLoop(kind):  # type: ignore[misc]
        def create_task(self, *args: Any, **kwargs: Any) -> Any:
            counts.tasks += 1
            return super().create_task(*args, **kwargs)

        def call_at(self, *args: Any, **kwargs: Any) -> Any:
            counts.timers += 1
            return super().call_at(*args, **kwargs)

        def call_later(self, *args: Any, **kwargs: Any) -> Any:
            # asyncio's own makes a call_at of it.
            counts.timers += 1 if _ends_here(kind) else 0
            return super().call_later(*args, **kwargs)

        def call_soon(self, *args: Any, **kwargs: Any) -> Any:
            counts.callbacks += 1
            return super().call_soon(*args, **kwargs)

    return CountingLoop


def _ends_here(kind: type) -> bool:
    return kind.__module__.startswith("uvloop")


def _closed(loop: Any) -> Any:
    loop.close()
    return loop
