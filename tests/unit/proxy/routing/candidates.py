"""Candidates of the tests, and a board whose figures are written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.policy.targets import Candidate, Facts, Figures, Target
from proxy.protocols import Lease
from tests.support.fakes import LIMITS


def candidate(
    provider: str,
    model: str = "m",
    *,
    weight: int = 1,
    public: str = "fast",
    prices: tuple[int, int, int] | None = None,
) -> Candidate:
    """``prices``: micro-dollars per million tokens of input, output and cached input."""
    facts = Facts()
    if prices is not None:
        facts = Facts(input_price=prices[0], output_price=prices[1], cached_price=prices[2])
    target = Target(provider=provider, model=model, limits=LIMITS)
    return Candidate(target=target, model=public, weight=weight, facts=facts)


@dataclass
class FakeBoard:
    """Figures by provider; every target is ready but those in ``resting``."""

    busy: dict[str, int] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    resting: frozenset[str] = frozenset()

    def inflight(self, candidate: Candidate) -> int:
        return self.busy.get(candidate.target.provider, 0)

    def ttft(self, candidate: Candidate) -> float:
        return self.first.get(candidate.target.provider, 0.0)

    def percentile(self, candidate: Candidate, share: float) -> float | None:
        found = self.late.get(candidate.target.provider)
        return found if found is None or share > 0.9 else found / 2

    def ready(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return [each for each in candidates if each.target.provider not in self.resting]

    def state(self, candidate: Candidate) -> str:
        return "open" if candidate.target.provider in self.resting else "ready"

    def percentiles(self, candidates: Sequence[Candidate], share: float) -> list[float | None]:
        return [self.percentile(each, share) for each in candidates]

    def figures(self, candidates: Sequence[Candidate]) -> tuple[Figures, ...]:
        return tuple(Figures(each.place, self.state(each), self.ttft(each), self.inflight(each)) for each in candidates)

    def enter(self, candidate: Candidate, *, key: int = -1, hint: str = "") -> Lease | None:
        raise NotImplementedError

    async def wait(self, candidate: Candidate, tenant: str) -> bool:
        raise NotImplementedError

    def back_in(self, candidates: Sequence[Candidate], *, key: int = -1) -> float:
        raise NotImplementedError
