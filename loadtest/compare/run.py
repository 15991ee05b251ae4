"""The driver: installs the peers, starts all sides, measures them in turns, prints and keeps tables and plots."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ..bench import report as bench_report
from ..bench.load import Meter
from ..bench.run import allow_open_files, disturbances, progress
from ..bench.scenarios import FOREIGN_SHARE
from ..bench.servers import BenchError, Cores, Server, build, start_upstream
from . import page, readme
from .figures import figures
from .load import Bodies
from .measure import QUICK, Cell, Plan, measured
from .memory import Footprint, footprints
from .peers import PEERS, Peer, Place
from .record import RESULTS, Judged, Record, judged, planned, summary, summed, today
from .scenarios import BARE, GROUPS, SCENARIOS
from .sides import GATEWAY, GATEWAY_PLAIN, described, start, warm


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all musts reached (or `--quick`), 1 some missed, 2 something could not be measured or judged, 130 stopped."""
    options = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        record, cells = compare(options)
    except BenchError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("compare: stopped", file=sys.stderr)
        return 130
    print(page.text(record))
    whole = not (options.quick or options.only or options.peers)
    if options.save if options.save is not None else whole:
        kept = page.save(record, cells, RESULTS)
        readme.write()
        print(f"kept in {os.path.relpath(kept)}, with its plots; the figures of README.md are these now")
    return status(record.figures, quick=options.quick)


def status(rows: Sequence[Judged], *, quick: bool) -> int:
    """What the verdicts say, as the exit status."""
    verdicts = {row.verdict for row in rows if row.must is not None}
    if "not measured" in verdicts:
        return 2
    if quick:
        return 0
    if verdicts - {"aim", "must", "FAIL"}:
        return 2
    return 1 if "FAIL" in verdicts else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="python -m loadtest.compare", description=__doc__)
    found.add_argument("--quick", action="store_true", help="a few minutes: proves that it works; figures are rough")
    found.add_argument(
        "--only", action="append", choices=GROUPS, metavar="NAME", help=f"one of {', '.join(GROUPS)}; repeatable"
    )
    found.add_argument("--peers", type=_peers, metavar="NAMES", help=f"of {','.join(PEERS)}; separated by commas")
    found.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds of each load")
    found.add_argument(
        "--save", action=argparse.BooleanOptionalAction, help="keep the results (default: for whole, full runs)"
    )
    return found


def _peers(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name} is no peer: choose from {', '.join(PEERS)}")
    return names


@dataclass(frozen=True)
class Comparison:
    """What every part of a run needs."""

    plan: Plan
    place: Place
    upstream: Server
    meter: Meter
    files: Bodies

    def memory(self, peers: Sequence[Peer]) -> list[Footprint]:
        """Each alone, before the others run: no other process shares its pages."""
        alone = [peer for peer in peers if peer.name != BARE]
        return footprints(alone, self.place, self.upstream, self.plan, self.files, self.meter, progress)

    def loads(self, peers: Sequence[Peer], groups: set[str]) -> tuple[list[Cell], dict[str, str]]:
        """All sides together, one load after the other."""
        chosen = [scenario for scenario in SCENARIOS if scenario.group in groups]
        if not chosen:
            return [], {}
        with ExitStack() as stack:
            found, missing = start(peers, self.place, stack, self.upstream, progress)
            progress("warming up ...")
            sides, silent = warm(found, self.meter, self.files, self.plan.warming)
            cells: list[Cell] = []
            for scenario in chosen:
                progress(f"{scenario.what} ...")
                cells += measured(scenario, sides, self.plan, self.meter, self.files)
        return cells, missing | silent


def compare(options: argparse.Namespace) -> tuple[Record, list[Cell]]:
    """Everything between the command line and the tables; leaves no process behind."""
    if not sys.platform.startswith("linux"):
        raise BenchError("this bench reads /proc and pins cores: it needs Linux")
    if options.rounds is not None and options.rounds < 1:
        raise BenchError("--rounds must be at least 1")
    plan = QUICK if options.quick else Plan()
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    names = list(PEERS) if options.peers is None else options.peers
    groups = set(options.only or GROUPS)
    build()
    allow_open_files()
    cores = Cores.choose()
    notes = [note for note in (cores.note, *disturbances(cores.pinned)) if note]
    for note in notes:
        progress(f"warning: {note}")
    if cores.load is not None:
        os.sched_setaffinity(0, {cores.load})
    others = [PEERS[name] for name in names]
    with tempfile.TemporaryDirectory(prefix="tollway-compare-") as name, start_upstream(cores, Path(name)) as upstream:
        folder = Path(name)
        run = Comparison(plan, Place(cores, folder, upstream.port), upstream, Meter(cores, upstream), Bodies(folder))
        memory = run.memory([GATEWAY, *others]) if "memory" in groups else []
        cells, missing = run.loads([GATEWAY, GATEWAY_PLAIN, *others], groups)
    return recorded(plan, options.quick, names, cells, memory, missing, notes), cells


def recorded(
    plan: Plan,
    quick: bool,
    names: Sequence[str],
    cells: Sequence[Cell],
    memory: Sequence[Footprint],
    missing: dict[str, str],
    notes: Sequence[str],
) -> Record:
    """The run as it is kept."""
    medians, reasons = summary(cells)
    footprint, without = summed(memory)
    share = max((cell.disturbed for cell in cells), default=0.0)
    repeated = sum(len(cell.repeated) for cell in cells)
    said = list(notes)
    if share > FOREIGN_SHARE:
        said.append(f"Other work took up to {share:.0%} of a core during a run: repeat on a quiet machine.")
    if repeated:
        said.append(f"{repeated} runs that other work disturbed were repeated.")
    return Record(
        date=today(),
        quick=quick,
        plan=planned(plan),
        versions=bench_report.versions(),
        machine=bench_report.machine(),
        foreign=round(share, 3),
        sides=described(names, missing),
        figures=judged(figures(cells, memory, names)),
        medians=medians,
        missing=reasons | ({"memory": without} if without else {}),
        memory=footprint,
        notes=said,
    )


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt
