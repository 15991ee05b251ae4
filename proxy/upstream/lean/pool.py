"""The connections of one provider: the idle ones of each origin, the last used first, and all that are open."""

import asyncio
from collections import deque

from .connecting import Connector
from .connection import READ, Connection

IDLE = 10.0
"""Seconds between two looks at idle connections: one that was idle at both is closed, so after 10 to 20 seconds without use."""

MOST = 1024
"""Idle connections kept for an origin."""


class Origin:
    """Scheme, host and port: whom a connection leads to. No other origin's requests, and so no other's credentials, travel on it."""

    __slots__ = ("host", "idle", "port", "tls")

    def __init__(self, host: str, port: int, *, tls: bool) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.idle: deque[Connection] = deque()
        """The last used at the end. Closed ones among them are passed over, and swept out."""

    def latest(self) -> Connection | None:
        """The idle connection that was used last, ``None``: there is none. It is the caller's now."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None


class Pool:
    """Opens, keeps and closes."""

    def __init__(self, provider: str, connector: Connector, *, idle: float = IDLE, most: int = MOST) -> None:
        """``idle``: seconds between two looks; ``most``: idle connections of an origin."""
        self.most = most
        self.inbox = memoryview(bytearray(READ))
        """Where all connections read into, each for the time of one call. A pool belongs to one loop."""
        self._provider = provider
        self._connector = connector
        self._every = idle
        self._origins: dict[tuple[str, int, bool], Origin] = {}
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None
        """Set by ``close``, which waits for it."""

    def origin(self, host: str, port: int, *, tls: bool) -> Origin:
        """The one of that name."""
        key = host, port, tls
        found = self._origins.get(key)
        if found is None:
            found = self._origins[key] = Origin(host, port, tls=tls)
        return found

    async def open(self, origin: Origin, limit: float, *, single: bool) -> Connection:
        """A new connection within ``limit`` seconds, ``single``: for one request. Raises ``UpstreamError``."""

        def make() -> Connection:
            return Connection(self._provider, self, origin, single=single or self._emptied is not None)

        connection = await self._connector.connect(origin.host, origin.port, make, tls=origin.tls, limit=limit)
        # Not before: of a connection that is given up while it is made, not every loop says that it is lost.
        if not connection.closed:
            self._open.add(connection)
            if self._sweeper is None:
                self._sweeper = asyncio.get_running_loop().call_later(self._every, self._sweep)
        return connection

    def lost(self, connection: Connection) -> None:
        """Its socket is closed."""
        self._open.discard(connection)
        if self._open:
            return
        for origin in self._origins.values():
            origin.idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        if self._emptied is not None:
            self._emptied.set()

    def _sweep(self) -> None:
        for origin in self._origins.values():
            for connection in tuple(origin.idle):
                if connection.closed:
                    origin.idle.remove(connection)
                elif connection.resting:
                    origin.idle.remove(connection)
                    connection.abort()
                else:
                    connection.resting = True
        self._sweeper = asyncio.get_running_loop().call_later(self._every, self._sweep)

    async def close(self) -> None:
        """Closes every connection, and waits until they are. What is opened afterwards serves one request."""
        emptied = self._emptied = asyncio.Event()
        for origin in self._origins.values():
            origin.idle.clear()
        for connection in tuple(self._open):
            connection.abort()
        if self._open:
            await emptied.wait()
