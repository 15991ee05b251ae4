"""One request's way through its targets: where it begins, where it goes after a fault, and when nothing more is tried.

Four bounds hold together: the tries of the plan, the retry budget of the upstream it began with, the deadline, and whether the
request may be sent twice at all.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Literal

from msgspec import Struct, structs

from ..context import RequestContext, Role, Target
from ..errors import DeadlineExceeded, NoHealthyTarget, RawHeaders, retry_after
from ..policy.faults import Fault, FaultKind
from ..policy.routes import Hedge, Retries, SlowStream
from ..policy.targets import Candidate, Plan
from ..protocols import Board, Clock, Lease, Router, Step
from .again import Again
from .backoff import LEAST, pause
from .budget import Budgets
from .classify import nothing_sent
from .hedging import Hedging, Reserved, expected_cost
from .stopping import Stop, final, repeatable

_ELSEWHERE = Fault(kind="overloaded", detail="not_ready")
"""What the router is told where a target takes nothing now, or a second one is to start beside it."""

_LISTED = 20
"""Targets that an error names."""


def _silent(target: Target) -> RawHeaders:
    return ()


class Surroundings(Struct, frozen=True, kw_only=True):
    """What all courses of one configuration share. ``sleep`` waits for seconds; ``followed`` and ``stopped`` are told of each decision."""

    router: Router
    board: Board
    budgets: Budgets
    hedging: Hedging
    retries: Retries
    clock: Clock
    rng: Random
    sleep: Callable[[float], Awaitable[None]]
    followed: Callable[[FaultKind, Role], None]
    stopped: Callable[[Stop], None]
    notices: Callable[[Target], RawHeaders] = _silent
    """What is said of a target's model in headers."""
    hint: Callable[[RequestContext], str] | None = None
    """What requests share that are best sent with the same key, for the sake of prompt caches; ``None``: nobody has several."""


class Course(Struct, eq=False):
    """See ``protocols.Course``. Made for one request and thrown away with it."""

    _ctx: RequestContext
    _plan: Plan
    _with: Surroundings
    hedge: Hedge | None = None
    slow_stream: SlowStream | None = None
    fallbacks: list[str] = []
    """Fallback models that were used, in order."""
    stopped: Stop | Literal[""] = ""
    _tried: list[Candidate] = []
    _again: Again | None = None
    _made: int = 0
    _repeated: int = 0
    _renewed: bool = False
    _spent_keys: frozenset[tuple[str, int]] = frozenset()
    _charged: str = ""
    _reserved: Reserved | None = None

    # ---- where it begins --------------------------------------------------------------------------------------------

    def at_once(self) -> Step | None:
        """The plan's choice, where it takes the request now. Raises ``DeadlineExceeded``."""
        chosen = self._plan.chosen
        # The board is asked with all of the route, so that a target which has faults alone is left.
        lease = self._enter(chosen) or self._spared(chosen)
        if lease is None:
            return None
        role: Role = "first" if chosen in self._plan.candidates else "fallback"
        return self._first(Step(candidate=chosen, lease=lease, role=role))

    async def first(self) -> Step:
        """The plan's choice, or what stands in for it by now. Raises ``NoHealthyTarget``, ``DeadlineExceeded``."""
        found = self.at_once()
        if found is not None:
            return found
        step = await self._instead()
        return self._first(structs.replace(step, role="first") if step.role == "failover" else step)

    def _first(self, step: Step) -> Step:
        if self._ctx.deadline and self._left() <= 0:
            step.lease.close()
            raise DeadlineExceeded("The deadline of this request passed before a target could be asked.")
        upstream = self._charged = step.candidate.target.provider
        self._with.budgets.requested(upstream)
        if self.hedge is not None:
            cost = expected_cost(step.candidate, self._plan.asking)
            self._with.hedging.requested(self._label, self.hedge, cost)
        return self._begun(step)

    async def _instead(self) -> Step:
        """The plan's choice takes nothing now. Raises ``NoHealthyTarget``."""
        step = self._elsewhere(_ELSEWHERE, [self._plan.chosen], own=True)
        step = step or await self._queued() or self._elsewhere(_ELSEWHERE, self._own)
        if step is None:
            raise self._nobody()
        return step

    async def _queued(self) -> Step | None:
        """A place at a full target, for those who wait; the plan's choice before others."""
        board = self._with.board
        for candidate in dict.fromkeys((self._plan.chosen, *self._own)):
            if candidate.queue > 0 and board.state(candidate) == "full":
                if await board.wait(candidate, self._ctx.principal.tenant):
                    lease = self._enter(candidate)
                    if lease is not None:
                        return Step(candidate=candidate, lease=lease, role="first")
        return None

    def _nobody(self) -> NoHealthyTarget:
        board, own = self._with.board, self._own[:_LISTED]
        key, bound = self._plan.key, self._plan.bound
        seconds = [max(1, math.ceil(board.back_in((each,), key=key))) for each in own]
        states = [board.state(each) for each in own]
        told = [f"its key {key + 1} rests" if key >= 0 and state == "ready" else state for state in states]
        listed = "; ".join(
            f"{each.place}: {state} for {left} s" for each, state, left in zip(own, told, seconds, strict=True)
        )
        if bound:
            listed += f". It can go nowhere else: {bound}"
        soonest = max(1, math.ceil(board.back_in(self._own, key=key)))
        return NoHealthyTarget(
            f"No target of `{self._plan.chosen.model}` takes requests now. {listed}. Send it again in {soonest} s.",
            headers=retry_after(soonest),
        )

    # ---- where it goes after a fault --------------------------------------------------------------------------------

    async def after(self, step: Step, fault: Fault) -> Step | None:
        """``step`` failed before any output. What next? ``None``: nothing more; the answer, or the error, is the client's."""
        self.failed(step, fault)
        unasked = nothing_sent(fault)
        stop, found = self._forbidden(fault), None
        if not stop:
            found = self._elsewhere(fault, self._tried, own=True) or self._other_key(step, fault)
            found = found or self._elsewhere(fault, self._tried) or await self._once_more(fault)
            stop = self.stopped
        if found is not None and not unasked and not self._take(found):
            stop, found = "budget", None
        if found is None:
            self.stopped = stop or "nothing_left"
            self._with.stopped(self.stopped)
            return None
        self._with.followed(fault.kind, found.role)
        return self._begun(found)

    def failed(self, step: Step, fault: Fault) -> None:
        """``step`` failed before any output, and perhaps nobody asks what next: in a race the other is under way."""
        step.lease.failed(fault)
        step.lease.close()
        if nothing_sent(fault):
            self._made -= 1
        elif self.hedge is not None and (fault.action.counts or fault.action.cools):
            self._with.hedging.failed(self._label)
        longest = self._plan.route.retry.longest
        if self._again is None:
            self._again = Again()
        self._again.note(step.candidate, fault, now=self._with.clock(), longest=longest)

    def anew(self) -> bool:
        """A connection died unanswered: may the same be sent on a new one? Once, besides the tries, so that no target loses its own."""
        if self._renewed or self._left() < LEAST:
            return False
        if not self._with.budgets.take(self._charged, self._with.retries):
            return False
        self._renewed = True
        return True

    def _forbidden(self, fault: Fault) -> Stop | Literal[""]:
        """What speaks against any further try."""
        if final(fault):
            return "client"
        if not repeatable(self._ctx, fault):
            return "not_replayable"
        if self._made >= self._plan.attempts:
            return "attempts"
        if self._left() < LEAST:
            return "deadline"
        surroundings = self._with
        budgets, rule = surroundings.budgets, surroundings.retries
        if not nothing_sent(fault) and not budgets.allows(self._charged, rule, elsewhere=True):
            return "budget"
        return ""

    def _elsewhere(self, fault: Fault, tried: Sequence[Candidate], *, own: bool = False) -> Step | None:
        """The router's next that takes it; ``own``: of the route itself, else its fallbacks too."""
        if self._plan.bound:
            return None
        passed = list(tried)
        while True:
            candidate = self._with.router.another(self._ctx, self._plan, passed, fault)
            if candidate is None or candidate in passed:
                return None
            ours = candidate in self._own
            if own and not ours:
                return None
            lease = self._enter(candidate)
            if lease is not None:
                return Step(candidate=candidate, lease=lease, role="failover" if ours else "fallback")
            passed.append(candidate)

    def _other_key(self, step: Step, fault: Fault) -> Step | None:
        """The same target with another of its keys, where the fault was the key's."""
        if not fault.action.cools or self._plan.key >= 0:
            return None
        lease = self._with.board.enter(step.candidate)
        if lease is None:
            return None
        spent = self._spent_keys = self._spent_keys | {(step.candidate.place, step.lease.key)}
        if (step.candidate.place, lease.key) in spent:
            lease.close()
            return None
        return Step(candidate=step.candidate, lease=lease, role="retry")

    async def _once_more(self, fault: Fault) -> Step | None:
        """A target that was tried, after a pause: the one that may be asked soonest. It is entered when the pause is over."""
        surroundings, again = self._with, self._again
        assert again is not None, "the fault was noted"
        soonest = again.soonest()
        if soonest is None or not (fault.action.again or fault.action.elsewhere):
            return None
        left, now = self._left(), surroundings.clock()
        if not surroundings.budgets.allows(self._charged, surroundings.retries):
            self.stopped = "budget"
            return None
        drawn = pause(self._plan.route.retry, self._repeated, surroundings.rng, left=left)
        wait = max(drawn, soonest - now)
        if wait > left - LEAST:
            self.stopped = "deadline"
            return None
        self._repeated += 1
        await surroundings.sleep(wait)
        # Meanwhile another one may have come back.
        found = self._elsewhere(fault, self._tried)
        if found is not None:
            return found
        for candidate in again.due(now + wait):
            lease = self._enter(candidate) or self._spared(candidate)
            if lease is not None:
                return Step(candidate=candidate, lease=lease, role="retry")
        return None

    def _spared(self, candidate: Candidate) -> Lease | None:
        """The place that the board leaves where all of a route's targets have faults."""
        return self._enter(candidate) if candidate in self._ready() else None

    # ---- hedging and continuation -----------------------------------------------------------------------------------

    def hedge_after(self, step: Step) -> float | None:
        """Seconds to wait for a first output before a second target starts; ``None``: no hedging now."""
        hedge = self.hedge
        if hedge is None or self._reserved is not None or not self._ctx.endpoint.replay or self._ctx.upload is not None:
            return None
        if self._made >= self._plan.attempts or self._plan.bound:
            return None
        after = self._hedge_delay(hedge, step)
        if after is None or after > self._left() - LEAST:
            return None
        if not self._affords(hedge, step.candidate) or not self._others(step):
            return None
        return after

    async def second(self, step: Step) -> Step | None:
        """The second target of a race; ``None``: by now there is none, or no allowance for one."""
        surroundings, hedge = self._with, self.hedge
        if hedge is None or self._reserved is not None or self._made >= self._plan.attempts or not self._others(step):
            return None
        candidate = surroundings.router.another(self._ctx, self._plan, self._tried, _ELSEWHERE)
        if candidate is None or candidate in self._tried or not self._affords(hedge, candidate):
            return None
        usual, asked_after = surroundings.board.percentile(candidate, 0.5), self._hedge_delay(hedge, step)
        if usual is not None and asked_after is not None and usual > asked_after:
            # The others are slow as well: a second try would be as late as the first.
            return None
        lease = self._enter(candidate)
        if lease is None:
            return None
        self._reserved = surroundings.hedging.reserve(self._label, expected_cost(candidate, self._plan.asking))
        return self._begun(Step(candidate=candidate, lease=lease, role="hedge"))

    def notices(self, target: Target) -> RawHeaders:
        """What an answer from there has to say of its model."""
        return self._with.notices(target)

    def raced(self, winner: Step, loser: Step | None, spent: int | None) -> None:
        """A hedge ended; ``spent``: the loser's micro-dollars, ``None``: unknown."""
        if self._reserved is not None:
            self._with.hedging.settle(self._reserved, spent if loser is not None else 0)

    def continuation(self, step: Step) -> Step | None:
        """After the commit point: a target that can go on with what was written, where the route allows it."""
        if not self._plan.route.continues or self._plan.bound or not self._ctx.endpoint.replay:
            return None
        if self._made >= self._plan.attempts or self._left() < LEAST:
            return None
        for candidate in self._ready():
            if candidate.continues and candidate not in self._tried:
                lease = self._enter(candidate)
                if lease is not None:
                    found = Step(candidate=candidate, lease=lease, role="continuation")
                    return self._begun(found) if self._take(found) else None
        return None

    def _others(self, step: Step) -> bool:
        """Is there a second target? A fallback is one only where the route has no other of its own."""
        if len(self._own) < 2:
            return bool(self._plan.route.fallbacks)
        return any(each not in self._tried and each != step.candidate for each in self._ready())

    def _hedge_delay(self, hedge: Hedge, step: Step) -> float | None:
        return hedge.after if hedge.after is not None else self._with.board.percentile(step.candidate, 0.95)

    def _affords(self, hedge: Hedge, second: Candidate) -> bool:
        return self._with.hedging.open(self._label, hedge, expected_cost(second, self._plan.asking))

    # ---- bookkeeping ------------------------------------------------------------------------------------------------

    @property
    def _label(self) -> str:
        return self._plan.route.label

    @property
    def _own(self) -> tuple[Candidate, ...]:
        return self._plan.candidates

    def _ready(self) -> Sequence[Candidate]:
        return self._with.board.ready(self._own)

    def _enter(self, candidate: Candidate) -> Lease | None:
        plan, surroundings = self._plan, self._with
        hint = plan.asking.sticky
        if not hint and surroundings.hint is not None:
            hint = surroundings.hint(self._ctx)
        return surroundings.board.enter(candidate, key=plan.key, hint=hint)

    def _left(self) -> float:
        """Seconds until the deadline."""
        deadline = self._ctx.deadline
        return deadline - self._with.clock() if deadline else math.inf

    def _take(self, step: Step) -> bool:
        """One retry of the budget; without one the place is given back."""
        elsewhere = step.candidate.target.provider != self._charged
        if self._with.budgets.take(self._charged, self._with.retries, elsewhere=elsewhere):
            return True
        step.lease.close()
        return False

    def _begun(self, step: Step) -> Step:
        self._made += 1
        if step.candidate not in self._tried:
            self._tried.append(step.candidate)
        if step.role == "fallback" and step.candidate.model not in self.fallbacks:
            self.fallbacks.append(step.candidate.model)
        if self.hedge is not None:
            self._with.hedging.tried(self._label)
        return step


class Courses:
    """See ``protocols.Courses``. One for each configuration; budgets and allowances outlive it."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def course(self, ctx: RequestContext) -> Course:
        """For a planned request."""
        plan = ctx.plan
        if plan is None:
            raise ValueError("the request has no plan")
        route = plan.route
        # A client may do without; what a second target costs only the configuration allows.
        hedge = None if ctx.controls.hedge is False else route.hedge
        return Course(ctx, plan, self._surroundings, hedge, route.slow_stream)
