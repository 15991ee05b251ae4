"""The timed refresh of the catalogue: fetch, check, swap in; a bad one changes nothing and the last good one stays."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from . import catalogue
from .config.catalogue import Refresh
from .errors import UpstreamError
from .protocols import Clock

_log = logging.getLogger("tollway.catalogue")

TICK = 5.0
"""Seconds between looks at the configuration, which may change."""


class Refresher:
    """Runs for ever beside the gateway; the caller runs ``run()``. Off while ``settings`` gives ``None``."""

    def __init__(
        self,
        settings: Callable[[], Refresh | None],
        *,
        fetch: Callable[[str], Awaitable[bytes]],
        applied: Callable[[], None],
        told: Callable[[bool], None],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``fetch`` raises ``UpstreamError``; ``applied`` is called after a swap, ``told`` with how each round went."""
        self._settings = settings
        self._fetch = fetch
        self._applied = applied
        self._told = told
        self._clock = clock
        self._sleep = sleep
        self._problem = ""

    async def run(self) -> None:
        """The first round at once, then one every ``every`` seconds; a changed setting counts at the next tick."""
        current: Refresh | None = None
        due = 0.0
        while True:
            wanted = self._settings()
            if wanted != current:
                current, due = wanted, self._clock()
            if current is not None and self._clock() >= due:
                due = self._clock() + current.every
                await self.once(current.url)
            await self._sleep(TICK)

    async def once(self, url: str) -> bool:
        """One round. True when a new catalogue is in use; each different problem is logged once."""
        try:
            count = catalogue.refresh(await self._fetch(url))
        except (UpstreamError, ValueError) as error:
            problem = error.message if isinstance(error, UpstreamError) else str(error)
            if problem != self._problem:
                _log.warning("the catalogue was not refreshed, the last good one stays: %s", problem[:500])
            self._problem = problem
            self._told(False)
            return False
        self._problem = ""
        _log.info("catalogue refreshed: %d models", count)
        self._told(True)
        self._applied()
        return True
