"""Watches every file a configuration was made from and hands over the next good one.

Kubernetes swaps a symlink and editors replace files, so files are compared by what the path leads to now. A bad file
changes nothing: the last good configuration stays, and the error is told once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from .load import Loaded
from .problems import ConfigError
from .show import Change, changed
from .sources import FRESH, Stamp, content, stamp

_log = logging.getLogger("tollway.config")


class Watcher:
    """Polls the sources of ``current`` and reloads when their bytes changed.

    ``reload`` runs in a thread and returns the next Loaded or raises ConfigError. ``on_change`` is awaited with it and with what
    changed; if it raises, the old configuration stays current. ``on_error`` hears each different error once, ``on_recovery`` that it is over. The caller runs ``run()``.
    """

    def __init__(
        self,
        current: Loaded,
        *,
        reload: Callable[[], Loaded],
        on_change: Callable[[Loaded, Change], Awaitable[None]],
        on_error: Callable[[ConfigError], None],
        on_recovery: Callable[[], None] = lambda: None,
        interval: float = 2.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.current = current
        self.error: ConfigError | None = None
        self._reload = reload
        self._on_change = on_change
        self._on_error = on_error
        self._on_recovery = on_recovery
        self._interval = interval
        self._sleep = sleep
        self._stamps: dict[str, Stamp] = {}
        self._hashes: dict[str, bytes | None] = {}
        self._fresh: dict[str, bool] = {}
        self._clock = clock
        self._watch(current.sources)

    async def run(self) -> None:
        """Checks for ever, every ``interval`` seconds, until cancelled."""
        while True:
            await self._sleep(self._interval)
            try:
                await self.check_once()
            except Exception as error:  # noqa: BLE001 (a background loop outlives what one round meets)
                _log.error("reloading the configuration failed: %s", type(error).__name__)

    async def check_once(self) -> bool:
        """One poll. True when a new configuration was handed over."""
        if not await asyncio.to_thread(self._moved):
            return False
        return await self.reload_now()

    async def reload_now(self) -> bool:
        """Loads whether or not a file changed (a signal, an admin call). True when a new configuration was handed over."""
        try:
            loaded = await asyncio.to_thread(self._reload)
        except ConfigError as error:
            await asyncio.to_thread(self._watch, (*self.current.sources, *error.sources))
            if self.error is None or str(self.error) != str(error):
                self.error = error
                self._on_error(error)
            return False
        await asyncio.to_thread(self._watch, loaded.sources)
        recovered, self.error = self.error is not None, None
        if recovered:
            self._on_recovery()
        if loaded.digest == self.current.digest:
            return False
        old = self.current
        await self._on_change(loaded, changed(old.config, loaded.config, old.contents, loaded.contents))
        self.current = loaded
        return True

    def _moved(self) -> bool:
        """Do the files read differently now? Only files whose stat changed, or is too fresh to be trusted, are read."""
        moved = False
        for name, known in self._stamps.items():
            now = stamp(name)
            if now != known or self._fresh.get(name, False):
                moved = self._see(name, now) or moved
        return moved

    def _see(self, name: str, now: Stamp) -> bool:
        """Notes what the file holds; True when that is new."""
        self._fresh[name] = now is not None and abs(self._clock() - max(now[3], now[4])) < FRESH
        found = content(name)
        new = found != self._hashes.get(name)
        self._stamps[name], self._hashes[name] = now, found
        return new

    def _watch(self, names: Sequence[str]) -> None:
        """Sets the files to watch. Those known stay as they were seen before the load, so a change during it is not lost."""
        for name in set(self._stamps) - set(names):
            del self._stamps[name], self._hashes[name]
            self._fresh.pop(name, None)
        for name in names:
            if name not in self._stamps:
                self._see(name, stamp(name))
