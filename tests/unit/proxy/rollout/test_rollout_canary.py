"""Trials of changed configurations: their halves, their arms, their end."""

from random import Random

import pytest

from proxy.config import Config
from proxy.config.traffic import Account, Model, Provider, Target
from proxy.context import Attempt, RequestContext
from proxy.policy.faults import Fault
from proxy.policy.routes import Canary as Rule
from proxy.policy.routes import Shadow
from proxy.rollout.canary import Canary, Trial
from proxy.rollout.halves import ROUTING, base_of
from proxy.rollout.observed import ArmTelemetry
from proxy.rollout.split import Split
from tests.support.clock import FakeClock
from tests.support.fakes import FakeTelemetry

RULE = Rule(share=0.25, seconds=60, minimum=20)


class Records:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.said: list[str] = []

    def began(self, share: float, seconds: float) -> None:
        self.told.append(("began",))

    def judged(self, arm: str, result: str) -> None:
        self.told.append((arm, result))

    def ended(self, verdict: str, said: str) -> None:
        self.told.append(("ended", verdict))
        self.said.append(said)


def answered(fault: bool = False) -> RequestContext:
    ctx = RequestContext(request_id="r", status=502 if fault else 200, outcome="upstream_error" if fault else "ok")
    ctx.attempts = [Attempt(provider="p", model="m", started=0.0, fault=Fault(kind="connect") if fault else None)]
    return ctx


class Stand:
    """A canary with its clock, records and words."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.records = Records()
        self.words: list[str] = []
        self.canary = Canary(clock=self.clock, random=Random(5), records=self.records, tell=self.words.append)

    def requests(self, trial: Trial, *, good: int = 0, bad: int = 0, base: int = 0) -> None:
        for fault in [False] * good + [True] * bad:
            trial.note(trial.trial, answered(fault))
        for _ in range(base):
            trial.note(trial.base, answered())


# ---- halves ---------------------------------------------------------------------------------------------------------

OLD = Config(
    providers={"p": Provider(use="openai", base_url="http://one/v1")},
    models={"fast": Model(targets=(Target(provider="p", model="a"),))},
)


def test_the_base_has_the_old_routing_and_the_new_rest() -> None:
    new = Config(
        providers={"p": Provider(use="openai", base_url="http://two/v1")},
        models={"fast": Model(targets=(Target(provider="p", model="b"),), shadow=Shadow(model="x", share=1.0))},
        accounts={"acme": Account()},
        canary=RULE,
    )
    base = base_of(OLD, new)
    assert base is not None
    assert (base.providers, base.models) == (OLD.providers, OLD.models)
    assert (base.accounts, base.canary) == (new.accounts, new.canary)


def test_a_change_of_the_rest_is_no_trial() -> None:
    assert base_of(OLD, Config(providers=OLD.providers, models=OLD.models, accounts={"acme": Account()})) is None


def test_every_section_is_in_one_half() -> None:
    assert set(ROUTING) < set(Config.__struct_fields__)
    assert set(Config.__struct_fields__) - set(ROUTING) == {
        "server", "auth", "admin", "keys", "accounts", "catalogue", "limits", "canary", "cache", "storage", "ledger", "state", "telemetry",
    }  # fmt: skip


# ---- trials ---------------------------------------------------------------------------------------------------------


def test_a_share_of_the_requests_is_chosen() -> None:
    trial = Stand().canary.begin(RULE, "d")
    assert 900 < sum(trial.choose() for _ in range(4000)) < 1100


def test_a_bad_trial_is_taken_back_and_remembered() -> None:
    stand = Stand()
    trial = stand.canary.begin(RULE, "d1")
    stand.requests(trial, bad=9, base=30)
    assert stand.canary.look() is None
    stand.requests(trial, bad=1)
    end = stand.canary.look()
    assert end is not None
    assert not end.kept
    assert "10 of 10 requests failed (0 of 30 without it)" in end.said
    assert stand.canary.refusal == end.said
    assert stand.canary.look() is None
    assert stand.records.told[-1] == ("ended", "failing")
    assert stand.words == ["canary d1 failing"]


def test_a_good_trial_is_kept_when_its_time_is_over() -> None:
    stand = Stand()
    trial = stand.canary.begin(RULE, "d1")
    stand.requests(trial, good=20, base=60)
    stand.clock.advance(59.9)
    assert stand.canary.look() is None
    stand.clock.advance(0.1)
    end = stand.canary.look()
    assert end is not None
    assert end.kept
    assert stand.canary.refusal == ""
    assert stand.records.told[-1] == ("ended", "promoted")
    assert stand.words == ["canary d1 promoted"]


def test_another_configuration_ends_a_trial_and_forgets_a_refusal() -> None:
    stand = Stand()
    stand.requests(stand.canary.begin(RULE, "d1"), bad=10)
    stand.canary.look()
    assert stand.canary.refusal
    stand.canary.begin(RULE, "d2")
    assert stand.canary.refusal == ""
    stand.canary.end()
    assert stand.records.told[-1] == ("ended", "superseded")
    assert stand.canary.trial is None
    assert stand.canary.look() is None


@pytest.mark.parametrize(("word", "kept"), [("canary d1 promoted", True), ("canary d1 errors", False)])
def test_what_another_worker_found_holds_here(word: str, kept: bool) -> None:
    stand = Stand()
    stand.canary.begin(RULE, "d1")
    for nothing in ("", "keys", "canary d2 promoted", "canary"):
        stand.canary.heard(nothing)
        assert stand.canary.look() is None
    stand.canary.heard(word)
    end = stand.canary.look()
    assert end is not None
    assert end.kept == kept
    assert stand.words == []


def test_what_was_seen_here_is_not_made_good_elsewhere() -> None:
    stand = Stand()
    trial = stand.canary.begin(RULE, "d1")
    stand.requests(trial, bad=10)
    stand.canary.heard("canary d1 promoted")
    end = stand.canary.look()
    assert end is not None
    assert not end.kept


def test_words_without_a_trial_are_nothing() -> None:
    stand = Stand()
    stand.canary.heard("canary d1 promoted")
    assert stand.canary.look() is None


def test_an_arms_telemetry_notes_and_passes_on() -> None:
    stand, inner = Stand(), FakeTelemetry()
    trial = stand.canary.begin(RULE, "d")
    telemetry = ArmTelemetry(inner, trial, trial.base)
    ctx = answered()
    telemetry.record(ctx, 5.0)
    telemetry.settler_failed("s", ValueError())
    telemetry.unexpected(ctx, ValueError())
    assert (trial.base.figures().requests, trial.trial.figures().requests) == (1, 0)
    assert inner.records == [(ctx, 5.0)]
    assert inner.failures == ["s"]
    assert len(inner.bugs) == 1


async def test_a_route_draws_for_each_request() -> None:
    seen: list[str] = []

    async def base(scope: object, receive: object, send: object) -> None:
        seen.append("base")

    async def trial(scope: object, receive: object, send: object) -> None:
        seen.append("trial")

    draws = iter([True, False, True])
    split = Split(base, trial, lambda: next(draws))
    for _ in range(3):
        await split({}, None, None)  # type: ignore[arg-type]
    assert seen == ["trial", "base", "trial"]
