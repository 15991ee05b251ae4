"""The driver: builds the C programs, starts the servers, runs the scenarios, prints and keeps the figures table."""

import argparse
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from . import meter, report
from .load import Load, Meter
from .scenarios import FOREIGN_SHARE, QUICK, Bench, Plan, Row
from .servers import BenchError, Cores, build, nginx, start_upstream
from .table import ALONE, OURS, SCENARIOS

OPEN_FILES = 8192
WATCH_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all figures reached (or `--quick`), 1 some missed, 2 something could not be measured or judged."""
    options = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        run = measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    print(report.table(run.rows))
    for note in run.notes:
        print(f"note: {note}")
    if options.save if options.save is not None else not (options.quick or options.only):
        print(f"kept in {os.path.relpath(report.save(run))}")
    if any(row.value is None for row in run.rows):
        return 2
    if options.quick:
        return 0
    if not all(row.judged for row in run.rows):
        return 2
    return 0 if all(row.reached for row in run.rows) else 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    found.add_argument("--quick", action="store_true", help="short runs that prove the bench works; figures are rough")
    found.add_argument(
        "--only", action="append", choices=SCENARIOS, metavar="NAME", help=f"one of {', '.join(SCENARIOS)}; repeatable"
    )
    found.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds of each scenario")
    found.add_argument(
        "--server", metavar="CMD", help="measure this server instead; {port}, {upstream}, {config} are filled in"
    )
    found.add_argument("--label", default="bench", help="names the files in loadtest/results (default: bench)")
    found.add_argument(
        "--save", action=argparse.BooleanOptionalAction, help="keep the results (default: for whole, full runs)"
    )
    return found


def measure(options: argparse.Namespace) -> report.Run:
    """Everything between the command line and the table; leaves no process behind."""
    if not sys.platform.startswith("linux"):
        raise BenchError("this bench reads /proc and pins cores: it needs Linux")
    if options.rounds is not None and options.rounds < 1:
        raise BenchError("--rounds must be at least 1")
    plan = QUICK if options.quick else Plan()
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    chosen = options.only or [name for name in SCENARIOS if name not in OURS or options.server is None]
    build()
    allow_open_files()
    cores = Cores.choose()
    notes = [note for note in (cores.note, *disturbances(cores.pinned)) if note]
    for note in notes:
        progress(f"warning: {note}")
    if cores.load is not None:
        os.sched_setaffinity(0, {cores.load})
    with running(plan, cores, options.server) as bench:
        rows = run_scenarios(bench, chosen)
        share, repeated = bench.worst_foreign, bench.repeated
    if share > FOREIGN_SHARE:
        notes.append(f"Other work took up to {share:.0%} of a core during a run: repeat on a quiet machine.")
    if repeated:
        notes.append(f"{repeated} rounds that other work disturbed were repeated.")
    return report.Run(options.label, plan, options.server or "python -m proxy serve", rows, notes, share, bench.runs)


def allow_open_files() -> None:
    """Enough descriptors for the idle streams, here and in every child."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def disturbances(cores: set[int]) -> list[str]:
    """Processes that use the cores before anything of ours runs."""
    return [
        f"{name} uses {share:.0%} of a core that is measured: figures will be off."
        for name, share in meter.busiest(cores, seconds=WATCH_S)
        if share > FOREIGN_SHARE
    ]


@contextmanager
def running(plan: Plan, cores: Cores, command: str | None) -> Iterator[Bench]:
    """A bench whose mock upstream runs; gateway and nginx are started when the first scenario needs them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollway-bench-")))
        upstream = stack.enter_context(start_upstream(cores, folder))
        bench = Bench(plan, cores, folder, upstream, Meter(cores, upstream), command)
        stack.callback(stop_servers, bench)
        yield bench


def stop_servers(bench: Bench) -> None:
    """Ends what `start_servers` began."""
    for server in (bench.gateway, bench.nginx):
        if server:
            server.stop()


def start_servers(bench: Bench) -> None:
    """Starts both servers once and lets each run warm. What failed once is not tried again."""
    if bench.failure:
        raise BenchError(bench.failure)
    if bench.gateway:
        return
    bench.gateway = bench.new_gateway()
    bench.nginx = nginx(bench.cores, bench.folder, upstream=bench.upstream.port)
    warm = Load(bench.body("chat"), connections=16, seconds=0.5, warmup=0)
    try:
        for server in (bench.gateway, bench.nginx):
            if server:
                server.wait_ready()
                bench.meter.run(server, warm)
    except BenchError as error:
        bench.failure = str(error)
        raise


def run_scenarios(bench: Bench, chosen: list[str]) -> list[Row]:
    """Rows in the order of the table. A scenario that fails gives a row that says why; the others still run."""
    found: dict[str, list[Row]] = {}
    for name in sorted(chosen, key=lambda name: name not in ALONE):
        progress(f"{name} ...")
        try:
            if name not in ALONE:
                start_servers(bench)
            found[name] = SCENARIOS[name](bench)
        except BenchError as error:
            progress(f"{name}: {error}")
            found[name] = [Row(name, name, 0, "", [], problem=str(error))]
    return [row for name in SCENARIOS for row in found.get(name, [])]


def progress(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
