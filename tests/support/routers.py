"""A router over a configuration written down in a test, and a board whose states are."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from proxy import generation
from proxy.config import Config, load
from proxy.context import NO_ESTIMATE, Principal, RequestContext, TokenEstimate
from proxy.policy.targets import Candidate, Figures, Plan
from proxy.protocols import Directory, Lease
from proxy.routing.policies import policies
from proxy.routing.router import Router
from proxy.routing.scores import Scores
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, Endpoint
from tests.support.clock import FakeClock

ANYBODY = Principal(name="app", tenant="acme")
TODAY = 1_798_761_600.0
"""2027-01-01."""


class StatedBoard:
    """Every target is ready but those whose place has another state."""

    def __init__(self, **states: str) -> None:
        self.states = {place.replace("__", "/"): state for place, state in states.items()}
        self.back = 12.0

    def state(self, candidate: Candidate) -> str:
        return self.states.get(candidate.place, "ready")

    def ready(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return [each for each in candidates if self.state(each) == "ready"]

    def back_in(self, candidates: Sequence[Candidate], *, key: int = -1) -> float:
        return self.back

    def inflight(self, candidate: Candidate) -> int:
        return 0

    def ttft(self, candidate: Candidate) -> float:
        return 0.0

    def percentile(self, candidate: Candidate, share: float) -> float | None:
        return None

    def percentiles(self, candidates: Sequence[Candidate], share: float) -> list[float | None]:
        return [self.percentile(each, share) for each in candidates]

    def figures(self, candidates: Sequence[Candidate]) -> tuple[Figures, ...]:
        return tuple(Figures(each.place, self.state(each), 0.0, 0) for each in candidates)

    def enter(self, candidate: Candidate, *, key: int = -1, hint: str = "") -> Lease | None:
        raise NotImplementedError

    async def wait(self, candidate: Candidate, tenant: str) -> bool:
        raise NotImplementedError


class Routed:
    """The router of ``text``, a configuration's providers, models and what else it needs."""

    def __init__(self, text: str, *, board: StatedBoard | None = None, scores: Scores | None = None) -> None:
        self.clock, self.wall = FakeClock(), FakeClock(TODAY)
        self.board = board or StatedBoard()
        self.config = load_text(text)
        self.directory = generation.directory(self.config, self.wall)
        self.router: Router = generation.router(
            self.config,
            self.directory,
            board=self.board,
            scores=scores,
            clock=self.clock,
            wall=self.wall,
            rng=Random(1),
        )

    def plan(self, model: str | None = None, **asked: object) -> Plan:
        """The plan of ``context_for(model, **asked)``."""
        return self.router.plan(context_for(model, **asked))  # type: ignore[arg-type]


def router_over(directory: Directory, *, admin: bool = False) -> Router:
    """With targets that are always ready."""
    return Router(
        directory=directory,
        board=StatedBoard(),
        policies=policies(None),
        scored=False,
        admin_paths=admin,
        providers_use={},
        clock=FakeClock(),
        wall=FakeClock(),
        rng=Random(1),
    )


def load_text(text: str) -> Config:
    """``text`` as a configuration in mode ``open``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tollway.yaml")
        file.write_text("auth: {mode: open}\n" + text)
        return load(str(file), {}).config


def context_for(
    model: str | None = None,
    *,
    body: bytes = b"{}",
    endpoint: Endpoint = CHAT,
    path: str = "/chat/completions",
    headers: dict[str, str] | None = None,
    principal: Principal = ANYBODY,
    estimate: TokenEstimate = NO_ESTIMATE,
    models: tuple[str, ...] | None = None,
    choices: int | None = None,
    bound: str = "",
) -> RequestContext:
    """A parsed and counted request."""
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return RequestContext(
        request_id="r",
        endpoint=endpoint,
        path=path,
        started=1000.0,
        raw_headers=raw,
        headers=dict(raw),
        body=body,
        request=RequestView(model=model, models=models, n=choices),
        principal=principal,
        estimate=estimate,
        bound=bound,
    )
