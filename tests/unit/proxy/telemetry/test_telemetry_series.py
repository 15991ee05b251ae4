"""Series that are only added to: the registry says the same as if prometheus_client had been told each time."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from proxy.telemetry.series import Series

BUCKETS = (0.1, 0.5, 1.0)


def test_buckets_are_those_of_prometheus_client() -> None:
    ours, theirs, random = CollectorRegistry(), CollectorRegistry(), Random(7)
    series = Series(ours)
    spread = series.spread(Histogram("h", "H.", ("of",), buckets=BUCKETS, registry=ours), "a")
    told = Histogram("h", "H.", ("of",), buckets=BUCKETS, registry=theirs).labels("a")
    amounts = [*BUCKETS, 0.0, -1.0, 2.0, 0.1000001, *(random.random() * 1.5 for _ in range(200))]
    for number, amount in enumerate(amounts):
        spread.observe(amount)
        told.observe(amount)
        if number % 50 == 0:
            series.hand_over()
    for name in ("h_count", "h_sum"):
        labels = {"of": "a"}
        assert ours.get_sample_value(name, labels) == pytest.approx(theirs.get_sample_value(name, labels))
    for bound in ("0.1", "0.5", "1.0", "+Inf"):
        labels = {"of": "a", "le": bound}
        assert ours.get_sample_value("h_bucket", labels) == theirs.get_sample_value("h_bucket", labels)


def test_whoever_reads_the_registry_reads_everything_and_nothing_twice() -> None:
    registry = CollectorRegistry()
    series = Series(registry)
    counter = Counter("c", "C.", ("of",), registry=registry)
    counts = series.counts(counter)
    counts["a",].value += 2
    counter.labels("a").inc()
    assert registry.get_sample_value("c_total", {"of": "a"}) == 3
    counts["a",].value += 0.5
    series.hand_over()
    series.hand_over()
    assert registry.get_sample_value("c_total", {"of": "a"}) == 3.5
    assert counts["a",].value == 2.5, "what was added here"


def test_a_series_appears_when_something_was_counted() -> None:
    registry = CollectorRegistry()
    series = Series(registry)
    counts = series.counts(Counter("c", "C.", ("of",), registry=registry))
    series.spread(Histogram("h", "H.", ("of",), buckets=BUCKETS, registry=registry), "a")
    assert counts["a",].value == 0
    assert b"c_total{" not in generate_latest(registry)
    assert registry.get_sample_value("h_count", {"of": "a"}) == 0, "a histogram's stands from the beginning"


WORKER = """
import asyncio, sys
from prometheus_client import CollectorRegistry
from proxy.context import RequestContext
from proxy.telemetry.caching import CacheMetrics
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.page import MetricsPage

own = CollectorRegistry()
metrics = Metrics(own, known_models=lambda _: True)
cache = CacheMetrics(own, metrics.series)

async def nothing():
    pass

page = MetricsPage(own, metrics.series, before=nothing, extra=(metrics.budgets,))
for _ in range(int(sys.argv[1])):
    metrics.observe(RequestContext(request_id="r", started=1.0, status=200), 2.0, 0.0)
    cache.looked_up("exact", "miss")
if sys.argv[2] == "heartbeat":
    metrics.series.hand_over()
else:
    text = asyncio.run(page()).decode()
    print(*(line.split()[-1] for line in text.splitlines() if line.startswith(("tollway_requests_total{", "tollway_cache_lookups_total{"))))
    print(text.count("# TYPE tollway_budget_remaining_usd gauge"))
"""


def test_workers_figures_come_together(tmp_path: Path) -> None:
    def worker(count: int, then: str) -> str:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        command = [sys.executable, "-c", WORKER, str(count), then]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=30).stdout

    worker(3, "heartbeat")
    assert worker(4, "scrape").split() == ["7.0", "7.0", "1"]
