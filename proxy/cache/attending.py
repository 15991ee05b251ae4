"""Looks after a client that is given an answer which no relay makes for it: has it left, does it read, is its time over?"""

import asyncio

from ..context import Message, Receive, RequestContext
from ..errors import ClientGone, DeadlineExceeded


class Departure:
    """Waits for a client to leave, in one task: a server wakes a single waiter, so whoever serves the client next goes on with it."""

    __slots__ = ("_receive", "_task")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[Message] | None = None

    def watched(self) -> asyncio.Task[Message]:
        """Done once the client has left."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._until())
        return self._task

    async def _until(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message

    async def receive(self) -> Message:
        """As the server's: where somebody waits already, with it."""
        return await (self._receive() if self._task is None else asyncio.shield(self._task))

    def close(self) -> None:
        """Nobody waits any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


class Attendance:
    """One timer and one watcher. Whoever serves writes ``sending``, the loop second at which a send began, 0 while there is none."""

    __slots__ = ("_ctx", "_deadline", "_limit", "_loop", "_timer", "_watched", "sending")

    def __init__(self, ctx: RequestContext, departure: Departure, *, send_limit: float, left: float | None) -> None:
        """Seconds: ``send_limit`` that one send may take, ``left`` until the request's deadline, where it has one."""
        self._loop = asyncio.get_running_loop()
        self._ctx = ctx
        self._limit = send_limit
        self._deadline = self._loop.time() + left if left is not None else None
        self.sending = 0.0
        self._watched = departure.watched()
        self._watched.add_done_callback(self._left)
        self._timer = self._loop.call_later(send_limit if left is None else max(0.0, min(left, send_limit)), self._look)

    def stop(self) -> None:
        """Nobody is interrupted after this."""
        self._timer.cancel()
        self._watched.remove_done_callback(self._left)

    def _left(self, watched: asyncio.Task[Message]) -> None:
        if not watched.cancelled() and not self._ctx.complete:
            self._ctx.client_gone = True
            self._ctx.interrupt(ClientGone("The client left."))

    def _look(self) -> None:
        now, deadline = self._loop.time(), self._deadline
        if deadline is not None and now >= deadline:
            self._ctx.interrupt(DeadlineExceeded("The request's deadline passed before its answer was complete."))
            return
        due = (self.sending or now) + self._limit
        if now >= due:
            self._ctx.interrupt(ClientGone("The client stopped reading."))
            return
        self._timer = self._loop.call_at(due if deadline is None else min(due, deadline), self._look)
