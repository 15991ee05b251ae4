"""Collectors that hang, refuse and talk nonsense: requests do not notice, memory is bounded, what is lost is counted, the end comes."""

import re
import time
from collections.abc import Iterator
from functools import partial

import pytest

from proxy.traced import CLOSING
from tests.support.collector import Collector
from tests.support.processes import Gateway, Mock

from .traced import ask, exporting

pytestmark = pytest.mark.e2e

QUEUE = {"OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4"}


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    found = Mock()
    yield found
    found.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def dropped(gateway: Gateway, signal: str = "traces") -> float:
    """As /metrics has it."""
    _, page = gateway.get("/metrics")
    found = re.search(rf'tollway_otel_dropped_total{{signal="{signal}"}} (\S+)', page.decode())
    assert found is not None
    return float(found[1])


def lost_all(gateway: Gateway, spans: int) -> bool:
    """Are so many spans lost?"""
    return dropped(gateway) == spans


def lag(gateway: Gateway) -> float:
    """Of the event loop, seconds."""
    _, page = gateway.get("/metrics")
    found = re.search(r"^tollway_event_loop_lag_seconds (\S+)", page.decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_a_collector_that_hangs(mock: Mock, collector: Collector) -> None:
    collector.hold = 60.0
    with exporting(mock, collector, environ=QUEUE) as gateway:
        ask(gateway, "fast")
        collector.until(lambda: collector.requests)
        begun = time.monotonic()
        for number in range(40):
            assert ask(gateway, "fast", seed=number).status == 200
        assert time.monotonic() - begun < 5.0
        lost = dropped(gateway)
        assert lost >= 2 * 40 - 8, "all but what the queue and one batch hold"
        assert lag(gateway) < 0.25
        begun = time.monotonic()
        assert gateway.terminate() == 0
        assert time.monotonic() - begun < CLOSING + 2.0


def test_collectors_that_will_not_and_one_that_is_gone(mock: Mock, collector: Collector) -> None:
    with exporting(mock, collector, environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}) as gateway:
        for lost, (status, garbage) in {2: (503, False), 4: (400, False), 6: (200, True)}.items():
            collector.status, collector.garbage = status, garbage
            assert ask(gateway, "fast").status == 200
            collector.until(partial(lost_all, gateway, lost))
        collector.until(lambda: dropped(gateway, "metrics") > 0)
        assert gateway.log().count("the collector does not take spans: it answered 503") == 1, "once a minute"
        collector.status, collector.garbage = 200, False
        assert collector.tree(ask(gateway, "fast").trace), "it is well again"
        gateway.wait_for("the collector takes spans again; 6 were lost")
        # Metrics make up for what was missed.
        collector.until(lambda: [each.count for each in collector.latest("http.server.request.duration")] == [4])
        collector.close()
        assert ask(gateway, "fast").status == 200
        gateway.wait_for("the collector does not take spans: it cannot be reached (ConnectionRefusedError)")
        begun = time.monotonic()
        assert gateway.terminate() == 0
        assert time.monotonic() - begun < CLOSING + 2.0


def test_nothing_is_recorded_but_metrics(mock: Mock, collector: Collector) -> None:
    telemetry = {"otlp": collector.url, "trace_ratio": 0.0}
    with exporting(mock, collector, telemetry=telemetry) as gateway:
        answer = ask(gateway, "fast")
        collector.until(lambda: collector.latest("gen_ai.client.token.usage"))
        assert collector.traces == []
        (sent,) = mock.requests(1)
        assert "traceparent" not in dict(sent["headers"])
        assert f'"request_id":"{answer.trace}","trace_id":null' in gateway.wait_for(answer.trace)
