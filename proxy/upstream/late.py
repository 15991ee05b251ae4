"""The session transport, loaded by the first who needs it: aiohttp's client takes 8 MB of a gateway whose providers all go the lean way."""

import asyncio
import ssl
from collections.abc import Sequence

from ..context import Limits
from ..protocols import Exchange, Transport, UpstreamRequest, UpstreamSocket
from .resolver import Resolver


class LateSession:
    """``SessionTransport`` from its first request on."""

    def __init__(
        self,
        provider: str,
        *,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._provider = provider
        self._proxy = proxy
        self._tls = tls
        self._resolver = resolver
        self._made: Transport | None = None

    def load(self) -> Transport:
        """The transport itself, at once: for a start."""
        _load()
        return self._transport()

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        """Sends; returns at the response head. Raises ``UpstreamError``."""
        return await (await self._ready()).send(request, limits, fresh=fresh)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        """Opens a WebSocket. Raises ``UpstreamError``."""
        return await (await self._ready()).connect(request, limits, subprotocols)

    async def close(self) -> None:
        """Closes what was made."""
        if self._made is not None:
            await self._made.close()

    async def _ready(self) -> Transport:
        if self._made is None:
            # Loading takes a tenth of a second, which streams are not to wait for.
            await asyncio.to_thread(_load)
        return self._transport()

    def _transport(self) -> Transport:
        from .session import SessionTransport  # noqa: PLC0415 - loaded before

        if self._made is None:
            self._made = SessionTransport(self._provider, proxy=self._proxy, tls=self._tls, resolver=self._resolver)
        return self._made


def _load() -> None:
    from . import session  # noqa: F401, PLC0415 - the module brings aiohttp
