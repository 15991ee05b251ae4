"""The headers that say why: bounded, printable, without secrets."""

from typing import Any

import pytest

from proxy.context import Attempt, RequestContext
from proxy.policy.faults import Fault, FaultKind
from proxy.policy.routes import Slo
from proxy.policy.targets import Asking, Candidate, Plan, Route
from proxy.relay.reasons import LONGEST, fallbacks, reason_header, slo_header, tries
from tests.support.fakes import TARGET

CANDIDATE = Candidate(target=TARGET, model="fast")


def request(*attempts: Attempt, slo: Slo | None = None, **changes: Any) -> RequestContext:
    route = Route(label="fast", candidates=(CANDIDATE,))
    plan = Plan(route=route, candidates=(CANDIDATE,), chosen=CANDIDATE, policy="lowest_cost", asking=Asking(slo=slo))
    ctx = RequestContext(request_id="r", started=10.0, plan=plan)
    ctx.attempts += attempts
    for name, value in changes.items():
        setattr(plan, name, value)
    return ctx


def failed(kind: FaultKind, status: int = 0, model: str = "gpt-5", **more: Any) -> Attempt:
    fault = Fault(kind=kind, status=status, detail="a provider's code")
    return Attempt(provider="openai", model=model, started=1.0, fault=fault, **more)


ANSWER = Attempt(provider="local", model="small", started=2.0, status=200, role="failover")


def test_the_policy_alone_where_nothing_failed() -> None:
    assert reason_header(request(ANSWER)) == b"policy=lowest_cost"
    assert reason_header(RequestContext(request_id="r")) == b""


def test_every_try_that_was_not_the_answer() -> None:
    found = reason_header(request(failed("rate_limited", 429), failed("connect"), ANSWER))
    assert found == b"policy=lowest_cost; openai/gpt-5: rate_limited 429; openai/gpt-5: connect"


def test_the_answer_itself_when_it_is_a_fault_and_a_lost_race() -> None:
    assert reason_header(request(failed("client", 400))) == b"policy=lowest_cost; openai/gpt-5: client 400"
    assert reason_header(request(failed("server_error", status=0), ANSWER)).endswith(b": server_error")
    loser = Attempt(provider="openai", model="gpt-5", started=1.0)
    assert reason_header(request(loser, ANSWER)) == b"policy=lowest_cost; openai/gpt-5: outrun"


def test_why_it_can_go_nowhere_else() -> None:
    ctx = request(ANSWER, bound="it continues what provider 'local' keeps")
    assert reason_header(ctx) == b"policy=lowest_cost; bound: it continues what provider 'local' keeps"


def test_it_is_bounded_printable_and_holds_no_providers_words() -> None:
    found = reason_header(request(*[failed("timeout", model="é\r\nx" * 20)] * 100, ANSWER))
    assert len(found) == LONGEST
    assert found.endswith(b"; ...")
    assert found.decode("ascii").isprintable()
    assert b"code" not in found


def test_fallback_models_are_counted_once() -> None:
    """However many places each of them was asked at."""
    made = [
        failed("timeout", role="first", public="fast"),
        failed("timeout", model="a", role="fallback", public="small"),
        failed("timeout", model="b", role="fallback", public="small"),
    ]
    assert fallbacks(request(*made, ANSWER)) == 1
    last = Attempt(provider="local", model="b", started=1.0, role="fallback", public="other")
    assert fallbacks(request(*made, last)) == 2
    assert fallbacks(request(ANSWER)) == 0
    assert fallbacks(request(last)) == 1, "it stood in at once, because no other took requests"


def test_what_was_not_sent_is_no_try() -> None:
    """For a limit of ours, or because the target has no such operation; a model that its provider did not find was asked for."""
    unsent = [failed(kind, role="fallback", public="small") for kind in ("limited_here", "model_missing")]
    ctx = request(*unsent, failed("model_missing", 404), ANSWER)
    assert (tries(ctx), fallbacks(ctx)) == (2, 0)
    assert reason_header(ctx).count(b"limited_here") == 1


@pytest.mark.parametrize(
    ("slo", "charge", "said"),
    [
        (Slo(ttft=0.8), None, b"met; ttft=0.312/0.800"),
        (Slo(ttft=0.3), None, b"missed; ttft=0.312/0.300"),
        (Slo(ttft=0.8, cost_usd=0.01), None, b"met; ttft=0.312/0.800"),
        (Slo(ttft=0.8, cost_usd=0.01), 2500, b"met; ttft=0.312/0.800; cost=0.002500/0.010000"),
        (Slo(ttft=0.8, cost_usd=0.001), 2500, b"missed; ttft=0.312/0.800; cost=0.002500/0.001000"),
        (Slo(cost_usd=0.001), None, None),
        (Slo(), 5, None),
        (None, 5, None),
    ],
)
def test_the_targets_as_far_as_they_are_known(slo: Slo | None, charge: int | None, said: bytes | None) -> None:
    assert slo_header(request(ANSWER, slo=slo), 10.312, charge) == said


def test_an_unplanned_request_has_no_targets() -> None:
    assert slo_header(RequestContext(request_id="r"), 1.0) is None
