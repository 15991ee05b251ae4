"""A gateway without sockets or waiting: the real router, health and failover, over upstreams that follow a script.

Time is a number. A request is a coroutine that yields how many seconds it waits; the world resumes whoever is due next.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from random import Random
from typing import Any

from msgspec import Struct

from proxy.context import Principal, RequestContext
from proxy.errors import NoHealthyTarget
from proxy.failover.budget import Budgets
from proxy.failover.course import Courses, Surroundings
from proxy.failover.hedging import Hedging
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker, Hedge, PolicyName, Retries
from proxy.policy.targets import Candidate, Limits, Route, Target
from proxy.protocols import Course, Step
from proxy.routing.directory import Directory
from proxy.routing.policies import policies
from proxy.routing.router import Router
from proxy.wire.chat import RequestView

LIMITS = Limits(connect=1.0, first_byte=1.0, idle=60.0, total=600.0)
ANYBODY = Principal(name="app", tenant="app")
MODEL = "fast"
BODY = b'{"model":"fast","stream":true}'


class Answer(Struct, frozen=True, gc=False):
    """What becomes of one try: the first output after ``seconds``, or ``fault``."""

    seconds: float
    fault: Fault | None = None


Script = Callable[[float, Random], Answer]
"""(seconds since the beginning, a random source) to what a try that begins now meets."""


class _Pause:
    """Yields to the world for some seconds."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self._seconds


async def pause(seconds: float) -> None:
    """Waits in the world's time."""
    await _Pause(seconds)


class Ended(Struct, frozen=True, gc=False):
    """One request: when it began and ended, when its first output came (-1: none), how many tries it took."""

    began: float
    ended: float
    ttft: float
    tries: int
    hedged: bool


class World:
    """One process. ``scripts``: upstream to its script; all of them are the route's targets, in this order."""

    def __init__(
        self,
        scripts: Mapping[str, Script],
        *,
        policy: PolicyName = "weighted",
        hedge: Hedge | None = None,
        seed: int = 1,
    ) -> None:
        self.now = 1000.0
        self.rng = Random(seed)
        self.scripts = scripts
        self.calls: dict[str, list[float]] = {name: [] for name in scripts}
        self.ended: list[Ended] = []
        self.settled: Counter[int] = Counter()
        self.stops: Counter[str] = Counter()
        self._due: list[tuple[float, int, Coroutine[Any, Any, None]]] = []
        self._made = 0
        self._build(policy, hedge)

    def clock(self) -> float:
        """Monotonic seconds."""
        return self.now

    @property
    def since(self) -> float:
        """Seconds since the beginning."""
        return self.now - 1000.0

    def _build(self, policy: PolicyName, hedge: Hedge | None) -> None:
        own = tuple(
            Candidate(target=Target(provider=name, model="m", limits=LIMITS), model=MODEL) for name in self.scripts
        )
        self.candidates = own
        self.board = HealthBoard(
            Breaker(), provider_keys=dict.fromkeys(self.scripts, 1), clock=self.clock, rng=self.rng
        )
        directory = Directory(
            models={MODEL: Route(label=MODEL, candidates=own, policy=policy, hedge=hedge)},
            providers={each.target.provider: each.target for each in own},
            catalogued=(),
            passthrough=None,
        )
        self.router = Router(
            directory=directory,
            board=self.board,
            policies=policies(None),
            scored=False,
            admin_paths=False,
            providers_use=dict.fromkeys(self.scripts, "openai"),
            clock=self.clock,
            wall=self.clock,
            rng=self.rng,
        )
        self.courses = Courses(
            Surroundings(
                router=self.router,
                board=self.board,
                budgets=Budgets(self.clock),
                hedging=Hedging(self.clock),
                retries=Retries(),
                clock=self.clock,
                rng=self.rng,
                sleep=pause,
                followed=lambda kind, role: None,
                stopped=lambda reason: self.stops.update((reason,)),
            )
        )

    # ---- time -------------------------------------------------------------------------------------------------------

    def run(self, seconds: float, *, rate: float) -> "World":
        """Requests arrive at ``rate`` a second, by chance, for ``seconds``; returns when the last one has ended."""
        self._start(self._arrivals(seconds, rate))
        while self._due:
            self.now, _, work = heapq.heappop(self._due)
            self._resume(work)
        return self

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._made += 1
        heapq.heappush(self._due, (self.now, self._made, work))

    def _resume(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            seconds: float = work.send(None)
        except StopIteration:
            return
        self._made += 1
        heapq.heappush(self._due, (self.now + seconds, self._made, work))

    async def _arrivals(self, seconds: float, rate: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._start(self._request())
            await pause(self.rng.expovariate(rate))

    # ---- a request --------------------------------------------------------------------------------------------------

    async def _request(self) -> None:
        self._made += 1
        ident, began = self._made, self.since
        ctx = RequestContext(
            request_id="", started=self.now, principal=ANYBODY, body=BODY, request=RequestView(model=MODEL, stream=True)
        )
        tries = [0]
        ttft, hedged = -1.0, False
        try:
            ctx.plan = self.router.plan(ctx)
            course = self.courses.course(ctx)
            ttft, hedged = await self._walk(course, tries)
        except NoHealthyTarget:
            pass
        finally:
            self.settled[ident] += 1
            self.ended.append(Ended(began, self.since, ttft, tries[0], hedged))

    async def _walk(self, course: Course, tries: list[int]) -> tuple[float, bool]:
        """(seconds to the first output, was it hedged)"""
        began, hedged = self.since, False
        step: Step | None = await course.first()
        while step is not None:
            answer = self._called(step, tries)
            delay = course.hedge_after(step)
            if delay is not None and answer.seconds > delay:
                await pause(delay)
                second = await course.second(step)
                answer = Answer(answer.seconds - delay, answer.fault)
                if second is not None:
                    hedged = True
                    step, answer = await self._race(course, step, answer, second, self._called(second, tries))
            await pause(answer.seconds)
            if answer.fault is None:
                self._won(step, self.since - began)
                return self.since - began, hedged
            step = await course.after(step, answer.fault)
        return -1.0, hedged

    async def _race(self, course: Course, one: Step, first: Answer, other: Step, second: Answer) -> tuple[Step, Answer]:
        """Whoever gives output first, and what is still to be waited for; a failed one leaves the other alone."""
        ranked = sorted(((first, one), (second, other)), key=lambda pair: pair[0].seconds)
        (sooner, early), (later, late) = ranked
        if sooner.fault is None:
            await pause(sooner.seconds)
            late.lease.close()
            course.raced(early, late, None)
            return early, Answer(0.0)
        await pause(sooner.seconds)
        early.lease.failed(sooner.fault)
        early.lease.close()
        return late, Answer(later.seconds - sooner.seconds, later.fault)

    def _called(self, step: Step, tries: list[int]) -> Answer:
        provider = step.candidate.target.provider
        tries[0] += 1
        self.calls[provider].append(self.since)
        return self.scripts[provider](self.since, self.rng)

    def _won(self, step: Step, seconds: float) -> None:
        step.lease.answered(200, ())
        step.lease.first_output(seconds)
        step.lease.close()

    # ---- figures ----------------------------------------------------------------------------------------------------

    def errors(self, after: float = 0.0, before: float = float("inf")) -> float:
        """The share of requests that failed, of those that ended within that time."""
        judged = [each for each in self.ended if after <= each.ended < before]
        return sum(each.ttft < 0 for each in judged) / max(1, len(judged))

    @property
    def attempts(self) -> float:
        """Tries for each request."""
        return sum(each.tries for each in self.ended) / len(self.ended)

    @property
    def hedges(self) -> float:
        """The share of requests for which a second target started."""
        return sum(each.hedged for each in self.ended) / len(self.ended)

    def percentile(self, share: float) -> float:
        """Of the seconds to the first output."""
        found = sorted(each.ttft for each in self.ended if each.ttft >= 0)
        return found[min(len(found) - 1, int(share * len(found)))]

    def called(self, upstream: str, after: float, before: float) -> Sequence[float]:
        """When ``upstream`` was called within that time."""
        return [at for at in self.calls[upstream] if after <= at < before]

    def sound(self) -> None:
        """Every request was settled once, and every place given back."""
        assert self.settled.total() == len(self.settled) == len(self.ended)
        assert [self.board.inflight(each) for each in self.candidates] == [0] * len(self.candidates)
