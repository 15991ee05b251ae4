"""Of the one worker's event loop: how many tasks there are, when somebody looks."""

import asyncio
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class LoopCollector(Collector):
    """``asyncio_tasks``, beside the process's own metrics. A look takes 0.2 us a task, so it is not taken with each heartbeat."""

    def collect(self) -> Iterator[Metric]:
        """Outside a loop there are none."""
        try:
            tasks = len(asyncio.all_tasks())
        except RuntimeError:
            tasks = 0
        yield GaugeMetricFamily("asyncio_tasks", "Tasks of the event loop.", tasks)
