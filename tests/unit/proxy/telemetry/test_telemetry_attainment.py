"""SLOs at settlement: what is judged, in metrics and in the access log; and the log's line about several tries."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from proxy.context import Attempt, Outcome, RequestContext, Settled
from proxy.policy.attainment import attained
from proxy.policy.faults import Fault
from proxy.policy.routes import Slo
from proxy.policy.targets import Asking, Candidate, Plan, Route
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import Recorder
from tests.support.fakes import TARGET
from tests.support.logged import told

CANDIDATE = Candidate(target=TARGET, model="fast")
BOTH = Slo(ttft=1.0, cost_usd=0.01)


def request(slo: Slo | None = BOTH, **changes: Any) -> RequestContext:
    route = Route(label="fast", candidates=(CANDIDATE,))
    plan = Plan(route=route, candidates=(CANDIDATE,), chosen=CANDIDATE, policy="sticky", asking=Asking(slo=slo))
    ctx = RequestContext(request_id="r", started=10.0, route="fast", status=200, plan=plan, first_token_at=10.5)
    ctx.settled = Settled(charge=20_000, cost=1, ending="complete", count="reported")
    for name, value in changes.items():
        setattr(ctx, name, value)
    return ctx


@pytest.mark.parametrize(
    ("outcome", "waited", "charge", "result"),
    [
        ("ok", 1.0, 10_000, {"ttft": "met", "cost": "met"}),
        ("ok", 1.001, 10_001, {"ttft": "missed", "cost": "missed"}),
        ("ok", None, None, {}),
        ("ok", 0.5, 0, {"ttft": "met", "cost": "met"}),
        ("client_closed", 0.5, 0, {"ttft": "met"}),
        ("client_closed", 1.5, 20_000, {"ttft": "missed", "cost": "missed"}),
        ("client_closed", None, 0, {}),
        ("rejected", None, 0, {}),
        ("upstream_error", None, 0, {"ttft": "missed"}),
        # An error's head is no token: it does not count as one that came in time.
        ("upstream_error", 0.1, 0, {"ttft": "missed"}),
        ("timeout", None, None, {"ttft": "missed"}),
        ("internal_error", None, None, {"ttft": "missed"}),
    ],
)
def test_what_is_met_and_missed(
    outcome: Outcome, waited: float | None, charge: int | None, result: dict[str, str]
) -> None:
    assert attained(BOTH, outcome=outcome, waited=waited, charge=charge) == result


def test_an_objective_that_is_not_set_is_not_judged() -> None:
    assert attained(Slo(ttft=1.0), outcome="ok", waited=2.0, charge=9) == {"ttft": "missed"}
    assert attained(Slo(cost_usd=1.0), outcome="ok", waited=2.0, charge=9) == {"cost": "met"}


def test_attainment_in_metrics() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, known_models=lambda _: True)
    for ctx in (request(), request(first_token_at=12.0), request(slo=None), request(plan=None)):
        metrics.observe(ctx, 13.0, 0.0)

    def count(objective: str, result: str) -> float | None:
        labels = {"route": "fast", "objective": objective, "result": result}
        return registry.get_sample_value("tollway_slo_requests_total", labels)

    assert (count("ttft", "met"), count("ttft", "missed"), count("cost", "missed")) == (1, 1, 2)
    assert count("cost", "met") is None


def test_a_whole_answer_counts_from_its_head() -> None:
    line = told(request(first_token_at=0.0, first_byte_at=11.5), 12.0, 0.0)
    assert line.slo == {"ttft": "missed", "cost": "missed"}


def test_the_log_names_the_policy_and_every_try() -> None:
    fault = Fault(kind="quota", status=429, detail="insufficient_quota")
    ctx = request(slo=None)
    ctx.attempts += [
        Attempt(provider="a", model="m", started=10.0, ended=10.25, status=429, key=2, fault=fault),
        Attempt(provider="b", model="n", started=10.25, status=200, role="fallback"),
    ]
    line = told(ctx, 12.0, 0.0)
    assert (line.route_policy, line.attempts, line.slo) == ("sticky", 2, None)
    assert line.tried == [
        {"provider": "a", "model": "m", "key": 2, "role": "first", "status": 429, "fault": "quota", "detail": "insufficient_quota", "ms": 250.0},
        {"provider": "b", "model": "n", "key": 0, "role": "fallback", "status": 200, "fault": None, "detail": None, "ms": None},
    ]  # fmt: skip


def test_one_try_is_not_told_twice() -> None:
    ctx = request()
    ctx.attempts.append(Attempt(provider="a", model="m", started=10.0))
    assert told(ctx, 12.0, 0.0).tried is None
    assert told(RequestContext(request_id="r"), 12.0, 0.0).route_policy is None


def test_the_recorder_hands_every_request_to_whoever_traces() -> None:
    seen: list[tuple[RequestContext, float]] = []
    recorder = Recorder(
        metrics=None, access_log=None, wall=lambda: 0.0, traced=lambda ctx, ended: seen.append((ctx, ended))
    )
    ctx = request()
    recorder.record(ctx, 12.0)
    assert seen == [(ctx, 12.0)]
