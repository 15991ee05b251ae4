"""The figures that the gateway promises beside its peers: what must be, what is aimed at, and what a run says.

Ratios and differences are taken within a round, the median of the rounds is judged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ..bench.load import Outcome
from ..bench.scenarios import FOREIGN_SHARE
from .measure import Cell
from .memory import Footprint
from .scenarios import BARE
from .sides import DIRECT, HIT, OURS

MB, KB = 1e6, 1e3
Cells = Mapping[tuple[str, str], Cell]


@dataclass(frozen=True)
class Figure:
    """One promise. ``values`` are those of the rounds; ``must`` and ``aim`` are upper bounds, or lower ones with ``at_least``.

    Without ``must`` it is shown for its own sake. ``disturbed``: what others used in the worst round, in cores.
    """

    what: str
    unit: str
    must: float | None
    aim: float | None
    values: list[float]
    at_least: bool = False
    disturbed: float = 0
    problem: str = ""

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def judged(self) -> bool:
        return self.value is not None and self.disturbed <= FOREIGN_SHARE

    def reaches(self, bound: float | None) -> bool:
        """Whether the median is on the right side of ``bound``."""
        if self.value is None or bound is None:
            return bound is None
        return self.value >= bound if self.at_least else self.value <= bound

    @property
    def verdict(self) -> str:
        """aim, must, FAIL, or why there is none."""
        if self.value is None:
            return "not measured"
        if self.must is None:
            return ""
        if not self.judged:
            return f"disturbed ({self.disturbed:.0%})"
        return "aim" if self.reaches(self.aim) else "must" if self.reaches(self.must) else "FAIL"


def request_us(outcome: Outcome) -> float:
    return outcome.cpu_us_per_request


def chunk_us(outcome: Outcome) -> float:
    return outcome.cpu_us_per_chunk


def latency_us(quantile: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.quantile_us("latency_us", quantile)


def ttft_us(quantile: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.quantile_us("ttft_us", quantile)


def delay_us(quantile: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.quantile_us("chunk_delay_us", quantile)


def figures(cells: Sequence[Cell], footprints: Sequence[Footprint], sides: Sequence[str]) -> list[Figure]:
    """The table of figures; what was not asked for on the command line has no row. ``sides``: those that were asked for."""
    found = {(cell.scenario, cell.side): cell for cell in cells}
    ran, asked = {cell.scenario for cell in cells}, {*sides, OURS, HIT, DIRECT}

    rows: list[Figure] = []

    def ratio(
        scenario: str,
        of: str,
        to: str,
        what: str,
        must: float | None,
        aim: float | None,
        figure: Callable[[Outcome], float] = request_us,
    ) -> None:
        if scenario in ran and {of, to} <= asked:
            rows.append(_ratio(found, scenario, of, to, what, must, aim, figure))

    def own(scenario: str, what: str, must: float, aim: float) -> None:
        if scenario in ran:
            rows.append(_own(found, scenario, what, must, aim))

    def added(scenario: str, what: str, must: float, aim: float, figure: Callable[[Outcome], float]) -> None:
        if scenario in ran:
            rows.append(_added(found, scenario, what, must, aim, figure))

    for scenario, connections in (("c16", 16), ("c64", 64)):
        chat = f"1 KB chat, {connections} connections: CPU per request"
        ratio(scenario, OURS, "sglang-router", f"{chat}, against the Rust router", 1.3, 1.0)
        ratio(scenario, OURS, BARE, f"{chat}, against the Rust router with all off", None, None)
    own("10kb", "10 KB prompt: CPU per request", 185, 150)
    own("100kb", "100 KB prompt: CPU per request", 700, 500)
    paced = "100 streams at once, chunks at 10 ms: CPU per chunk, against nginx"
    ratio("paced", OURS, "nginx", paced, 2.2, 1.6, chunk_us)
    own("burst", "burst of 500 chunks, usage reported: CPU per stream", 350, 280)
    ratio("c16", HIT, "nginx", "exact hit, 16 connections: CPU per request, against nginx", 6, 4.5)
    added("rate1000", "1 KB chat at 1,000 req/s: added p50", 0.45, 0.35, latency_us("p50"))
    added("ttft", "10 new streams/s: added p50 of the time to the first token", 0.9, 0.6, ttft_us("p50"))
    for peer, title, must, aim in (("litellm", "LiteLLM", 60, 90), ("portkey", "Portkey", 9, 14)):
        if "c16" in ran and peer in asked:
            what = f"1 KB chat, 16 connections: CPU of {title} against ours"
            rows.append(_ratio(found, "c16", peer, OURS, what, must, aim, request_us, at_least=True))
    return rows + _memory(footprints)


def _ratio(
    cells: Cells,
    scenario: str,
    of: str,
    to: str,
    what: str,
    must: float | None,
    aim: float | None,
    figure: Callable[[Outcome], float],
    *,
    at_least: bool = False,
) -> Figure:
    above, below = cells.get((scenario, of)), cells.get((scenario, to))
    values, problem = _rounds(above, below, figure, lambda a, b: a / b)
    return Figure(what, "x", must, aim, values, at_least, _disturbed(above, below), problem)


def _added(
    cells: Cells, scenario: str, what: str, must: float, aim: float, figure: Callable[[Outcome], float]
) -> Figure:
    ours, direct = cells.get((scenario, OURS)), cells.get((scenario, DIRECT))
    values, problem = _rounds(ours, direct, figure, lambda a, b: (a - b) / 1000)
    return Figure(what, "ms", must, aim, values, False, _disturbed(ours, direct), problem)


def _own(cells: Cells, scenario: str, what: str, must: float, aim: float) -> Figure:
    ours = cells.get((scenario, OURS))
    values, problem = _rounds(ours, ours, request_us, lambda a, _: a)
    return Figure(what, "µs", must, aim, values, False, _disturbed(ours), problem)


def _rounds(
    one: Cell | None, other: Cell | None, figure: Callable[[Outcome], float], combined: Callable[[float, float], float]
) -> tuple[list[float], str]:
    """Round by round, or why not."""
    if one is None or other is None:
        return [], "left out"
    if one.note or other.note:
        return [], one.note or other.note
    return [combined(a, b) for a, b in zip(one.each(figure), other.each(figure), strict=False)], ""


def _disturbed(*cells: Cell | None) -> float:
    return max((cell.disturbed for cell in cells if cell), default=0)


def _memory(footprints: Sequence[Footprint]) -> list[Figure]:
    ours = next((each for each in footprints if each.side == OURS), None)
    if ours is None:
        return []
    idle, stream = ([], []) if ours.note else ([ours.idle.pss / MB], [ours.each / KB])
    return [
        Figure("memory of the process tree, idle: PSS", "MB", 85, 70, idle, problem=ours.note),
        Figure("memory of an open stream: PSS", "KB", 40, 33, stream, problem=ours.note),
    ]
