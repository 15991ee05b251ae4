"""The rest of an answer for a leader's client that reads more slowly than those who follow."""

import asyncio
from collections import deque

from ..context import Message, Send
from ..errors import ClientGone
from .attending import Attendance


class Lagging:
    """Sends in a task of its own what the relay is done with. ``limit``: bytes that may wait; beyond it the client is given up."""

    __slots__ = ("_limit", "_more", "_send", "_size", "_task", "_waiting", "attendance", "given_up")

    def __init__(self, first: asyncio.Future[None], send: Send, *, limit: int) -> None:
        """``first``: the send that takes so long."""
        self._send = send
        self._limit = limit
        self._size = 0
        self.given_up = False
        self.attendance: Attendance | None = None
        """Who looks after the client once its relay does not any more."""
        self._waiting: deque[Message] = deque()
        self._more = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(first))

    def add(self, message: Message) -> None:
        """A body message."""
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            self.given_up = True
            self.close()
        if not self.given_up:
            self._waiting.append(message)
            self._more.set()

    async def _run(self, first: asyncio.Future[None]) -> None:
        await first
        while True:
            while self._waiting:
                message = self._waiting.popleft()
                self._size -= len(message.get("body", b""))
                if self.attendance is not None:
                    self.attendance.sending = asyncio.get_running_loop().time()
                await self._send(message)
                if not message.get("more_body", False):
                    return
            self._more.clear()
            await self._more.wait()

    async def done(self) -> None:
        """Waits until all of it has been sent. Raises ``ClientGone`` where too much waited."""
        if self.attendance is not None:
            self.attendance.sending = asyncio.get_running_loop().time()
        await asyncio.wait((self._task,))
        if self.given_up:
            raise ClientGone("The client reads too slowly.")
        self._task.result()

    def close(self) -> None:
        """Nothing more is sent."""
        self._waiting.clear()
        self._task.cancel()
