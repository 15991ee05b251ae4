"""Probes and metrics: ``/livez``, ``/readyz``, ``/healthz``, ``/metrics``. They ask no store and no provider.

Served on the data listener, and on a listener of their own when ``server.health_port`` is set: that one lives in the same
loop but outside Granian's connection limit, so it answers when every permit is taken; metrics are there alone then.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from hmac import compare_digest

import orjson
from msgspec import Struct

from ..context import Receive, Scope, Send

LIVE = ("/livez", "/health/liveness", "/health/liveliness")
READY = ("/readyz", "/healthz", "/health", "/health/readiness")
METRICS = "/metrics"
PATHS = (*LIVE, *READY, METRICS)

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_READ_LIMIT = 8192
_READ_TIMEOUT = 5.0
_BEARER = re.compile(rb"^authorization:[ \t]*([^\r\n]*)", re.I | re.M)

Page = Callable[[], Awaitable[bytes]]
"""Makes the text of all metrics."""


class State(Struct):
    """What the probes tell, written by the lifespan and the reloader."""

    ready: bool = False
    draining: bool = False
    lagging: bool = False
    config_error: str = ""


class Health:
    """ASGI application of the probe paths, and the bytes of the separate listener."""

    def __init__(self, state: State, *, metrics: Page | None, key: str = "") -> None:
        """``metrics``: ``None`` where they are not served. ``key``: who reads them has to show it, if there is one."""
        self._state = state
        self._metrics = metrics
        self._key = key.encode()

    async def answer_to(self, path: str, authorization: bytes) -> tuple[int, bytes, bytes]:
        """As ``answer``, metrics too."""
        if path != METRICS or self._metrics is None:
            return self.answer(path)
        scheme, _, shown = authorization.partition(b" ")
        if self._key and not (compare_digest(shown.strip(), self._key) and scheme.lower() == b"bearer"):
            return _json(401, {"status": "metrics need telemetry.metrics_key as a bearer token"})
        return 200, _TEXT, await self._metrics()

    def answer(self, path: str) -> tuple[int, bytes, bytes]:
        """(status, content type, body) for a probe; 404 for any other path."""
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
        return _json(404, {"status": "not found"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        status, kind, body = await self.answer_to(scope["path"], shown)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
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
            shown = _BEARER.search(rest)
            if method in (b"GET", b"HEAD"):
                status, kind, body = await self.answer_to(path, shown[1].rstrip() if shown is not None else b"")
            else:
                status, kind, body = _json(405, {"status": "use GET"})
            writer.write(
                b"HTTP/1.1 %d \r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n%s\r\n"
                % (status, kind, len(body), b"www-authenticate: Bearer\r\n" if status == 401 else b"")
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
