"""A transport whose requests get their credentials on the way out: signatures over the finished bytes, fetched tokens."""

from collections.abc import Sequence

from ..context import Limits
from ..protocols import Authorizer, Exchange, Transport, UpstreamRequest, UpstreamSocket


class AuthorizedTransport:
    """A ``Transport`` around another; shares its pool, and leaves closing it to its owner."""

    def __init__(self, inner: Transport, authorizer: Authorizer) -> None:
        self._inner = inner
        self._authorizer = authorizer

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        """Sends with credentials. Raises ``UpstreamError``, ``UpstreamAuthFailed`` among them."""
        return await self._inner.send(await self._authorizer.apply(request), limits, fresh=fresh)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        """Opens a WebSocket with credentials. Raises ``UpstreamError``."""
        return await self._inner.connect(await self._authorizer.apply(request), limits, subprotocols)

    async def close(self) -> None:
        """Closes the pool."""
        await self._inner.close()
