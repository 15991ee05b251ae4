"""A benchmark from its first question to its outcome: connections, a question beforehand, the runs, and an end at any time."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from time import perf_counter

from msgspec import Struct

from .arrivals import Arrivals, due_times
from .asking import Clock, Side
from .driving import Load, Turns
from .outcome import Outcome, Run, Settings, outcome
from .phases import Extent, Phases
from .progress import Progress
from .prompts import Prompts
from .timeline import Timeline

LEARNT = (
    "not_a_completion",
    "not_streamed",
    "malformed_stream",
    "unreachable",
    "connect_timeout",
    "tls",
    "invalid_http",
)
"""Classes of errors that more requests would not mend."""

_PASSING = (408, 409, 425, 429)
"""Refusals that another moment may not bring."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to do. ``rate``: requests a second to each side; ``concurrency``: places, in all. ``prompts`` are made for each run.

    ``server``: processes of the measured side, if they run here and are named.
    """

    settings: Settings
    prompts: Callable[[int], Prompts]
    rate: float | None
    arrivals: Arrivals
    concurrency: int | None
    warmup: Extent
    measured: Extent
    cooldown: Extent
    repeat: int
    seed: int
    server: tuple[int, ...] = ()


Watching = Callable[[Load, int], Progress]
"""Makes what tells of a run, by the load and the number of the run from 0."""


async def probe(sides: Sequence[Side], prompts: Prompts) -> list[Timeline]:
    """One question to each side, which no figure contains: is there somebody who answers it?"""
    found = []
    for number, side in enumerate(sides):
        now = side.clock()
        made = Timeline(number=99_999_999, side=number, phase="warmup", due=now, taken=now)
        await side.ask(prompts.body(made.number, number), made)
        found.append(made)
    return found


def hopeless(found: Timeline) -> bool:
    """Would every further request fail as this one did?"""
    if found.error in LEARNT:
        return True
    return bool(found.error) and 300 <= found.status < 500 and found.status not in _PASSING


async def bench(
    plan: Plan, sides: Sequence[Side], watching: Watching | None, *, clock: Clock = perf_counter
) -> Outcome:
    """All runs, one after another. SIGINT and SIGTERM end them early, with what is known by then; a second one ends the process."""
    runs: list[Run] = []
    gc.collect()
    gc.freeze()
    try:
        for number in range(plan.repeat):
            run = await _run(plan, sides, number, watching, clock)
            runs.append(run)
            if run.interrupted:
                break
    finally:
        gc.unfreeze()
    return outcome(plan.settings, runs)


async def _run(plan: Plan, sides: Sequence[Side], number: int, watching: Watching | None, clock: Clock) -> Run:
    chance = Random(f"{plan.seed}/{number}")  # noqa: S311 - arrivals, no secrets
    turns = Turns(Phases(plan.warmup, plan.measured, plan.cooldown), len(sides), Random(chance.random()))  # noqa: S311 - the same
    load = Load(sides, plan.prompts(number), turns, clock, plan.server)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, _interrupt, load, loop)
    watcher = None if watching is None else loop.create_task(watching(load, number).watch())
    try:
        await _drive(plan, load, len(sides), chance)
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
        if watcher is not None:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
    measured = [each for each in load.timelines if each.phase == "measured"]
    return Run(timelines=measured, cpu=load.cpu, spent=load.spent, interrupted=load.interrupted)


def _drive(plan: Plan, load: Load, sides: int, chance: Random) -> Coroutine[object, object, None]:
    if plan.rate is None:
        return load.closed_loop(plan.concurrency or 1)
    return load.open_loop(due_times(plan.rate * sides, plan.arrivals, chance), plan.concurrency)


def _interrupt(load: Load, loop: asyncio.AbstractEventLoop) -> None:
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(name)
    load.interrupt()
