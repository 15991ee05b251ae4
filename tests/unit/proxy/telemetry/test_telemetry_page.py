"""The page of metrics: whole however many series there are, without holding up the loop, and without the dead."""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proxy.telemetry.page import AT_ONCE, MetricsPage
from proxy.telemetry.series import Series


async def nothing() -> None:
    pass


def made(registry: CollectorRegistry) -> MetricsPage:
    return MetricsPage(registry, Series(registry), before=nothing)


async def test_every_sample_is_there_once_and_told_once() -> None:
    registry = CollectorRegistry()
    counter = Counter("c", "Many.", ("of",), registry=registry)
    for index in range(3 * AT_ONCE + 7):
        counter.labels(f"n{index}").inc(index)
    Histogram("h", "One.", registry=registry).observe(0.2)
    text = (await made(registry)()).decode()
    values = dict(re.findall(r'^c_total\{of="n(\d+)"\} (\S+)$', text, re.M))
    assert {int(index): float(value) for index, value in values.items()} == {
        i: float(i) for i in range(3 * AT_ONCE + 7)
    }
    for line in ("# HELP c_total Many.", "# TYPE c_total counter", "# TYPE h histogram", 'h_bucket{le="+Inf"} 1.0'):
        assert text.count(line + "\n") == 1, line
    assert "_created" not in text
    assert re.search(r"^asyncio_tasks [1-9]", text, re.M)


async def test_the_loop_goes_on_meanwhile() -> None:
    registry = CollectorRegistry()
    counter = Counter("c", "Many.", ("of",), registry=registry)
    for index in range(20_000):
        counter.labels(f"n{index}").inc()
    page, turns = made(registry), 0

    async def turning() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turning())
    await asyncio.sleep(0)
    before = turns
    await page()
    other.cancel()
    assert turns - before >= 20_000 / AT_ONCE


async def test_what_is_asked_for_is_fresh_and_pages_come_one_after_the_other() -> None:
    registry = CollectorRegistry()
    gauge, looks = Gauge("g", "Looks.", registry=registry), 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        gauge.set(looks)
        await asyncio.sleep(0)

    page = MetricsPage(registry, Series(registry), before=look)
    pages = await asyncio.gather(*(page() for _ in range(4)))
    assert [re.findall(rb"^g (\S+)$", text, re.M) for text in pages] == [[b"1.0"], [b"2.0"], [b"3.0"], [b"4.0"]]


WORKER = """
import asyncio, os, sys
from prometheus_client import CollectorRegistry, Counter, Gauge
from proxy.telemetry.page import MetricsPage
from proxy.telemetry.series import Series

own = CollectorRegistry()
series = Series(own)
Gauge("busy", "Busy.", registry=own, multiprocess_mode="livesum").set(int(sys.argv[1]))
Counter("done", "Done.", registry=own).inc(int(sys.argv[1]))

async def nothing():
    pass

print("up", flush=True)
for line in sys.stdin:
    text = asyncio.run(MetricsPage(own, series, before=nothing)()).decode()
    print(*(line.split()[1] for line in sorted(text.splitlines()) if line.startswith(("busy ", "done_total "))), flush=True)
"""


class Worker:
    """A process with figures of its own in a shared folder."""

    def __init__(self, folder: Path, amount: int) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(amount)],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == "up\n"

    def page(self) -> list[float]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return [float(word) for word in self.child.stdout.readline().split()]

    def end(self) -> None:
        self.child.kill()
        self.child.wait(10)
        for stream in (self.child.stdin, self.child.stdout):
            assert stream is not None
            stream.close()


def test_a_dead_worker_did_what_it_did_and_does_nothing(tmp_path: Path) -> None:
    first, second = Worker(tmp_path, 3), Worker(tmp_path, 4)
    try:
        assert first.page() == second.page() == [7.0, 7.0]
        second.end()
        deadline = time.monotonic() + 5
        while first.page() != [3.0, 7.0] and time.monotonic() < deadline:
            pass
        assert first.page() == [3.0, 7.0]
    finally:
        first.end()
        if second.child.poll() is None:
            second.end()
