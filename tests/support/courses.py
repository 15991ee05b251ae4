"""A course and leases by script: what the relay was told, and where it is sent next."""

from collections.abc import Callable, Sequence

from proxy.context import RoutePlan, Target
from proxy.errors import RawHeaders, TollwayError
from proxy.policy.faults import Fault
from proxy.policy.routes import Hedge, SlowStream
from proxy.policy.targets import Candidate, Route
from proxy.protocols import Step
from tests.support.fakes import TARGET


class FakeLease:
    """Notes everything in order: ``answered 200``, ``output``, ``failed connect``, ``closed``."""

    def __init__(self, key: int = 0) -> None:
        self.key = key
        self.told: list[str] = []
        self.faults: list[Fault] = []
        self.seconds = -1.0

    def answered(self, status: int, headers: RawHeaders) -> None:
        self.told.append(f"answered {status}")

    def first_output(self, seconds: float) -> None:
        self.seconds = seconds
        self.told.append("output")

    def failed(self, fault: Fault) -> None:
        self.faults.append(fault)
        self.told.append(f"failed {fault.kind}")

    def close(self) -> None:
        self.told.append("closed")

    @property
    def closed_once(self) -> bool:
        """Was it closed, once, and nothing said afterwards?"""
        return self.told.count("closed") == 1 and self.told[-1] == "closed"


def step_to(target: Target = TARGET, *, wait: float = 0.0, role: str = "first", key: int = 0, **more: object) -> Step:
    """A step at ``target`` with a lease of its own."""
    candidate = Candidate(target=target, model="public", **more)  # type: ignore[arg-type]
    return Step(candidate=candidate, lease=FakeLease(key), role=role, wait=wait)  # type: ignore[arg-type]


class FakeCourse:
    """Its steps one after the other, whatever the faults; ``allow`` says after which of them it goes on."""

    def __init__(
        self,
        *steps: Step | TollwayError,
        allow: Callable[[Fault], bool] = lambda fault: fault.action.again or fault.action.elsewhere,
        hedge: Hedge | None = None,
        hedge_after: float | None = None,
        seconds: Sequence[Step] = (),
        continuations: Sequence[Step] = (),
        slow_stream: SlowStream | None = None,
        ageing: bool = False,
    ) -> None:
        """``ageing``: are there notices about every model?"""
        self.steps = list(steps or (step_to(),))
        self.taken: list[Step] = []
        self.faults: list[Fault] = []
        self.races: list[tuple[Step, Step | None, int | None]] = []
        self.failures: list[tuple[Step, Fault]] = []
        self.renewals = 0
        self.ageing = ageing
        self.hedge = hedge
        self.slow_stream = slow_stream
        self._allow = allow
        self._hedge_after = hedge_after
        self._seconds = list(seconds)
        self._continuations = list(continuations)

    def anew(self) -> bool:
        self.renewals += 1
        return self.renewals == 1

    def _next(self) -> Step:
        step = self.steps.pop(0)
        if isinstance(step, TollwayError):
            raise step
        self.taken.append(step)
        return step

    def at_once(self) -> Step | None:
        return None

    async def first(self) -> Step:
        return self._next()

    async def after(self, step: Step, fault: Fault) -> Step | None:
        assert step in self.taken
        self.faults.append(fault)
        return self._next() if self.steps and self._allow(fault) else None

    def failed(self, step: Step, fault: Fault) -> None:
        self.failures.append((step, fault))

    def notices(self, target: Target) -> RawHeaders:
        return ((b"x-tollway-model-tier", b"deprecated"), (b"sunset", target.model.encode())) if self.ageing else ()

    def hedge_after(self, step: Step) -> float | None:
        return self._hedge_after

    async def second(self, step: Step) -> Step | None:
        if not self._seconds:
            return None
        self.taken.append(self._seconds.pop(0))
        return self.taken[-1]

    def raced(self, winner: Step, loser: Step | None, spent: int | None) -> None:
        self.races.append((winner, loser, spent))

    def continuation(self, step: Step) -> Step | None:
        if not self._continuations:
            return None
        self.taken.append(self._continuations.pop(0))
        return self.taken[-1]

    @property
    def leases(self) -> list[FakeLease]:
        """Of every step that was handed out."""
        return [step.lease for step in self.taken]  # type: ignore[misc]


class FakeCourses:
    """Gives every request a course to its own target, or the one it was made with."""

    def __init__(self, course: FakeCourse | None = None) -> None:
        self.made: list[FakeCourse] = []
        self._course = course

    def course(self, ctx: object) -> FakeCourse:
        target = getattr(ctx, "target", None) or TARGET
        self.made.append(self._course or FakeCourse(step_to(target)))
        return self.made[-1]


def plan_of(*targets: Target, attempts: int = 3) -> RoutePlan:
    """A plan with these targets, the first one chosen."""
    candidates = tuple(Candidate(target=target, model="public") for target in targets or (TARGET,))
    route = Route(label="public", candidates=candidates)
    return RoutePlan(route=route, candidates=candidates, chosen=candidates[0], attempts=attempts)
