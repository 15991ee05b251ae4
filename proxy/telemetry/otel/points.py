"""Tallies as OTLP metrics: all that was counted since the start, or since the last time."""

from collections.abc import Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from .encoding import attributes_of
from .tallies import Spread, Sum, Tally


class MetricEncoder:
    """One process's metrics. Only one thread calls it. ``now`` in unix nanoseconds, ``started`` the same."""

    def __init__(self, *, resource: Resource, scope: InstrumentationScope, started: int, delta: bool) -> None:
        self._resource = resource
        self._scope = scope
        self._started = started
        self._delta = delta
        self._temporality = AGGREGATION_TEMPORALITY_DELTA if delta else AGGREGATION_TEMPORALITY_CUMULATIVE
        self.points = 0
        """How many the last export had."""

    def encoded(self, tallies: Sequence[Tally], now: int) -> bytes:
        """An export request; ``b""`` where there is nothing to say."""
        metrics: dict[str, Metric] = {}
        self.points = 0
        for tally in tallies:
            amounts = tally.amounts
            if isinstance(amounts, Spread):
                amounts.fold()
                if amounts.count:
                    self._spread(self._metric(metrics, tally), tally, amounts, now)
            elif amounts.added > amounts.taken:
                self._sum(self._metric(metrics, tally), tally, amounts, now)
        if self._delta:
            self._started = now
        if not metrics:
            return b""
        scoped = ScopeMetrics(scope=self._scope, metrics=metrics.values())
        whole = ResourceMetrics(resource=self._resource, scope_metrics=[scoped])
        return bytes(ExportMetricsServiceRequest(resource_metrics=[whole]).SerializeToString())

    def _metric(self, metrics: dict[str, Metric], tally: Tally) -> Metric:
        named = tally.named
        found = metrics.get(named.name)
        if found is None:
            found = metrics[named.name] = Metric(name=named.name, unit=named.unit, description=named.about)
        self.points += 1
        return found

    def _spread(self, metric: Metric, tally: Tally, amounts: Spread, now: int) -> None:
        metric.histogram.aggregation_temporality = self._temporality
        metric.histogram.data_points.append(
            HistogramDataPoint(
                attributes=attributes_of(tally.about),
                start_time_unix_nano=self._started,
                time_unix_nano=now,
                count=amounts.count,
                sum=amounts.total,
                bucket_counts=amounts.counts,
                explicit_bounds=amounts.bounds,
                min=amounts.lowest,
                max=amounts.highest,
            )
        )
        if self._delta:
            amounts.clear()

    def _sum(self, metric: Metric, tally: Tally, amounts: Sum, now: int) -> None:
        added = amounts.added
        metric.sum.aggregation_temporality = self._temporality
        metric.sum.is_monotonic = True
        metric.sum.data_points.append(
            NumberDataPoint(
                attributes=attributes_of(tally.about),
                start_time_unix_nano=self._started,
                time_unix_nano=now,
                as_int=added - amounts.taken,
            )
        )
        if self._delta:
            amounts.taken = added
