"""Time under a test's control: a clock to inject, and an event loop whose seconds pass without waiting."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import ParamSpec

P = ParamSpec("P")

EPOCH = 1000.0
"""Where virtual time begins: not at 0, which means "never" in places."""


class FakeClock:
    """Monotonic seconds that move only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += seconds


class _Jumping(selectors.DefaultSelector):
    """Never waits for a timer: the time until the next one passes at once."""

    now = EPOCH

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else 1.0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that nobody will do")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for tests without sockets and threads: hours pass in microseconds."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now


def virtual(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs an async test on a ``VirtualLoop``."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())

    return run


def elapsed() -> float:
    """Virtual seconds since the loop began."""
    return asyncio.get_running_loop().time() - EPOCH


async def turns(count: int = 10) -> None:
    """Lets every task that can run do so ``count`` times, without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)
