"""One answer under way that several may share: the first who asked leads, and the others follow what is recorded of its answer.

The leader's relay runs as ever, with ``send`` and ``receive`` of the flight in place of its client's: what leaves is recorded at once,
and while others follow, nobody is told that the leader's client has left.
"""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Literal, Protocol

from msgspec import Struct

from ..context import Message, Receive, RequestContext, Send
from ..errors import NoHealthyTarget, TollwayError, UpstreamError
from ..protocols import CacheEntry, Verdict
from .lagging import Lagging
from .recording import Recording

Ending = Literal["", "landed", "found", "failed"]
"""``landed``: the leader has its answer, be it an error; ``found``: one that was like it was stored; "" while it lasts."""

PATIENCE = 1.0
"""Seconds that a send to the leader's client may take while others follow; then it gets the rest at its own pace."""

STUCK = 0.05
"""Seconds that a send may be under way before nobody joins a leader whose client does not read."""


class Follower(Protocol):
    """Who follows a flight."""

    def wake(self) -> None:
        """Something has changed."""


class _Done:
    """An awaitable that is already done."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class Flight(Struct, eq=False):
    """Of the leader's making; ``ctx``, ``receiving`` and ``sending`` are its context and what its client is reached by."""

    key: bytes
    ctx: RequestContext
    receiving: Receive
    sending: Send
    recording: Recording
    flights: "Flights"
    followers: set[Follower] = set()
    ending: Ending = ""
    own: bool = False
    """Is what it failed of the leader's concern alone?"""
    error: TollwayError | None = None
    found: tuple[CacheEntry, Verdict] | None = None
    lagging: Lagging | None = None
    _alone: asyncio.Future[None] | None = None
    _accompanied: bool = True
    """Did somebody follow when the last part was sent, or was none sent yet?"""

    # ---- what the leader's relay is given ---------------------------------------------------------------------------

    def send(self, message: Message) -> Awaitable[None]:
        """To the leader's client, and at once into the recording."""
        if message["type"] == "http.response.start":
            entity = message.get("checked")
            passing = self.sending(message)
            self.recording.begin(message, entity)
            if self.followers:
                self._tell()
            return passing
        if self.followers or self.lagging is not None:
            return self._send_to_all(message)
        passing = self.sending(message)
        self.recording.add(message.get("body", b""), not message.get("more_body", False))
        if self._accompanied:
            self._accompanied = False
        return passing

    def _send_to_all(self, message: Message) -> Awaitable[None]:
        """Others follow, or the leader's client lags behind."""
        lagging = self.lagging
        if lagging is None:
            passing = self.sending(message)
        else:
            lagging.add(message)
            passing = _DONE
        self.recording.add(message.get("body", b""), not message.get("more_body", False))
        self._accompanied = bool(self.followers)
        if self._accompanied:
            self._tell()
            if lagging is None:
                return self._unhurried(passing)
        return passing

    @property
    def stuck(self) -> bool:
        """Does the leader's client not read, so that whoever joins now would wait for it?"""
        since = 0.0 if self._accompanied else self.ctx.sending
        return since > 0.0 and asyncio.get_running_loop().time() - since > STUCK

    async def receive(self) -> Message:
        """From the leader's client. While others follow, it has not left."""
        message = await self.receiving()
        if message["type"] == "http.disconnect":
            while self.followers and not self.ending:
                self._alone = asyncio.get_running_loop().create_future()
                await self._alone
            if not self.recording.whole:
                # The relay will end it; who comes now must not wait for that.
                self.forget()
        return message

    async def _unhurried(self, passing: Awaitable[None]) -> None:
        """Others do not wait for a client that does not read."""
        sending = asyncio.ensure_future(passing)
        try:
            await asyncio.wait((sending,), timeout=PATIENCE)
        except asyncio.CancelledError:
            sending.cancel()
            raise
        if sending.done():
            sending.result()
        else:
            self.lagging = Lagging(sending, self.sending, limit=self.recording.limit)

    # ---- those who follow -------------------------------------------------------------------------------------------

    def join(self, follower: Follower) -> None:
        """From now on it is told of everything."""
        self.followers.add(follower)

    def leave(self, follower: Follower) -> None:
        """It is served, or its client has left."""
        self.followers.discard(follower)
        if not self.followers:
            self._release()

    def _tell(self) -> None:
        for follower in self.followers:
            follower.wake()

    def _release(self) -> None:
        if self._alone is not None and not self._alone.done():
            self._alone.set_result(None)

    # ---- its end ----------------------------------------------------------------------------------------------------

    def land(self) -> None:
        """The leader's answer is complete, with everything that is known of it."""
        self._end("landed")

    def divert(self, entry: CacheEntry, verdict: Verdict) -> None:
        """Nothing is asked: a stored answer will do."""
        self.found = entry, verdict
        self._end("found")
        self.forget()

    def fail(self, error: BaseException) -> None:
        """There is no answer, or no more of it. Of an end that was known already nothing changes."""
        if self.ending:
            return
        told = self.ctx.interruption if isinstance(error, asyncio.CancelledError) else error
        self.own = concerns_leader(told, self.ctx)
        self.error = told if isinstance(told, TollwayError) else None
        self._end("failed")
        self.forget()

    @property
    def event_said(self) -> bool:
        """Of a stream that broke off: did the relay end it with an event of its own, so that no other may follow?"""
        return self.recording.form == "events" and not self.recording.packed and self.ctx.insertion is None

    def forget(self) -> None:
        """Nobody joins any more."""
        if self.flights.get(self.key) is self:
            del self.flights[self.key]

    def _end(self, ending: Ending) -> None:
        self.ending = ending
        if self.followers:
            self._tell()
        if self._alone is not None:
            self._release()


Flights = dict[bytes, Flight]
"""Those under way in this process, by the key of their answer."""


def concerns_leader(error: BaseException | None, ctx: RequestContext) -> bool:
    """Is it nobody else's failure? A limit, a deadline, a client that left, a bug; not what a provider did to a request as any other."""
    if isinstance(error, NoHealthyTarget):
        return False
    if not isinstance(error, UpstreamError):
        return True
    controls = ctx.controls
    return not (
        controls.first_byte is None
        and controls.timeout is None
        and controls.deadline is None
        and controls.retries is None
    )
