"""The driver: ``python -m loadtest.scale workers | streams | stores | costs | plan``."""

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from loadtest.bench.servers import BenchError, Cores, Server, build, start_upstream

from . import page, workers
from .collect import collected
from .costs import KEPT, read, write
from .streams import MUST, silent
from .streams import table as streams_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 reached, 1 missed, 2 could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.scale", description=__doc__)
    parser.add_argument("what", choices=("workers", "streams", "costs", "plan"))
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (workers), runs of each load (costs)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    parser.add_argument(
        "--spread", action="store_true", help="workers on all cores, the load's too, not on one (workers)"
    )
    parser.add_argument("--streams", type=int, default=10_000, help="silent streams (streams)")
    parser.add_argument("--workers", type=int, default=1, help="workers of the gateway that holds them (streams)")
    parser.add_argument("--keepalive", type=float, default=15.0, help="its streaming.keepalive (streams)")
    parser.add_argument("--save", action="store_true", help="keep the figures (costs), rewrite docs/scale.md (plan)")
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.what](options)
    except BenchError as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2


def _on_a_box(work: Callable[[Cores, Path, Server], int], *, spread: bool = False) -> int:
    """``spread``: nothing is pinned but the mock upstream and the store."""
    build()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores = Cores.choose()
    if spread:
        cores = replace(cores, server=None)
    elif cores.load is not None:
        os.sched_setaffinity(0, {cores.load})
    with (
        tempfile.TemporaryDirectory(prefix="tollway-scale-") as folder,
        start_upstream(cores, Path(folder)) as upstream,
    ):
        return work(cores, Path(folder), upstream)


def _workers(options: argparse.Namespace) -> int:
    def work(cores: Cores, folder: Path, upstream: Server) -> int:
        lines = workers.measured(cores, folder, upstream, rounds=options.rounds, seconds=options.seconds)
        print(workers.table(lines))
        return 0 if max(median(line.ratios) for line in lines) <= workers.MUST else 1

    return _on_a_box(work, spread=options.spread)


def _streams(options: argparse.Namespace) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = (hard - 500) // 2 * options.workers
    if options.streams > most:
        raise BenchError(
            f"{options.streams} streams need two descriptors each, and a process may have {hard}: take --streams {most}, more "
            "--workers, or raise the limit (ulimit -Hn)"
        )

    def work(cores: Cores, folder: Path, _: Server) -> int:
        found = silent(
            cores, folder, streams=options.streams, workers=options.workers, keepalive=options.keepalive,
            seconds=options.seconds,
        )  # fmt: skip
        print(streams_table(found))
        return 0 if found.open == found.streams and found.ratio <= MUST else 1

    return _on_a_box(work)


def _costs(options: argparse.Namespace) -> int:
    def work(cores: Cores, folder: Path, upstream: Server) -> int:
        figures = collected(cores, folder, upstream, rounds=options.rounds)
        print(page.figures(figures))
        if options.save:
            write(figures)
            print(f"kept in {os.path.relpath(KEPT)}")
        return 0

    return _on_a_box(work)


def _plan(options: argparse.Namespace) -> int:
    text = page.block(read())
    print(text)
    if options.save:
        page.rewrite(text)
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "workers": _workers,
    "streams": _streams,
    "costs": _costs,
    "plan": _plan,
}
