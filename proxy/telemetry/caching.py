"""What the cache does, as metrics. Labels are words of ours and configured routes; whatever else comes counts as ``other``."""

from typing import Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .metrics import OTHER

EMBEDDING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

MOST = 200
"""Combinations of labels that one metric may have."""


class Lookups(Struct, gc=False):
    """A kind of lookup with one result: its metric, and how many there were in this process."""

    child: Counter
    count: int = 0


class CacheMetrics:
    """Implements ``CacheRecords``. Made once for a process, in the registry of ``Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lookups = Counter(
            "tollway_cache_lookups_total", "Lookups in the cache.", ("kind", "result"), registry=registry
        )
        self.bypasses = Counter(
            "tollway_cache_bypassed_total", "Requests that were not looked up.", ("reason",), registry=registry
        )
        self.keeping = Counter(
            "tollway_cache_kept_total",
            "Fresh answers by whether, or why not, they were kept.",
            ("result",),
            registry=registry,
        )
        self.guards = Counter(
            "tollway_cache_guard_refusals_total",
            "Similar questions that a guard told apart.",
            ("guard",),
            registry=registry,
        )
        self.embeddings = Counter(
            "tollway_cache_embeddings_total", "Calls of the embedder.", ("result",), registry=registry
        )
        self.embedding = Histogram(
            "tollway_cache_embedding_seconds", "How long the embedder took.", buckets=EMBEDDING, registry=registry
        )
        self.observations = Counter(
            "tollway_cache_observations_total",
            "Fresh answers compared with what would have been served.",
            ("route", "result"),
            registry=registry,
        )
        self.errors = Counter(
            "tollway_cache_errors_total",
            "Times that a store could not be used, or held what could not be.",
            ("kind",),
            registry=registry,
        )
        self.evictions = Counter(
            "tollway_cache_evictions_total", "Answers that made room for others.", registry=registry
        )
        self.entries = Gauge(
            "tollway_cache_entries", "Answers in memory.", registry=registry, multiprocess_mode="livesum"
        )
        self.bytes = Gauge(
            "tollway_cache_bytes",
            "What the answers in memory take, keeping them included.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._looked: dict[tuple[str, str], Lookups] = {}
        self._children: dict[Counter, dict[tuple[str, ...], Counter]] = {}

    def looked_up(self, kind: Literal["exact", "semantic", "input"], result: str) -> None:
        """See ``CacheRecords``."""
        found = self._looked.get((kind, result))
        if found is None:
            found = self._looked[kind, result] = Lookups(self._child(self.lookups, kind, result))
        found.child.inc()
        found.count += 1

    def bypassed(self, reason: str) -> None:
        """See ``CacheRecords``."""
        self._child(self.bypasses, reason).inc()

    def kept(self, result: str) -> None:
        """See ``CacheRecords``."""
        self._child(self.keeping, result).inc()

    def guarded(self, guard: str) -> None:
        """See ``CacheRecords``."""
        self._child(self.guards, guard).inc()

    def embedded(self, result: str, seconds: float) -> None:
        """See ``CacheRecords``."""
        self._child(self.embeddings, result).inc()
        self.embedding.observe(seconds)

    def observed(self, route: str, result: Literal["same", "different"]) -> None:
        """See ``CacheRecords``."""
        self._child(self.observations, route, result).inc()

    def failed(self, kind: str) -> None:
        """See ``CacheRecords``."""
        self._child(self.errors, kind).inc()

    def evicted(self, count: int) -> None:
        """See ``CacheRecords``."""
        self.evictions.inc(count)

    def holds(self, entries: int, size: int) -> None:
        """What the store's ``figures`` say now."""
        self.entries.set(entries)
        self.bytes.set(size)

    def counts(self) -> dict[str, dict[str, int]]:
        """Lookups of this process so far, by kind and result."""
        told: dict[str, dict[str, int]] = {}
        for (kind, result), found in self._looked.items():
            told.setdefault(kind, {})[result] = found.count
        return told

    def _child(self, metric: Counter, *labels: str) -> Counter:
        children = self._children.setdefault(metric, {})
        child = children.get(labels)
        if child is None:
            if len(children) >= MOST:
                labels = (OTHER,) * len(labels)
            child = children[labels] = metric.labels(*labels)
        return child
