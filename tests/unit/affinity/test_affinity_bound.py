"""Never silently elsewhere: what one place made goes there or nowhere, whatever the route would allow else."""

from collections.abc import Callable
from random import Random

import pytest
from msgspec import structs

from proxy.context import Controls, Limits, Principal, RequestContext, Target
from proxy.errors import InvalidRequest, NoHealthyTarget
from proxy.failover.budget import Budgets
from proxy.failover.course import Course, Courses, Surroundings
from proxy.failover.hedging import Hedging
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker, Hedge, Retries, Retry
from proxy.policy.targets import Candidate, Route
from proxy.protocols import Step
from proxy.routing.directory import Directory
from proxy.routing.policies import policies
from proxy.routing.router import Router
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import PASSTHROUGH, RESPONSES, Endpoint
from tests.support.clock import FakeClock

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=10.0)
KEYS = {"one": 2, "two": 1, "three": 1}
RATE_LIMITED = Fault(kind="rate_limited", status=429, wait=30.0)
DOWN = Fault(kind="connect")


def target(provider: str, model: str = "m") -> Target:
    return Target(provider=provider, model=model, limits=LIMITS)


def route(*providers: str) -> Route:
    return Route(
        label="fast",
        candidates=tuple(Candidate(target=target(name), model="fast") for name in providers),
        retry=Retry(attempts=5),
        hedge=Hedge(after=0.1),
        continues=True,
        fallbacks=("other",),
    )


class Place:
    """A gateway whose ``fast`` leads to providers one and two and falls back to three; ``one`` has two keys and gets what has no model."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.slept: list[float] = []
        every = {"one": target("one", "*"), "two": target("two", "*"), "three": target("three", "*")}
        models = {"fast": route("one", "two"), "other": structs.replace(route("three"), label="other", fallbacks=())}
        directory = Directory(models=models, providers=every, catalogued=(), passthrough="one")
        self.board = HealthBoard(
            Breaker(consecutive=2, cooldown=20.0), provider_keys=KEYS, clock=self.clock, rng=Random(1)
        )
        self.router = Router(
            directory=directory,
            board=self.board,
            policies=policies(None),
            scored=False,
            admin_paths=False,
            providers_use={"one": "openai", "two": "azure", "three": "openai"},
            clock=self.clock,
            wall=self.clock,
            rng=Random(1),
        )

    def ctx(self, bound: str, *, endpoint: Endpoint = RESPONSES, model: str | None = "fast") -> RequestContext:
        ctx = RequestContext(
            request_id="r",
            endpoint=endpoint,
            path="/responses" if endpoint is RESPONSES else "/files/file-1",
            method="POST" if endpoint is RESPONSES else "GET",
            started=self.clock(),
            body=b'{"model":"fast","input":"hello"}' if model else b"",
            request=RequestView(model=model, stream=True),
            principal=Principal(name="app", tenant="app"),
        )
        ctx.bound = bound
        return ctx

    def course(self, ctx: RequestContext) -> Course:
        ctx.plan = self.router.plan(ctx)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.advance(seconds)

        surroundings = Surroundings(
            router=self.router,
            board=self.board,
            budgets=Budgets(self.clock),
            hedging=Hedging(self.clock),
            retries=Retries(ratio=1.0, per_second=100.0),
            clock=self.clock,
            rng=Random(1),
            sleep=sleep,
            followed=lambda kind, role: None,
            stopped=lambda reason: None,
        )
        return Courses(surroundings).course(ctx)

    def rest(self, provider: str, key: int, fault: Fault = RATE_LIMITED) -> None:
        """The next try there fails."""
        lease = self.board.enter(Candidate(target=target(provider), model="fast"), key=key)
        assert lease is not None
        lease.failed(fault)
        lease.close()


def where(step: Step) -> str:
    return f"{step.candidate.target.provider}#{step.lease.key}"


@pytest.mark.parametrize("bound", ["one#0", "one#1", "two#0"])
async def test_it_goes_where_it_is_bound_to(bound: str) -> None:
    place = Place()
    for _ in range(20):
        step = await place.course(place.ctx(bound)).first()
        assert where(step) == bound
        step.lease.close()


async def test_any_key_of_a_provider_may_do() -> None:
    place = Place()
    place.rest("one", 0)
    assert where(await place.course(place.ctx("one")).first()) == "one#1"


@pytest.mark.parametrize("bound", ["one#1", "two#0", "three#0"])
async def test_a_path_without_a_model_goes_there_too(bound: str) -> None:
    place = Place()
    assert where(await place.course(place.ctx(bound, endpoint=PASSTHROUGH, model=None)).first()) == bound
    free = place.ctx("", endpoint=PASSTHROUGH, model=None)
    assert (await place.course(free).first()).candidate.target.provider == "one"


@pytest.mark.parametrize("bound", ["two#0", "one#1"])
@pytest.mark.parametrize("model", ["fast", None])
async def test_while_it_rests_nobody_else_is_asked_and_afterwards_it_works(bound: str, model: str | None) -> None:
    place = Place()
    endpoint = RESPONSES if model else PASSTHROUGH
    name, _, key = bound.partition("#")
    lease = place.board.enter(place.router.plan(place.ctx(bound, endpoint=endpoint, model=model)).chosen, key=int(key))
    assert lease is not None
    lease.failed(RATE_LIMITED)
    lease.close()
    with pytest.raises(NoHealthyTarget) as refused:
        await place.course(place.ctx(bound, endpoint=endpoint, model=model)).first()
    assert refused.value.status == 503
    assert name in refused.value.message
    assert int(dict(refused.value.headers)[b"retry-after"]) >= 1
    free = await place.course(place.ctx("", endpoint=endpoint, model=model)).first()
    assert where(free) != bound
    free.lease.close()
    place.clock.advance(31.0)
    assert where(await place.course(place.ctx(bound, endpoint=endpoint, model=model)).first()) == bound


@pytest.mark.parametrize(
    "fault", [RATE_LIMITED, DOWN, Fault(kind="server_error", status=500), Fault(kind="credentials", status=401)]
)
@pytest.mark.parametrize("bound", ["one#0", "two#0"])
async def test_no_fault_sends_it_elsewhere(bound: str, fault: Fault) -> None:
    place = Place()
    course = place.course(place.ctx(bound))
    step: Step | None = await course.first()
    tried = []
    while step is not None:
        tried.append(where(step))
        step = await course.after(step, fault)
    assert set(tried) == {bound}


async def test_unbound_the_same_faults_do() -> None:
    place = Place()
    course = place.course(place.ctx(""))
    step: Step | None = await course.first()
    tried = []
    while step is not None:
        tried.append(where(step))
        step = await course.after(step, RATE_LIMITED)
    assert {each.partition("#")[0] for each in tried} == {"one", "two", "three"}


async def test_neither_hedging_nor_continuation_sends_it_elsewhere() -> None:
    for bound, hedged in (("", True), ("one#0", False)):
        place = Place()
        ctx = place.ctx(bound)
        ctx.controls = Controls(hedge=True)
        for _ in range(50):
            course = place.course(ctx)
            step = await course.first()
            step.lease.first_output(0.1)
            step.lease.close()
        course = place.course(ctx)
        step = await course.first()
        assert (course.hedge_after(step) is not None) is hedged
        if not hedged:
            assert await course.second(step) is None
            assert course.continuation(step) is None


REFUSED: list[tuple[str, Callable[[Place, str], RequestContext]]] = [
    ("three#0", lambda place, bound: structs.replace(place.ctx(bound), request=RequestView(model="two/m"))),
    ("gone#0", lambda place, bound: place.ctx(bound)),
    ("gone#0", lambda place, bound: place.ctx(bound, endpoint=PASSTHROUGH, model=None)),
]


@pytest.mark.parametrize(("bound", "make"), REFUSED)
async def test_what_the_name_does_not_lead_to_is_refused(
    bound: str, make: Callable[[Place, str], RequestContext]
) -> None:
    place = Place()
    with pytest.raises(InvalidRequest, match=bound.partition("#")[0]) as error:
        place.router.plan(make(place, bound))
    assert error.value.code == "bound_elsewhere"
