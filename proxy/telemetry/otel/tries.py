"""Where a try leaves for a provider: it carries our span's id, and its answer is listened to. Around accounts only while OTLP is on."""

from collections.abc import Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit

from ...context import Limits, RequestContext, Target
from ...protocols import Exchange, Prepared, Provider, Transport, UpstreamRequest, UpstreamSocket
from ...wire.endpoints import Endpoint
from .tracer import Trace, Tracer

Places = dict[str, tuple[str, int]]
"""Host and port of each provider that was asked, by its configured name."""

_PORTS = {"https": 443, "wss": 443}


class TracedProvider:
    """A ``Provider`` around another: says whose try the task is about to send."""

    def __init__(self, inner: Provider, tracer: Tracer) -> None:
        self.name = inner.name
        self.forwards = inner.forwards
        self._inner = inner
        self._preparing = tracer.preparing

    def passes(self, endpoint: Endpoint, model: str, path: str) -> bool:
        """As the inner one."""
        return self._inner.passes(endpoint, model, path)

    def prepare(self, ctx: RequestContext, target: Target, *, include_usage: bool, now: int) -> Prepared:
        """As the inner one."""
        self._preparing(ctx)
        return self._inner.prepare(ctx, target, include_usage=include_usage, now=now)


class TracedTransport:
    """A ``Transport`` around another; shares its pool, and leaves closing it to its owner."""

    def __init__(self, inner: Transport, tracer: Tracer, provider: str, places: Places) -> None:
        self._inner = inner
        self._current = tracer.current
        self._provider = provider
        self._places = places

    def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Coroutine[Any, Any, Exchange]:
        """Sends, within its trace where it has one. Raises ``UpstreamError``."""
        if self._provider not in self._places:
            self._places[self._provider] = place_of(request.url)
        trace = self._current.get()
        if trace is None:
            return self._inner.send(request, limits, fresh=fresh)
        return self._send(trace, request, limits, fresh=fresh)

    async def _send(self, trace: Trace, request: UpstreamRequest, limits: Limits, *, fresh: bool) -> Exchange:
        sent = trace.sending()
        exchange = await self._inner.send(trace.carried(request, sent), limits, fresh=fresh)
        return trace.listening(sent, exchange)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        """Opens a WebSocket, within its trace. Raises ``UpstreamError``."""
        if self._provider not in self._places:
            self._places[self._provider] = place_of(request.url)
        trace = self._current.get()
        if trace is not None:
            request = trace.carried(request, trace.sending())
        return await self._inner.connect(request, limits, subprotocols)

    async def close(self) -> None:
        """Closes the pool."""
        await self._inner.close()


def place_of(url: str) -> tuple[str, int]:
    """Host and port, and nothing else of it: keys may stand in a query."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
