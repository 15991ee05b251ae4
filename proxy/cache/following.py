"""One client that gets the answer of another's request: live in the same form, at its end in the other.

It has its own comments, its own deadline and its own departure; however slowly it reads, the leader does not wait for it.
"""

import asyncio
from collections.abc import Callable
from copy import copy
from typing import Literal

from msgspec import structs

from ..context import Cached, RequestContext, Send
from ..errors import UpstreamCut, UpstreamInvalid
from ..protocols import CacheEntry
from ..wire.sse import COMMENT
from .attending import Attendance
from .flight import Flight
from .judging import unfit
from .recording import PASSED_ON
from .replay import played
from .serving import EVENTS, Manner, head, serve_events, serve_json
from .telling import SHARED, say
from .wishes import Inserter, Wish, asks_usage, wish_of

Outcome = Literal["served", "found", "again", "alone"]
"""``found``: what the leader found may serve this one, too; ``again``: there is no answer, and somebody has to lead anew;
``alone``: there is one, but not for this client."""

_SENSELESS = ("unreadable", "error")
"""What ``unfit`` says of an answer that is none, and has no other form."""

_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r")


class Following:
    """One follower, for as long as it follows."""

    __slots__ = (
        "_attendance",
        "_begun",
        "_ctx",
        "_entry",
        "_flight",
        "_manner",
        "_news",
        "_send",
        "_sent",
        "_since",
        "_spoken",
        "_tail",
        "_wish",
    )

    def __init__(
        self,
        flight: Flight,
        ctx: RequestContext,
        send: Send,
        *,
        attendance: Attendance,
        manner: Manner,
        entry: Callable[[Flight], CacheEntry],
    ) -> None:
        """``entry``: the answer of a flight that has landed, as it would be stored."""
        self._flight = flight
        self._ctx = ctx
        self._send = send
        self._attendance = attendance
        self._manner = manner
        self._entry = entry
        self._wish: Wish | None = wish_of(ctx, flight.ctx)
        self._news: asyncio.Future[bool] | None = None
        self._begun = ctx.response_started
        self._sent = False
        """Has anything of the answer left?"""
        self._since = manner.clock()
        self._tail = b"\n\n"
        self._spoken = asyncio.get_running_loop().time()
        """When the client was last sent something, on the loop's clock."""

    async def run(self) -> Outcome:
        """Follows to the end. Raises ``TollwayError`` where the answer failed for everybody, or broke off."""
        flight, ctx = self._flight, self._ctx
        flight.join(self)
        try:
            same = (ctx.request.stream is True) == (flight.ctx.request.stream is True)
            return await (self._live() if same else self._whole())
        finally:
            flight.leave(self)

    # ---- waiting ----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """The flight has news."""
        self._tell(True)

    def _tell(self, news: bool) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(news)

    async def _more(self) -> None:
        """Waits for news. A client that was sent nothing for long gets a comment, whatever the leader's was sent meanwhile."""
        loop, quiet = asyncio.get_running_loop(), self._manner.keepalive
        self._news = loop.create_future()
        commented = quiet and self._ctx.request.stream is True
        timer = loop.call_at(self._spoken + quiet, self._tell, False) if commented else None
        try:
            told = await self._news
        finally:
            self._news = None
            if timer is not None:
                timer.cancel()
        if not told:
            self._spoken = loop.time()
            await self._comment()

    async def _comment(self) -> None:
        ctx = self._ctx
        if ctx.complete or not self._tail.endswith(_BOUNDARIES) or (self._begun and ctx.insertion is None):
            return
        await self._begin(EVENTS)
        await self._out(COMMENT)

    # ---- in the same form: live -------------------------------------------------------------------------------------

    async def _live(self) -> Outcome:
        flight = self._flight
        recording, at = flight.recording, 0
        while True:
            if recording.blind:
                return self._left_out()
            if flight.ending == "failed" and not self._sent:
                return await self._ended()
            if recording.status == 200 and (recording.whole or at < recording.count):
                if recording.form == "json" and self._begun and not self._sent:
                    return await self._whole()
                if at < recording.gone:
                    raise UpstreamCut("The client reads too slowly to follow an answer that is so long.")
                data, at, last = recording.since(at), recording.count, recording.whole
                await self._pass(data, last=last)
                if last:
                    break
            elif flight.ending:
                return await self._ended()
            else:
                await self._more()
        while not flight.ending:
            await self._more()
        self._conclude()
        return "served"

    async def _pass(self, data: bytes, *, last: bool) -> None:
        """A piece of the answer, as this client wants it."""
        ctx, wish, recording = self._ctx, self._wish, self._flight.recording
        if wish is not None:
            data = wish.feed(data)
        if isinstance(wish, Inserter) and last:
            await self._part(data, last=False)
            while not self._flight.ending:
                await self._more()
            wish.usage, data = self._flight.ctx.withheld, b""
        if wish is not None and last:
            data += wish.close()
        await self._part(data, last=last)
        if recording.form == "events":
            ctx.insertion = b"" if self._tail.endswith(_BOUNDARIES) else b"\n\n"

    async def _part(self, data: bytes, *, last: bool) -> None:
        if not data and not last:
            return
        ctx = self._ctx
        await self._begin(self._flight.recording.content_type)
        if not self._sent:
            self._sent = ctx.committed = True
            ctx.first_byte_at = self._manner.clock()
            if ctx.request.stream:
                ctx.first_token_at = ctx.first_byte_at
        self._tail = (self._tail + data)[-4:]
        await self._out(data, last=last)

    async def _begin(self, kind: bytes) -> None:
        """The head, unless it has left."""
        if self._begun:
            return
        self._begun = True
        self._say("hit")
        await self._send(head(self._ctx, kind, self._manner))

    async def _out(self, data: bytes, *, last: bool = False) -> None:
        attendance = self._attendance
        attendance.sending = asyncio.get_running_loop().time()
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        attendance.sending = 0.0
        self._spoken = asyncio.get_running_loop().time()

    # ---- in the other form: at the end ------------------------------------------------------------------------------

    async def _whole(self) -> Outcome:
        flight, ctx = self._flight, self._ctx
        recording = flight.recording
        while not flight.ending and not recording.blind:
            await self._more()
        if recording.blind or recording.gone:
            return self._left_out()
        if flight.ending != "landed" or recording.status != 200 or not recording.whole:
            return await self._ended()
        if unfit(ctx.endpoint.name, recording.form, recording.body, tools=True) in _SENSELESS:
            return self._left_out()
        stream = ctx.request.stream is True
        entry = self._entry(flight)
        body = played(entry, stream=stream, include_usage=asks_usage(ctx))
        if body is None:
            return self._left_out()
        self._sent = True
        if not self._begun:
            self._say("hit")
        if stream:
            await serve_events(ctx, self._send, body, self._manner, attendance=self._attendance)
        else:
            await serve_json(ctx, self._send, body, b"application/json", self._manner)
        self._conclude()
        return "served"

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _say(self, status: Literal["hit", "miss"]) -> None:
        """What the cache has to say of this request; a hit is one of the target that the leader is answered by."""
        flight, ctx = self._flight, self._ctx
        target = flight.ctx.target
        cached = Cached(status=status, reason=SHARED, key=flight.key.hex())
        if status == "hit":
            ctx.timings.append((SHARED, self._manner.clock() - self._since))
            if target is not None:
                ctx.target = target
                cached = structs.replace(cached, age=0.0, provider=target.provider, model=target.model)
            else:
                cached = structs.replace(cached, age=0.0)
        say(ctx, cached, status_header=self._manner.status_header)

    def _conclude(self) -> None:
        """The client has everything."""
        ctx, leader = self._ctx, self._flight.ctx
        if ctx.request.stream:
            ctx.last_token_at = self._manner.clock()
        if leader.error is not None:
            ctx.error = copy(leader.error)
        elif ctx.cached is not None:
            ctx.cached = structs.replace(ctx.cached, status="hit", usage=leader.usage)

    def _left_out(self) -> Outcome:
        """There is an answer, and it cannot be given to this client."""
        if self._sent:
            raise UpstreamCut("The answer was made for another request, and the rest of it cannot be passed on.")
        return "alone"

    async def _ended(self) -> Outcome:
        """The flight has ended without an answer that could be passed on as it is."""
        flight, ctx = self._flight, self._ctx
        if flight.ending == "found":
            return "found"
        if flight.ending == "landed":
            if flight.recording.status < 400 or not flight.recording.whole:
                return self._left_out()
            await self._refuse()
            return "served"
        if self._sent:
            if flight.event_said:
                ctx.insertion = None
            raise UpstreamCut("The answer was being made for another request, which ended before it was complete.")
        if flight.own or flight.error is None:
            return "again"
        self._say("miss")
        raise copy(flight.error)

    async def _refuse(self) -> None:
        """An error answer, as it came; behind comments as an event."""
        ctx, recording = self._ctx, self._flight.recording
        body = recording.body
        self._say("miss")
        if not self._begun:
            headers = [pair for pair in recording.headers if pair[0] in PASSED_ON]
            headers += [*self._manner.headers(ctx), (b"x-tollway-error-source", b"upstream")]
            await self._send({"type": "http.response.start", "status": recording.status, "headers": headers})
            await self._out(body, last=True)
            return
        if not body.lstrip().startswith(b"{"):
            raise UpstreamInvalid("The provider answered with an error that no stream can hold.")
        ctx.error = UpstreamCut("The provider answered with an error.", detail=f"status {recording.status}")
        name = b"event: error\n" if ctx.endpoint.shape == "anthropic" else b""
        await self._out(name + b"data: " + body.replace(b"\r", b"").replace(b"\n", b" ") + b"\n\n", last=True)
