"""The client's side of one request: who watches it, what is sent to it, and how it ends. Whom to ask is ``dispatch``'s business.

Cancellation (the client left, a limit passed, the gateway drains) closes the upstream on its way out, so that the provider stops
generating. Whatever happens to single tries, there is one watchdog, one watcher, and one answer.
"""

import asyncio
from collections.abc import Awaitable, Container

from msgspec import Struct

from ..context import Attempt, Message, Receive, RequestContext, Send
from ..errors import ClientGone, InternalError, UpstreamCut
from ..protocols import Admission, Clock, Course, Exchange, Providers, Tasks
from ..wire.sse import COMMENT
from ..wire.stream import Withholder
from .announcing import RelaySettings, own_headers, way_headers
from .dispatch import Dispatch
from .opening import Opening
from .rounds import Rounds
from .watchdog import Watchdog

__all__ = ["Relay", "RelaySettings"]


class Relay(Struct, eq=False):
    """Carries one request; made for it and thrown away with it."""

    ctx: RequestContext
    receive: Receive
    send: Send
    course: Course
    providers: Providers
    admission: Admission
    settings: RelaySettings
    tasks: Tasks
    clock: Clock
    wall: Clock
    rounds: Rounds | None = None
    watchdog: Watchdog = None  # type: ignore[assignment] # there is one before anybody looks
    _watcher: asyncio.Task[None] | None = None
    beating: asyncio.Task[None] | None = None
    opening: Opening | None = None
    """The try whose answer the client gets."""
    notes: tuple[int, int] = (0, 0)
    """How much was noted of the request before any target was chosen; the rest is one try's."""
    unsent: list[Attempt] = []
    """Tries that ended before anything was sent; they count only beside one that was."""
    wants_usage: bool = False
    continues: bool = False

    async def run(self) -> None:
        """Relays the request. Raises ``UpstreamError`` or ``ClientError``; before the response start nothing has left."""
        ctx, settings = self.ctx, self.settings
        if ctx.target is None:
            raise InternalError(detail="no target")
        stream = ctx.request.stream is True
        if stream:
            self.wants_usage, self.continues = self._wants_usage(), self._continues()
        if ctx.dropped or ctx.rewritten:
            self.notes = len(ctx.dropped), len(ctx.rewritten)
        self.watchdog = Watchdog(
            ctx,
            ctx.target.limits,
            settings.send_timeout,
            settings.keepalive if stream else 0.0,
            self._watch,
            self._beat,
            ctx.deadline - self.clock() if ctx.deadline else None,
            self.rounds,
        )
        try:
            # A body that is streamed through is there once.
            tries = ctx.plan.attempts if ctx.plan is not None and ctx.upload is None else 1
            dispatch = Dispatch(self, self.course, tries)
            opening = self.opening = await dispatch.opening()
            if self.continues:
                await self._parts(dispatch, opening)
            else:
                await opening.deliver()
        except BaseException:
            decoder = (
                self.opening.answer.decoder if self.opening is not None and self.opening.answer is not None else None
            )
            if ctx.insertion is not None and decoder is not None and not decoder.at_boundary:
                ctx.insertion = b"\n\n"
            if settings.gateway_headers and not ctx.response_started:
                ctx.response_headers += way_headers(ctx)
            raise
        finally:
            self.watchdog.stop()
            if self.opening is not None:
                if ctx.keep_usage and isinstance(self.opening.withholder, Withholder):
                    ctx.withheld = self.opening.withholder.withheld
                self.opening.conclude()
                self.opening = None
            if ctx.meter is not None:
                ctx.meter.close()
            if self._watcher is not None:
                # Its traceback holds on to us, so we let go of it.
                self._watcher.cancel()
                self._watcher = None
            if ctx.upload is not None:
                ctx.upload.close()
            if self.beating is not None and not self.beating.done():
                await self._end_comment(self.beating)

    async def _parts(self, dispatch: Dispatch, opening: Opening) -> None:
        """An answer that may come in parts, each from another target."""
        while True:
            try:
                await opening.deliver()
                return
            except UpstreamCut:
                following = await dispatch.continued(opening)
                if following is None:
                    raise
            opening = self.opening = following

    def _continues(self) -> bool:
        """Is an answer that breaks off continued? Only the plain text of a chat can be."""
        ctx = self.ctx
        if ctx.plan is None or not ctx.plan.route.continues:
            return False
        one = ctx.request.n is None or ctx.request.n == 1
        return ctx.endpoint.dialect == "chat" and one

    def _wants_usage(self) -> bool:
        """Is the usage chunk to be asked for on the client's behalf, and withheld from it again?"""
        ctx, policy = self.ctx, self.settings.include_usage
        if policy == "never" or ctx.endpoint.dialect not in ("chat", "completions"):
            return False
        if ctx.request.stream_options is not None and ctx.request.stream_options.include_usage:
            return False
        return policy == "always" or ctx.principal.exact_usage or ctx.keep_usage

    # ---- while it waits ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._watcher = self.watchdog.loop.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        """Waits for the client to leave. Granian reports that only here; a finished answer looks the same."""
        ctx = self.ctx
        while True:
            message: Message = await self.receive()
            if message["type"] == "http.disconnect":
                if not ctx.complete:
                    ctx.client_gone = True
                    ctx.interrupt(ClientGone("The client left."))
                return

    def _beat(self) -> None:
        """Called in silence: puts a comment between two events, starting the answer if need be."""
        ctx = self.ctx
        if self.beating is not None and not self.beating.done():
            return
        if ctx.committed or (ctx.response_started and ctx.insertion is None):
            decoder = (
                self.opening.answer.decoder if self.opening is not None and self.opening.answer is not None else None
            )
            if ctx.insertion is None or decoder is None or not decoder.at_boundary:
                return
        self.beating = self.watchdog.loop.create_task(self._comment())

    async def _comment(self) -> None:
        ctx = self.ctx
        if not ctx.response_started:
            ctx.insertion = b""
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
            await self.send({"type": "http.response.start", "status": 200, "headers": headers + self.own_headers(())})
        ctx.sending = self.watchdog.loop.time()
        await self.send({"type": "http.response.body", "body": COMMENT, "more_body": True})
        ctx.sending = 0.0

    async def _end_comment(self, beating: asyncio.Task[None]) -> None:
        """Whoever speaks next must not cut in on a comment; one that a client does not read is given up."""
        if not isinstance(self.ctx.interruption, ClientGone):
            await asyncio.wait((beating,), timeout=self.settings.send_timeout)
        beating.cancel()

    # ---- the head ---------------------------------------------------------------------------------------------------

    def start(self, exchange: Exchange, *, event_stream: bool) -> Awaitable[None]:
        """Sends the head of an answer that passes as it came."""
        ctx, opening = self.ctx, self.opening
        assert opening is not None
        ctx.committed = True
        opening.note_wait()
        theirs = opening.head.beside(ctx.response_headers)
        if event_stream:
            # Comments, an error event or a withheld chunk change the length; a stream ends by its framing.
            theirs = [pair for pair in theirs if pair[0] != b"content-length"]
        headers = own_headers(ctx, self.settings, opening.head.names, self.clock(), self.tasks.draining)
        headers[:0] = theirs
        if exchange.status >= 400:
            headers.append((b"x-tollway-error-source", b"upstream"))
        message: Message = {"type": "http.response.start", "status": exchange.status, "headers": headers}
        if opening.checked:
            message["checked"] = opening.head.entity(stream=event_stream)
        return self.send(message)

    def own_headers(self, theirs: Container[bytes]) -> list[tuple[bytes, bytes]]:
        """What we add to an answer that has headers of these names."""
        return own_headers(self.ctx, self.settings, theirs, self.clock(), self.tasks.draining)
