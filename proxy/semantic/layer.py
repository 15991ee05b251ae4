"""Finds what means the same: partition, then guards, then vectors, then each entry's own threshold; the cheap before the dear.

Most requests end at the first or second step, without an embedding. Nothing here raises, and nothing outlasts ``semantic.timeout``.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from ..policy.caching import SemanticCache
from ..protocols import CacheRecords, Clock, EmbedderFailed, Purge, Question, Vector, Verdict
from .embedders.patient import PatientEmbedder
from .vectors import Alike, Kept, Near, VectorIndex

_log = logging.getLogger("tollway.semantic")

F = TypeVar("F")

TOGETHER = 8
"""Stored questions that get their vector while a request waits; the others get theirs later."""

CHARACTERS = 2000
"""Of their texts together: a vector takes longer the longer the text is."""

LATER = 10.0
"""Seconds that a vector may take when nobody waits for it."""

RECENT = 1024
"""Questions of which what was found out is remembered until their answer is stored and compared."""

SHADOWED = 0.5
"""Cosine from which shadow mode compares answers, below the threshold too: what calibration learns from."""

EMPTY = Verdict(kind="none", reason="empty")
FAILED = Verdict(kind="none", reason="failed")
INDEX_TIMEOUT = Verdict(kind="none", reason="index_timeout")

REASONS = {
    "timeout": "embedder_timeout",
    "resting": "embedder_timeout",
    "busy": "embedder_busy",
    "too_long": "prompt_too_long",
}
"""What is said of an embedder that failed; anything else is ``embedder_failed``."""


class Guards(Protocol[F]):
    """As ``proxy.semantic.guards`` has them."""

    def features(self, text: str, /) -> F:
        """What guards look at."""

    def signature(self, features: F, /) -> bytes:
        """Equal where no guard refuses."""

    def differs(self, a: F, b: F, /) -> str:
        """The first guard that refuses, or ""."""


class Deciding(Protocol):
    """As ``proxy.semantic.thresholds`` does it."""

    def decide(
        self, entry: bytes, similarity: float, floor: float, draw: float, *, pool: bytes
    ) -> Literal["serve", "explore", "refuse"]:
        """By what was observed near the entry, and in its partition, ``pool``."""

    def observed(self, entry: bytes, similarity: float, same: bool, *, pool: bytes) -> None:
        """A fresh answer was compared with the entry's."""

    def forget(self, entry: bytes) -> None:
        """It is gone."""


class Comparing(Protocol):
    """As ``proxy.semantic.agreement`` does it."""

    def __call__(self, cached: str, fresh: str, /) -> bool | None:
        """Do two answers say the same? ``None``: it cannot be told."""


class Pair(Struct, frozen=True, kw_only=True):
    """A question, the stored one that was near, and whether their answers agree."""

    route: str
    partition: bytes
    a: str
    """The stored question."""
    b: str
    similarity: float
    would_hit: bool
    same: bool | None


class Recording(Protocol):
    """Keeps pairs for calibration; never waits."""

    def __call__(self, pair: Pair, /) -> None:
        """One more."""


class _Seen:
    """What was found out about a question under way."""

    __slots__ = ("near", "signature", "vector")

    def __init__(self, signature: bytes) -> None:
        self.signature = signature
        self.vector: Vector | None = None
        self.near = ""
        """The text that was nearest."""


class SemanticLayer(Generic[F]):
    """``Similar`` over one index. ``record`` is told every pair that was compared; ``clock``: the event loop's seconds."""

    def __init__(
        self,
        *,
        settings: SemanticCache,
        index: VectorIndex,
        embedder: PatientEmbedder,
        guards: Guards[F],
        thresholds: Deciding,
        same: Comparing,
        records: CacheRecords,
        clock: Clock,
        rng: random.Random,
        record: Recording | None = None,
    ) -> None:
        self._settings = settings
        self._index = index
        self._embedder = embedder
        self._guards = guards
        self._thresholds = thresholds
        self._same = same
        self._records = records
        self._clock = clock
        self._rng = rng
        self._record = record
        self._recent: OrderedDict[tuple[bytes, str], _Seen] = OrderedDict()
        self._filling: set[asyncio.Task[None]] = set()

    async def find(self, question: Question) -> Verdict:
        """The nearest that passes every guard and its own threshold."""
        if self._index.empty(question.partition):
            return EMPTY
        try:
            return await self._found(question, self._clock() + self._settings.timeout)
        except EmbedderFailed as failure:
            return Verdict(kind="none", reason=REASONS.get(failure.kind, "embedder_failed"))
        except TimeoutError:
            self._records.failed("timeout")
            return INDEX_TIMEOUT
        except Exception as error:  # noqa: BLE001 - a bug in what only saves money must not cost an answer
            self._broke(error)
            return FAILED

    def remember(self, question: Question, key: bytes, expires: float) -> None:
        """A fresh answer was stored: its question gets the vector that the lookup made, or none until one is needed."""
        with self._harmless():
            seen = self._recent.get((question.partition, question.text))
            row = Kept(
                partition=question.partition,
                key=key,
                signature=seen.signature if seen else self._guards.signature(self._guards.features(question.text)),
                text=question.text,
                expires=expires,
                tenant=question.tenant,
            )
            self._index.add(row, seen.vector if seen else None)

    def learn(self, question: Question, verdict: Verdict, cached: str, fresh: str) -> None:
        """Compares what the entry says with what the provider said."""
        if verdict.similarity is None or verdict.kind not in ("explore", "shadow"):
            return
        with self._harmless():
            same = self._same(cached, fresh)
            if same is not None:
                self._thresholds.observed(verdict.key, verdict.similarity, same, pool=question.partition)
                self._records.observed(question.route, "same" if same else "different")
            seen = self._recent.get((question.partition, question.text))
            if self._record is not None and seen is not None:
                self._record(_paired(question, seen.near, verdict, verdict.similarity, same=same))

    def forget(self, question: Question, key: bytes) -> None:
        """The store no longer has ``key``."""
        with self._harmless():
            self._index.forget(question.partition, key)
            self._thresholds.forget(key)

    async def purge(self, what: Purge) -> None:
        """Forgets what it knows of those entries."""
        with self._harmless():
            self._recent.clear()
            if what.key:
                self._thresholds.forget(bytes.fromhex(what.key))
            await self._index.purge(what)

    async def end(self) -> None:
        """Ends what runs in the background; another layer goes on with the index and the embedder."""
        for task in self._filling:
            task.cancel()
        await asyncio.gather(*self._filling, return_exceptions=True)

    async def close(self) -> None:
        """Ends everything, the index and the embedder included."""
        await self.end()
        await self._index.close()
        await self._embedder.close()

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """A bug in what only saves money must not cost an answer."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self._broke(error)

    def _broke(self, error: Exception) -> None:
        _log.error("the semantic cache broke: %s", type(error).__name__)
        self._records.failed(type(error).__name__)

    # ---- one lookup ---------------------------------------------------------------------------------------------------
    async def _found(self, question: Question, deadline: float) -> Verdict:
        features = self._guards.features(question.text)
        seen = self._remembered(question, self._guards.signature(features))
        async with asyncio.timeout(deadline - self._clock()):
            alike = await self._index.alike(question.partition, seen.signature, question.text, TOGETHER)
        if alike is None:
            return EMPTY
        if not alike.count:
            return self._guarded(features, alike.kin)
        await self._embed(question, seen, alike, deadline)
        async with asyncio.timeout(deadline - self._clock()):
            near = await self._index.nearest(question.partition, seen.signature, seen.vector)
        if near is None:
            return Verdict(kind="none", reason="no_neighbour")
        guard = self._guards.differs(features, self._guards.features(near.text))
        if guard:
            # Equal signatures of different texts: another release's, or one chance in very many.
            self._records.guarded(guard)
            return Verdict(kind="none", similarity=near.similarity, reason="guard", guard=guard)
        seen.near = near.text
        return self._decided(question, near)

    def _guarded(self, features: F, kin: str) -> Verdict:
        """Nobody has the same signature. Which guard refused the one that reads most like it?"""
        guard = self._guards.differs(features, self._guards.features(kin)) if kin else ""
        if not guard:
            return Verdict(kind="none", reason="no_neighbour")
        self._records.guarded(guard)
        return Verdict(kind="none", reason="guard", guard=guard)

    def _decided(self, question: Question, near: Near) -> Verdict:
        floor = max(question.threshold, self._settings.threshold)
        decision: Literal["serve", "explore", "refuse"] = "refuse"
        if near.similarity >= floor:
            decision = self._thresholds.decide(
                near.key, near.similarity, floor, self._rng.random(), pool=question.partition
            )
        kind: Literal["hit", "explore", "shadow", "none"] = "none"
        if self._settings.mode == "shadow":
            kind = "shadow" if near.similarity >= SHADOWED else "none"
        elif decision != "refuse":
            kind = "hit" if decision == "serve" else "explore"
        reason = {"serve": "", "explore": "explored", "refuse": "below_threshold"}[decision]
        return Verdict(kind=kind, key=b"" if kind == "none" else near.key, similarity=near.similarity, reason=reason)

    def _remembered(self, question: Question, signature: bytes) -> _Seen:
        seen = self._recent.setdefault((question.partition, question.text), _Seen(signature))
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return seen

    # ---- vectors --------------------------------------------------------------------------------------------------------
    async def _embed(self, question: Question, seen: _Seen, alike: Alike, deadline: float) -> None:
        """Vectors of the question and of some that are alike, which they wait for together. Raises ``EmbedderFailed``."""
        now = _portioned(alike.bare)
        own = [] if seen.vector is not None else [question.text]
        try:
            if own or now:
                await self._embed_together(question, seen, own, now, deadline)
        finally:
            if len(now) < len(alike.bare) or len(now) == TOGETHER:
                self._fill(question.partition, seen.signature)

    async def _embed_together(
        self, question: Question, seen: _Seen, own: list[str], now: tuple[tuple[bytes, str], ...], deadline: float
    ) -> None:
        try:
            vectors = await self._embedder.embed([*own, *(text for _, text in now)], deadline - self._clock())
        except EmbedderFailed as failure:
            if failure.kind == "timeout":
                self._fill(question.partition, seen.signature)
            if failure.kind != "too_long" or not now:
                raise
            # One that is alike may be the one that is too long: it can be compared with nothing.
            for key, _ in now:
                self._index.forget(question.partition, key)
            now, vectors = (), await self._embedder.embed([question.text], deadline - self._clock())
        if len(vectors) > len(now):
            seen.vector = vectors[0]
        for (key, _), vector in zip(now, vectors[len(vectors) - len(now) :], strict=True):
            self._index.place(question.partition, key, vector)

    def _fill(self, partition: bytes, signature: bytes) -> None:
        """The vectors of all that are alike, one after the other while nobody waits; of one group at a time."""
        if not self._filling:
            task = asyncio.create_task(self._filled(partition, signature), name="semantic-vectors-later")
            self._filling.add(task)
            task.add_done_callback(self._filling.discard)

    async def _filled(self, partition: bytes, signature: bytes) -> None:
        last = b""
        try:
            while (alike := await self._index.alike(partition, signature, "", 1)) is not None and alike.bare:
                ((key, text),) = alike.bare
                if key == last:
                    return  # it did not take its vector
                self._index.place(partition, key, (await self._embedder.embed([text], LATER))[0])
                last = key
        except EmbedderFailed:
            return  # counted; the next question begins again
        except Exception as error:  # noqa: BLE001 - the end of a task that nobody awaits
            self._broke(error)


def _paired(question: Question, near: str, verdict: Verdict, similarity: float, *, same: bool | None) -> Pair:
    return Pair(
        route=question.route,
        partition=question.partition,
        a=near,
        b=question.text,
        similarity=similarity,
        would_hit=verdict.reason == "",
        same=same,
    )


def _portioned(bare: tuple[tuple[bytes, str], ...]) -> tuple[tuple[bytes, str], ...]:
    """As many as are not too long together, but one in any case."""
    taken, characters = 0, 0
    for _, text in bare:
        characters += len(text)
        if taken and characters > CHARACTERS:
            break
        taken += 1
    return bare[:taken]
