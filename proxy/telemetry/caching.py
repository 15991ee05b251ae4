"""What the cache does, as metrics. Labels are words of ours and configured routes; whatever else comes counts as ``other``."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .requests import OTHER
from .series import Counts, Series

EMBEDDING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

MOST = 200
"""Combinations of labels that one metric may have."""


class CacheMetrics:
    """Implements ``CacheRecords``. Made once for a process, in the registry of ``Metrics`` and with its ``series``."""

    def __init__(self, registry: CollectorRegistry, series: Series | None = None) -> None:
        series = series or Series(registry)
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
        self._lookups = series.counts(self.lookups)
        self._bypassed = series.counts(self.bypasses)
        self._kept = series.counts(self.keeping)
        self._guarded = series.counts(self.guards)
        self._embedded = series.counts(self.embeddings)
        self._observed = series.counts(self.observations)
        self._failed = series.counts(self.errors)

    def looked_up(self, kind: Literal["exact", "semantic", "input"], result: str) -> None:
        """See ``CacheRecords``."""
        _add(self._lookups, (kind, result))

    def bypassed(self, reason: str) -> None:
        """See ``CacheRecords``."""
        _add(self._bypassed, (reason,))

    def kept(self, result: str) -> None:
        """See ``CacheRecords``."""
        _add(self._kept, (result,))

    def guarded(self, guard: str) -> None:
        """See ``CacheRecords``."""
        _add(self._guarded, (guard,))

    def embedded(self, result: str, seconds: float) -> None:
        """See ``CacheRecords``."""
        _add(self._embedded, (result,))
        self.embedding.observe(seconds)

    def observed(self, route: str, result: Literal["same", "different"]) -> None:
        """See ``CacheRecords``."""
        _add(self._observed, (route, result))

    def failed(self, kind: str) -> None:
        """See ``CacheRecords``."""
        _add(self._failed, (kind,))

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
        for (kind, result), found in self._lookups.items():
            told.setdefault(kind, {})[result] = int(found.value)
        return told


def _add(counts: Counts, labels: tuple[str, ...]) -> None:
    """One more."""
    found = counts.get(labels)
    if found is None:
        found = counts[labels if len(counts) < MOST else (OTHER,) * len(labels)]
    found.value += 1
