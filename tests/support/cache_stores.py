"""Cache stores for tests: in memory and on real servers, over clocks that the test holds, and records that can be read."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Literal

from proxy.cache.memory import MemoryCacheStore
from proxy.cache.redis import SCRIPTS, SharedCacheStore
from proxy.protocols import CacheEntry, CacheStore
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings
from proxy.wire.usage import Usage

from .clock import FakeClock
from .limit_stores import PATIENT, shared
from .valkey import Server

NOW = 1_795_392_000.0
MAX_ENTRY = 256 * 1024


class Records:
    """Counts what it is told, by (what, its word)."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def looked_up(self, kind: Literal["exact", "semantic", "input"], result: str) -> None:
        """See ``CacheRecords``."""
        self.counts[f"looked_up.{kind}", result] += 1

    def bypassed(self, reason: str) -> None:
        """See ``CacheRecords``."""
        self.counts["bypassed", reason] += 1

    def kept(self, result: str) -> None:
        """See ``CacheRecords``."""
        self.counts["kept", result] += 1

    def guarded(self, guard: str) -> None:
        """See ``CacheRecords``."""
        self.counts["guarded", guard] += 1

    def embedded(self, result: str, seconds: float) -> None:
        """See ``CacheRecords``."""
        self.counts["embedded", result] += 1

    def observed(self, route: str, result: Literal["same", "different"]) -> None:
        """See ``CacheRecords``."""
        self.counts["observed", result] += 1

    def failed(self, kind: str) -> None:
        """See ``CacheRecords``."""
        self.counts["failed", kind] += 1

    def evicted(self, count: int) -> None:
        """See ``CacheRecords``."""
        self.counts["evicted", ""] += count

    @property
    def failures(self) -> dict[str, int]:
        """By kind."""
        return {word: count for (what, word), count in self.counts.items() if what == "failed"}


def answer(body: bytes = b'{"id":"chatcmpl-1"}', *, now: float = NOW, ttl: float = 3600.0, **fields: Any) -> CacheEntry:
    """A stored answer."""
    given: dict[str, Any] = {
        "endpoint": "chat",
        "form": "json",
        "body": body,
        "stored_at": now,
        "expires": now + ttl,
        "usage": Usage(input=1200, output=340, cached=1024, input_source="reported", output_source="reported"),
        "provider": "openai",
        "model": "gpt-4o-2026",
        "public": "fast",
        "tenant": "acme",
    }
    return CacheEntry(**(given | fields))


def new_key() -> bytes:
    """One that nothing is kept under."""
    return os.urandom(32)


@asynccontextmanager
async def memory(wall: FakeClock, records: Records) -> AsyncIterator[CacheStore]:
    """Large enough for whatever a test keeps."""
    store = MemoryCacheStore(64 * 1024 * 1024, wall, records)
    yield store
    await store.close()


@asynccontextmanager
async def opened(
    url: str, wall: Callable[[], float], records: Records, *, timeout: float = PATIENT, max_entry: int = MAX_ENTRY
) -> AsyncIterator[SharedCacheStore]:
    """One process's store over a connection of its own."""
    link = StateLink(LinkSettings(url=url, timeout=timeout), scripts=SCRIPTS)
    store = SharedCacheStore(link, max_entry=max_entry, wall=wall, records=records)
    await store.open()
    assert link.up, f"no answer from {url}"
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def emptied(engine: str, wall: FakeClock, records: Records) -> AsyncIterator[SharedCacheStore]:
    """On the engine's server of this run, with nothing in it."""
    server: Server = shared(engine)
    server.ask("FLUSHALL")
    async with opened(server.unix, wall, records) as store:
        yield store


FACTORIES: dict[str, Callable[[FakeClock, Records], AbstractAsyncContextManager[CacheStore]]] = {
    "memory": memory,
    "valkey": partial(emptied, "valkey"),
    "redis": partial(emptied, "redis"),
}
