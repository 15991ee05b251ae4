"""What the cache does, as metrics: every word of ``CacheRecords`` counts somewhere, and labels stay bounded."""

from prometheus_client import CollectorRegistry, generate_latest

from proxy.protocols import CacheRecords
from proxy.telemetry.caching import MOST, CacheMetrics
from proxy.telemetry.metrics import Metrics


class Stand:
    """The cache's metrics beside the others."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Metrics(self.registry, known_models=lambda _: True)
        self.metrics = CacheMetrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tollway_cache_{name}", labels)


def test_everything_that_is_told_is_counted() -> None:
    stand = Stand()
    records: CacheRecords = stand.metrics
    records.looked_up("exact", "hit")
    records.looked_up("exact", "hit")
    records.looked_up("semantic", "explore")
    records.bypassed("temperature")
    records.kept("stored")
    records.guarded("numbers")
    records.embedded("ok", 0.02)
    records.embedded("timeout", 0.25)
    records.observed("fast", "different")
    records.failed("corrupt")
    records.evicted(3)
    records.evicted(2)
    assert stand.value("lookups_total", kind="exact", result="hit") == 2
    assert stand.value("lookups_total", kind="semantic", result="explore") == 1
    assert stand.value("bypassed_total", reason="temperature") == 1
    assert stand.value("kept_total", result="stored") == 1
    assert stand.value("guard_refusals_total", guard="numbers") == 1
    assert stand.value("embeddings_total", result="timeout") == 1
    assert stand.value("embedding_seconds_count") == 2
    assert stand.value("embedding_seconds_sum") == 0.27
    assert stand.value("observations_total", route="fast", result="different") == 1
    assert stand.value("errors_total", kind="corrupt") == 1
    assert stand.value("evictions_total") == 5


def test_lookups_of_this_process_by_kind_and_result() -> None:
    metrics = Stand().metrics
    assert metrics.counts() == {}
    for result in ("hit", "miss", "hit"):
        metrics.looked_up("exact", result)
    metrics.looked_up("input", "miss")
    assert metrics.counts() == {"exact": {"hit": 2, "miss": 1}, "input": {"miss": 1}}


def test_the_figures_of_the_store() -> None:
    stand = Stand()
    stand.metrics.holds(12, 34_567)
    assert (stand.value("entries"), stand.value("bytes")) == (12, 34_567)
    stand.metrics.holds(0, 0)
    assert (stand.value("entries"), stand.value("bytes")) == (0, 0)


def test_labels_are_bounded() -> None:
    stand = Stand()
    for number in range(MOST + 50):
        stand.metrics.bypassed(f"made up {number}")
        stand.metrics.observed(f"made up {number}", "same")
    assert stand.value("bypassed_total", reason="other") == 50
    assert stand.value("observations_total", route="other", result="other") == 50
    lines = generate_latest(stand.registry).decode().splitlines()
    assert sum(line.startswith("tollway_cache_bypassed_total{") for line in lines) == MOST + 1
