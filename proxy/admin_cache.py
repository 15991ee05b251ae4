"""Stored answers as a process without any sees them: purged through the shared state, which those that have them follow."""

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from .admin import answers
from .admin.refusals import StateRequired
from .cached import settled
from .config import Config
from .config.checks_policy import caches
from .protocols import Purge
from .stores import link_settings
from .telemetry.caching import CacheMetrics

if TYPE_CHECKING:
    from .cache.fleet import SharedPurges
    from .cache.redis import SharedCacheStore
    from .state.link import StateLink
    from .state.push import Push

OUT_OF_SIGHT = (
    "Stored answers are in the memory of the processes that serve, which share no state, so the admin listener can neither "
    "see nor purge them: set state: {type: embedded} or {type: redis}, or leave server.admin_port out."
)


class AdminCache:
    """Implements ``Answers``. ``shared``: is there a state that the workers share?"""

    def __init__(self, config: Config, *, shared: bool) -> None:
        self._config = config
        self._shared = shared
        self._link: StateLink | None = None
        self._push: Push | None = None
        self._purges: SharedPurges | None = None
        self._store: SharedCacheStore | None = None

    async def open(self) -> None:
        """Connects, where answers are kept and there is a shared state."""
        config = self._config
        if not (self._shared and caches(config)):
            return
        from .cache.fleet import SharedPurges  # noqa: PLC0415 - the extra `redis`
        from .cache.redis import SCRIPTS, SharedCacheStore  # noqa: PLC0415
        from .state.link import StateLink  # noqa: PLC0415
        from .state.push import Push  # noqa: PLC0415
        from .state.settings import TAG  # noqa: PLC0415

        # Nobody reads the metrics of a process that serves nothing.
        settings, records = link_settings(config), CacheMetrics(CollectorRegistry())
        link = self._link = StateLink(settings, scripts=SCRIPTS)
        if config.cache.store == "memory":
            push = self._push = Push(settings, link, channel=f"{TAG}:cache")
            self._purges = SharedPurges(link, wall=time.time, records=records, push=push)
            await link.open()
            return
        cache = settled(config)
        assert cache.exact is not None
        self._store = SharedCacheStore(link, max_entry=cache.exact.max_entry, wall=time.time, records=records)
        await self._store.open()

    def shown(self) -> answers.Cache:
        """Where answers are; how many, the workers' metrics tell. Raises ``StateRequired``."""
        if not caches(self._config):
            return answers.Cache(store="none")
        if self._link is None:
            raise StateRequired(OUT_OF_SIGHT)
        if self._store is None:
            return answers.Cache(store="memory", max_bytes=self._config.cache.max_bytes, up=self._link.up)
        return answers.Cache(store="state", up=self._link.up)

    async def purge(self, what: Purge) -> answers.CachePurged:
        """Forgets everywhere, or as soon as the store is back. Raises ``StateRequired``."""
        if not caches(self._config):
            return answers.CachePurged(forgotten=0, everywhere=True)
        if self._store is not None:
            forgotten = await self._store.purge(what)
            return answers.CachePurged(forgotten=forgotten, everywhere=not self._store.owed)
        if self._purges is None:
            raise StateRequired(OUT_OF_SIGHT)
        await self._purges.tell(what)
        return answers.CachePurged(forgotten=None, everywhere=not self._purges.owed)

    async def close(self) -> None:
        """Lets go of everything."""
        if self._purges is not None:
            await self._purges.close()
        if self._push is not None:
            await self._push.close()
        if self._store is not None:
            await self._store.close()
        elif self._link is not None:
            await self._link.close()
