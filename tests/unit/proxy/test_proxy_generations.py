"""Which configuration serves: at once, on trial, promoted, taken back, overtaken."""

from random import Random
from typing import cast

from msgspec import Struct
from starlette.types import ASGIApp

from proxy.config import Config, Loaded
from proxy.config.traffic import Account, Provider
from proxy.context import Attempt, RequestContext
from proxy.generations import Generations, Staging
from proxy.local.health import State
from proxy.policy.faults import Fault
from proxy.policy.routes import Canary as Rule
from proxy.rollout.canary import Canary, Trial
from proxy.rollout.split import Split
from proxy.services import Services
from proxy.surface import Build
from proxy.wire.endpoints import CHAT, Endpoint
from tests.support.clock import FakeClock

RULE = Rule(share=0.5, seconds=60, minimum=10)


class Records:
    """Is told and keeps nothing."""

    def began(self, share: float, seconds: float) -> None: ...
    def judged(self, arm: str, result: str) -> None: ...
    def ended(self, verdict: str, said: str) -> None: ...


class Made(Struct, frozen=True):
    """Stands for a generation."""

    config: Config
    authenticator: int
    arm: str
    beside: Config | None


class Stand:
    """Generations of stand-ins, and the chains that they made."""

    def __init__(self, config: Config) -> None:
        self.clock = FakeClock()
        self.state = State()
        self.canary = Canary(clock=self.clock, random=Random(1), records=Records())
        self.made: list[Made] = []
        self.generations = Generations(config, make=self.make, chain=self.chain, canary=self.canary, state=self.state)
        self.served: ASGIApp = self.generations.build(CHAT, None)
        self.generations.show(self.rebuild)

    def make(self, config: Config, staging: Staging | None = None) -> Services:
        arm, beside = (staging.arm.name, staging.beside) if staging is not None else ("", None)
        self.made.append(Made(config, len(self.made), arm, beside))
        return cast(Services, self.made[-1])

    def chain(self, endpoint: Endpoint, path: str | None, services: Services) -> ASGIApp:
        return cast(ASGIApp, services)

    def rebuild(self, build: Build) -> None:
        self.served = build(CHAT, None)

    def take(self, config: Config, digest: str = "d") -> None:
        self.generations.take(
            Loaded(config=config, path=None, origins={}, sources=(), contents={}, warnings=(), digest=digest)
        )

    @property
    def arms(self) -> tuple[Made, Made]:
        """What serves the base and the trial."""
        assert isinstance(self.served, Split)
        return cast(Made, self.served._base), cast(Made, self.served._trial)

    @property
    def trial(self) -> Trial:
        assert self.canary.trial is not None
        return self.canary.trial

    def fail(self) -> None:
        """Ten requests of the trial that nobody answered."""
        for _ in range(10):
            ctx = RequestContext(request_id="r", outcome="upstream_error", status=502)
            ctx.attempts = [Attempt(provider="p", model="m", started=0.0, fault=Fault(kind="connect"))]
            self.trial.note(self.trial.trial, ctx)


def config(host: str, *, account: str = "acme", canary: Rule | None = RULE) -> Config:
    return Config(
        providers={"p": Provider(use="openai", base_url=f"http://{host}/v1")},
        accounts={account: Account()},
        canary=canary,
    )


def test_without_the_section_a_change_is_in_force_at_once() -> None:
    stand = Stand(config("one"))
    new = config("two", canary=None)
    stand.take(new)
    assert stand.served is stand.made[-1] is stand.generations.current
    assert (stand.made[-1].config, stand.made[-1].arm, stand.canary.trial) == (new, "", None)


def test_a_change_of_the_rest_is_in_force_at_once() -> None:
    stand = Stand(config("one"))
    stand.take(config("one", account="other"))
    assert stand.served is stand.made[-1]
    assert set(stand.made[-1].config.accounts) == {"other"}


def test_changed_routing_is_tried_and_the_rest_holds_for_both() -> None:
    stand = Stand(config("one"))
    new = config("two", account="other")
    stand.take(new)
    base, trial = stand.arms
    assert base.config.providers == config("one").providers
    assert trial.config == new
    assert set(base.config.accounts) == {"other"}
    assert (base.arm, trial.arm) == ("base", "trial")
    assert (base.beside, trial.beside) == (trial.config, base.config)
    assert base.authenticator == trial.authenticator
    assert stand.generations.current.config == base.config


def test_a_bad_change_is_taken_back() -> None:
    stand = Stand(config("one"))
    stand.take(config("two", account="other"))
    assert stand.generations.look() is False
    stand.fail()
    assert stand.generations.look() is True
    assert stand.served is stand.made[-1]
    assert stand.made[-1].config == config("one", account="other")
    assert "taken back" in stand.state.config_error
    assert stand.generations.look() is False


def test_a_good_change_is_kept() -> None:
    stand = Stand(config("one"))
    stand.take(config("two"))
    stand.clock.advance(120)
    assert stand.generations.look() is True
    assert (stand.made[-1].config, stand.made[-1].arm) == (config("two"), "")
    assert stand.state.config_error == ""


def test_a_further_change_keeps_the_base_and_is_tried_itself() -> None:
    stand = Stand(config("one"))
    stand.take(config("two"), "d2")
    stand.take(config("three"), "d3")
    base, trial = stand.arms
    assert (base.config, trial.config) == (config("one"), config("three"))
    assert stand.trial.digest == "d3"


def test_the_old_content_ends_a_trial_and_a_refusal() -> None:
    stand = Stand(config("one"))
    stand.take(config("two"))
    stand.take(config("one"))
    assert stand.served is stand.made[-1]
    assert stand.canary.trial is None
    stand.take(config("two"))
    stand.fail()
    stand.generations.look()
    stand.take(config("one"))
    assert (stand.state.config_error, stand.canary.refusal) == ("", "")
    assert stand.made[-1].config == config("one")


def test_a_refreshed_catalogue_changes_no_trial() -> None:
    stand = Stand(config("one"))
    stand.generations.remake()
    assert stand.made[-1].config == config("one")
    stand.take(config("two"))
    before = stand.trial
    stand.generations.remake()
    base, trial = stand.arms
    assert (base.config, trial.config) == (config("one"), config("two"))
    assert stand.trial is before
    assert base is stand.made[-2]
