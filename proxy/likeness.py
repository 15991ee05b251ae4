"""What answers questions that mean the same: embedder, index, thresholds and record, which outlive reloads, and the layer over them.

Optional packages are imported here, and only when the configuration asks for what they bring.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from msgspec import structs

from .config import Config
from .policy.caching import ExactCache, SemanticCache
from .protocols import Purge
from .semantic.embedders.installed import check_installed
from .stores import link_settings
from .telemetry.caching import CacheMetrics

if TYPE_CHECKING:
    from .protocols import Embedder
    from .semantic.guards import Features
    from .semantic.layer import SemanticLayer
    from .semantic.recorded import Recorded
    from .semantic.thresholds import Thresholds
    from .semantic.vectors import VectorIndex
    from .state.link import StateLink

Ask = Callable[[str, Sequence[str]], Awaitable[bytes]]
"""(public name of an embedding model, texts) to the JSON of its answer."""

FOLLOWING = 0.5
"""Seconds that a read of other processes' questions may take: nobody waits for it."""


class Likeness:
    """One for the process. ``layer`` is what the cache link asks; ``None`` until ``use``."""

    def __init__(self, metrics: CacheMetrics, *, ask: Ask, rng: Random) -> None:
        """``ask``: embeddings of a provider's model; ``rng``: which requests are tried out, not for secrets."""
        self._metrics = metrics
        self._ask = ask
        self._rng = rng
        self.layer: SemanticLayer[Features] | None = None
        self._settings: SemanticCache | None = None
        self._embedder: Embedder | None = None
        self._index: VectorIndex | None = None
        self._following: StateLink | None = None
        """The way to the stream of questions."""
        self._thresholds: Thresholds | None = None
        self._recorded: Recorded | None = None

    async def use(self, config: Config, exact: ExactCache, *, fleet: Callable[[], bytes] | None) -> None:
        """A layer by the settings of ``config``, over the embedder and the index that are there, or new ones where they would be others.

        ``fleet``: the secret of all processes where answers are shared, so that questions can be. Raises ``EmbedderFailed``.
        """
        semantic = config.cache.semantic
        if semantic == self._settings:
            return
        check_installed(local=semantic.embedder == "local")
        from .semantic import guards  # noqa: PLC0415 - the extra `semantic`
        from .semantic.agreement import same  # noqa: PLC0415
        from .semantic.embedders.patient import PatientEmbedder  # noqa: PLC0415
        from .semantic.layer import SemanticLayer  # noqa: PLC0415
        from .semantic.recorded import Recorded  # noqa: PLC0415
        from .semantic.thresholds import Thresholds  # noqa: PLC0415

        loop, before = asyncio.get_running_loop(), self._settings
        await self._open_vectors(config, semantic, exact, fleet)
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
        if self.layer is not None:
            await self.layer.end()
        self.layer = SemanticLayer(
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

    async def _open_vectors(
        self, config: Config, semantic: SemanticCache, exact: ExactCache, fleet: Callable[[], bytes] | None
    ) -> None:
        """The embedder and the index of these settings; those of other settings are let go once the new ones are there."""
        before, embedder, index, following = self._settings, self._embedder, self._index, self._following
        if before is None or before.embedder != semantic.embedder:
            self._embedder = await self._open_embedder(semantic)
        if before is not None and _kept_by(before) == _kept_by(semantic):
            return
        self._following = None
        assert self._embedder is not None
        self._index = await self._open_index(config, semantic, exact, self._embedder, fleet)
        if self.layer is not None:
            await self.layer.end()
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
        self,
        config: Config,
        semantic: SemanticCache,
        exact: ExactCache,
        embedder: "Embedder",
        fleet: Callable[[], bytes] | None,
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
            if fleet is not None and semantic.index != "memory":
                from .semantic.vectors.replicated import ReplicatedIndex  # noqa: PLC0415
                from .state.link import StateLink  # noqa: PLC0415

                # Its own: many questions read at once are not to hold up an answer.
                settings = structs.replace(link_settings(config), timeout=FOLLOWING)
                self._following = StateLink(settings, on_error=self._metrics.failed)
                await self._following.open()
                index = ReplicatedIndex(
                    memory,
                    self._following,
                    secret=fleet,
                    embedder=embedder.name,
                    longest=exact.max_ttl,
                    most=3 * semantic.max_total,
                    wall=time.time,
                    records=self._metrics,
                )
        await index.open()
        return index

    async def purge(self, what: Purge) -> None:
        """Forgets what is known of those answers' questions."""
        if self.layer is not None:
            await self.layer.purge(what)

    async def close(self) -> None:
        """Lets go of everything."""
        if self.layer is not None:
            await self.layer.close()
        if self._recorded is not None:
            await self._recorded.close()
        if self._following is not None:
            await self._following.close()


def _kept_by(semantic: SemanticCache) -> tuple[object, ...]:
    """What an index is made of; another one begins empty."""
    return semantic.embedder, semantic.index, semantic.max_entries, semantic.max_total
