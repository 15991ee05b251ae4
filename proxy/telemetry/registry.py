"""Which registry ``/metrics`` shows: this process's, or with several workers what all of them wrote."""

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from .shared import DIRECTORY


def exposed_registry(own: CollectorRegistry) -> Callable[[], CollectorRegistry]:
    """A source of the registry to show at each scrape. In multi-process mode the files of all workers are merged.

    Those of this worker are complete then; the others bring theirs up to date with each heartbeat.
    """
    if DIRECTORY not in os.environ:
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)
        return lambda: own

    def merged() -> CollectorRegistry:
        for _ in own.collect():
            pass
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry

    return merged
