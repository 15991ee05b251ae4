"""The way of one request: where it goes after each fault, and what holds it back."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from msgspec import structs

from proxy.context import Controls, RequestContext
from proxy.errors import DeadlineExceeded, NoHealthyTarget
from proxy.failover.again import Again
from proxy.failover.budget import Budgets
from proxy.failover.course import Course, Courses, Surroundings
from proxy.failover.hedging import Hedging
from proxy.failover.stopping import NOTHING_CREATED
from proxy.health.board import HealthBoard
from proxy.policy.faults import ACTIONS, Fault, FaultKind
from proxy.policy.routes import Breaker, Hedge, Retries, Retry
from proxy.policy.targets import Asking, Candidate, Facts, Limits, Plan, Route, Target
from proxy.protocols import Step
from proxy.wire.endpoints import CHAT, IMAGES
from tests.support.clock import FakeClock

LIMITS = Limits(connect=1, first_byte=1, idle=1, total=1)


def candidate(provider: str, **options: Any) -> Candidate:
    return Candidate(target=Target(provider=provider, model="m", limits=LIMITS), **{"model": "fast", **options})


A, B, C = candidate("a"), candidate("b"), candidate("c")
SPARE, LONG = candidate("spare", model="spare"), candidate("long", model="long")


USUAL = Retries()
NOTHING: dict[str, Any] = {}


class InOrder:
    """A router that goes through the plan's targets, then the fallbacks."""

    def __init__(
        self, board: HealthBoard, fallbacks: Sequence[Candidate] = (), named: Sequence[Candidate] = ()
    ) -> None:
        self.board = board
        self.fallbacks = fallbacks
        self.named = named

    def plan(self, ctx: RequestContext) -> Plan:
        raise NotImplementedError

    def another(self, ctx: RequestContext, plan: Plan, tried: Sequence[Candidate], fault: Fault) -> Candidate | None:
        action = fault.action
        own = [each for each in self.board.ready(plan.candidates) if each not in tried] if action.elsewhere else []
        rest = self.named if action.named else self.fallbacks if action.elsewhere else ()
        return next(iter((*own, *(each for each in rest if each not in tried))), None)


class World:
    """A clock, a real board, and what the course told."""

    def __init__(
        self,
        *,
        keys: int = 1,
        retries: Retries = USUAL,
        forwards: Sequence[str] = (),
        rng: Random | None = None,
        **routing: Any,
    ) -> None:
        self.clock = FakeClock()
        self.board = HealthBoard(
            Breaker(), provider_keys=dict.fromkeys("abc", keys), forwards=forwards, clock=self.clock, rng=Random(1)
        )
        self.router = InOrder(self.board, **routing)
        self.slept: list[float] = []
        self.followed: list[tuple[str, str]] = []
        self.stopped: list[str] = []
        self.surroundings = Surroundings(
            router=self.router,
            board=self.board,
            budgets=Budgets(self.clock),
            hedging=Hedging(self.clock),
            retries=retries,
            clock=self.clock,
            rng=rng or Random(2),
            sleep=self.sleep,
            followed=lambda kind, role: self.followed.append((kind, role)),
            stopped=self.stopped.append,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def course(
        self,
        *own: Candidate,
        attempts: int = 3,
        plan: Callable[[Plan], Plan] = lambda plan: plan,
        ctx: dict[str, Any] = NOTHING,
        **route: Any,
    ) -> Course:
        """``plan`` changes the plan that is made of ``own``; ``ctx`` sets fields of the context, ``route`` those of the route."""
        retry = Retry(attempts=attempts)
        made = Plan(
            route=Route(label="fast", candidates=own, **{"retry": retry, **route}),
            candidates=own,
            chosen=own[0],
            attempts=attempts,
        )
        context = RequestContext(request_id="r", **{"endpoint": CHAT, "body": b'{"model":"fast"}', **ctx})
        context.plan = plan(made)
        return Courses(self.surroundings).course(context)


def fault(kind: FaultKind, **members: Any) -> Fault:
    return Fault(kind=kind, **members)


async def walk(course: Course, *faults: Fault | FaultKind) -> list[str]:
    """``provider#key role`` of each step, each failing with the next fault."""
    step: Step | None = await course.first()
    seen = []
    for each in faults:
        assert step is not None
        seen.append(f"{step.candidate.target.provider}#{step.lease.key} {step.role}")
        step = await course.after(step, each if isinstance(each, Fault) else fault(each))
    if step is not None:
        seen.append(f"{step.candidate.target.provider}#{step.lease.key} {step.role}")
        step.lease.first_output(0.1)
        step.lease.close()
    return seen


def idle(world: World, *targets: Candidate) -> bool:
    """Was every place given back?"""
    return all(world.board.inflight(each) == 0 for each in targets)


# ---- the order of what is tried -------------------------------------------------------------------------------------


async def test_a_target_that_is_well_is_entered_at_once() -> None:
    world = World()
    course = world.course(A, B)
    step = course.at_once()
    assert step is not None
    assert (step.candidate, step.role, world.board.inflight(A)) == (A, "first", 1)


async def test_one_that_takes_nothing_has_to_be_waited_for_or_left() -> None:
    world = World()
    full = candidate("a", capacity=1)
    assert world.board.enter(full) is not None
    course = world.course(full, B)
    assert course.at_once() is None
    assert (await course.first()).candidate == B
    assert world.board.inflight(full) == 1


async def test_no_place_is_kept_when_the_deadline_has_passed() -> None:
    world = World()
    course = world.course(A, ctx={"deadline": world.clock() - 1})
    with pytest.raises(DeadlineExceeded):
        course.at_once()
    assert idle(world, A)


async def test_another_target_comes_first_and_at_once() -> None:
    world = World(fallbacks=(SPARE,))
    course = world.course(A, B, attempts=5)
    assert await walk(course, "server_error", "timeout", "connect") == [
        "a#0 first",
        "b#0 failover",
        "spare#0 fallback",
        "a#0 retry",
    ]
    assert len(world.slept) == 1
    assert course.fallbacks == ["spare"]
    assert world.followed == [("server_error", "failover"), ("timeout", "fallback"), ("connect", "retry")]
    assert idle(world, A, B, SPARE)


@pytest.mark.parametrize("kind", ["rate_limited", "credentials", "quota"])
async def test_another_key_comes_before_a_fallback(kind: FaultKind) -> None:
    world = World(keys=2, fallbacks=(SPARE,))
    first = world.board.enter(A, hint="x")
    assert first is not None
    first.close()
    found = await walk(world.course(A, attempts=5), fault(kind, wait=30.0), fault(kind, wait=30.0))
    assert [each.partition("#")[0] for each in found] == ["a", "a", "spare"]
    assert found[0][2] != found[1][2]
    assert found[1].endswith("retry")
    assert world.slept == []


async def test_a_key_that_is_the_clients_own_is_no_other_key() -> None:
    world = World(forwards=("a",), fallbacks=(SPARE,))
    assert await walk(world.course(A), "rate_limited") == ["a#0 first", "spare#0 fallback"]


@pytest.mark.parametrize("key", [0, 1, 2])
async def test_a_request_bound_to_a_key_stays_with_it(key: int) -> None:
    world = World(keys=3)
    course = world.course(A, B, plan=lambda plan: structs.replace(plan, key=key, bound="a stored response"))
    assert await walk(course, "credentials") == [f"a#{key} first"]
    assert course.stopped == "nothing_left"


async def test_a_lone_target_is_asked_again_after_a_pause() -> None:
    world = World()
    course = world.course(A)
    assert await walk(course, "server_error", "server_error", "server_error") == ["a#0 first", "a#0 retry", "a#0 retry"]
    assert course.stopped == "attempts"
    assert world.stopped == ["attempts"]
    assert 0 <= world.slept[0] <= 0.25
    assert 0 <= world.slept[1] <= 0.5


class Highest(Random):
    """Draws as much as it can."""

    def uniform(self, a: float, b: float) -> float:
        return b


async def test_pauses_double() -> None:
    world = World(rng=Highest())
    await walk(world.course(A, attempts=4), *["server_error"] * 4)
    assert world.slept == [0.25, 0.5, 1.0]


def test_what_asked_for_a_longer_pause_is_not_due() -> None:
    again = Again()
    again.note(A, fault("overloaded", wait=6.0), now=10.0, longest=8.0)
    again.note(B, fault("overloaded", wait=2.0), now=10.0, longest=8.0)
    again.note(C, fault("overloaded", wait=9.0), now=10.0, longest=8.0)
    assert list(again.due(11.9)) == []
    assert list(again.due(12.1)) == [B]
    assert list(again.due(99.0)) == [B, A]
    again.note(B, fault("client"), now=12.1, longest=8.0)
    assert again.soonest() == pytest.approx(16.0, abs=0.01)


async def test_a_short_retry_after_is_waited_for() -> None:
    world = World()
    assert await walk(world.course(A), fault("rate_limited", wait=3.0)) == ["a#0 first", "a#0 retry"]
    assert world.slept[0] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded"])
async def test_a_long_one_is_not(kind: FaultKind) -> None:
    world = World()
    course = world.course(A)
    assert await walk(course, fault(kind, wait=30.0)) == ["a#0 first"]
    assert course.stopped == "nothing_left"
    assert world.slept == []


async def test_of_two_targets_the_one_that_may_be_asked_sooner_is_asked_again() -> None:
    world = World()
    course = world.course(A, B)
    found = await walk(course, fault("overloaded", wait=6.0), fault("overloaded", wait=2.0))
    assert found == ["a#0 first", "b#0 failover", "b#0 retry"]
    assert world.slept[0] == pytest.approx(2.0, abs=0.01)


async def test_a_lone_rate_limited_target_without_a_retry_after_keeps_being_asked() -> None:
    world = World()
    assert await walk(world.course(A), "rate_limited") == ["a#0 first", "a#0 retry"]


async def test_what_only_named_fallbacks_cure_goes_to_them_alone() -> None:
    world = World(fallbacks=(SPARE,), named=(LONG,))
    assert await walk(world.course(A, B), "context_length") == ["a#0 first", "long#0 fallback"]
    bare = World(fallbacks=(SPARE,))
    course = bare.course(A, B)
    assert await walk(course, "server_error", "content_policy") == ["a#0 first", "b#0 failover"]
    assert course.stopped == "nothing_left"
    assert bare.slept == []


async def test_the_clients_own_mistake_goes_back_at_once() -> None:
    world = World(fallbacks=(SPARE,))
    course = world.course(A, B)
    assert await walk(course, "client") == ["a#0 first"]
    assert course.stopped == "client"
    assert world.board.state(A) == "ready"


@pytest.mark.parametrize("kind", ACTIONS)
async def test_every_fault_does_what_the_table_says(kind: FaultKind) -> None:
    action = ACTIONS[kind]
    world = World(fallbacks=(SPARE,), named=(LONG,))
    found = await walk(world.course(A, B), kind)
    if action.elsewhere:
        assert found == ["a#0 first", "b#0 failover"]
    else:
        assert found == (["a#0 first", "long#0 fallback"] if action.named else ["a#0 first"])
    alone = World()
    again = await walk(alone.course(A), kind)
    assert again == (["a#0 first", "a#0 retry"] if action.again else ["a#0 first"])
    assert idle(alone, A)


# ---- what holds it back ---------------------------------------------------------------------------------------------


async def test_the_tries_of_the_plan_are_all_there_are() -> None:
    world = World(fallbacks=(SPARE,))
    course = world.course(A, B, C, attempts=2)
    assert await walk(course, "connect", "connect") == ["a#0 first", "b#0 failover"]
    assert course.stopped == "attempts"
    once = world.course(A, B, attempts=1)
    assert await walk(once, "connect") == ["a#0 first"]


async def test_a_limit_of_ours_is_no_try() -> None:
    world = World(retries=Retries(ratio=0, per_second=0))
    course = world.course(A, B, C, attempts=1)
    assert await walk(course, "limited_here", "limited_here") == ["a#0 first", "b#0 failover", "c#0 failover"]


async def test_the_budget_is_of_the_upstream_it_began_with() -> None:
    world = World(retries=Retries(ratio=0, per_second=0.1))
    assert await walk(world.course(A, B), "connect") == ["a#0 first", "b#0 failover"]
    course = world.course(A, B)
    assert await walk(course, "connect") == ["a#0 first"]
    assert course.stopped == "budget"
    assert await walk(world.course(B, A), "connect") == ["b#0 first", "a#0 failover"]
    assert idle(world, A, B)


async def test_all_tries_share_the_deadline() -> None:
    world = World()
    course = world.course(A, B, ctx={"deadline": world.clock.now + 1.0})
    step = await course.first()
    world.clock.advance(0.96)
    assert await course.after(step, fault("timeout")) is None
    assert course.stopped == "deadline"


async def test_a_pause_that_the_deadline_forbids_is_not_begun() -> None:
    world = World()
    course = world.course(A, ctx={"deadline": world.clock.now + 1.0})
    assert await walk(course, fault("rate_limited", wait=1.0)) == ["a#0 first"]
    assert (course.stopped, world.slept) == ("deadline", [])


async def test_nothing_begins_after_the_deadline() -> None:
    world = World()
    course = world.course(A, ctx={"deadline": world.clock.now - 1.0})
    with pytest.raises(DeadlineExceeded):
        await course.first()
    assert idle(world, A)


@pytest.mark.parametrize("kind", ACTIONS)
async def test_what_may_create_something_is_sent_twice_only_if_nothing_was_begun(kind: FaultKind) -> None:
    world = World(named=(LONG,))
    course = world.course(A, B, ctx={"endpoint": IMAGES})
    found = await walk(course, kind)
    if kind in NOTHING_CREATED:
        assert len(found) == 2
    else:
        assert course.stopped == ("client" if kind == "client" else "not_replayable")


async def test_a_body_that_was_streamed_is_not_sent_twice() -> None:
    world = World()
    course = world.course(A, B, ctx={"upload": object()})
    assert await walk(course, "connect") == ["a#0 first"]
    assert course.stopped == "not_replayable"


# ---- where it begins ------------------------------------------------------------------------------------------------


def spoil(world: World, target: Candidate, kind: FaultKind, times: int = 1, **members: Any) -> None:
    for _ in range(times):
        lease = world.board.enter(target)
        assert lease is not None
        lease.failed(fault(kind, **members))
        lease.close()


async def test_a_choice_that_went_bad_meanwhile_is_replaced() -> None:
    world = World()
    spoil(world, A, "server_error", 5)
    assert await walk(world.course(A, B)) == ["b#0 first"]


async def test_one_target_with_faults_alone_is_left() -> None:
    world = World()
    spoil(world, A, "server_error", 5)
    world.clock.advance(1.5)
    spoil(world, B, "server_error", 5)
    assert len(await walk(world.course(A, B))) == 1


async def test_a_fallback_stands_in_for_a_route_that_rests() -> None:
    world = World(fallbacks=(SPARE,))
    spoil(world, A, "rate_limited", wait=20.0)
    course = world.course(A)
    assert await walk(course) == ["spare#0 fallback"]
    assert course.fallbacks == ["spare"]


async def test_nobody_is_left() -> None:
    world = World()
    spoil(world, A, "rate_limited", wait=12.5)
    spoil(world, B, "rate_limited", wait=20.0)
    course = world.course(A, B)
    with pytest.raises(NoHealthyTarget) as raised:
        await course.first()
    assert "a/m: cooling for 13 s; b/m: cooling for 20 s" in raised.value.message
    assert dict(raised.value.headers)[b"retry-after"] == b"13"


async def test_a_connection_that_died_is_renewed_once_besides_the_tries_and_from_their_budget() -> None:
    world = World(retries=Retries(per_second=0.3))
    course = world.course(A)
    step: Step | None = await course.first()
    assert course.anew()
    assert not course.anew(), "once"
    for _ in range(2):
        assert step is not None
        step = await course.after(step, fault("dropped"))
    assert step is not None
    assert await course.after(step, fault("dropped")) is None
    assert course.stopped == "attempts"
    lone = world.course(A, attempts=1)
    await lone.first()
    assert lone.anew() is False, "the budget of this upstream is used up"


async def test_where_there_is_one_try_a_renewal_is_besides_it() -> None:
    world = World()
    course = world.course(A, attempts=1)
    await course.first()
    assert course.anew()
    late = world.course(A, attempts=3, ctx={"deadline": world.clock() + 0.01})
    world.clock.advance(1.0)
    with pytest.raises(DeadlineExceeded):
        await late.first()
    assert not late.anew()


async def test_a_rest_that_is_over_in_a_moment_is_a_second() -> None:
    world = World()
    spoil(world, A, "rate_limited", wait=0.2)
    with pytest.raises(NoHealthyTarget) as raised:
        await world.course(A).first()
    assert dict(raised.value.headers)[b"retry-after"] == b"1"


async def test_a_full_target_is_waited_for() -> None:
    full = candidate("a", capacity=1, queue=5.0)
    world = World(fallbacks=(SPARE,))
    held = world.board.enter(full)
    assert held is not None
    waited: list[str] = []

    async def wait(target: Candidate, tenant: str) -> bool:
        waited.append(target.place)
        assert held is not None
        held.close()
        return True

    world.board.wait = wait  # type: ignore[method-assign]
    assert await walk(world.course(full)) == ["a#0 first"]
    assert waited == ["a/m"]


async def test_a_full_target_without_a_queue_is_not() -> None:
    full = candidate("a", capacity=1)
    world = World()
    held = world.board.enter(full)
    with pytest.raises(NoHealthyTarget, match="a/m: full for 1 s"):
        await world.course(full).first()
    assert held is not None


# ---- hedging and continuation ---------------------------------------------------------------------------------------

HEDGE = Hedge(after=1.0)


async def test_a_second_target_starts() -> None:
    world = World(fallbacks=(SPARE,))
    course = world.course(A, B, hedge=HEDGE)
    step = await course.first()
    assert course.hedge_after(step) == 1.0
    second = await course.second(step)
    assert second is not None
    assert (second.candidate, second.role) == (B, "hedge")
    assert course.hedge_after(step) is None
    assert await course.second(step) is None
    course.raced(second, step, 12)


async def test_the_live_percentile_decides_where_no_delay_is_set() -> None:
    world = World()
    for _ in range(100):
        lease = world.board.enter(A)
        assert lease is not None
        lease.first_output(0.5)
        lease.close()
    course = world.course(A, B, hedge=Hedge())
    delay = course.hedge_after(await course.first())
    assert delay == pytest.approx(0.5, rel=0.2)
    unknown = world.course(B, A, hedge=Hedge())
    assert unknown.hedge_after(await unknown.first()) is None


@pytest.mark.parametrize(
    ("own", "options"),
    [
        ((A,), {}),
        ((A, B), {"attempts": 1}),
        ((A, B), {"ctx": {"endpoint": IMAGES}}),
        ((A, B), {"ctx": {"upload": object()}}),
        ((A, B), {"ctx": {"controls": Controls(hedge=False)}}),
        ((A, B), {"ctx": {"deadline": 1000.9}}),
        ((A, B), {"hedge": None}),
        ((A, B), {"hedge": None, "ctx": {"controls": Controls(hedge=True)}}),
        ((A, B), {"plan": lambda plan: structs.replace(plan, bound="a file")}),
    ],
)
async def test_no_hedging(own: tuple[Candidate, ...], options: dict[str, Any]) -> None:
    world = World()
    course = world.course(*own, **{"hedge": HEDGE, **options})
    assert course.hedge_after(await course.first()) is None


async def test_a_lone_target_is_hedged_by_its_fallback() -> None:
    world = World(fallbacks=(SPARE,))
    course = world.course(A, hedge=HEDGE, fallbacks=("spare",))
    step = await course.first()
    assert course.hedge_after(step) == 1.0
    second = await course.second(step)
    assert second is not None
    assert second.candidate == SPARE


async def test_a_client_can_do_without_hedging_and_not_ask_for_it() -> None:
    for wanted, configured, found in (
        (None, HEDGE, HEDGE),
        (True, HEDGE, HEDGE),
        (True, None, None),
        (False, HEDGE, None),
    ):
        course = World().course(A, B, hedge=configured, ctx={"controls": Controls(hedge=wanted)})
        assert course.hedge == found


async def test_whichever_of_a_race_fails_counts_against_hedging() -> None:
    """Both of every race, so that more than half of all tries failed."""
    told: list[str] = []
    world = World()
    world.surroundings.hedging.failed = told.append  # type: ignore[method-assign]
    course = world.course(A, B, hedge=HEDGE, attempts=2)
    step = await course.first()
    second = await course.second(step)
    assert second is not None
    course.failed(step, fault("timeout"))
    assert await course.after(second, fault("server_error")) is None
    assert course.stopped == "attempts"
    assert told == ["fast", "fast"]
    assert idle(world, A, B)


async def test_one_of_a_race_that_was_not_sent_is_no_try() -> None:
    world = World()
    course = world.course(A, B, C, hedge=HEDGE, attempts=2)
    step = await course.first()
    second = await course.second(step)
    assert second is not None
    course.failed(second, fault("limited_here"))
    found = await course.after(step, fault("timeout"))
    assert found is not None
    assert found.candidate == C


async def test_others_that_are_as_slow_are_no_hedge() -> None:
    world = World()
    for _ in range(100):
        lease = world.board.enter(B)
        assert lease is not None
        lease.first_output(3.0)
        lease.close()
    course = world.course(A, B, hedge=HEDGE)
    assert await course.second(await course.first()) is None
    assert world.board.inflight(B) == 0


async def test_the_allowance_holds_over_requests() -> None:
    world = World()
    started = 0
    for _ in range(1000):
        course = world.course(A, B, hedge=HEDGE)
        step = await course.first()
        second = await course.second(step) if course.hedge_after(step) is not None else None
        if second is not None:
            started += 1
            second.lease.close()
            course.raced(step, second, None)
        step.lease.close()
    assert started == 50


async def test_what_a_loser_really_cost_is_what_counts() -> None:
    priced = [candidate(name, facts=Facts(input_price=2_000_000, output_price=0)) for name in "ab"]
    for spent, affordable in ((0, True), (None, True), (10_000, False)):
        world = World()
        course = world.course(*priced, hedge=HEDGE, plan=lambda plan: structs.replace(plan, asking=Asking(prompt=1000)))
        step = await course.first()
        second = await course.second(step)
        assert second is not None
        course.raced(step, second, spent)
        following = world.course(*priced, hedge=HEDGE)
        assert (following.hedge_after(await following.first()) is not None) is affordable


async def test_errors_turn_hedging_off() -> None:
    world = World(retries=Retries(ratio=1))
    for _ in range(20):
        course = world.course(A, B, hedge=HEDGE)
        step = await course.first()
        again = await course.after(step, fault("overloaded"))
        if again is not None:
            again.lease.close()
    course = world.course(A, B, hedge=HEDGE)
    assert course.hedge_after(await course.first()) is None


async def test_an_answer_that_broke_off_goes_on_where_it_can() -> None:
    able = candidate("b", continues=True)
    world = World()
    course = world.course(A, able, continues=True)
    step = await course.first()
    found = course.continuation(step)
    assert found is not None
    assert (found.candidate, found.role) == (able, "continuation")
    assert course.continuation(found) is None
    plain = world.course(A, able)
    assert plain.continuation(await plain.first()) is None
    last = world.course(A, able, continues=True, attempts=1)
    assert last.continuation(await last.first()) is None


async def test_a_request_without_a_plan_is_a_bug() -> None:
    with pytest.raises(ValueError, match="plan"):
        Courses(World().surroundings).course(RequestContext(request_id="r"))
