"""A run as it is kept: medians of every load on every side, memory, and the judged figures. Page, plots and README come from it alone."""

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ..bench.load import Outcome
from .figures import Cells, Figure, chunk_us, delay_us, latency_us, request_us, ttft_us
from .measure import Cell, Plan
from .memory import Footprint
from .sides import DIRECT, Described

RESULTS = Path(__file__).resolve().parents[1] / "results"

Medians = dict[str, float]
"""By figure: request_us, chunk_us, rps, busy (share of its core), p50, p99, added_p50, … in microseconds."""


@dataclass(frozen=True)
class Judged:
    """A figure of the table with its verdict."""

    what: str
    unit: str
    must: float | None
    aim: float | None
    at_least: bool
    values: list[float]
    value: float | None
    verdict: str
    problem: str


@dataclass(frozen=True)
class Record:
    """One run. ``medians`` and ``missing`` are by scenario, then by side; ``memory`` is by side, in bytes."""

    date: str
    quick: bool
    plan: dict[str, float]
    versions: dict[str, str]
    machine: dict[str, str]
    foreign: float
    sides: list[Described]
    figures: list[Judged]
    medians: dict[str, dict[str, Medians]]
    missing: dict[str, dict[str, str]]
    memory: dict[str, Medians]
    notes: list[str]

    def of(self, scenario: str, side: str, figure: str) -> float | None:
        """One median, or None where it was not measured."""
        return self.medians.get(scenario, {}).get(side, {}).get(figure)

    def title(self, side: str) -> str:
        """The name of a side for people."""
        return next((each.title for each in self.sides if each.name == side), side)

    def titled(self, title: str) -> Described:
        """A side by the name for people."""
        return next(each for each in self.sides if each.title == title)


def today() -> str:
    """The date of a run, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def summary(cells: Sequence[Cell]) -> tuple[dict[str, dict[str, Medians]], dict[str, dict[str, str]]]:
    """Medians, and the reasons of what has none."""
    found: Cells = {(cell.scenario, cell.side): cell for cell in cells}
    medians: dict[str, dict[str, Medians]] = {}
    missing: dict[str, dict[str, str]] = {}
    for cell in cells:
        if cell.note:
            missing.setdefault(cell.scenario, {})[cell.side] = cell.note
        if cell.outcomes:
            direct = found.get((cell.scenario, DIRECT))
            medians.setdefault(cell.scenario, {})[cell.side] = _medians(cell, direct)
    return medians, missing


def _medians(cell: Cell, direct: Cell | None) -> Medians:
    def middle(figure: Callable[[Outcome], float]) -> float:
        return round(median(cell.each(figure)), 2)

    first = cell.outcomes[0]
    found = {"rps": middle(lambda each: each.requests / each.wall), "busy": middle(lambda each: each.cpu / each.wall)}
    found["request_us"] = middle(request_us)
    if first.chunks:
        found["chunk_us"] = middle(chunk_us)
    series = {"latency_us": ("", latency_us), "ttft_us": ("ttft_", ttft_us), "chunk_delay_us": ("delay_", delay_us)}
    for name, (prefix, figure) in series.items():
        for quantile in ("p50", "p99"):
            if name not in first.series:
                continue
            found[f"{prefix}{quantile}"] = middle(figure(quantile))
            if direct and direct.outcomes and cell is not direct:
                both = zip(cell.each(figure(quantile)), direct.each(figure(quantile)), strict=False)
                found[f"added_{prefix}{quantile}"] = round(median(ours - theirs for ours, theirs in both), 2)
    return found


def summed(footprints: Sequence[Footprint]) -> tuple[dict[str, Medians], dict[str, str]]:
    """Memory by side, and the reasons of what has none."""
    memory: dict[str, Medians] = {
        each.side: {
            "streams": each.streams,
            "idle_rss": each.idle.rss,
            "idle_pss": each.idle.pss,
            "full_rss": each.full.rss,
            "full_pss": each.full.pss,
            "stream_pss": round(each.each),
        }
        for each in footprints
        if not each.note
    }
    return memory, {each.side: each.note for each in footprints if each.note}


def judged(rows: Sequence[Figure]) -> list[Judged]:
    """The figures as they are kept."""
    return [
        Judged(row.what, row.unit, row.must, row.aim, row.at_least, row.values, row.value, row.verdict, row.problem)
        for row in rows
    ]


def planned(plan: Plan) -> dict[str, float]:
    """The plan as it is kept."""
    return asdict(plan)


def written(record: Record, cells: Sequence[Cell]) -> str:
    """The JSON of a run, with every run of the load generator, repeated ones too."""
    runs = [
        {"scenario": cell.scenario, "side": cell.side, "kept": outcome in cell.outcomes, **asdict(outcome)}
        for cell in cells
        for outcome in (*cell.outcomes, *cell.repeated)
    ]
    fields = json.dumps(asdict(record), indent=1, ensure_ascii=False).removesuffix("\n}")
    lines = ",\n".join("  " + json.dumps(run) for run in runs)
    return f'{fields},\n "runs": [\n{lines}\n ]\n}}\n'


def read(path: Path) -> Record:
    """A run that was kept."""
    fields: Mapping[str, Any] = json.loads(path.read_text())
    known = {name: value for name, value in fields.items() if name != "runs"}
    sides = [Described(**each) for each in known.pop("sides")]
    rows = [Judged(**each) for each in known.pop("figures")]
    return Record(sides=sides, figures=rows, **known)


def newest(folder: Path = RESULTS) -> Path | None:
    """The JSON of the latest run that was kept."""
    return max(folder.glob("*-compare.json"), default=None)
