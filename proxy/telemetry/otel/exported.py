"""How much of our own telemetry arrived, as Prometheus metrics: what a collector lost is not to be found at the collector."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

SIGNALS = ("traces", "metrics")


class OtelMetrics:
    """Counted by the exporters' threads; prometheus_client locks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.dropped = Counter(
            "tollway_otel_dropped_total",
            "Spans and data points that the OpenTelemetry collector did not get.",
            ("signal",),
            registry=registry,
        )
        self.exported = Counter(
            "tollway_otel_exported_total",
            "Spans and data points that the OpenTelemetry collector took.",
            ("signal",),
            registry=registry,
        )
        for signal in SIGNALS:
            self.dropped.labels(signal)
            self.exported.labels(signal)

    def counts(self, signal: str) -> tuple[Callable[[float], None], Callable[[float], None]]:
        """What counts a signal's dropped and exported ones."""
        return self.dropped.labels(signal).inc, self.exported.labels(signal).inc
