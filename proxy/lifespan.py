"""The ASGI lifespan, by hand: a start that fails must say so in as many words, or Granian would serve without us."""

import logging
from collections.abc import Awaitable, Callable

from .context import Receive, Send

_log = logging.getLogger("tollway.lifespan")


class StartRefused(Exception):
    """The application cannot start; the message is one sentence with the fix, and free of secrets."""


class Lifespan:
    """Calls ``start`` and ``stop`` once each."""

    def __init__(self, *, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._start = start
        self._stop = stop

    async def __call__(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told to exit
                    reason = reason_of(error)
                    _log.error("start failed: %s", reason)
                    await send({"type": "lifespan.startup.failed", "message": f"tollway: start failed: {reason}"})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                try:
                    await self._stop()
                finally:
                    await send({"type": "lifespan.shutdown.complete"})
                return


def reason_of(error: BaseException) -> str:
    """Why the start failed, in words that hold no secret."""
    if isinstance(error, StartRefused):
        return str(error)
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
