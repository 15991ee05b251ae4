"""Runs the cases of the product and counts them in every way, one way at a time: no count is to see what another one does."""

import asyncio
import gc
import math
from collections import Counter
from collections.abc import Sequence

import msgspec

from ..chain import collect_as_served
from ..product import CASES, Case, Product
from . import machine
from .allocations import Allocations, NotCountable
from .functions import Calls, Opcodes, split
from .turning import LoopCounts, counting_loop

GATED = (
    "plain",
    "miss",
    "hit",
    "miss, waited for",
    "miss, 10 KB",
    "agent, 100 KB",
    "stream of 16",
    "paced stream of 16",
    "burst of 500 by 25",
)
SHORT = ("plain", "miss", "hit", "stream of 16")
"""What ``make test`` counts."""

WARM = 60
"""Requests before the first that counts: caches are full, and CPython's instructions are specialised after eight runs."""

FOLLOWED = 64
"""Requests that are followed instruction by instruction: as many as are noted together where that is done (proxy.health)."""

COUNTED = 200
"""Requests that the machine's instructions and the allocations are counted over; a tenth of it for streams."""

ROUNDS = 5
"""Of the machine's instructions: the least counts."""


class Counted(msgspec.Struct, frozen=True):
    """One case. ``counts``: a request's, by name; ``functions``: bytecode instructions and calls a request, by function."""

    counts: dict[str, float]
    functions: dict[str, tuple[float, float]]


class Measured(msgspec.Struct, frozen=True):
    """All cases. ``counter``: how machine instructions were counted; ``notes``: what could not be counted, and why."""

    cases: dict[str, Counted]
    counter: str = ""
    notes: tuple[str, ...] = ()


def measure(names: Sequence[str] = GATED, *, followed_only: bool = False) -> Measured:
    """``followed_only``: instructions of the interpreter, calls, tasks and timers alone, which takes seconds."""
    turning = LoopCounts()
    with asyncio.Runner(loop_factory=counting_loop(turning)) as runner:
        return runner.run(_measure(names, turning, followed_only=followed_only))


async def _measure(names: Sequence[str], turning: LoopCounts, *, followed_only: bool) -> Measured:
    product = await Product.made()
    try:
        for name in names:
            await product.work(CASES[name], WARM)()
        cases = {name: await _followed(product, CASES[name], turning) for name in names}
        if followed_only:
            return Measured(cases)
        collect_as_served()
        counter = machine.counter()
        notes = [] if counter.name in ("perf", "callgrind") else [f"machine instructions: {counter.name}"]
        for name in names:
            cases[name].counts.update(await _machine(product, name, counter))
        try:
            allocations = Allocations.open()
        except NotCountable as error:
            notes.append(f"allocations: none: {error}")
        else:
            for name in names:
                cases[name].counts["allocations"] = await _allocations(product, CASES[name], allocations)
            allocations.close()
        return Measured(cases, counter.name, tuple(notes))
    finally:
        await product.close()


async def _followed(product: Product, case: Case, turning: LoopCounts) -> Counted:
    opcodes, calls = Opcodes(), Calls()
    for hook in (opcodes, calls):
        work = product.work(case, FOLLOWED)
        with hook:
            await work()
    stepped = opcodes.by_function()
    in_python, in_c = split(calls.counts)
    counts = {
        "bytecode instructions": stepped.total() / FOLLOWED,
        "Python calls": in_python / FOLLOWED,
        "C calls": in_c / FOLLOWED,
        **await _turned(product, case, turning),
        "left to the collector": await _left(product, case),
    }
    functions = {
        name: (round(stepped[name] / FOLLOWED, 2), round(calls.counts[name] / FOLLOWED, 2))
        for name in sorted(Counter({*stepped, *calls.counts}))
    }
    return Counted({name: round(count, 2) for name, count in counts.items()}, functions)


async def _turned(product: Product, case: Case, turning: LoopCounts) -> dict[str, float]:
    """Whole numbers: a timer of the log's every fifth of a second is none of a request's."""
    work = product.work(case, FOLLOWED)
    before = turning.tasks, turning.timers, turning.callbacks
    await work()
    after = turning.tasks, turning.timers, turning.callbacks
    tasks, timers, callbacks = (math.floor((now - then) / FOLLOWED) for then, now in zip(before, after, strict=True))
    return {"tasks": tasks, "timers": timers, "loop callbacks": callbacks}


async def _left(product: Product, case: Case) -> float:
    """Objects in cycles, which only the collector can free."""
    work = product.work(case, FOLLOWED)
    gc.collect()
    gc.disable()
    try:
        await work()
        return math.floor(gc.collect() / FOLLOWED)
    finally:
        gc.enable()


async def _machine(product: Product, name: str, counter: machine.Counter) -> dict[str, float]:
    if counter.name == "callgrind":
        return {"machine instructions": round(machine.under_valgrind(name))}
    if counter.instructions is None:
        return {}
    case, least = CASES[name], math.inf
    count = _count(case)
    for _ in range(ROUNDS):
        work = product.work(case, count)
        gc.collect()
        before = counter.instructions.read()
        await work()
        least = min(least, counter.instructions.read() - before)
    return {"machine instructions": round(least / count)}


async def _allocations(product: Product, case: Case, allocations: Allocations) -> float:
    least, count = math.inf, _count(case)
    for _ in range(2):
        work = product.work(case, count)
        before = allocations.read()
        await work()
        least = min(least, allocations.read() - before)
    return round(least / count, 2)


def _count(case: Case) -> int:
    return COUNTED // 10 if case.events else COUNTED
