"""Series that requests add to in plain slots; prometheus_client has them when somebody looks, or when the heart beats.

Adding costs an addition: no lock, no label look-up, and with several workers no write to the file that they share. One event loop,
whose heartbeat keeps what waits here short.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric


class Count:
    """One series of a counter. ``value``: all that this process has added."""

    __slots__ = ("_handed", "_labels", "_metric", "value")

    def __init__(self, metric: Counter, labels: tuple[str, ...]) -> None:
        self._metric = metric
        self._labels = labels
        self._handed: float = 0
        self.value: float = 0

    def hand_over(self) -> None:
        """The metric gets what is new; it knows the series from the first time on that there was something."""
        new = self.value - self._handed
        if new:
            self._handed = self.value
            self._metric.labels(*self._labels).inc(new)


class Spread:
    """One series of a histogram. ``observe(amount)`` keeps the amount; many are sorted into buckets for less than one is."""

    __slots__ = ("_amounts", "_child", "observe")

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self._amounts: list[float] = []
        self.observe: Callable[[float], None] = self._amounts.append

    def hand_over(self) -> None:
        """The metric gets what was observed: its own ``observe`` takes one amount at a time, its values take sums."""
        amounts, child = self._amounts, self._child
        if not amounts:
            return
        child._sum.inc(sum(amounts))
        amounts.sort()
        below = 0
        for bound, bucket in zip(child._upper_bounds, child._buckets, strict=True):
            upto = bisect_right(amounts, bound, below)
            if upto > below:
                bucket.inc(upto - below)
                below = upto
        amounts.clear()


class Counts(dict[tuple[str, ...], Count]):
    """The series of one counter by their labels, each made when it is first asked for."""

    __slots__ = ("_metric", "_series")

    def __init__(self, metric: Counter, series: "Series") -> None:
        self._metric = metric
        self._series = series

    def __missing__(self, labels: tuple[str, ...]) -> Count:
        made = self[labels] = self._series.count(self._metric, *labels)
        return made


class Series:
    """All that one registry has of them. A collector without metrics of its own, to be made before theirs: who reads the registry
    reads everything."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._made: list[Count | Spread] = []
        registry.register(self)

    def count(self, metric: Counter, *labels: str) -> Count:
        """A new series of ``metric``."""
        made = Count(metric, labels)
        self._made.append(made)
        return made

    def counts(self, metric: Counter) -> Counts:
        """All series of ``metric``."""
        return Counts(metric, self)

    def spread(self, metric: Histogram, *labels: str) -> Spread:
        """A new series of ``metric``, known to it from now on."""
        made = Spread(metric.labels(*labels))
        self._made.append(made)
        return made

    def hand_over(self) -> None:
        """Everything, to prometheus_client."""
        for each in self._made:
            each.hand_over()

    def collect(self) -> Iterable[Metric]:
        """See ``prometheus_client.registry.Collector``. Nothing; but what is collected after it is complete."""
        self.hand_over()
        return ()
