"""The page that Prometheus reads, made without holding up requests: a little at a time, and what other workers wrote in a thread."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from .processes import LoopCollector
from .series import Series
from .shared import DIRECTORY

AT_ONCE = 500
"""Samples that are put into words in one turn of the loop: 3 ms."""


class MetricsPage:
    """A source of pages. ``before`` brings up to date what is only asked for when somebody looks; it may not raise.

    Of several workers any answers for all: its own figures are complete, those of the others as old as their last heartbeat.
    ``extra``: collectors whose figures are the same whichever worker is asked.
    """

    def __init__(
        self,
        own: CollectorRegistry,
        series: Series,
        *,
        before: Callable[[], Awaitable[None]],
        extra: Iterable[Collector] = (),
    ) -> None:
        self._own = own
        self._series = series
        self._before = before
        self._extra = tuple(extra)
        self._folder = os.environ.get(DIRECTORY)
        self._making = asyncio.Lock()
        if self._folder is None:
            ProcessCollector(registry=own)
            PlatformCollector(registry=own)
            own.register(LoopCollector())

    async def __call__(self) -> bytes:
        """The text of all metrics. One page at a time: whoever asks meanwhile waits for the next."""
        async with self._making:
            await self._before()
            if self._folder is None:
                return await _rendered(self._own.collect())
            self._series.hand_over()
            families = await asyncio.to_thread(_merged, self._folder)
            for each in self._extra:
                families += each.collect()
            return await _rendered(families)


class _Part(Collector):
    """Some samples of a family, as a registry."""

    def __init__(self, family: Metric, samples: list[Sample]) -> None:
        self._part = Metric(family.name, family.documentation, family.type)
        self._part.samples = samples

    def collect(self) -> Iterable[Metric]:
        return (self._part,)


async def _rendered(families: Iterable[Metric]) -> bytes:
    """Requests have their turn after every few hundred samples."""
    parts = []
    for family in families:
        # When a series was made says nothing that Prometheus asks for in this format, and is a third of a counter's text.
        samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        for first in range(0, len(samples) or 1, AT_ONCE):
            text = generate_latest(_Part(family, samples[first : first + AT_ONCE]))
            # Two lines tell what the family is, once.
            parts.append(text.split(b"\n", 2)[2] if first else text)
            await asyncio.sleep(0)
    return b"".join(parts)


def _merged(folder: str) -> list[Metric]:
    """What all workers wrote; gauges of dead ones are nobody's any more."""
    for pid in {file.stem.rpartition("_")[2] for file in Path(folder).glob("gauge_live*_*.db")}:
        if pid.isdigit() and not _lives(int(pid)):
            mark_process_dead(int(pid), folder)  # type: ignore[no-untyped-call]
    collector = MultiProcessCollector(CollectorRegistry(), folder)  # type: ignore[no-untyped-call]
    return list(collector.collect())  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
