"""What each part of the telemetry costs a plain 1 KB request: nothing, metrics, the log, OTLP metrics, traces of a share of them.

``python -m tests.bench.telemetry [--rounds N] [--count N] [--only NAME]``: microseconds of CPU of the event loop and of all threads,
thousands of instructions of all threads, and of each what it adds to the row that it builds on. The collector is another process.
"""

import argparse
import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
from msgspec import structs
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

import middleware
from proxy.telemetry.access_log import BATCH_AFTER, AccessLog
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.otel.exported import OtelMetrics
from proxy.telemetry.otel.exporter import Exporter
from proxy.telemetry.otel.sampling import Sampler
from proxy.telemetry.otel.settings import Collector, Settings
from proxy.telemetry.recorder import Recorder
from proxy.traced import TracedInFlight
from proxy.wire.endpoints import CHAT

from .chain import Bench, collect_as_served, loop_factory
from .instructions import Instructions, NotCounted
from .product import CASES, Product

SINK = """
import http.server
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_address[1], flush=True)
server.serve_forever()
"""

SETTLED = 0.6
"""Seconds after the last request until the threads have nothing left. The exports of a round are few, as in service: a full batch of
spans at a time."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """``ratio``: of the requests that are traced; ``None``: no exporter. ``on``: the row that it adds to."""

    metrics: bool = True
    log: bool = True
    ratio: float | None = None
    counted: bool = False
    """Are OTLP metrics exported?"""
    on: str = ""


VARIANTS = {
    "nothing": Variant(metrics=False, log=False),
    "metrics": Variant(log=False, on="nothing"),
    "log": Variant(metrics=False, on="nothing"),
    "metrics and log": Variant(on="nothing"),
    "OTLP metrics": Variant(counted=True, ratio=0.0, on="metrics and log"),
    "traces, none": Variant(ratio=0.0, on="metrics and log"),
    "traces of 10 %": Variant(ratio=0.1, on="metrics and log"),
    "traces of all": Variant(ratio=1.0, on="metrics and log"),
    "OTLP, traces of 10 %": Variant(counted=True, ratio=0.1, on="metrics and log"),
}


class Figures(msgspec.Struct, frozen=True):
    """Of one request."""

    loop: float = float("inf")
    every: float = float("inf")
    thousands: float = float("inf")

    def least(self, other: "Figures") -> "Figures":
        """The least of each: what disturbs only adds."""
        return Figures(*(min(mine, theirs) for mine, theirs in zip(self.tuple(), other.tuple(), strict=True)))

    def tuple(self) -> tuple[float, float, float]:
        """All of them."""
        return self.loop, self.every, self.thousands


@contextmanager
def collecting() -> Iterator[str]:
    """A collector that takes everything. Its URL."""
    with subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}/v1/traces"
        finally:
            child.kill()


class Served:
    """The chain with one kind of telemetry. Make it inside a running loop."""

    def __init__(self, bench: Bench, variant: Variant, url: str) -> None:
        registry = CollectorRegistry()
        self._log = AccessLog("/dev/null", dropped=lambda _: None) if variant.log else None
        metrics = Metrics(registry, known_models=lambda model: model == "gpt-4o-mini") if variant.metrics else None
        recorder = Recorder(metrics=metrics, access_log=self._log, wall=time.time)
        services = structs.replace(bench.services, telemetry=recorder)
        self._exporter = None
        if variant.ratio is not None:
            to = Collector(url=url)
            settings = Settings(
                traces=to,
                metrics=to if variant.counted else None,
                sampler=Sampler(ratio=variant.ratio),
                queue=1_000_000,
                delay=SETTLED * 0.7,
                interval=SETTLED * 0.7,
            )
            tasks = TracedInFlight()
            self._exporter = recorder.exporting = Exporter(
                settings,
                known_models=lambda model: model == "gpt-4o-mini",
                workers=1,
                scheme="http",
                counts=OtelMetrics(registry),
                clock=time.perf_counter,
                wall=time.time,
            )
            tasks.begin = self._exporter.begin
            providers = self._exporter.around(services.providers, {"local": "openai"})
            services = structs.replace(services, providers=providers, tasks=tasks)
            self._exporter.start()
        self.app: ASGIApp = middleware.build_chain(CHAT, "/chat/completions", services)

    def close(self) -> None:
        """Stops the threads."""
        if self._exporter is not None:
            self._exporter.close(2.0)
        if self._log is not None:
            self._log.close()


async def spent_by(work: Callable[[], Awaitable[None]], count: int, instructions: Instructions | None) -> Figures:
    """What ``count`` requests cost each, what the threads do for them afterwards too."""
    before = instructions.read() if instructions else 0
    every, loop = time.process_time(), time.thread_time()
    await work()
    loop = time.thread_time() - loop
    await asyncio.sleep(BATCH_AFTER + SETTLED)
    every = time.process_time() - every
    after = instructions.read() if instructions else 0
    return Figures(loop / count * 1e6, every / count * 1e6, (after - before) / count / 1e3)


async def measure(
    names: list[str], *, rounds: int, count: int, instructions: Instructions | None
) -> dict[str, Figures]:
    """Each variant: the least of ``rounds``, which take turns."""
    product = await Product.made()
    found: dict[str, Figures] = {}
    with collecting() as url:
        served = {name: Served(product.bare, VARIANTS[name], url) for name in names}
        try:
            for turn in range(rounds + 1):
                for name, each in served.items():
                    spent = await spent_by(product.work(CASES["plain"], count, each.app), count, instructions)
                    if turn:
                        found[name] = spent.least(found.get(name, Figures()))
        finally:
            for each in served.values():
                each.close()
            await product.close()
    return found


@contextmanager
def counting() -> Iterator[Instructions | None]:
    """All threads' instructions, where the kernel lets us have them."""
    try:
        counter = Instructions(threads=True)
    except NotCounted:
        yield None
        return
    try:
        yield counter
    finally:
        counter.close()


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", choices=VARIANTS, help="this one, and what it builds on")
    options.add_argument("--count", type=int, default=2560, help="requests a round")
    options.add_argument("--rounds", type=int, default=5, help="rounds, of which the least counts")
    chosen = options.parse_args()
    wanted = {*(chosen.only or VARIANTS)}
    names = [name for name in VARIANTS if name in wanted or any(VARIANTS[other].on == name for other in wanted)]
    gc.collect()
    with counting() as instructions:
        collect_as_served()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            found = runner.run(measure(names, rounds=chosen.rounds, count=chosen.count, instructions=instructions))
    print(f"{'':24s}{'us of the loop':>20s}{'us of all threads':>20s}{'k instructions':>20s}")
    for name in names:
        base = found[VARIANTS[name].on].tuple() if VARIANTS[name].on in found else (0.0, 0.0, 0.0)
        row = "".join(f"{now:9.1f} ({now - was:+8.1f})" for now, was in zip(found[name].tuple(), base, strict=True))
        print(f"{name:24s}{row}")


if __name__ == "__main__":
    main()
