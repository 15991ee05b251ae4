"""One run of the load generator against one server, and what it cost that server."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import meter
from .servers import API_KEY, BUILD, BenchError, Cores, Server, posts_seen

GRACE_S = 30.0  # beyond its own duration, after which a load run is given up
LEAST_FORWARDED = 0.98  # share of the requests that must have reached the upstream


@dataclass(frozen=True)
class Load:
    """What to send. `rate` 0 is a closed loop; `limit` ends a closed loop after so many requests; `hits` are servers that answer from
    a cache, so that next to nothing may reach the upstream."""

    body: Path
    connections: int
    seconds: float
    warmup: float = 0.5
    rate: float = 0
    limit: int = 0
    hits: tuple[str, ...] = ()

    def command(self, port: int) -> list[str]:
        """The load generator's command line."""
        options: dict[str, object] = {
            "-p": port,
            "-b": self.body,
            "-H": f"Authorization: Bearer {API_KEY}",
            "-c": self.connections,
            "-t": self.seconds,
            "-w": self.warmup,
            "-r": self.rate,
        }
        if self.limit:
            options["-n"] = self.limit
        return [str(BUILD / "loadgen"), *(str(word) for option in options.items() for word in option)]


@dataclass(frozen=True)
class Printed:
    """The load generator's report: counts by name, and series (`latency_us`, ...) of quantiles in microseconds."""

    counts: dict[str, float]
    series: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Outcome:
    """One run. Times in seconds, series in microseconds; `foreign` is what others used of the two cores, in cores."""

    server: str
    requests: int
    chunks: int
    cpu: float
    wall: float
    foreign: float
    series: dict[str, dict[str, float]]

    @property
    def cpu_us_per_request(self) -> float:
        return self.cpu / self.requests * 1e6

    @property
    def cpu_us_per_chunk(self) -> float:
        return self.cpu / self.chunks * 1e6

    def quantile_us(self, series: str, quantile: str) -> float:
        """For example `quantile_us("chunk_delay_us", "p99")`."""
        return self.series[series][quantile]


class Meter:
    """Runs loads and counts what they cost."""

    def __init__(self, cores: Cores, upstream: Server) -> None:
        self._upstream = upstream
        self._cores = cores.pinned or os.sched_getaffinity(0)

    def run(self, server: Server, load: Load) -> Outcome:
        """One load on one server. Raises BenchError unless every answer was a 2xx that came from the upstream, or from its cache."""
        posts = posts_seen(self._upstream)
        others = meter.others()
        cpu = meter.cpu_seconds(server.pid)
        began = time.monotonic()
        printed = run_program(load.command(server.port), timeout=load.warmup + load.seconds + GRACE_S)
        wall = time.monotonic() - began
        cpu = meter.cpu_seconds(server.pid) - cpu
        foreign = meter.used_between(others, meter.others(), self._cores) / wall
        forwarded = posts_seen(self._upstream) - posts
        _check(server, printed.counts, forwarded=forwarded, hits=server.name in load.hits)
        return Outcome(
            server=server.name,
            requests=int(printed.counts["total_requests"]),
            chunks=int(printed.counts["total_chunks"]),
            cpu=cpu,
            wall=wall,
            foreign=foreign,
            series=printed.series,
        )


def run_program(command: list[str], *, timeout: float) -> Printed:
    """The load generator's JSON, numbers and series apart."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the load generator did not end within {timeout:.0f} s") from None
    if done.returncode:
        raise BenchError(f"the load generator failed: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(text: str) -> Printed:
    """What the load generator printed."""
    fields = json.loads(text)
    return Printed(
        counts={name: value for name, value in fields.items() if isinstance(value, int | float)},
        series={name: value for name, value in fields.items() if isinstance(value, dict)},
    )


def _check(server: Server, counts: dict[str, float], *, forwarded: int, hits: bool) -> None:
    requests = int(counts["total_requests"])
    if requests == 0:
        raise BenchError(f"{server.name} answered nothing")
    if counts["errors"] or counts["non2xx"]:
        raise BenchError(
            f"{server.name}: {counts['errors']} broken and {counts['non2xx']} refused of {requests} requests"
        )
    if hits and forwarded > requests * (1 - LEAST_FORWARDED):
        raise BenchError(f"{server.name} answered {requests} requests, and {forwarded} of them reached the upstream")
    if not hits and forwarded < requests * LEAST_FORWARDED:
        raise BenchError(f"{server.name} answered {requests} requests, but only {forwarded} reached the upstream")
