"""Two chains behind one route: each request gets the one that the trial draws for it."""

from collections.abc import Awaitable, Callable

from ..context import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Split:
    """ASGI application of one route during a trial."""

    __slots__ = ("_base", "_choose", "_trial")

    def __init__(self, base: App, trial: App, choose: Callable[[], bool]) -> None:
        self._base = base
        self._trial = trial
        self._choose = choose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._trial if self._choose() else self._base)(scope, receive, send)
