"""Probes and metrics: ``/livez``, ``/readyz``, ``/healthz``, ``/metrics``. They ask no store and no provider.

Served on the data listener, and on a listener of their own when ``server.health_port`` is set: that one lives in the same
loop but outside Granian's connection limit, so it answers when every permit is taken.
"""

import asyncio
from collections.abc import Callable

import orjson
from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from ..context import Receive, Scope, Send

LIVE = ("/livez", "/health/liveness", "/health/liveliness")
READY = ("/readyz", "/healthz", "/health", "/health/readiness")
METRICS = "/metrics"
PATHS = (*LIVE, *READY, METRICS)

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_READ_LIMIT = 8192
_READ_TIMEOUT = 5.0


class State(Struct):
    """What the probes tell, written by the lifespan and the reloader."""

    ready: bool = False
    draining: bool = False
    lagging: bool = False
    config_error: str = ""


class Health:
    """ASGI application of the probe paths, and the bytes of the separate listener."""

    def __init__(self, state: State, *, registry: Callable[[], CollectorRegistry] | None) -> None:
        self._state = state
        self._registry = registry

    def answer(self, path: str) -> tuple[int, bytes, bytes]:
        """(status, content type, body) for a probe path; 404 for any other."""
        state = self._state
        if path in LIVE:
            return _json(503 if state.lagging else 200, {"status": "lagging" if state.lagging else "live"})
        if path in READY:
            detail: dict[str, str] = {"status": "ready"}
            if state.draining or not state.ready:
                detail["status"] = "draining" if state.draining else "starting"
            if state.config_error:
                detail["config_error"] = state.config_error
            return _json(200 if detail["status"] == "ready" else 503, detail)
        if path == METRICS and self._registry is not None:
            return 200, _TEXT, generate_latest(self._registry())
        return _json(404, {"status": "not found"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, kind, body = self.answer(scope["path"])
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Opens the separate listener; several workers share the port. Raises ``OSError`` when it is taken."""
        return await asyncio.start_server(self._connection, host, port, reuse_port=True, limit=_READ_LIMIT)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_TIMEOUT)
            method, _, rest = head.partition(b" ")
            path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
            status, kind, body = self.answer(path) if method in (b"GET", b"HEAD") else _json(405, {"status": "use GET"})
            writer.write(
                b"HTTP/1.1 %d \r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                % (status, kind, len(body))
            )
            if method != b"HEAD":
                writer.write(body)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return
        finally:
            writer.close()


def _json(status: int, body: dict[str, str]) -> tuple[int, bytes, bytes]:
    return status, b"application/json", orjson.dumps(body)
