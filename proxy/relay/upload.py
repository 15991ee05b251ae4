"""A request body that is passed on as it arrives, in bounded memory, with the client's length and pace."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from ..context import Receive, RequestContext
from ..errors import ClientGone, IncompleteBody, RequestTimeout, RequestTooLarge


class BodyLimits(Struct, frozen=True, kw_only=True):
    """Request bodies. ``body`` (JSON) and ``upload`` in bytes; ``idle``, ``total`` and ``upload_total`` in seconds."""

    body: int
    upload: int
    idle: float
    total: float
    upload_total: float
    spool_dir: str | None


class BodyUpload:
    """The plain case: bytes in, bytes out. Reads ``receive`` until the body's end; nobody else may meanwhile."""

    def __init__(self, ctx: RequestContext, receive: Receive, limits: BodyLimits) -> None:
        declared = ctx.headers.get(b"content-length", b"")
        self.length: int | None = int(declared) if declared.isdigit() else None
        if self.length is not None and self.length > limits.upload:
            raise upload_too_large(limits.upload)
        self._ctx = ctx
        self._receive = receive
        self._limits = limits
        self._size = 0
        self._give_up = asyncio.get_running_loop().time() + limits.upload_total
        self.finished = False

    def rename(self, model: str) -> None:
        """A body we do not read names no model."""

    def close(self) -> None:
        """Nothing is kept."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        while not self.finished:
            chunk = await self.next_chunk()
            if chunk:
                yield chunk

    async def next_chunk(self) -> bytes:
        """The next piece; ``finished`` after the last. Ends the request when the client breaks off or is too slow."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.idle, self._stop, RequestTimeout("The upload stopped arriving."))
        try:
            message = await self._receive()
        finally:
            timer.cancel()
        if message["type"] == "http.disconnect":
            self._ctx.client_gone = self._ctx.response_started
            raise self._stop(IncompleteBody("The upload ended before its declared end."))
        chunk: bytes = message.get("body", b"")
        self._size += len(chunk)
        if self._size > self._limits.upload:
            raise self._stop(upload_too_large(self._limits.upload))
        if loop.time() > self._give_up:
            raise self._stop(RequestTimeout("The upload took longer than server.upload_total_timeout."))
        if not message.get("more_body", False):
            self.finished = True
        return chunk

    def _stop(self, error: RequestTimeout | RequestTooLarge | ClientGone) -> Exception:
        # The reader may be the client library's writer task, so the request's own task is told, not only this caller.
        if self._ctx.task is not asyncio.current_task():
            self._ctx.interrupt(error)
        return error


def upload_too_large(limit: int) -> RequestTooLarge:
    """The 413 for an upload."""
    return RequestTooLarge(
        f"The upload is larger than this gateway's limit of {limit} bytes (server.max_upload).",
        code="request_too_large",
    )
