"""What answers from the cache: the store, the flights and what finds likeness, which outlive reloads, and what each configuration makes of them.

Optional packages are imported here, and only when the configuration asks for what they bring.
"""

import logging
import time
from collections.abc import Callable
from random import Random
from secrets import token_bytes
from typing import TYPE_CHECKING

from msgspec import structs

from .admin import answers
from .cache.asking import CacheRules
from .cache.flight import Flights
from .cache.keys import Keys
from .cache.means import Caching
from .cache.memory import MemoryCacheStore
from .config import Config
from .config.checks_policy import caches, effective_state
from .lifespan import StartRefused
from .likeness import Ask, Likeness
from .policy.caching import Cache, ExactCache
from .protocols import EmbedderFailed, Purge
from .stores import link_settings
from .telemetry.caching import CacheMetrics

if TYPE_CHECKING:
    from .cache.fleet import MemoryCacheOfFleet
    from .cache.redis import SharedCacheStore
    from .state.link import StateLink

    Store = MemoryCacheStore | MemoryCacheOfFleet | SharedCacheStore

_log = logging.getLogger("tollway.cache")

SECRET = 32
"""Bytes that the keys of one process are made with, where nobody else has to make the same."""


def settled(config: Config) -> Cache:
    """The settings with ``exact`` filled in: a cache of what means the same is one of what is the same."""
    cache = config.cache
    if cache.exact is not None:
        return cache
    return structs.replace(cache, exact=ExactCache(enabled=cache.semantic.enabled))


def semantic_anywhere(config: Config) -> bool:
    """May any request be answered with what means the same?"""
    wanted = [config.cache.semantic.enabled]
    wanted += [model.cache.semantic is True for model in config.models.values()]
    wanted += [key.cache.semantic is True for key in config.keys]
    return any(wanted)


class AnswerCache:
    """One for the process. ``use`` makes what a configuration needs and was not there; ``made`` is asked by each generation."""

    def __init__(self, metrics: CacheMetrics, *, ask: Ask, rng: Random) -> None:
        """``ask``: embeddings of a provider's model; ``rng``: which requests are tried out, not for secrets."""
        self._metrics = metrics
        self._flights = Flights()
        self._secret: Callable[[], bytes] | None = None
        self._remote = False
        """Are the answers in the shared state?"""
        self._apart = False
        """Do other workers have answers that nobody tells them to forget?"""
        self._where = ""
        """Where answers were to be stored when it began."""
        self._max_bytes = 0
        self._store: Store | None = None
        self._link: StateLink | None = None
        self._likeness = Likeness(metrics, ask=ask, rng=rng)

    async def use(self, config: Config) -> None:
        """From now on ``config`` holds. What exists stays, in its new size; where answers are stored needs a restart.

        Raises ``StartRefused`` where the embedder cannot be had.
        """
        if not caches(config):
            return
        cache = settled(config)
        assert cache.exact is not None
        if self._store is None:
            await self._open_store(config, cache, cache.exact)
            self._where = cache.store
        else:
            self._store.resize(cache.exact.max_entry if self._remote else cache.max_bytes)
            if cache.store != self._where:
                _log.warning("a change of cache.store needs a restart")
        self._max_bytes = cache.max_bytes
        if semantic_anywhere(config):
            try:
                await self._likeness.use(config, cache.exact, fleet=self._secret if self._remote else None)
            except EmbedderFailed as error:
                raise StartRefused(f"The semantic cache cannot be had. {error}") from None

    def made(self, config: Config) -> Caching | None:
        """What the cache link is made of; ``None``: nothing is cached under ``config``, or not yet."""
        if self._store is None or self._secret is None or not caches(config):
            return None
        cache = settled(config)
        return Caching(
            settings=cache,
            rules=CacheRules(settings=cache),
            keys=Keys(settings=cache, secret=self._secret),
            store=self._store,
            records=self._metrics,
            flights=self._flights,
            wall=time.time,
            similar=self._likeness.layer if semantic_anywhere(config) else None,
            remote=self._remote,
        )

    # ---- stores -----------------------------------------------------------------------------------------------------

    async def _open_store(self, config: Config, cache: Cache, exact: ExactCache) -> None:
        """In memory; in the shared state; or in memory with purges that all processes hear of."""
        shared = effective_state(config) != "memory"
        if not shared:
            self._secret, self._apart = _own_secret(), config.server.workers > 1
            self._store = MemoryCacheStore(cache.max_bytes, time.time, self._metrics)
            return
        from .cache.redis import SCRIPTS, SharedCacheStore  # noqa: PLC0415 - the extra `redis`
        from .state.link import StateLink  # noqa: PLC0415

        settings = link_settings(config)
        link = self._link = StateLink(settings, scripts=SCRIPTS, on_error=self._metrics.failed)
        if cache.store == "memory":
            from .cache.fleet import MemoryCacheOfFleet  # noqa: PLC0415
            from .state.push import Push  # noqa: PLC0415
            from .state.settings import TAG  # noqa: PLC0415

            memory = MemoryCacheStore(cache.max_bytes, time.time, self._metrics)
            push = Push(settings, link, channel=f"{TAG}:cache")
            fleet = MemoryCacheOfFleet(memory, link, push, wall=time.time, records=self._metrics)
            await link.open()
            await fleet.open()
            self._secret, self._store = _own_secret(), fleet
            return
        store = SharedCacheStore(link, max_entry=exact.max_entry, wall=time.time, records=self._metrics)
        await store.open()
        self._secret, self._store, self._remote = store.secret, store, True

    # ---- for the administration -------------------------------------------------------------------------------------

    def shown(self) -> answers.Cache:
        """How much is kept, as this process sees it."""
        if self._store is None:
            return answers.Cache(store="none")
        lookups = self._metrics.counts()
        if self._remote:
            up = self._link is not None and self._link.up
            return answers.Cache(store="state", up=up, lookups=lookups)
        entries, size = self._store.figures()
        return answers.Cache(store="memory", entries=entries, bytes=size, max_bytes=self._max_bytes, lookups=lookups)

    async def purge(self, what: Purge) -> answers.CachePurged:
        """Forgets, here and, as far as they can be told, everywhere."""
        if self._store is None:
            return answers.CachePurged(forgotten=0, everywhere=True)
        forgotten = await self._store.purge(what)
        await self._likeness.purge(what)
        owed = self._apart if isinstance(self._store, MemoryCacheStore) else self._store.owed
        return answers.CachePurged(forgotten=forgotten, everywhere=not owed)

    def measure(self) -> None:
        """The gauges, now and then."""
        if self._store is not None:
            self._metrics.holds(*self._store.figures())

    async def close(self) -> None:
        """Lets go of everything; last, when no request is under way."""
        await self._likeness.close()
        if self._store is not None:
            await self._store.close()
        if self._link is not None:
            await self._link.close()


def _own_secret() -> Callable[[], bytes]:
    """A secret of this process alone."""
    secret = token_bytes(SECRET)
    return lambda: secret
