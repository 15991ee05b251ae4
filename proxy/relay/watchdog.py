"""One timer a request that is not answered at once: looks for a client that left, enforces the upstream limits, and keeps quiet streams alive.

It re-arms itself for the next thing that could be due, so a read or a send costs one assignment and no timer call. All tries of a
request share it: ``begin`` starts the limits of one, and while it is ``paused`` none of them runs.
"""

import asyncio
from collections.abc import Callable

from ..context import Limits, RequestContext
from ..errors import ClientGone, DeadlineExceeded, UpstreamTimeout
from .rounds import Rounds

WATCH_AFTER = 0.05
"""Seconds before the disconnect watcher starts: quick answers never pay for one, and slow ones are told well within 250 ms."""

_PLAIN_FIRST_BYTE = 600.0
_STREAM_FIRST_BYTE = 60.0


def _nothing() -> None:
    """What a stopped watchdog would call."""


Expire = Callable[[UpstreamTimeout], None]
"""Ends one try whose limit has passed, so that another can be made."""


def first_byte_limit(ctx: RequestContext, limits: Limits) -> float:
    """Seconds that a try has for its first byte: as the request asks, as its target is configured, or the usual ones."""
    usual = _STREAM_FIRST_BYTE if ctx.request.stream else _PLAIN_FIRST_BYTE
    return ctx.controls.first_byte or limits.first_byte or usual


def silence(seconds: float, limit: str) -> UpstreamTimeout:
    """The error of a provider that said nothing for so long."""
    return UpstreamTimeout(f"The provider sent nothing for {seconds:g} s (limit: {limit}).")


class Watchdog:
    """Timer of one request. The relay writes ``answered``, ``touched`` and ``paused``, and the context's ``sending``; loop seconds.

    ``expire``: who is told that a limit of the try under way has passed; without it the request ends.
    """

    __slots__ = (
        "_beat",
        "_beaten",
        "_ctx",
        "_deadline",
        "_first_byte",
        "_keepalive",
        "_limits",
        "_place",
        "_send_limit",
        "_started",
        "_timer",
        "_watch",
        "_watching",
        "answered",
        "expire",
        "loop",
        "paused",
        "touched",
    )

    def __init__(
        self,
        ctx: RequestContext,
        limits: Limits,
        send_limit: float,
        keepalive: float,
        watch: Callable[[], None],
        beat: Callable[[], None],
        left: float | None = None,
        rounds: Rounds | None = None,
    ) -> None:
        """``left``: seconds until the request's deadline, where it has one; ``rounds``: those of all requests, else its own."""
        # Asking for the running loop takes a call of the system.
        loop = self.loop = ctx.task.get_loop() if ctx.task is not None else asyncio.get_running_loop()
        self._ctx = ctx
        self._limits = limits
        self._send_limit = send_limit
        self._keepalive = keepalive
        self._watch = watch
        self._beat = beat
        self._watching = False
        now = self._started = self.touched = loop.time()
        self._deadline = now + left if left is not None else None
        self._first_byte = first_byte_limit(ctx, limits)
        self._beaten = 0.0
        self.answered = False
        self.expire: Expire | None = None
        self.paused = False
        self._timer: asyncio.TimerHandle | None = None
        rounds = Rounds(WATCH_AFTER) if rounds is None else rounds
        self._place = rounds.join(loop, now, self._fire)

    def begin(self, limits: Limits) -> None:
        """A try starts, with its limits."""
        now = self.touched = self.loop.time()
        self.answered = self.paused = False
        if limits is self._limits:
            soonest = self._first_byte
        else:
            self._limits = limits
            self._first_byte = first_byte_limit(self._ctx, limits)
            soonest = min(self._first_byte, limits.idle)
        timer = self._timer
        if (self._place.due if timer is None else timer.when()) > now + soonest:
            self._place.leave()
            if timer is not None:
                timer.cancel()
            self._timer = self.loop.call_at(now + soonest, self._fire)

    def stop(self) -> None:
        """Nothing fires after this. Lets go of the relay, so that no cycle keeps a finished request until the collector runs."""
        self._place.leave()
        if self._timer is not None:
            self._timer.cancel()
        self._watch = self._beat = _nothing
        self.expire = None

    def _fire(self) -> None:
        now = self.loop.time()
        upload = self._ctx.upload
        uploading = upload is not None and not upload.finished
        if not self._watching and not uploading:
            self._watching = True
            self._watch()
        due = self._started + self._limits.total
        if now >= due or (self._deadline is not None and now >= self._deadline):
            self._ctx.interrupt(self._over(now))
            return
        if self._deadline is not None:
            due = min(due, self._deadline)
        sending = self._ctx.sending
        if sending:
            limit, reason = sending + self._send_limit, ""
        elif uploading or self.paused:
            self.touched = now if uploading else self.touched
            limit, reason = now + 1.0, ""
        elif not self.answered:
            limit, reason = self.touched + self._first_byte, "first byte"
        else:
            limit, reason = self.touched + self._limits.idle, "idle"
        if now >= limit:
            if not reason:
                self._ctx.interrupt(ClientGone("The client stopped reading."))
                return
            error = silence(self._first_byte if reason == "first byte" else self._limits.idle, reason)
            expire, self.expire = self.expire, None
            if expire is None:
                self._ctx.interrupt(error)
                return
            # What comes next begins its own limits.
            self.paused = True
            expire(error)
            limit = now + 1.0
        self._rearm(now, min(due, limit), quiet=not sending and not uploading)

    def _over(self, now: float) -> DeadlineExceeded | UpstreamTimeout:
        if self._deadline is not None and now >= self._deadline:
            return DeadlineExceeded("The request's deadline passed before its answer was complete.")
        return UpstreamTimeout(f"The answer took longer than the total limit of {self._limits.total:g} s.")

    def _rearm(self, now: float, due: float, *, quiet: bool) -> None:
        """For ``due``, or something that comes before it. ``quiet``: may a comment be due?"""
        if self._keepalive and quiet:
            quiet_until = max(self.touched, self._beaten) + self._keepalive
            if now >= quiet_until:
                self._beaten = now
                self._beat()
                quiet_until = now + self._keepalive
            due = min(due, quiet_until)
        if not self._watching:
            due = min(due, now + WATCH_AFTER)
        # Another limit may begin to run while we sleep; waking within its length is early enough to end it on time.
        due = min(due, now + self._send_limit, now + self._limits.idle)
        if self._keepalive:
            due = min(due, now + self._keepalive)
        self._timer = self.loop.call_at(max(due, now + 0.001), self._fire)
