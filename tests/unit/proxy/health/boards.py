"""Boards, candidates and faults for the tests of health."""

from collections.abc import Collection, Mapping, Sequence
from random import Random

from proxy.errors import RawHeaders
from proxy.health.board import HealthBoard
from proxy.health.changes import Change
from proxy.policy.faults import Fault, FaultKind
from proxy.policy.routes import Breaker
from proxy.policy.targets import Candidate, Limits, Target
from proxy.protocols import Lease
from tests.support.clock import FakeClock

LIMITS = Limits(connect=1.0, first_byte=None, idle=10.0, total=10.0)
BREAKER = Breaker()


def candidate(
    provider: str = "a", model: str = "m", *, capacity: int = 0, queue: float = 0.0, size: int = 100
) -> Candidate:
    """A target as a route names it."""
    target = Target(provider=provider, model=model, limits=LIMITS)
    return Candidate(target=target, model="public", capacity=capacity, queue=queue, queue_size=size)


A, B, C = candidate("a"), candidate("b"), candidate("c")
ALL = (A, B, C)


class Stand:
    """A board with a clock of its own, and what it told."""

    def __init__(
        self,
        keys: Mapping[str, int] = {"a": 1, "b": 1, "c": 1},
        *,
        breaker: Breaker = BREAKER,
        forwards: Collection[str] = (),
        limit: int = 4096,
    ) -> None:
        self.breaker = breaker
        self.clock = FakeClock()
        self.board = HealthBoard(
            breaker, provider_keys=keys, forwards=forwards, clock=self.clock, rng=Random(7), limit=limit
        )
        self.told: list[Change] = []
        self.board.listen(self.told.append)

    def enter(self, candidate: Candidate = A, *, key: int = -1, hint: str = "") -> Lease:
        """A place that must be there."""
        lease = self.board.enter(candidate, key=key, hint=hint)
        assert lease is not None
        return lease

    def fail(self, candidate: Candidate = A, kind: FaultKind = "server_error", *, wait: float | None = None) -> None:
        """One try that fails."""
        lease = self.enter(candidate)
        lease.failed(Fault(kind=kind, wait=wait))
        lease.close()

    def succeed(self, candidate: Candidate = A, seconds: float = 0.1) -> int:
        """One try that does well: the key that it used."""
        lease = self.enter(candidate)
        lease.answered(200, ())
        lease.first_output(seconds)
        lease.close()
        return lease.key

    def open(self, candidate: Candidate = A) -> None:
        """Until its breaker opens."""
        for _ in range(BREAKER.consecutive):
            self.fail(candidate)
        assert self.board.state(candidate) == "open"

    def ready(self, *candidates: Candidate) -> list[str]:
        """Providers of those that are ready."""
        return [each.target.provider for each in self.board.ready(candidates or ALL)]

    def kinds(self) -> Sequence[str]:
        """What was told since the last call."""
        kinds = [change.kind for change in self.told]
        self.told.clear()
        return kinds


def heads(**figures: str) -> RawHeaders:
    """Response headers; ``_`` stands for ``-``."""
    return tuple((name.replace("_", "-").encode(), value.encode()) for name, value in figures.items())
