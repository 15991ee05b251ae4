"""An answer whose head has come, on the connection that brings the rest."""

from ...errors import RawHeaders, UpstreamCut
from .connection import Connection


class LeanExchange:
    """Lets go of its connection when it ends, so that it can never read what belongs to the next."""

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status = connection.status
        self.headers: RawHeaders = connection.headers

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        connection = self._connection
        return connection is None or (connection.complete and not connection.parts)

    async def read(self) -> bytes:
        """Whatever one socket read brought; ``b""`` is the end. Raises ``UpstreamCut`` or ``UpstreamInvalid``."""
        connection = self._connection
        if connection is None:
            raise UpstreamCut("The answer was given up before it was read.")
        while not connection.parts:
            if connection.complete:
                return b""
            if connection.error is not None:
                raise connection.error
            await connection.news()
        return connection.take()

    def release(self) -> None:
        """Back to the pool, or closed when bytes remain."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.rest()

    def abort(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
