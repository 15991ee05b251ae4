"""Plans, and what is tried after a fault: the route's others, then fallbacks, each with its own rules; never in circles."""

import json
from collections.abc import Sequence

import pytest
from msgspec import structs

from proxy.context import Attempt, Principal, RequestContext, TokenEstimate
from proxy.errors import InvalidRequest, NoHealthyTarget, PermissionDenied
from proxy.policy.faults import ACTIONS, Fault, FaultKind
from proxy.policy.routes import PriceCeiling, Slo
from proxy.policy.targets import Candidate, Plan
from proxy.routing.scores import Score, Scores
from proxy.wire.endpoints import NATIVE, PASSTHROUGH
from tests.support.fakes import LIMITS, TARGET
from tests.support.routers import ANYBODY, Routed, StatedBoard, context_for

PROVIDERS = """
providers:
  a: {use: openai, api_key: none}
  b: {use: openai, api_key: none}
  c: {use: vllm, base_url: "http://c", api_key: none}
passthrough: {provider: a}
catalogue: {models: {vllm/small: {context: 1000}, vllm/blind: {inputs: [text]}}}
retry: {attempts: 5}
"""
MODELS = """
models:
  fast: {targets: [{provider: a, model: m}, {provider: b, model: m}], fallbacks: [second, third]}
  second: {targets: [{provider: c, model: s1}, {provider: c, model: s2}], policy: least_busy, fallbacks: [fourth]}
  third: {targets: [{provider: c, model: t}], retry: {attempts: 2}}
  fourth: {targets: [{provider: c, model: f}]}
  lone: {targets: [{provider: a, model: l}], fallbacks_for: {context_length: [big, bigger], content_policy: [free]}}
  big: {targets: [{provider: b, model: big}, {provider: b, model: big2}]}
  bigger: {targets: [{provider: b, model: bigger}]}
  free: {targets: [{provider: c, model: free}]}
  small: {targets: [{provider: c, model: small}, {provider: c, model: small, region: x}], fallbacks_for: {context_length: [big]}}
  seeing: {targets: [{provider: a, model: m}], fallbacks: [blind, third]}
  blind: {targets: [{provider: c, model: blind}]}
  stuck: {targets: [{provider: a, model: m}, {provider: b, model: m}], policy: sticky}
  busy: {targets: [{provider: a, model: m, concurrency: 1, queue: {wait: 1s}}, {provider: b, model: m, concurrency: 1}], fallbacks: [third]}
"""
TEXT = PROVIDERS + MODELS


def stand(**states: str) -> Routed:
    return Routed(TEXT, board=StatedBoard(**states))


def walk(routed: Routed, ctx: RequestContext, kinds: Sequence[FaultKind] | FaultKind, *, most: int = 12) -> list[str]:
    """Every place that is tried when each try fails so, the plan's first choice first."""
    plan = routed.router.plan(ctx)
    tried: list[Candidate] = [plan.chosen]
    while len(tried) < most:
        kind: FaultKind = kinds if isinstance(kinds, str) else kinds[min(len(tried), len(kinds)) - 1]  # type: ignore[assignment]
        last = tried[-1]
        ctx.attempts.append(
            Attempt(provider=last.target.provider, model=last.target.model, started=0.0, fault=Fault(kind=kind))
        )
        following = routed.router.another(ctx, plan, tried, Fault(kind=kind))
        if following is None:
            return [each.place for each in tried]
        tried.append(following)
    raise AssertionError("it does not end")


# ---- plans ----------------------------------------------------------------------------------------------------------


def test_a_plan_holds_what_the_configuration_says() -> None:
    plan = stand().plan("fast")
    assert (plan.route.label, plan.policy, plan.attempts) == ("fast", "priority", 5)
    assert [each.place for each in plan.candidates] == ["a/m", "b/m"]
    assert plan.chosen is plan.candidates[0]
    assert (plan.bound, plan.key, plan.rejected) == ("", -1, ())
    assert stand().plan("third").attempts == 2
    assert stand().plan(None, endpoint=PASSTHROUGH, path="/files").attempts == 5


def test_resting_targets_are_passed_over() -> None:
    plan = stand(a__m="open").plan("fast")
    assert plan.chosen.place == "b/m"
    assert [each.place for each in plan.candidates] == ["a/m", "b/m"], "health may change before the next try"


def test_when_every_target_rests_the_fallbacks_are_tried_first() -> None:
    plan = stand(a__m="open", b__m="cooling").plan("fast")
    assert (plan.chosen.place, plan.chosen.model, plan.route.label) == ("c/s1", "second", "fast")
    assert stand(a__m="open", b__m="open", c__s1="open", c__s2="no_key").plan("fast").chosen.place == "c/t"


def test_when_all_rest_each_ones_state_is_told() -> None:
    states = dict.fromkeys(("a__m", "c__s1", "c__s2", "c__t", "c__f"), "open")
    with pytest.raises(NoHealthyTarget) as caught:
        stand(b__m="cooling", **states).plan("fast")
    error = caught.value
    assert (error.status, error.code) == (503, "no_healthy_upstream")
    assert "a/m: resting after failures; b/m: it asked to be left alone" in error.message
    assert dict(error.headers)[b"retry-after"] == b"12"


def test_where_answers_are_stored_a_route_that_rests_is_planned_all_the_same() -> None:
    """Its course refuses what is not stored; a dry run is told at once."""
    text = "providers: {a: {use: openai, api_key: x}}\nmodels: {m: {targets: [{provider: a, model: m}]}}\n"
    plan = Routed(text + "cache: {exact: {}}\n", board=StatedBoard(a__m="cooling")).plan("m")
    assert plan.chosen.place == "a/m"
    for routed, more in (
        (Routed(text, board=StatedBoard(a__m="cooling")), {}),
        (
            Routed(text + "cache: {exact: {}}\n", board=StatedBoard(a__m="cooling")),
            {"headers": {"x-tollway-dry-run": "true"}},
        ),
    ):
        with pytest.raises(NoHealthyTarget):
            routed.plan("m", **more)


@pytest.mark.parametrize(("back", "told"), [(0.0, b"1"), (0.4, b"1"), (float("inf"), b"300"), (29.2, b"30")])
def test_when_to_come_back_is_bounded(back: float, told: bytes) -> None:
    routed = stand(b__bigger="no_key")
    routed.board.back = back
    with pytest.raises(NoHealthyTarget) as caught:
        routed.plan("bigger")
    assert dict(caught.value.headers)[b"retry-after"] == told


def test_a_full_target_that_lets_wait_goes_before_a_fallback() -> None:
    assert stand(a__m="full", b__m="full").plan("busy").chosen.place == "a/m"
    assert stand(a__m="open", b__m="full").plan("busy").chosen.place == "c/t"
    assert stand(a__m="full").plan("busy").chosen.place == "b/m"


def test_a_prompt_that_is_surely_too_long_goes_to_the_fallbacks_for_that() -> None:
    routed = stand()
    ctx = context_for("small", estimate=TokenEstimate(5000, 9000, 0))
    plan = routed.router.plan(ctx)
    assert (plan.chosen.place, plan.candidates) == ("b/big", ())
    assert {each.filter for each in plan.rejected} == {"context"}
    following = routed.router.another(ctx, plan, [plan.chosen], Fault(kind="server_error"))
    assert following is not None
    assert following.place == "b/big2"


def test_slos_of_request_key_and_route() -> None:
    text = (
        PROVIDERS
        + "models: {m: {targets: [{provider: a}], slo: {ttft: 3s, cost_usd: 3}}, p: {targets: [{provider: a}]}}"
    )
    routed = Routed(text)
    keyed = Principal(name="k", tenant="k", slo=Slo(ttft=2.0))
    asks = {"x-tollway-slo-cost-usd": "1"}
    assert routed.plan("p").asking.slo is None
    assert routed.plan("m").asking.slo == Slo(ttft=3.0, cost_usd=3.0)
    assert routed.plan("m", principal=keyed).asking.slo == Slo(ttft=2.0, cost_usd=3.0)
    assert routed.plan("m", principal=keyed, headers=asks).asking.slo == Slo(ttft=2.0, cost_usd=1.0)
    assert routed.plan("p", headers=asks).asking.slo == Slo(cost_usd=1.0)


def test_what_a_choice_is_told_of_the_request() -> None:
    body = json.dumps(
        {"messages": [{"role": "user", "content": "x" * 9000}, {"role": "assistant", "content": "y"}, {"role": "user"}]}
    ).encode()
    ctx = context_for(
        "fast", body=body, estimate=TokenEstimate(3000, 9000, 80), headers={"x-tollway-policy": "lowest_cost"}
    )
    asking = stand().router.plan(ctx).asking
    assert (asking.prompt, asking.output) == (3000, 80)
    assert 2900 < asking.cached < 3000
    asking = stand().plan("fast", estimate=TokenEstimate(3000, 9000, 9000)).asking
    assert (asking.output, asking.cached) == (500, 0)


def test_quality_is_of_the_prompts_class() -> None:
    scores = Scores(
        {
            "a/m": {"general": Score(score=0.9, n=1), "code": Score(score=0.1, n=1)},
            "b/m": {"general": Score(score=0.5, n=1)},
        }
    )
    routed = Routed(TEXT, scores=scores)
    best = {"x-tollway-policy": "best"}
    assert routed.plan("fast", headers=best, body=b'{"messages": [{"content": "hello"}]}').chosen.place == "a/m"
    code = b'{"messages": [{"content": "```python def f(): return 1"}]}'
    plan = routed.plan("fast", headers=best, body=code)
    assert (plan.asking.kind, plan.chosen.place) == ("code", "b/m")


def test_sticky_requests_stay_together() -> None:
    routed = stand()
    places = {
        routed.plan("stuck", body=json.dumps({"user": f"u{number}"}).encode()).chosen.place for number in range(40)
    }
    assert places == {"a/m", "b/m"}
    for number in range(5):
        body = json.dumps({"user": f"u{number}"}).encode()
        assert len({routed.plan("stuck", body=body).chosen.place for _ in range(5)}) == 1


# ---- after a fault --------------------------------------------------------------------------------------------------


def test_others_of_the_route_then_fallbacks_breadth_first() -> None:
    assert walk(stand(), context_for("fast"), "server_error") == ["a/m", "b/m", "c/s1", "c/s2", "c/t", "c/f"]


@pytest.mark.parametrize("kind", [kind for kind, action in ACTIONS.items() if action.elsewhere])
def test_faults_that_another_target_may_cure(kind: FaultKind) -> None:
    assert walk(stand(), context_for("fast"), kind)[:3] == ["a/m", "b/m", "c/s1"]


@pytest.mark.parametrize("kind", ["client", "context_length", "content_policy"])
def test_faults_that_it_does_not(kind: FaultKind) -> None:
    assert walk(stand(), context_for("fast"), kind) == ["a/m"]


def test_fallbacks_for_one_kind_of_fault() -> None:
    assert walk(stand(), context_for("lone"), "context_length") == ["a/l", "b/big", "b/bigger"]
    assert walk(stand(), context_for("lone"), "content_policy") == ["a/l", "c/free"]
    assert walk(stand(), context_for("lone"), "server_error") == ["a/l"]


def test_once_a_prompt_was_too_long_only_those_for_that_are_left() -> None:
    kinds: list[FaultKind] = ["context_length", "server_error"]
    assert walk(stand(), context_for("lone"), kinds) == ["a/l", "b/big", "b/big2", "b/bigger"]
    kinds = ["server_error", "context_length"]
    assert walk(stand(), context_for("fast"), kinds) == ["a/m", "b/m"]


def test_resting_ones_are_not_tried() -> None:
    assert walk(stand(b__m="open", c__s1="cooling"), context_for("fast"), "timeout") == ["a/m", "c/s2", "c/t", "c/f"]


def test_the_board_is_asked_for_all_of_a_route() -> None:
    """It leaves one of a route whose targets have faults alone: that one must not be a second one for those who tried the first."""
    asked = []

    class Sparing(StatedBoard):
        def ready(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
            asked.append([each.place for each in candidates])
            return super().ready(candidates) or candidates[:1]

    routed = Routed(TEXT, board=Sparing(b__m="open"))
    ctx = context_for("fast")
    plan = routed.router.plan(ctx)
    following = routed.router.another(ctx, plan, [plan.chosen], Fault(kind="server_error"))
    assert following is not None
    assert following.place == "c/s1"
    assert asked[:2] == [["a/m", "b/m"], ["a/m", "b/m"]]


def test_a_fallback_that_the_key_may_not_use_is_skipped() -> None:
    limited = Principal(name="k", tenant="k", models=("fast", "third"))
    assert walk(stand(), context_for("fast", principal=limited), "overloaded") == ["a/m", "b/m", "c/t"]
    elsewhere = Principal(name="k", tenant="k", providers=("a", "b"))
    assert walk(stand(), context_for("fast", principal=elsewhere), "overloaded") == ["a/m", "b/m"]


def test_a_fallback_that_cannot_do_it_is_skipped() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}).encode()
    assert walk(stand(), context_for("seeing", body=body), "connect") == ["a/m", "c/t"]
    assert walk(stand(), context_for("seeing"), "connect") == ["a/m", "c/blind", "c/t"]


def test_controls_hold_for_fallbacks_too() -> None:
    ctx = context_for("fast", headers={"x-tollway-providers": "!b", "x-tollway-first-byte-timeout-ms": "250"})
    routed = stand()
    plan = routed.router.plan(ctx)
    following = routed.router.another(ctx, plan, [plan.chosen], Fault(kind="connect"))
    assert following is not None
    assert (following.place, following.target.limits.first_byte) == ("c/s1", 0.25)
    assert plan.candidates == (plan.chosen,)


def test_circles_that_only_different_kinds_make_come_to_an_end() -> None:
    text = (
        PROVIDERS
        + """
models:
  x: {targets: [{provider: a, model: x}], fallbacks: [y], fallbacks_for: {context_length: [y]}}
  y: {targets: [{provider: b, model: y}], fallbacks_for: {context_length: [z]}}
  z: {targets: [{provider: c, model: z}], fallbacks: [x]}
"""
    )
    for kinds in (
        ["server_error"],
        ["context_length"],
        ["server_error", "context_length"],
        ["context_length", "timeout"],
    ):
        places = walk(Routed(text), context_for("x"), kinds)  # type: ignore[arg-type]
        assert len(places) == len(set(places))


# ---- retired models -------------------------------------------------------------------------------------------------

LIVES = (
    PROVIDERS.replace("vllm/small:", "openai/gone: {tier: retired}, openai/old: {tier: deprecated}, vllm/small:")
    + """
successors: {gone: old}
models:
  mixed: {targets: [{provider: a, model: gone}, {provider: a, model: old}]}
  gone: {targets: [{provider: a, model: gone}, {provider: b, model: gone}]}
  old: {targets: [{provider: a, model: old}]}
  lost: {targets: [{provider: c, model: t}], fallbacks: [gone]}
"""
)


def test_retired_targets_are_left_out_while_others_live() -> None:
    ctx = context_for("mixed")
    plan = Routed(LIVES).router.plan(ctx)
    assert [(each.candidate.place, each.filter) for each in plan.rejected] == [("a/gone", "retired")]
    assert plan.chosen.place == "a/old"
    assert (b"x-tollway-model-tier", b"deprecated") in ctx.response_headers


def test_a_route_without_a_living_target_has_a_successor() -> None:
    ctx = context_for("gone")
    plan = Routed(LIVES).router.plan(ctx)
    assert (plan.route.label, plan.chosen.place) == ("old", "a/old")
    assert (b"x-tollway-successor", b"old") in ctx.response_headers
    ctx = context_for("lost")
    assert walk(Routed(LIVES), ctx, "connect") == ["c/t", "a/old"]
    assert ctx.response_headers == []


# ---- what only one place can serve ----------------------------------------------------------------------------------


def bound_plan(model: str | None, bound: str, text: str = TEXT, **more: object) -> Plan:
    return Routed(text).plan(model, bound=bound, **more)


def test_a_bound_request_goes_where_it_was_made() -> None:
    plan = bound_plan("fast", "b#1")
    assert (plan.chosen.place, [each.place for each in plan.candidates], plan.key) == ("b/m", ["b/m"], 1)
    assert "provider 'b'" in plan.bound
    assert bound_plan("fast", "a").key == -1


def test_a_bound_request_is_never_tried_elsewhere() -> None:
    assert walk(stand(), context_for("fast", bound="a#0"), "server_error") == ["a/m"]
    assert walk(stand(), context_for("lone", bound="a#0"), "context_length") == ["a/l"]
    with pytest.raises(NoHealthyTarget, match="It can go nowhere else: it continues what provider 'a' keeps"):
        stand(a__m="no_key").plan("fast", bound="a#0")


def test_another_account_of_the_same_kind_has_the_same_names() -> None:
    plan = bound_plan("lone", "b#0")
    assert (plan.chosen.place, plan.chosen.model, plan.route.label) == ("b/l", "lone", "lone")


@pytest.mark.parametrize(("bound", "words"), [("c#0", "has no target there"), ("z#0", "has no provider 'z' any more")])
def test_where_it_cannot_go_there_it_is_refused(bound: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        bound_plan("lone", bound)
    assert (caught.value.status, caught.value.code) == (400, "bound_elsewhere")


def test_a_path_without_a_model_goes_where_its_object_is() -> None:
    plan = bound_plan(None, "b#0", endpoint=PASSTHROUGH, path="/batches/batch_1")
    assert (plan.route.label, plan.chosen.target.provider, plan.chosen.target.model) == ("passthrough", "b", "")
    keyed = Principal(name="k", tenant="k", providers=("a",))
    with pytest.raises(PermissionDenied):
        bound_plan(None, "b#0", endpoint=PASSTHROUGH, path="/batches/batch_1", principal=keyed)


# ---- a target that is chosen already --------------------------------------------------------------------------------


def test_a_native_path_has_a_plan_of_its_one_target() -> None:
    routed = stand()
    ctx = context_for(None, endpoint=NATIVE, path="/native/a/v1/x", headers={"x-tollway-retries": "0"})
    ctx.target, ctx.route = TARGET, "native/local"
    plan = routed.router.plan(ctx)
    assert (plan.chosen.target, plan.route.label, plan.attempts) == (TARGET, "native/local", 1)
    assert routed.router.another(ctx, plan, [plan.chosen], Fault(kind="server_error")) is None
    assert LIMITS == TARGET.limits


def test_plans_of_one_route_share_what_does_not_change() -> None:
    routed = stand()
    assert routed.plan("fast").candidates is routed.plan("fast").candidates
    kept = routed.router._resolver._preparations._kept
    for _ in range(50):
        routed.plan("fast", principal=ANYBODY)
    assert len(kept) == 1


# ---- where there is one target --------------------------------------------------------------------------------------


def test_a_lone_targets_plan_is_made_once() -> None:
    routed = stand()
    assert routed.plan("third") is routed.plan("third")
    assert routed.plan("third").chosen.place == "c/t"
    assert routed.plan("fast") is not routed.plan("fast"), "there is a choice, and what it depends on changes"


@pytest.mark.parametrize(
    "asked",
    [
        {"headers": {"x-tollway-retries": "0"}},
        {"headers": {"x-tollway-first-byte-timeout-ms": "20"}},
        {"principal": Principal(name="k", tenant="k", slo=Slo(ttft=1.0))},
        {"bound": "c#0"},
    ],
)
def test_it_is_not_for_those_who_ask_for_something(asked: dict[str, object]) -> None:
    for order in (({}, asked), (asked, {})):
        routed = stand()
        first, second = (routed.plan("third", **each) for each in order)
        alone = [stand().plan("third", **each) for each in order]
        assert [first, second] == alone
        assert first != second


@pytest.mark.parametrize(
    ("wish", "anywhere"),
    [
        ({}, True),
        ({"models": ("third",)}, True),
        ({"slo": Slo(ttft=1.0)}, False),
        ({"providers": ("a",)}, False),
        ({"regions": ("eu",)}, False),
        ({"max_price": PriceCeiling(output=1.0)}, False),
        ({"stable_only": True}, False),
    ],
)
def test_a_keys_wishes_are_known_without_looking_at_each(wish: dict[str, object], anywhere: bool) -> None:
    key = Principal(name="k", tenant="k", **wish)  # type: ignore[arg-type]
    assert key.anywhere is anywhere
    assert structs.replace(Principal(name="k", tenant="k"), **wish).anywhere is anywhere


def test_a_key_that_may_not_go_there_is_refused_after_one_that_may() -> None:
    routed = stand()
    routed.plan("third")
    with pytest.raises(PermissionDenied):
        routed.plan("third", principal=Principal(name="k", tenant="k", providers=("a",)))


def test_a_lone_target_that_rests_is_passed_over_as_ever() -> None:
    routed = stand()
    assert routed.plan("seeing").chosen.place == "a/m"
    routed.board.states["a/m"] = "open"
    assert routed.plan("seeing").chosen.place == "c/blind"
    routed.board.states["a/m"] = "ready"
    assert routed.plan("seeing").chosen.place == "a/m"


def test_a_list_of_models_has_a_plan_of_its_own() -> None:
    routed = stand()
    routed.plan("third")
    assert routed.plan(models=("third", "free")).route.fallbacks == ("free",)
    assert routed.plan("third").route.fallbacks == ()
