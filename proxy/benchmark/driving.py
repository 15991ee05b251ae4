"""The two kinds of load: an open loop, where requests are due whether or not earlier ones were answered, and a closed one.

In the open loop a request's times begin when it was due. What a server that stalls does to the requests behind is measured, then,
and not left out because the generator was kept waiting (coordinated omission).
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from random import Random

from msgspec import Struct, field

from .asking import INTERRUPTED, Clock, Side
from .metronome import Metronome
from .phases import Phase, Phases
from .prompts import Prompts
from .server import Spent, Taken, look, spent
from .timeline import Timeline

LATEST = 200
"""Answers that are kept at hand for a live figure."""


class Turn(Struct, frozen=True):
    """Which request, on which side, in which phase."""

    number: int
    side: int
    phase: Phase


class Turns:
    """Deals requests out, in pairs of a seeded order where two sides are compared: the same prompt to both, one right after the other."""

    def __init__(self, phases: Phases, sides: int, chance: Random) -> None:
        self._phases = phases
        self._sides = sides
        self._chance = chance
        self._number = -1
        self._left: list[Turn] = []

    def next(self, due: float) -> Turn | None:
        """For the request that is due then; ``None``: there are no more."""
        if not self._left:
            phase = self._phases.next(due)
            if phase is None:
                return None
            self._number += 1
            self._left = [Turn(self._number, side, phase) for side in range(self._sides)]
            self._chance.shuffle(self._left)
        return self._left.pop()


class Tally(Struct):
    """Of the measured requests: how many are under way or over, kept so that nobody has to count while the load runs."""

    begun: float | None = None
    under_way: int = 0
    ended: int = 0
    failed: int = 0
    latest: deque[Timeline] = field(default_factory=lambda: deque(maxlen=LATEST))


class Load:
    """One run. ``timelines`` grows as requests are taken up, and may be looked at meanwhile."""

    def __init__(
        self, sides: Sequence[Side], prompts: Prompts, turns: Turns, clock: Clock, server: Sequence[int] = ()
    ) -> None:
        """``server``: processes of the first side, where they are known."""
        self._sides = sides
        self._server = server
        self._server_before: Taken | None = None
        self._prompts = prompts
        self._turns = turns
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[Timeline] = deque()
        self._over = False
        self._asked = False
        self._done = asyncio.Event()
        self._failure: BaseException | None = None
        self._cpu: float | None = None
        self.interrupted = False
        self.timelines: list[Timeline] = []
        self.finished = 0
        """Requests that have ended, of all phases."""
        self.measured = Tally()
        self.spent: Spent | None = None
        """By the server, over the same time."""
        self.cpu = 0.0
        """Seconds of processor time since the first measured request was taken up."""

    @property
    def in_flight(self) -> int:
        """Requests that are taken up and have not ended."""
        return len(self.timelines) - self.finished

    def interrupt(self) -> None:
        """Ends the run now; what is under way is given up."""
        self.interrupted = True
        self._done.set()

    async def open_loop(self, offsets: Iterator[float], most: int | None) -> None:
        """``offsets``: seconds from now at which requests are due. ``most`` requests at once; those beyond wait, and their clock runs."""
        metronome = Metronome(offsets, lambda due: self._strike(due, most), self._clock)
        metronome.start()
        try:
            await self._done.wait()
        finally:
            metronome.stop()
            await self._end()

    async def closed_loop(self, concurrency: int) -> None:
        """So many at once: each is followed by the next as soon as it is answered."""
        for _ in range(concurrency):
            self._start(self._work())
        try:
            await self._done.wait()
        finally:
            await self._end()

    # ---- taking up --------------------------------------------------------------------------------------------------

    def _take(self, due: float) -> Timeline | None:
        turn = None if self._over or self._done.is_set() else self._turns.next(due)
        if turn is None:
            self._over = True
            self._look()
            return None
        now = self._clock()
        made = Timeline(number=turn.number, side=turn.side, phase=turn.phase, due=due, taken=now)
        if turn.phase == "cooldown":
            self._asked = True
        if turn.phase == "measured":
            self.measured.under_way += 1
            if self.measured.begun is None:
                self.measured.begun = due
                self._cpu = time.process_time()
                self._server_before = look(self._server)
        self.timelines.append(made)
        return made

    def _strike(self, dues: list[float], most: int | None) -> None:
        for due in dues:
            taken = self._take(due)
            if taken is None:
                return
            if most is not None and len(self._tasks) >= most:
                self._waiting.append(taken)
            else:
                self._start(self._serve(taken))

    async def _work(self) -> None:
        while (taken := self._take(self._clock())) is not None:
            await self._ask(taken)

    async def _serve(self, taken: Timeline) -> None:
        """One request, then those that wait for its place."""
        await self._ask(taken)
        while self._waiting and not self._done.is_set():
            await self._ask(self._waiting.popleft())

    async def _ask(self, taken: Timeline) -> None:
        try:
            await self._sides[taken.side].ask(self._prompts.body(taken.number, taken.side), taken)
            if taken.input_tokens is None:
                taken.input_tokens = self._prompts.input_tokens(taken.number)
        finally:
            self.finished += 1
            if taken.phase == "measured":
                self._tally(taken)
                self._look()

    def _tally(self, taken: Timeline) -> None:
        tally = self.measured
        tally.under_way -= 1
        tally.ended += 1
        tally.failed += bool(taken.error)
        tally.latest.append(taken)

    # ---- ending -----------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._done.set()

    def _look(self) -> None:
        """Nothing more to measure: what is left of the cool-down is given up."""
        if (self._over or self._asked) and not self.measured.under_way:
            self._done.set()

    async def _end(self) -> None:
        if self._cpu is not None:
            self.cpu = time.process_time() - self._cpu
            asked = sum(each.side == 0 and each.phase != "warmup" for each in self.timelines)
            self.spent = spent(self._server_before, look(self._server), asked)
        now = self._clock()
        for taken in self._waiting:
            taken.error, taken.sent, taken.ended = INTERRUPTED, now, now
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
