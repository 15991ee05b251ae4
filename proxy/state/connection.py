"""One connection with many calls in flight: written in batches of one turn of the loop, answered in order, watched by one timer."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TypeAlias, cast

import hiredis

from .address import Address
from .settings import StoreDown

Reply: TypeAlias = "bytes | int | list[Reply] | None"
Word = bytes | str | int

pack = cast(Callable[[tuple[Word, ...]], bytes], hiredis.pack_command)
"""A command as it travels."""

GRACE = 0.001
"""Seconds between a deadline and the look at what has come: a loop that was busy reads its socket in between."""

BULKHEAD = 32
"""Calls that may wait for a store that is slow."""

CROWD = 4096
"""Calls that may wait for one that is not."""


class Connection(asyncio.Protocol):
    """Answers are futures in the order of the calls. Whatever goes wrong ends the connection, and every call on it."""

    def __init__(self, timeout: float, lost: Callable[[str], None]) -> None:
        """``lost`` hears once, in a word, why the connection ended."""
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._patience = timeout / 2
        self._lost = lost
        self._reader = hiredis.Reader(notEnoughData=NOTHING)
        self._calls: deque[tuple[asyncio.Future[Reply], float]] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._slow = False
        self._late = 0
        """Calls at the left whose callers were told that it took too long."""
        self._heard = self._prompt = self._loop.time()
        """When something came, and when something came in time."""
        self._ended = ""

    def submit(self, command: bytes) -> asyncio.Future[Reply]:
        """Sends one packed command. The future is its reply, a ``hiredis.ReplyError`` or ``StoreDown``."""
        waiting = len(self._calls)
        now = self._loop.time()
        if self._ended or waiting >= CROWD or (self._slow and waiting >= BULKHEAD):
            raise StoreDown(self._ended or "busy", "too many calls wait for the state store")
        if not waiting:
            self._prompt = now
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._calls.append((future, now))
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._patience, self._due)
        return future

    def end(self, kind: str) -> None:
        """Closes it now; calls under way fail with ``kind``."""
        if self._ended:
            return
        self._ended = kind
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        for future, _ in self._calls:
            if not future.done():
                future.set_exception(StoreDown(kind))
                future.exception()  # a caller that has gone would leave a warning
        self._calls.clear()
        self._lost(kind)

    # ---- what the loop calls ----------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of no class of asyncio

    def connection_lost(self, _: Exception | None) -> None:
        """The peer closed or reset it."""
        self.end("lost")

    def data_received(self, data: bytes) -> None:
        """Hands out the replies that are complete."""
        self._reader.feed(data)
        self._heard = self._loop.time()
        try:
            while (reply := self._reader.gets()) is not NOTHING:
                future, _ = self._calls.popleft()
                if self._late:
                    self._late -= 1
                    continue
                self._prompt = self._heard
                if future.done():
                    continue  # the caller was cancelled
                if isinstance(reply, hiredis.ReplyError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            self.end("protocol")
            return
        if not self._calls:
            self._slow = False

    def _flush(self) -> None:
        if self._transport is not None and not self._ended:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    # ---- time -------------------------------------------------------------------------------------------------------
    def _due(self) -> None:
        self._timer = self._loop.call_later(GRACE, self._look) if self._calls else None

    def _look(self) -> None:
        """Is the oldest call late? A store is called slow at half the time that a call may take."""
        self._timer = None
        if not self._calls:
            return
        now = self._loop.time()
        self._slow = now - self._calls[0][1] >= self._patience
        if not self._abandon(now):
            self.end("timeout")
            return
        live = self._calls[self._late][1] if self._late < len(self._calls) else now
        self._timer = self._loop.call_at(
            live + (self._timeout if now - live >= self._patience else self._patience), self._due
        )

    def _abandon(self, now: float) -> bool:
        """Lets go of the calls that are late. Not the connection, while answers come and some are in time: that is a crowd."""
        oldest = self._calls[0][1]
        if now - oldest < self._timeout:
            return True
        if now - max(self._heard, oldest) >= self._timeout or now - self._prompt >= 2 * self._timeout:
            return False
        for future, sent in islice(self._calls, self._late, None):
            if now - sent < self._timeout:
                break
            self._late += 1
            if not future.done():
                future.set_exception(StoreDown("timeout"))
        return True


NOTHING = object()


def _ignore(_: str) -> None:
    pass


async def dial(address: Address, timeout: float, lost: Callable[[str], None] = _ignore) -> Connection:
    """A connection to ``address``, on which nothing has been said. Raises ``OSError``."""
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(timeout, lost)

    if address.path:
        _, connection = await loop.create_unix_connection(make, address.path)
    else:
        _, connection = await loop.create_connection(make, address.host, address.port, ssl=address.tls)
    return connection
