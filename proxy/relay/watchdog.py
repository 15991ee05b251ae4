"""One timer a request: looks for a client that left, enforces the upstream limits, and keeps quiet streams alive.

It re-arms itself for the next thing that could be due, so a read or a send costs one assignment and no timer call.
"""

import asyncio
from collections.abc import Callable

from ..context import Limits, RequestContext
from ..errors import ClientGone, UpstreamTimeout

WATCH_AFTER = 0.05
"""Seconds before the disconnect watcher starts: quick answers never pay for one, and slow ones are told well within 250 ms."""

_PLAIN_FIRST_BYTE = 600.0
_STREAM_FIRST_BYTE = 60.0


def _nothing() -> None:
    """What a stopped watchdog would call."""


class Watchdog:
    """Timer of one request. The relay writes ``answered``, ``touched`` and ``sending``; times are loop seconds."""

    __slots__ = (
        "_beat",
        "_beaten",
        "_ctx",
        "_first_byte",
        "_keepalive",
        "_limits",
        "_loop",
        "_send_limit",
        "_started",
        "_timer",
        "_watch",
        "_watching",
        "answered",
        "sending",
        "touched",
    )

    def __init__(
        self,
        ctx: RequestContext,
        limits: Limits,
        *,
        send_limit: float,
        keepalive: float,
        watch: Callable[[], None],
        beat: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._ctx = ctx
        self._limits = limits
        self._send_limit = send_limit
        self._keepalive = keepalive
        self._watch = watch
        self._beat = beat
        self._watching = False
        self._started = self.touched = self._loop.time()
        self._first_byte = limits.first_byte or (_STREAM_FIRST_BYTE if ctx.request.stream else _PLAIN_FIRST_BYTE)
        self._beaten = 0.0
        self.answered = False
        self.sending = 0.0
        self._timer = self._loop.call_later(WATCH_AFTER, self._fire)

    def stop(self) -> None:
        """Nothing fires after this. Lets go of the relay, so that no cycle keeps a finished request until the collector runs."""
        self._timer.cancel()
        self._watch = self._beat = _nothing

    def _fire(self) -> None:
        now = self._loop.time()
        upload = self._ctx.upload
        uploading = upload is not None and not upload.finished
        if not self._watching and not uploading:
            self._watching = True
            self._watch()
        due = self._started + self._limits.total
        if now >= due:
            self._ctx.interrupt(
                UpstreamTimeout(f"The answer took longer than the total limit of {self._limits.total:g} s.")
            )
            return
        if self.sending:
            limit, reason = self.sending + self._send_limit, ""
        elif uploading:
            self.touched = now
            limit, reason = now + 1.0, ""
        elif not self.answered:
            limit, reason = self.touched + self._first_byte, "first byte"
        else:
            limit, reason = self.touched + self._limits.idle, "idle"
        if now >= limit:
            if not reason:
                self._ctx.interrupt(ClientGone("The client stopped reading."))
                return
            seconds = self._first_byte if reason == "first byte" else self._limits.idle
            self._ctx.interrupt(UpstreamTimeout(f"The provider sent nothing for {seconds:g} s (limit: {reason})."))
            return
        due = min(due, limit)
        if self._keepalive and not self.sending and not uploading:
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
        self._timer = self._loop.call_at(max(due, now + 0.001), self._fire)
