"""A whole benchmark: its settings, its runs, and what of them can be said together."""

from collections.abc import Sequence

from msgspec import Struct

from . import server
from .figures import Figures, Generator, figures, generator, span
from .server import Spent
from .statistics import Difference, Repetition, difference, repetition
from .timeline import Timeline

PERCENTS = (50.0, 95.0, 99.0)
"""Where the sides are compared."""

LATE = 0.010
"""Seconds: a generator that is later than this is part of what it measures."""

BUSY = 0.8
"""Share of a core above which the generator's own work delays its reading of answers."""

FAILING = 0.01
"""Share of failures above which the times of the others are no picture of the whole."""


class Settings(Struct, frozen=True, kw_only=True):
    """What was asked for, as the reports show it. Objectives in seconds."""

    url: str
    baseline: str | None
    model: str
    stream: bool
    rate: float | None
    arrivals: str
    concurrency: int | None
    requests: int | None
    seconds: float | None
    warmup: str
    cooldown: str
    prompts: str
    answers: str
    seed: int
    repeat: int
    objectives: dict[str, float]
    date: str
    version: str


class Run(Struct, frozen=True, kw_only=True):
    """One run: the measured timelines of all sides in the order of their turns, and the seconds of processor time they took.

    ``spent``: by the server, where its process was named.
    """

    timelines: list[Timeline]
    cpu: float
    spent: Spent | None = None
    interrupted: bool = False

    def side(self, number: int) -> list[Timeline]:
        """Those of one side."""
        return [each for each in self.timelines if each.side == number]


class Outcome(Struct, frozen=True, kw_only=True):
    """``runs``: figures of the measured side, run by run. ``added``: what it takes more than the direct one, by metric."""

    settings: Settings
    measured: Figures
    direct: Figures | None
    runs: list[Figures]
    repetition: dict[str, Repetition]
    added: dict[str, list[Difference]]
    generator: Generator
    server: Spent | None
    interrupted: bool
    warnings: list[str]
    timelines: list[Timeline]
    """Measured ones of all runs and sides; each run's times are moved so that its first request is due after the run before."""


def outcome(settings: Settings, runs: Sequence[Run]) -> Outcome:
    """Everything that is reported."""
    objectives = settings.objectives
    each = [figures(run.side(0), objectives) for run in runs]
    direct = [figures(run.side(1), objectives) for run in runs] if settings.baseline is not None else []
    lasted = [span(run.timelines) for run in runs]
    together = _one_after_another(runs)
    first = [found for found in together if found.side == 0]
    second = [found for found in together if found.side == 1]
    measured = figures(first, objectives, duration=sum(one.duration for one in each))
    made = generator(together, cpu=sum(run.cpu for run in runs), duration=sum(lasted))
    compared = figures(second, objectives, duration=sum(one.duration for one in direct)) if direct else None
    return Outcome(
        settings=settings,
        measured=measured,
        direct=compared,
        runs=each,
        repetition=_repetition(each),
        added=_added(first, second, settings.seed),
        generator=made,
        server=server.together([run.spent for run in runs]),
        interrupted=any(run.interrupted for run in runs),
        warnings=_warnings(settings, measured, compared, made),
        timelines=together,
    )


def _one_after_another(runs: Sequence[Run]) -> list[Timeline]:
    found: list[Timeline] = []
    end = 0.0
    for run in runs:
        if not run.timelines:
            continue
        move = end - min(each.due for each in run.timelines)
        for each in run.timelines:
            each.due, each.taken, each.sent, each.ended = (
                at + move for at in (each.due, each.taken, each.sent, each.ended)
            )
            for at, value in enumerate(each.chunks):
                each.chunks[at] = value + move
        found.extend(run.timelines)
        end = max(each.ended for each in run.timelines)
    return found


def _added(first: Sequence[Timeline], second: Sequence[Timeline], seed: int) -> dict[str, list[Difference]]:
    """Nothing for a metric that one of the sides has no value of."""
    found = {}
    for name in ("ttft", "tpot", "e2el"):
        one, other = _values(first, name), _values(second, name)
        if one and other:
            found[name] = [difference(one, other, percent, seed=seed) for percent in PERCENTS]
    return found


def _values(found: Sequence[Timeline], name: str) -> list[float]:
    whole = [each for each in found if each.good]
    if name == "e2el":
        return [each.latency for each in whole]
    return [value for each in whole if (value := each.ttft if name == "ttft" else each.tpot) is not None]


def _repetition(runs: Sequence[Figures]) -> dict[str, Repetition]:
    """Of the figures that every run has; times in seconds."""
    columns: dict[str, list[float | None]] = {
        "request_throughput": [run.rate(run.completed) for run in runs],
        "output_throughput": [run.rate(run.output_tokens) for run in runs],
    }
    for name in ("ttft", "tpot", "itl", "e2el"):
        found = [getattr(run, name) for run in runs]
        columns[f"median_{name}"] = [None if one is None else one.median for one in found]
        columns[f"p99_{name}"] = [None if one is None else one.percentiles[99.0] for one in found]
    made = {}
    for name, values in columns.items():
        known = [value for value in values if value is not None]
        if len(known) == len(runs) and (told := repetition(known)) is not None:
            made[name] = told
    return made


def _warnings(settings: Settings, measured: Figures, direct: Figures | None, made: Generator) -> list[str]:
    """What a reader must know before believing a figure."""
    found = []
    if made.lateness is not None and settings.rate is not None:
        half, few = (made.lateness.percentiles[percent] * 1000 for percent in (50.0, 99.0))
        if half > LATE * 1000:
            found.append(
                f"The generator was {half:.0f} ms late or more with every second request: it was the bottleneck. "
                "The times include this; lower the rate, or divide the load among processes."
            )
        elif few > LATE * 1000:
            found.append(
                f"The generator was {few:.0f} ms late or more with one request in a hundred: this machine is part of the tail. "
                "The times include this; run it on a free core."
            )
    if made.cpu > BUSY:
        found.append(
            f"The generator used {made.cpu:.0%} of a core: times are partly its own. Lower the load, or divide it among processes."
        )
    if made.descriptors:
        found.append(f"{made.descriptors} requests found no file descriptor in the generator: raise ulimit -n.")
    if made.waiting is not None and settings.rate is not None and settings.concurrency is not None:
        found.append(
            f"Requests waited up to {made.waiting.most:.2f} s for one of the {settings.concurrency} places: "
            "the server did not keep up with the rate. The wait is part of their times."
        )
    for name, side in (("", measured), (" of the baseline", direct)):
        if side is not None and side.completed and side.failed > FAILING * (side.completed + side.failed):
            found.append(
                f"{side.failed} of {side.completed + side.failed} requests{name} failed: the times are those of the others."
            )
        if side is not None and side.cached:
            found.append(
                f"{side.cached} of {side.completed} answers{name} came from the gateway's cache, not from a model."
            )
        if side is not None and side.completed and side.usage_reported < side.completed:
            found.append(
                f"{side.completed - side.usage_reported} of {side.completed} answers{name} reported no usage: "
                "a token stands for a piece of output there."
            )
        if side is not None and 0 < side.completed < 100:
            found.append(f"{side.completed} answers{name} are too few for a 99th percentile.")
    return found
