"""An embedder is waited for only so long, and let rest when it is late again and again. What it gives is checked, whoever it is."""

import asyncio
from collections.abc import Sequence

from ...protocols import CacheRecords, Clock, Embedder, EmbedderFailed
from .unit import Floats, units

STRIKES = 3
"""Times in a row that it may be late."""

REST = 10.0
"""Seconds for which it is not asked then."""


class PatientEmbedder:
    """``clock``: monotonic seconds. Tells ``records`` of each call that was made."""

    def __init__(self, embedder: Embedder, *, records: CacheRecords, clock: Clock) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._records = records
        self._clock = clock
        self._late = 0
        self._rests_until = 0.0
        self._size = 0

    async def embed(self, texts: Sequence[str], within: float) -> Floats:
        """One unit vector each, in ``within`` seconds at most. Raises ``EmbedderFailed``: ``resting`` at once while it is not asked."""
        began = self._clock()
        if began < self._rests_until:
            raise EmbedderFailed("resting", "it was too slow several times in a row")
        try:
            matrix = await self._checked(texts, within)
        except EmbedderFailed as failure:
            self._late = self._late + 1 if failure.kind == "timeout" else 0
            if self._late >= STRIKES:
                self._rests_until, self._late = self._clock() + REST, 0
            self._records.embedded(failure.kind, self._clock() - began)
            raise
        self._late = 0
        self._records.embedded("ok", self._clock() - began)
        return matrix

    async def close(self) -> None:
        """Ends the embedder's threads."""
        await self._embedder.close()

    async def _checked(self, texts: Sequence[str], within: float) -> Floats:
        try:
            async with asyncio.timeout(within):
                rows = await self._embedder.embed(texts)
        except TimeoutError:
            raise EmbedderFailed("timeout", f"no vectors within {within:.3f} s") from None
        except EmbedderFailed:
            raise
        except Exception as error:  # an embedder's bug must not fail the request
            raise EmbedderFailed("error", type(error).__name__) from error
        matrix = units(rows, count=len(texts), size=self._size)
        self._size = matrix.shape[1]
        return matrix
