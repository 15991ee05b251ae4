"""``Transport`` on connections of our own; what they do not carry, the session does."""

import asyncio
import ssl
from collections.abc import Sequence

from yarl import URL

from ...context import Limits
from ...errors import UpstreamDropped
from ...protocols import Exchange, Transport, UpstreamRequest, UpstreamSocket
from ..failures import invalid, unsendable
from ..resolver import Resolver
from ..sendable import Unsendable, check_line
from . import framing
from .connecting import Connector
from .connection import Connection
from .exchange import LeanExchange
from .head import head, opening
from .pool import Origin, Pool

_DESTINATIONS = 1024
"""URLs whose parts are kept; more (distinct query strings) start over."""

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Methods that change nothing: sent once more where a pooled connection died unanswered. (RFC 9110 9.2.1.)"""

Destination = tuple[Origin, str]
"""Whom to connect to, and how a head begins."""


class LeanTransport:
    """Upstream I/O of one provider. Bytes are handed out as they came; the answer's status is not judged here."""

    def __init__(
        self,
        provider: str,
        *,
        tls: ssl.SSLContext | None = None,
        session: Transport,
        resolver: Resolver | None = None,
    ) -> None:
        """``session`` gets WebSockets, and requests to URLs that carry credentials."""
        self._provider = provider
        self._session = session
        self._pool = Pool(provider, Connector(provider, resolver or Resolver(), tls))
        self._destinations: dict[tuple[str, str], Destination | None] = {}

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        """Sends; returns at the response head. Raises ``UpstreamError``."""
        try:
            destination = self._destinations[request.method, request.url]
        except KeyError:
            destination = self._destination(request.method, request.url)
        if destination is None:
            return await self._session.send(request, limits, fresh=fresh)
        origin, start = destination
        try:
            written = head(start, request.headers, _framing(request, fresh=fresh))
        except Unsendable as error:
            raise unsendable(self._provider, error) from error
        connection = None if fresh else origin.latest()
        if connection is not None:
            try:
                return await self._exchange(connection, written, request)
            except UpstreamDropped:
                if request.method not in _REPEATABLE or request.body:
                    raise
        connection = await self._pool.open(origin, limits.connect, single=fresh)
        return await self._exchange(connection, written, request)

    async def _exchange(self, connection: Connection, written: bytes, request: UpstreamRequest) -> LeanExchange:
        """``request`` on ``connection``, up to the answer's head."""
        connection.expect(to_head=request.method == "HEAD")
        connection.begin(written, request.body, request.length)
        if connection.error is None:
            try:
                await connection.news()
            except asyncio.CancelledError:
                connection.abort()
                raise
        if connection.error is not None and not connection.headed:
            raise connection.error
        return LeanExchange(connection)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        """Opens a WebSocket. Raises ``UpstreamError``."""
        return await self._session.connect(request, limits, subprotocols)

    async def close(self) -> None:
        """Closes both pools."""
        await self._pool.close()
        await self._session.close()

    def _destination(self, method: str, text: str) -> Destination | None:
        """Where a URL leads; ``None``: it is the session's. Raises ``UpstreamError``."""
        try:
            # Before it is taken apart: what reads URLs leaves out some of what does not belong there.
            check_line(method, text)
            url = URL(text, encoded=True)
            host, port, named = url.raw_host, url.port, url.host_port_subcomponent
            if host is None or port is None or named is None:
                raise ValueError("no host")
            start = opening(method, url.raw_path_qs, named)
        except Unsendable as error:
            raise unsendable(self._provider, error) from error
        except ValueError as error:
            raise invalid(self._provider, type(error).__name__) from error
        destination = None
        if url.scheme in ("http", "https") and not url.raw_user and not url.raw_password:
            destination = self._pool.origin(host, port, tls=url.scheme == "https"), start
        if len(self._destinations) >= _DESTINATIONS:
            self._destinations.clear()
        self._destinations[method, text] = destination
        return destination


def _framing(request: UpstreamRequest, *, fresh: bool) -> str:
    """The last lines of the head."""
    body = request.body
    if body is None:
        lines = framing.bodiless(request.method)
    elif isinstance(body, bytes):
        lines = framing.sized(len(body))
    elif request.length is not None:
        lines = framing.sized(request.length)
    else:
        lines = framing.CHUNKED
    return "\r\nconnection: close" + lines if fresh else lines
