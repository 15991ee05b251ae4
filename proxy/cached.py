"""What answers from the cache: the store, the flights and the semantic layer, which outlive reloads, and what each configuration makes of them.

Optional packages are imported here, and only when the configuration asks for what they bring.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
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
from .policy.caching import Cache, ExactCache, SemanticCache
from .protocols import EmbedderFailed, Purge
from .semantic.embedders.installed import check_installed
from .stores import link_settings
from .telemetry.caching import CacheMetrics

if TYPE_CHECKING:
    from .cache.fleet import MemoryCacheOfFleet
    from .cache.redis import SharedCacheStore
    from .protocols import Embedder
    from .semantic.guards import Features
    from .semantic.layer import SemanticLayer
    from .semantic.recorded import Recorded
    from .semantic.thresholds import Thresholds
    from .semantic.vectors import VectorIndex
    from .state.link import StateLink

    Store = MemoryCacheStore | MemoryCacheOfFleet | SharedCacheStore

_log = logging.getLogger("tollway.cache")

Ask = Callable[[str, Sequence[str]], Awaitable[bytes]]
"""(public name of an embedding model, texts) to the JSON of its answer."""

FOLLOWING = 0.5
"""Seconds that a read of other processes' questions may take: nobody waits for it."""

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
        self._ask = ask
        self._rng = rng
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
        self._following: StateLink | None = None
        """The way to the stream of questions."""
        self._embedder: Embedder | None = None
        self._index: VectorIndex | None = None
        self._thresholds: Thresholds | None = None
        self._recorded: Recorded | None = None
        self._layer: SemanticLayer[Features] | None = None
        self._settings: SemanticCache | None = None

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
        if semantic_anywhere(config) and cache.semantic != self._settings:
            try:
                await self._open_semantic(config, cache.semantic, cache.exact)
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
            similar=self._layer if semantic_anywhere(config) else None,
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

    # ---- what means the same ----------------------------------------------------------------------------------------

    async def _open_semantic(self, config: Config, semantic: SemanticCache, exact: ExactCache) -> None:
        """A layer by these settings, over the embedder and the index that are there, or new ones where they would be others."""
        check_installed(local=semantic.embedder == "local")
        from .semantic import guards  # noqa: PLC0415 - the extra `semantic`
        from .semantic.agreement import same  # noqa: PLC0415
        from .semantic.embedders.patient import PatientEmbedder  # noqa: PLC0415
        from .semantic.layer import SemanticLayer  # noqa: PLC0415
        from .semantic.recorded import Recorded  # noqa: PLC0415
        from .semantic.thresholds import Thresholds  # noqa: PLC0415

        loop, before = asyncio.get_running_loop(), self._settings
        await self._open_vectors(config, semantic, exact)
        assert self._embedder is not None
        assert self._index is not None
        if before is None or before.record != semantic.record:
            if self._recorded is not None:
                await self._recorded.close()
            path = semantic.record
            self._recorded = Recorded(Path(path), wall=time.time, records=self._metrics) if path is not None else None
        if (
            self._thresholds is None
            or before is None
            or (before.max_false_hits, before.embedder) != (semantic.max_false_hits, semantic.embedder)
        ):
            self._thresholds = Thresholds(max_false_hits=semantic.max_false_hits)
        self._settings = semantic
        if self._layer is not None:
            await self._layer.end()
        self._layer = SemanticLayer(
            settings=semantic,
            index=self._index,
            embedder=PatientEmbedder(self._embedder, records=self._metrics, clock=loop.time),
            guards=guards,
            thresholds=self._thresholds,
            same=same,
            records=self._metrics,
            clock=loop.time,
            rng=self._rng,
            record=self._recorded,
        )

    async def _open_vectors(self, config: Config, semantic: SemanticCache, exact: ExactCache) -> None:
        """The embedder and the index of these settings; those of other settings are let go once the new ones are there."""
        before, embedder, index, following = self._settings, self._embedder, self._index, self._following
        if before is None or before.embedder != semantic.embedder:
            self._embedder = await self._open_embedder(semantic)
        if before is not None and _kept_by(before) == _kept_by(semantic):
            return
        self._following = None
        assert self._embedder is not None
        self._index = await self._open_index(config, semantic, exact, self._embedder)
        if self._layer is not None:
            await self._layer.end()
        if index is not None:
            await index.close()
        if following is not None:
            await following.close()
        if embedder is not None and embedder is not self._embedder:
            await embedder.close()

    async def _open_embedder(self, semantic: SemanticCache) -> "Embedder":
        if semantic.embedder == "local":
            from .semantic.embedders.local import LocalEmbedder  # noqa: PLC0415 - the extra `semantic-local`

            local = LocalEmbedder()
            await local.warm()
            return local
        from .semantic.embedders.remote import RemoteEmbedder  # noqa: PLC0415

        return RemoteEmbedder(self._ask, semantic.embedder)

    async def _open_index(
        self, config: Config, semantic: SemanticCache, exact: ExactCache, embedder: "Embedder"
    ) -> "VectorIndex":
        index: VectorIndex
        if semantic.index == "pgvector":
            from .semantic.vectors.pgvector import PgvectorIndex  # noqa: PLC0415 - the extra `postgres`

            url = config.storage.url
            index = PgvectorIndex(
                url.reveal() if url is not None else "",
                embedder=embedder.name,
                max_entries=semantic.max_entries,
                max_total=semantic.max_total,
                timeout=semantic.timeout,
                clock=time.monotonic,
                wall=time.time,
                records=self._metrics,
            )
        else:
            from .semantic.vectors.memory import MemoryIndex  # noqa: PLC0415

            index = memory = MemoryIndex(
                max_entries=semantic.max_entries,
                max_total=semantic.max_total,
                wall=time.time,
                records=self._metrics,
            )
            if self._remote and self._secret is not None and semantic.index != "memory":
                from .semantic.vectors.replicated import ReplicatedIndex  # noqa: PLC0415
                from .state.link import StateLink  # noqa: PLC0415

                # Its own: many questions read at once are not to hold up an answer.
                settings = structs.replace(link_settings(config), timeout=FOLLOWING)
                self._following = StateLink(settings, on_error=self._metrics.failed)
                await self._following.open()
                index = ReplicatedIndex(
                    memory,
                    self._following,
                    secret=self._secret,
                    embedder=embedder.name,
                    longest=exact.max_ttl,
                    most=3 * semantic.max_total,
                    wall=time.time,
                    records=self._metrics,
                )
        await index.open()
        return index

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
        if self._layer is not None:
            await self._layer.purge(what)
        owed = self._apart if isinstance(self._store, MemoryCacheStore) else self._store.owed
        return answers.CachePurged(forgotten=forgotten, everywhere=not owed)

    def measure(self) -> None:
        """The gauges, now and then."""
        if self._store is not None:
            self._metrics.holds(*self._store.figures())

    async def close(self) -> None:
        """Lets go of everything; last, when no request is under way."""
        if self._layer is not None:
            await self._layer.close()
        if self._recorded is not None:
            await self._recorded.close()
        if self._store is not None:
            await self._store.close()
        for link in (self._following, self._link):
            if link is not None:
                await link.close()


def _kept_by(semantic: SemanticCache) -> tuple[object, ...]:
    """What an index is made of; another one begins empty."""
    return semantic.embedder, semantic.index, semantic.max_entries, semantic.max_total


def _own_secret() -> Callable[[], bytes]:
    """A secret of this process alone."""
    secret = token_bytes(SECRET)
    return lambda: secret
