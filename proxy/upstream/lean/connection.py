"""One connection to a provider, and the request that is under way on it.

What comes while none is, or after an answer's end, closes it: such bytes belong to nobody.
"""

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, cast

from ...errors import UpstreamError
from ..failures import cut, dropped, invalid
from .answer import REFUSED, Answer
from .upload import upload

if TYPE_CHECKING:
    from .pool import Origin, Pool

READ = 64 * 1024
"""Bytes of one read of the socket. The loop's own choice (uvloop: 250 KB) would be paid for by every client that does not read."""

UNREAD = 64 * 1024
"""Bytes that wait for a reader before the socket is left alone; the read that goes beyond brings as many again."""

TOGETHER = 32 * 1024
"""Bytes of a body that are cheaper copied behind their head than written beside it."""


class Connection(Answer, asyncio.BufferedProtocol):
    """``begin`` starts a request; ``rest`` or ``abort`` ends it."""

    __slots__ = (
        "_drained",
        "_inbox",
        "_loop",
        "_origin",
        "_paused",
        "_pool",
        "_provider",
        "_transport",
        "_upload",
        "_waiter",
        "closed",
        "error",
        "resting",
        "single",
    )

    def __init__(self, provider: str, pool: "Pool", origin: "Origin", *, single: bool) -> None:
        """``single``: it serves one request."""
        super().__init__()
        self._provider = provider
        self._pool = pool
        self._inbox = pool.inbox
        self._origin = origin
        self.single = single
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._upload: asyncio.Task[None] | None = None
        self._paused = False
        self.error: UpstreamError | None = None
        """Why nothing more will come, where the answer is not whole."""
        self.closed = False
        self.resting = False
        """Has it been idle since the pool last looked?"""

    # ---- a request --------------------------------------------------------------------------------------------------

    def begin(self, head: bytes, body: bytes | AsyncIterable[bytes] | None, length: int | None) -> None:
        """Writes the request, or what of it is there; ``expect`` has been called for its answer."""
        transport = self._transport
        if transport is None:
            self.fail(dropped(self._provider, "closed"))
            return
        self.resting = False
        if not body:
            transport.write(head)
        elif not isinstance(body, bytes):
            transport.write(head)
            self._upload = self._loop.create_task(upload(self, body, length))
            self._upload.add_done_callback(self._uploaded)
        elif len(body) <= TOGETHER:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    def news(self) -> "asyncio.Future[None]":
        """Done when more is known: the head, more of the body, its end, an error. One reader at a time."""
        waiter = self._waiter = self._loop.create_future()
        return waiter

    def take(self) -> bytes:
        """Everything that is unread."""
        if self._paused:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return super().take()

    def rest(self) -> None:
        """The request is over: the next one may come, unless something speaks against it."""
        transport, idle = self._transport, self._origin.idle
        if (
            self.complete
            and self.keep
            and not self.single
            and not self.parts
            and transport is not None
            and not transport.get_write_buffer_size()
            and len(idle) < self._pool.most
        ):
            idle.append(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Closes the socket at once. Who waits for more is told that there is none."""
        self.fail(cut(self._provider, "aborted"))

    def fail(self, error: UpstreamError) -> None:
        """Closes the socket at once; ``error`` is why, unless the answer is whole or has failed before."""
        if self.error is None and not self.complete:
            self.error = error
        self.closed = True
        self._stop_upload()
        self._wake()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ---- a body that is sent as it comes ----------------------------------------------------------------------------

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        """Sends more of it. A future: to be waited for before the next."""
        if self._transport is not None:
            self._transport.write(data)
        return self._drained

    def _uploaded(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(invalid(self._provider, type(error).__name__))

    def _stop_upload(self) -> None:
        """What of the body has not been sent will not be, so no other request can follow it."""
        task, self._upload = self._upload, None
        if task is not None and not task.done():
            self.single = True
            task.cancel()

    # ---- the loop's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open, and TLS agreed on."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the socket is read into. What is found there is copied out before anything else is read."""
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        """One read of the socket."""
        if self.complete:
            self.abort()
            return
        self.unread += nbytes
        try:
            self.feed(self._inbox[:nbytes])
        except REFUSED as error:
            if not self.complete:
                # The parser's own words, or those of ``Answer``: never a provider's.
                self._refuse(str(error.__context__ or error))
                return
        if self.headed:
            self._wake()
            if self._upload is not None and (self.complete or self.status >= 300):
                # Answered without it, or refused: the provider does not wait for the rest (RFC 9112 9.3).
                self._stop_upload()
        if self.unread > UNREAD and not self.complete:
            if not self.parts:
                self._refuse("too much that is no body")
            elif not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()

    def _refuse(self, detail: str) -> None:
        """What came is no answer, or no body of one."""
        self.fail(cut(self._provider, detail) if self.headed else invalid(self._provider, detail))

    def eof_received(self) -> None:
        """The provider sends no more."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._end(exc)
        self._transport = None
        self.over()
        self._pool.lost(self)

    def _end(self, exc: Exception | None) -> None:
        """The connection is over: with that the answer may be as well."""
        if exc is None and self.error is None:
            self.ended()
        detail = type(exc).__name__ if exc is not None else "EOF"
        self.fail(cut(self._provider, detail) if self.headed else dropped(self._provider, detail))

    def pause_writing(self) -> None:
        """The provider does not take as fast as we give."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """It has caught up."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
