"""What a request costs with 1, 2 and 4 workers on one box, all of them on one core in turn, and what sharing counters adds."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtest.bench import bodies
from loadtest.bench.load import Load
from loadtest.bench.servers import Cores, Server
from loadtest.compare.bodies import chat

from .box import Box, Cost, Setting, box

MUST, AIM = 1.18, 1.08
"""CPU of a request with N workers over that with one worker and the same store."""

CONNECTIONS = 16
"""A worker: with fewer its turns of the loop would be emptier than those of one worker alone."""

WORKERS = (1, 2, 4)
CALM = 0.10


@dataclass(frozen=True)
class Line:
    """One setting. ``ratios``: each round's CPU over that round's one worker with the same store, store included; ``counted``: the
    same of instructions, store left out."""

    setting: Setting
    costs: list[Cost]
    ratios: list[float]
    counted: list[float]

    def middle(self, figure: Callable[[Cost], float | None]) -> float | None:
        """The median of a figure over the rounds."""
        values = [value for cost in self.costs if (value := figure(cost)) is not None]
        return median(values) if values else None


def measured(
    cores: Cores,
    folder: Path,
    upstream: Server,
    *,
    rounds: int,
    seconds: float,
    warmup: float = 0.4,
    workers: Sequence[int] = WORKERS,
) -> list[Line]:
    """Interleaved rounds over all settings; every gateway runs from the first round to the last."""
    settings = [Setting(), *(Setting(workers=number, state="embedded") for number in workers)]
    body = bodies.write(folder, "workers", chat())
    with ExitStack() as stack:
        boxes = [stack.enter_context(box(cores, folder, setting, upstream=upstream.port)) for setting in settings]
        for each in boxes:
            each.measured(_load(body, each, seconds=0.5, warmup=0))
        done = [
            [each.measured(_load(body, each, seconds=seconds, warmup=warmup)) for each in boxes] for _ in range(rounds)
        ]
    calm = [costs for costs in done if max(cost.foreign for cost in costs) <= CALM]
    return [_line(settings, calm or done, place) for place in range(len(settings))]


def _load(body: Path, each: Box, *, seconds: float, warmup: float) -> Load:
    return Load(body, connections=CONNECTIONS * each.setting.workers, seconds=seconds, warmup=warmup)


def _line(settings: list[Setting], rounds: list[list[Cost]], place: int) -> Line:
    one = settings.index(Setting(state=settings[place].state))
    pairs = [(costs[place], costs[one]) for costs in rounds]
    return Line(
        settings[place],
        [costs[place] for costs in rounds],
        [(cost.gateway_us + cost.store_us) / (alone.gateway_us + alone.store_us) for cost, alone in pairs],
        [
            cost.kilo_instructions / alone.kilo_instructions
            for cost, alone in pairs
            if cost.kilo_instructions and alone.kilo_instructions
        ],
    )


def table(lines: list[Line]) -> str:
    """A table in Markdown."""
    rows = [
        "| counters | workers | gateway, CPU | Valkey, CPU | both over one worker's | instructions of the gateway | over one worker's |",
        "|---" * 7 + "|",
    ]
    for line in lines:
        instructions = line.middle(lambda cost: cost.kilo_instructions)
        rows.append(
            f"| {line.setting.state} | {line.setting.workers} | {line.middle(lambda cost: cost.gateway_us):.0f} µs | "
            f"{line.middle(lambda cost: cost.store_us):.0f} µs | {median(line.ratios):.2f} | "
            + (f"{instructions:,.0f} k | {median(line.counted):.2f} |" if instructions else "not counted | |")
        )
    return "\n".join(rows)
