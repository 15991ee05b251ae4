"""Explanations: of a plan, of a request that has ended; and the ring that traces are kept in."""

import json
from random import Random
from typing import Any

import msgspec

from proxy.context import Attempt, Controls, Principal, RequestContext, Settled, TokenEstimate
from proxy.errors import UpstreamTimeout
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker, Hedge, Slo, SlowStream
from proxy.policy.targets import TOOLS, VISION, Asking, Plan, Rejection, Route
from proxy.protocols import Board
from proxy.routing.explain import Explainer
from proxy.routing.policies import policies
from proxy.routing.scores import Score, Scores
from proxy.routing.traces import Traces, trace_of
from proxy.wire.chat import RequestView
from proxy.wire.values import dumps
from tests.support.clock import FakeClock
from tests.unit.proxy.routing.candidates import FakeBoard, candidate

CHEAP = candidate("cheap", "small", prices=(1_000_000, 2_000_000, -1))
DEAR = candidate("dear", "large", prices=(5_000_000, 10_000_000, 500_000), weight=3)
FREE = candidate("free", "own")
EXPLAINER = Explainer(board=FakeBoard(), policies=policies(None))
SCORES = Scores({"dear/large": {"general": Score(score=0.9, n=10)}})


def planned(policy: str = "lowest_cost", **changes: Any) -> RequestContext:
    """A request for ``fast`` with three candidates, not sent yet."""
    route = Route(
        label="fast",
        candidates=(FREE, DEAR, CHEAP),
        fallbacks=("slow",),
        on_context_length=("wide",),
        hedge=Hedge(after=1.0),
        slow_stream=SlowStream(tokens_per_second=5),
    )
    plan = Plan(
        route=route,
        candidates=route.candidates,
        chosen=CHEAP,
        policy=policy,
        asking=Asking(
            needs=VISION | TOOLS, prompt=1000, output=500, cached=100, sticky="a user's name", slo=Slo(ttft=0.8)
        ),
        rejected=(Rejection(candidate("old"), "context", "20000 tokens do not fit into 8192"),),
    )
    ctx = RequestContext(
        request_id="req_1",
        started=100.0,
        principal=Principal(name="app", tenant="acme"),
        request=RequestView(model="fast"),
        estimate=TokenEstimate(1000, 1200, 500),
        body=b"the body, which is nobody's business",
        plan=plan,
    )
    for name, value in changes.items():
        setattr(ctx, name, value)
    return ctx


def explained(ctx: RequestContext, board: Board | None = None) -> dict[str, Any]:
    explain = Explainer(board=board or FakeBoard(), policies=policies(SCORES), scores=SCORES)
    found: dict[str, Any] = json.loads(dumps(explain(ctx)))
    return found


# ---- a plan ---------------------------------------------------------------------------------------------------------


def test_what_was_asked_and_what_would_follow() -> None:
    found = explained(planned(controls=Controls(dry_run=True, policy="lowest_cost", timeout=2.5)))
    assert (found["object"], found["dry_run"], found["request_id"]) == ("tollway.route", True, "req_1")
    assert (found["model"], found["route"], found["policy"], found["chosen"]) == (
        "fast",
        "fast",
        "lowest_cost",
        "cheap/small",
    )
    assert (found["key"], found["account"], found["endpoint"]) == ("app", "acme", "chat")
    assert found["asked"] == {
        "needs": ["vision", "tools"],
        "prompt_tokens": 1000,
        "output_tokens": 500,
        "cached_tokens": 100,
        "kind": "general",
        "sticky_by": "user",
        "slo": {"ttft_seconds": 0.8, "cost_usd": None},
        "controls": {"dry_run": True, "timeout": 2.5, "policy": "lowest_cost"},
    }
    assert found["filtered"] == [
        {"target": "old/m", "model": "fast", "filter": "context", "reason": "20000 tokens do not fit into 8192"}
    ]
    assert found["fallbacks"] == ["slow"]
    assert found["fallbacks_for"] == {"context_length": ["wide"], "content_policy": []}
    assert found["retry"] == {"attempts": 3, "base_seconds": 0.25, "longest_seconds": 8.0}
    assert found["hedge"] == {"after_seconds": 1.0, "extra_spend": 0.05}
    assert found["slow_stream"] == {"tokens_per_second": 5, "window_seconds": 2.0}
    assert found["bound"] is None
    assert "attempts" not in found
    assert "outcome" not in found


def test_candidates_have_figures_cost_and_latency_in_the_order_of_the_policy() -> None:
    board = FakeBoard(busy={"dear": 2}, first={"dear": 0.3}, late={"dear": 0.9})
    ctx = planned()
    assert ctx.plan is not None
    ctx.plan.asking = Asking(prompt=1000, output=500, cached=100)
    cheap, dear, free = explained(ctx, board)["candidates"]
    assert (cheap["target"], dear["target"], free["target"]) == ("cheap/small", "dear/large", "free/own")
    # 1000 tokens at 1 and 500 at 2 dollars a million; 900 at 5, 100 at 0.5, 500 at 10.
    assert (cheap["expected_cost_usd"], dear["expected_cost_usd"], free["expected_cost_usd"]) == (0.002, 0.00955, None)
    assert (dear["state"], dear["inflight"], dear["weight"], dear["score"]) == ("ready", 2, 3, 0.9)
    assert (dear["ttft_seconds"], dear["ttft_p95_seconds"], dear["expected_latency_seconds"]) == (0.3, 0.9, 0.45)
    assert (cheap["ttft_seconds"], cheap["expected_latency_seconds"], cheap["score"]) == (None, None, None)


def test_the_order_is_the_policys_with_what_rests_at_the_end() -> None:
    def order(policy: str, board: FakeBoard) -> list[str]:
        ctx = planned(policy)
        assert ctx.plan is not None
        ctx.plan.asking = Asking(prompt=1)
        return [each["provider"] for each in explained(ctx, board)["candidates"]]

    assert order("priority", FakeBoard()) == ["cheap", "free", "dear"]
    assert order("best", FakeBoard()) == ["cheap", "dear", "free"]
    assert order("best", FakeBoard(resting=frozenset({"dear"}))) == ["cheap", "free", "dear"]
    assert order("weighted", FakeBoard()) == order("weighted", FakeBoard())


def test_a_fallback_that_stands_in_is_the_first_and_a_bound_request_says_why() -> None:
    ctx = planned()
    assert ctx.plan is not None
    ctx.plan.chosen = candidate("other", "big", public="slow")
    ctx.plan.bound, ctx.plan.key = "it continues what provider 'other' keeps", 1
    found = explained(ctx)
    assert (found["candidates"][0]["target"], found["candidates"][0]["answers_for"]) == ("other/big", "slow")
    assert len(found["candidates"]) == 4
    assert found["bound"] == {"reason": "it continues what provider 'other' keeps", "key": 1}


def test_nothing_of_the_prompt_and_no_shared_value_is_told() -> None:
    text = json.dumps(explained(planned()))
    assert "nobody's business" not in text
    assert "a user's name" not in text


def test_it_works_with_the_real_board() -> None:
    board = HealthBoard(Breaker(), provider_keys={}, clock=FakeClock(), rng=Random(1))
    lease = board.enter(CHEAP)
    assert lease is not None
    found = explained(planned(), board)
    assert [each["inflight"] for each in found["candidates"]] == [1, 0, 0]
    assert {each["state"] for each in found["candidates"]} == {"ready"}


# ---- what happened --------------------------------------------------------------------------------------------------


def ended() -> RequestContext:
    ctx = planned()
    fault = Fault(kind="rate_limited", status=429, wait=7.0, detail="rate_limit_exceeded")
    ctx.attempts += [
        Attempt(
            provider="cheap",
            model="small",
            started=100.1,
            ended=100.2,
            status=429,
            key=1,
            fault=fault,
            maybe_billed=True,
        ),
        Attempt(provider="dear", model="large", started=100.2, ended=101.5, status=200, role="failover"),
    ]
    ctx.status, ctx.outcome, ctx.first_token_at = 200, "ok", 100.5
    ctx.settled = Settled(charge=3000, cost=2000, ending="complete", count="reported")
    return ctx


def test_attempts_and_outcome_of_a_request_that_has_ended() -> None:
    ctx = ended()
    assert ctx.plan is not None
    explain = Explainer(board=FakeBoard(), policies=policies(None))
    found: Any = explain.explanation(trace_of(ctx, ctx.plan, 102.0))
    assert found["dry_run"] is False
    first, second = found["attempts"]
    assert first == {
        "target": "cheap/small",
        "role": "first",
        "key": 1,
        "status": 429,
        "fault": "rate_limited",
        "detail": "rate_limit_exceeded",
        "asked_to_wait_seconds": 7.0,
        "after_milliseconds": 100.0,
        "milliseconds": 100.0,
        "maybe_billed": True,
    }
    assert (second["role"], second["status"], second["fault"], second["milliseconds"]) == (
        "failover",
        200,
        None,
        1300.0,
    )
    assert found["outcome"] == {
        "outcome": "ok",
        "status": 200,
        "error": None,
        "ttft_milliseconds": 500.0,
        "milliseconds": 2000.0,
        "charge_usd": 0.003,
        "cost_usd": 0.002,
        "slo": {"ttft": "met"},
    }


def test_a_trace_shows_the_figures_of_its_own_moment() -> None:
    ctx = ended()
    assert ctx.plan is not None
    ctx.plan.figures = FakeBoard(busy={"cheap": 7}).figures(ctx.plan.candidates)
    explain = Explainer(board=FakeBoard(busy={"cheap": 1}), policies=policies(None))
    found: Any = explain.explanation(trace_of(ctx, ctx.plan, 102.0))
    assert (found["candidates"][0]["inflight"], found["figures"]) == (7, "of the decision")


# ---- the ring -------------------------------------------------------------------------------------------------------


def test_the_ring_keeps_the_last_and_finds_the_latest_of_an_id() -> None:
    traces = Traces(3)
    for at in range(5):
        traces.keep(planned(request_id=f"req_{at % 4}", status=at), float(at))
    assert len(traces) == 3
    assert traces.find("req_1") is None
    latest = traces.find("req_0")
    assert latest is not None
    assert latest.status == 4
    assert len(traces.resized(2)) == 2
    assert traces.resized(3) is traces


def test_a_size_of_0_keeps_nothing_and_an_unrouted_request_leaves_no_trace() -> None:
    none = Traces(0)
    none.keep(planned(), 1.0)
    some = Traces(5)
    some.keep(planned(plan=None), 1.0)
    assert (len(none), len(some)) == (0, 0)


def test_a_trace_keeps_neither_the_body_nor_the_error_object() -> None:
    ctx = planned(error=UpstreamTimeout("the provider said a secret"))
    assert ctx.plan is not None
    trace = trace_of(ctx, ctx.plan, 1.0)
    assert trace.error == "upstream_timeout"
    kept = repr(msgspec.structs.asdict(trace))
    assert "nobody's business" not in kept
    assert "secret" not in kept
