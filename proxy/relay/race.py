"""A hedge: a second target starts beside one that is slow to begin, and whichever gives output first is the client's.

The other is closed at once. Nothing of it has left; what it had used is written down.
"""

import asyncio
from typing import TYPE_CHECKING

from ..context import Limits
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Course, Step
from ..wire.usage import Usage
from .opening import Opening, opening_at
from .watchdog import first_byte_limit, silence

if TYPE_CHECKING:
    from .relay import Relay

PER = 1_000_000
"""Tokens that a price is for."""


class Timer:
    """Times one try of a race as the watchdog would: its first byte, then its silences."""

    def __init__(self, first_byte: float, limits: Limits) -> None:
        self.loop = asyncio.get_running_loop()
        self._first_byte = first_byte
        self._idle = limits.idle
        self.answered = False
        self.touched = self.loop.time()
        self.opening: Opening | None = None
        self._timer = self.loop.call_later(first_byte, self._fire)

    def stop(self) -> None:
        """Nothing fires after this."""
        self._timer.cancel()
        self.opening = None

    def _fire(self) -> None:
        limit = self._idle if self.answered else self._first_byte
        due = self.touched + limit
        if self.loop.time() < due:
            self._timer = self.loop.call_at(due, self._fire)
        elif self.opening is not None:
            self.opening.expire(silence(limit, "idle" if self.answered else "first byte"))


class Runner:
    """One try of a race, in a task of its own."""

    def __init__(self, relay: "Relay", step: Step, slow: SlowStream | None) -> None:
        limits = step.candidate.target.limits
        timer = self._timer = Timer(first_byte_limit(relay.ctx, limits), limits)
        opening = self.opening = timer.opening = opening_at(relay, step, timer)
        self.task = opening.task = asyncio.get_running_loop().create_task(opening.open(hold=True, slow=slow))

    @property
    def fault(self) -> Fault | None:
        """How it ended; ``None``: with output. Raises what ends the request."""
        return self.task.result()

    @property
    def decides(self) -> bool:
        """It has ended. Is that what the client gets, whatever the other does?"""
        fault = self.fault
        return fault is None or not (fault.action.again or fault.action.elsewhere or fault.action.named)

    def claim(self) -> Opening:
        """It is the client's now, and timed like any other try."""
        self._timer.stop()
        opening = self.opening
        watchdog = opening.relay.watchdog
        watchdog.begin(opening.target.limits)
        watchdog.answered = True
        opening.pulse, opening.task = watchdog, None
        return opening

    async def stop(self) -> None:
        """Ends it, whatever it is at: its connection is closed when this returns."""
        self._timer.stop()
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait((self.task,))
        if self.task.cancelled() or self.task.exception() is None:
            self.opening.lost()


class Race:
    """A first try and, where it is late, a second."""

    def __init__(self, relay: "Relay", course: Course, slow: SlowStream | None) -> None:
        self._relay = relay
        self._course = course
        self._slow = slow
        self._running: list[Runner] = []
        self._failed: Opening | None = None
        self.tries = 0
        """How many were made."""

    async def run(self, step: Step, after: float) -> tuple[Opening, Fault | None]:
        """The try that decided, and how it ended. Raises what ends the request."""
        try:
            first = self._start(step)
            await asyncio.wait((first.task,), timeout=after)
            beside = await self._course.second(step) if not first.task.done() else None
            if beside is not None:
                self._start(beside)
            ended = await self._decision()
        finally:
            losers = [runner.opening for runner in self._running]
            for runner in self._running:
                await runner.stop()
        if beside is not None:
            loser = losers[0] if losers else self._failed
            assert loser is not None
            self._course.raced(ended.opening.step, loser.step, spent(loser))
        return ended.claim(), ended.fault

    def _start(self, step: Step) -> Runner:
        self.tries += 1
        runner = Runner(self._relay, step, self._slow)
        self._running.append(runner)
        return runner

    async def _decision(self) -> Runner:
        """Whichever gives output first; when none does, the one that failed last."""
        while True:
            tasks = [runner.task for runner in self._running]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended = next(runner for runner in self._running if runner.task.done())
            decides = ended.decides
            self._running.remove(ended)
            if decides or not self._running:
                return ended
            ended.opening.leave()
            self._failed = ended.opening
            fault = ended.fault
            assert fault is not None
            self._course.failed(ended.opening.step, fault)
            if ended.opening.attempt is None:
                # Nothing was sent: it was no try.
                self.tries -= 1


def spent(opening: Opening) -> int | None:
    """Micro-dollars that a try which lost costs the operator; ``None``: its price is not known."""
    attempt, facts = opening.attempt, opening.step.candidate.facts
    if attempt is None or (attempt.usage is None and not attempt.maybe_billed):
        return 0
    if facts.input_price < 0 or facts.output_price < 0:
        return None
    usage = attempt.usage or Usage(input=opening.relay.ctx.estimate.likely)
    return -(-(usage.input * facts.input_price + usage.output * facts.output_price) // PER)
