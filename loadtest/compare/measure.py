"""Rounds: every side gets the load in turn, again and again; a run that other work disturbed is repeated at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from ..bench.load import Meter, Outcome
from ..bench.scenarios import FOREIGN_SHARE
from ..bench.servers import BenchError
from .load import Bodies, Varied
from .scenarios import Scenario
from .sides import DIRECT, Side

HEADROOM = 1.15  # a side that carries less than this times the rate is saturated by it
LEAST_CARRIED = 0.97  # share of the planned requests that must have been answered
LONGEST_S = 60.0  # of a load that ends by itself
LATE_US = 250_000  # a median beyond this is a queue, not a latency


@dataclass(frozen=True)
class Plan:
    """How long things take: ``rounds`` of each load, ``seconds`` of a closed loop or a rate, ``paced_chunks`` of the streams that begin
    together, ``tries`` of a run that other work disturbs;
    ``warming`` stretches what comes before all."""

    rounds: int = 3
    seconds: float = 3
    warmup: float = 0.5
    paced_chunks: int = 500
    idle_streams: int = 1000
    tries: int = 2
    warming: float = 1


QUICK = Plan(rounds=1, seconds=1, warmup=0.3, paced_chunks=150, idle_streams=200, tries=1, warming=0.5)


@dataclass(frozen=True)
class Cell:
    """One load on one side: a run of each round, or why there is none (``note``)."""

    scenario: str
    side: str
    outcomes: list[Outcome]
    note: str = ""
    repeated: list[Outcome] = field(default_factory=list)

    def each(self, figure: Callable[[Outcome], float]) -> list[float]:
        """The figure, round by round."""
        return [figure(outcome) for outcome in self.outcomes]

    def middle(self, figure: Callable[[Outcome], float]) -> float | None:
        """Its median."""
        return median(self.each(figure)) if self.outcomes else None

    @property
    def disturbed(self) -> float:
        """What others used in the worst run that is kept, in cores."""
        return max((outcome.foreign for outcome in self.outcomes), default=0)


def load_of(scenario: Scenario, plan: Plan, files: Bodies) -> Varied:
    """The load of a scenario, as long as the plan wants it."""
    # A load of so many requests counts from the first: all its streams begin together.
    seconds, warmup = (LONGEST_S, 0.0) if scenario.limit else (plan.seconds * scenario.scale, plan.warmup)
    chunks = min(scenario.chunks, plan.paced_chunks) if scenario.limit else scenario.chunks
    body = files.file(prompt=scenario.prompt, chunks=chunks, pace_us=scenario.pace_us)
    return Varied(body, scenario.connections, seconds, warmup=warmup, rate=scenario.rate, limit=scenario.limit)


def measured(scenario: Scenario, sides: Sequence[Side], plan: Plan, meter: Meter, files: Bodies) -> list[Cell]:
    """A cell for each side that takes part; a side that fails or is saturated says so, and the others go on."""
    load = load_of(scenario, plan, files)
    taking = [side for side in sides if scenario.takes(side.name)]
    kept: dict[str, list[Outcome]] = {side.name: [] for side in taking}
    repeated: dict[str, list[Outcome]] = {side.name: [] for side in taking}
    notes = {side.name: _saturated_before(scenario, side) for side in taking}
    for number in range(1 if scenario.once else plan.rounds):
        for side in taking:
            if notes[side.name] or (number and side.slow and scenario.slow_once):
                continue
            try:
                outcome, others = _calm(side, load, plan, meter)
            except BenchError as error:
                notes[side.name] = str(error).splitlines()[0]
                continue
            kept[side.name].append(outcome)
            repeated[side.name] += others
            notes[side.name] = _saturated(scenario, load, outcome)
    return [
        Cell(
            scenario.name, side.name, [] if notes[side.name] else kept[side.name], notes[side.name], repeated[side.name]
        )
        for side in taking
    ]


def _calm(side: Side, load: Varied, plan: Plan, meter: Meter) -> tuple[Outcome, list[Outcome]]:
    """The calmest of at most so many tries, and the others."""
    done: list[Outcome] = []
    while len(done) < plan.tries:
        done.append(meter.run(side.server, side.asked(load)))
        if done[-1].foreign <= FOREIGN_SHARE:
            break
    done.sort(key=lambda outcome: outcome.foreign)
    return done[0], done[1:]


def _saturated_before(scenario: Scenario, side: Side) -> str:
    if side.name == DIRECT or scenario.streamed or not scenario.rate or side.capacity >= scenario.rate * HEADROOM:
        return ""
    return f"saturated: carries {side.capacity:,.0f} req/s"


def _saturated(scenario: Scenario, load: Varied, outcome: Outcome) -> str:
    if not scenario.rate:
        return ""
    planned = scenario.rate * (load.warmup + load.seconds)
    late = outcome.quantile_us("latency_us", "p50") > LATE_US and not scenario.streamed
    if late or outcome.requests < planned * LEAST_CARRIED:
        return f"saturated: answered {outcome.requests:,} of {planned:,.0f}"
    return ""
