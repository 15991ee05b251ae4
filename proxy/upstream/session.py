"""Transport on a tuned aiohttp ``ClientSession``: one pool a provider, no timers, no cookies, no redirects, no decoding."""

import asyncio
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from ..context import Limits
from ..errors import RawHeaders, UpstreamAuthFailed, UpstreamInvalid, UpstreamRefused
from ..protocols import Exchange, UpstreamRequest, UpstreamSocket
from .foreign import FOREIGN, FOREIGN_BODY, of_body, of_request
from .resolver import Resolver
from .sendable import check_line, check_names
from .session_names import SessionNames

READ_BUFFER = 64 * 1024
"""aiohttp reads on up to twice this; Granian's channel holds four sends, so a client that does not read costs under 1 MiB."""

HEADER_LIMIT = 64 * 1024
SOCKET_MESSAGE_LIMIT = 64 * 1024 * 1024
_URLS = 1024
"""Parsed URLs kept; more (distinct query strings) start over."""


class _Connector(aiohttp.TCPConnector):
    """Takes no connection from its pool on which something came while nobody had asked: that would answer the next request."""

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is None or not found.protocol.should_close:
                return found
            found.close()
        return None


class SessionTransport:
    """Upstream I/O of one provider. Bytes are handed out as they came; the answer's status is not judged here."""

    def __init__(
        self,
        provider: str,
        *,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._provider = provider
        self._names = SessionNames(resolver or Resolver())
        self._proxy = proxy
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self._pooled: aiohttp.ClientSession | None = None
        self._unpooled: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        session = self._unpooled if fresh else self._pooled
        if session is None:
            session = aiohttp.ClientSession(
                connector=_Connector(
                    limit=0, ssl=self._tls, force_close=fresh, resolver=self._names, use_dns_cache=False
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                auto_decompress=False,
                trust_env=False,
                proxy=self._proxy,
                read_bufsize=READ_BUFFER,
                max_line_size=HEADER_LIMIT,
                max_field_size=HEADER_LIMIT,
            )
            if fresh:
                self._unpooled = session
            else:
                self._pooled = session
        return session

    def _url(self, text: str) -> URL:
        url = self._urls.get(text)
        if url is None:
            if len(self._urls) >= _URLS:
                self._urls.clear()
            url = self._urls[text] = URL(text, encoded=True)
        return url

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        """Sends; returns at the response head. Raises ``UpstreamError``."""
        try:
            check_line(request.method, request.url)
            check_names(request.headers)
            url = self._url(request.url)
            headers = CIMultiDict(request.headers)
            if request.length is not None:
                headers["content-length"] = str(request.length)
            response = await self._session(fresh=fresh).request(
                request.method,
                url,
                data=request.body,
                headers=headers,
                allow_redirects=False,
                timeout=_timeout(limits),
            )
        except FOREIGN as error:
            raise of_request(error, self._provider) from error
        return SessionExchange(response, self._provider)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        """Opens a WebSocket. Raises ``UpstreamError``."""
        try:
            socket = await self._session(fresh=False).ws_connect(
                self._url(request.url),
                headers=CIMultiDict(request.headers),
                protocols=tuple(subprotocols),
                max_msg_size=SOCKET_MESSAGE_LIMIT,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=5.0),
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                raise UpstreamAuthFailed(
                    f"Provider {self._provider!r} refused the credentials; check its api_key.",
                    detail=f"status {error.status}",
                ) from error
            if not 400 <= error.status <= 599 or error.status == 407:
                raise UpstreamInvalid(
                    f"Provider {self._provider!r} did not open the WebSocket.", detail=f"status {error.status}"
                ) from error
            raise UpstreamRefused(
                f"Provider {self._provider!r} refused the WebSocket with status {error.status}.", status=error.status
            ) from error
        except FOREIGN as error:
            raise of_request(error, self._provider) from error
        return SessionSocket(socket)

    async def close(self) -> None:
        """Closes both pools."""
        for session in (self._pooled, self._unpooled):
            if session is not None:
                await session.close()


_timeouts: dict[float, aiohttp.ClientTimeout] = {}


def _timeout(limits: Limits) -> aiohttp.ClientTimeout:
    """Only connecting is timed here; the request's watchdog times the rest."""
    timeout = _timeouts.get(limits.connect)
    if timeout is None:
        timeout = _timeouts[limits.connect] = aiohttp.ClientTimeout(total=None, connect=limits.connect)
    return timeout


def _seen(closed: "asyncio.Future[None]") -> None:
    """Who reads is told of a reset by other means; the loop has nothing to report."""
    if not closed.cancelled():
        closed.exception()


class SessionExchange:
    """An answer on aiohttp's response."""

    __slots__ = ("_closed", "_content", "_provider", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, provider: str) -> None:
        self._response = response
        self._content = response.content
        self._provider = provider
        self.status = response.status
        self.headers: RawHeaders = tuple([(name.lower(), value) for name, value in response.raw_headers])
        self._closed: asyncio.Future[None] | None = None
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            # A malformed chunk closes the connection without waking the reader (aiohttp 3.14), so its end wakes it here.
            self._closed = connection.protocol.closed
            if self._closed is not None:
                self._closed.add_done_callback(self._lost)
                # Once for a connection, however many answers it has brought.
                self._closed.remove_done_callback(_seen)
                self._closed.add_done_callback(_seen)

    def _lost(self, closed: "asyncio.Future[None]") -> None:
        _noted(closed)
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError("connection closed"))

    def _forget(self) -> None:
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
            self._closed.add_done_callback(_noted)

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self._content.at_eof()

    async def read(self) -> bytes:
        """Whatever one socket read brought; ``b""`` is the end."""
        try:
            return await self._content.readany()
        except FOREIGN_BODY as error:
            raise of_body(error, self._provider) from error

    def release(self) -> None:
        """Back to the pool, or closed when unread bytes remain."""
        self._forget()
        self._response.release()

    def abort(self) -> None:
        """Closes the connection."""
        self._forget()
        self._response.close()


def _noted(closed: "asyncio.Future[None]") -> None:
    """Why a connection ended was said to whoever read from it; the loop need not report it."""
    if not closed.cancelled():
        closed.exception()


class SessionSocket:
    """A WebSocket on aiohttp's; pings are answered below us."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.subprotocol = socket.protocol
        self.close_code: int | None = None
        self.close_reason = ""

    async def receive(self) -> str | bytes | None:
        """Next message; ``None`` when the provider closed."""
        message = await self._socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.CLOSE:
            self.close_reason = message.extra or ""
        self.close_code = self._socket.close_code
        return None

    async def send(self, message: str | bytes) -> None:
        """Sends one message as it is."""
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def close(self, code: int, reason: str) -> None:
        """Closes with ``code``."""
        await self._socket.close(code=code, message=reason.encode()[:123])
