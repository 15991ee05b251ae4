"""The rule by which a trial ends, and what of a request counts for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.context import Attempt, Outcome, RequestContext
from proxy.policy.faults import ACTIONS, Fault, FaultKind
from proxy.policy.routes import Canary
from proxy.rollout.arm import KEPT, Arm, result_of
from proxy.rollout.verdict import FIRST, TIMED, Figures, verdict

RULE = Canary(share=0.1, seconds=300, minimum=50, errors=0.02, latency=2.0)
GOOD = Figures(requests=450, errors=0, timed=450, p95=0.5)


def judge(trial: Figures, *, base: Figures = GOOD, elapsed: float = 100.0, rule: Canary = RULE) -> str:
    return verdict(rule, base=base, trial=trial, elapsed=elapsed)


@pytest.mark.parametrize(
    ("trial", "elapsed", "expected"),
    [
        (Figures(), 0.0, ""),
        (Figures(requests=9, errors=9), 1.0, ""),
        (Figures(requests=10, errors=10), 1.0, "failing"),
        (Figures(requests=10, errors=9), 1.0, ""),
        (Figures(requests=49, errors=20), 1.0, ""),
        (Figures(requests=50, errors=1), 1.0, ""),
        (Figures(requests=50, errors=2), 1.0, "errors"),
        (Figures(requests=50, timed=50, p95=1.0), 1.0, ""),
        (Figures(requests=50, timed=50, p95=1.01), 1.0, "latency"),
        (Figures(requests=50, timed=TIMED - 1, p95=9.0), 1.0, ""),
        (Figures(requests=50, timed=50, p95=0.6), 299.9, ""),
        (Figures(requests=50, timed=50, p95=0.6), 300.0, "promoted"),
        (Figures(requests=49), 300.0, ""),
        (Figures(requests=49), 599.9, ""),
        (Figures(requests=49), 600.0, "promoted"),
        (Figures(requests=5, errors=1), 600.0, "errors"),
        (Figures(), 600.0, "promoted"),
    ],
)
def test_the_rule(trial: Figures, elapsed: float, expected: str) -> None:
    assert judge(trial, elapsed=elapsed) == expected


def test_where_nothing_works_without_it_either_nothing_can_be_told() -> None:
    down = Figures(requests=90, errors=90)
    assert judge(Figures(requests=60, errors=60), base=down) == ""
    assert judge(Figures(requests=60, errors=60), base=down, elapsed=300) == "promoted"


def test_errors_are_held_against_the_base_not_against_none() -> None:
    shaky = Figures(requests=500, errors=50)
    assert judge(Figures(requests=100, errors=12), base=shaky) == ""
    assert judge(Figures(requests=100, errors=13), base=shaky) == "errors"


def test_differences_of_milliseconds_are_none() -> None:
    fast = Figures(requests=450, timed=450, p95=0.002)
    assert judge(Figures(requests=50, timed=50, p95=0.05), base=fast) == ""
    assert judge(Figures(requests=50, timed=50, p95=0.06), base=fast) == "latency"


def test_a_base_without_requests_judges_no_times() -> None:
    everything = Canary(share=1.0)
    assert judge(Figures(requests=60, timed=60, p95=9.0), base=Figures(), rule=everything) == ""
    assert judge(Figures(requests=60, errors=2), base=Figures(), rule=everything) == "errors"


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1000))
def test_no_trial_lasts_longer_than_twice_its_time(requests: int, errors: int, elapsed: float) -> None:
    trial = Figures(requests=requests, errors=min(errors, requests))
    assert judge(trial, elapsed=elapsed) or elapsed < 600


# ---- what counts ----------------------------------------------------------------------------------------------------


def ended(outcome: Outcome = "ok", status: int = 200, *faults: FaultKind, tried: bool = True) -> RequestContext:
    ctx = RequestContext(request_id="r", outcome=outcome, status=status, started=10.0)
    ctx.attempts = [
        Attempt(provider="p", model="m", started=10.0, fault=Fault(kind=kind) if kind else None)
        for kind in (faults or ((None,) if tried else ()))
    ]
    return ctx


@pytest.mark.parametrize(
    ("ctx", "expected"),
    [
        (ended(), "ok"),
        (ended(tried=False), ""),
        (ended("rejected", 429), ""),
        (ended("rejected", 503, tried=False), ""),
        (ended("client_closed", 499), ""),
        (ended("upstream_error", 400), ""),
        (ended("upstream_error", 400, "client"), ""),
        (ended("upstream_error", 400, "context_length"), ""),
        (ended("upstream_error", 404, "model_missing"), "error"),
        (ended("upstream_error", 429, "rate_limited"), "error"),
        (ended("upstream_error", 502, "connect"), "error"),
        (ended("upstream_error", 503, tried=False), "error"),
        (ended("timeout", 504, tried=False), "error"),
        (ended("internal_error", 500, tried=False), "error"),
        (ended("ok", 200, "connect"), "error"),
        (ended("ok", 200, "limited_here"), "ok"),
    ],
)
def test_what_a_request_says(ctx: RequestContext, expected: str) -> None:
    assert result_of(ctx) == expected


def test_every_fault_is_either_the_routings_or_not() -> None:
    harmless = {kind for kind in ACTIONS if result_of(ended("upstream_error", 400, kind)) == ""}
    assert harmless == {
        "client", "context_length", "content_policy", "too_large", "limited_here", "conflict", "slow"
    }  # fmt: skip


def test_an_arm_adds_up() -> None:
    arm = Arm("trial")
    for index in range(100):
        ctx = ended()
        ctx.first_byte_at = 10.0 + index / 100
        assert arm.note(ctx) == "ok"
    streamed = ended()
    streamed.first_byte_at, streamed.first_token_at = 10.0, 11.0
    arm.note(streamed)
    late = ended("upstream_error", 502, "connect")
    late.first_byte_at = 99.0
    assert arm.note(late) == "error"
    assert arm.note(ended("rejected", 401)) == ""
    assert arm.figures() == Figures(requests=102, errors=1, timed=101, p95=0.9499999999999993)


def test_an_arm_keeps_only_the_latest_times() -> None:
    arm = Arm("base")
    for index in range(KEPT + 10):
        ctx = ended()
        ctx.first_byte_at = 10.0 + (100.0 if index < 10 else 1.0)
        arm.note(ctx)
    assert arm.figures() == Figures(requests=KEPT + 10, timed=KEPT, p95=1.0)


def test_the_first_requests_are_few() -> None:
    assert FIRST == 10
