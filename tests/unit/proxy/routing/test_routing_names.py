"""Names that are choices: ``auto`` and its kin, and a body list of models."""

import json

import msgspec
import pytest

from proxy.context import Principal
from proxy.errors import InvalidRequest, ModelNotFound
from proxy.policy.faults import Fault
from proxy.routing.listed import without_list
from proxy.routing.scores import Score, Scores
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import EMBEDDINGS, MESSAGES, PASSTHROUGH, RESPONSES
from tests.support.routers import Routed, context_for

PROVIDERS = """
providers:
  a: {use: openai, base_url: "https://a.example", api_key: none}
  c: {use: vllm, base_url: "http://c", api_key: none}
  or: {use: openrouter, api_key: none}
catalogue:
  models:
    openai/dear: {context: 100000, prices: {input: 10, output: 40}}
    openai/cheap: {context: 100000, prices: {input: 1, output: 4}}
"""
NAMED = """
models:
  first: {targets: [{provider: a, model: dear}]}
  second: {targets: [{provider: a, model: cheap}], fallbacks: [first]}
  vectors: {targets: [{provider: a, model: text-embedding-3-small}]}
"""
OPEN = 'models: {"*": {targets: [{provider: or}]}}'
SCORES = Scores({"a/dear": {"general": Score(score=0.9, n=5)}, "a/cheap": {"general": Score(score=0.85, n=5)}})


def key(*models: str) -> Principal:
    return Principal(name="k", tenant="k", models=models)


# ---- auto -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scored", "policy", "place", "route"),
    [
        ("auto", False, "priority", "a/dear", "first"),
        ("auto", True, "balanced", "a/cheap", "second"),
        ("auto:cheapest", False, "lowest_cost", "a/cheap", "second"),
        ("auto:best", True, "best", "a/dear", "first"),
    ],
)
def test_auto_chooses_among_configured_models(name: str, scored: bool, policy: str, place: str, route: str) -> None:
    plan = Routed(PROVIDERS + NAMED, scores=SCORES if scored else None).plan(name)
    assert (plan.policy, plan.chosen.place, plan.route.label) == (policy, place, route)
    assert [each.model for each in plan.candidates] == ["first", "second"], "what makes vectors does not talk"


def test_auto_fastest_draws_two() -> None:
    routed = Routed(PROVIDERS + NAMED)
    assert {routed.plan("auto:fastest").chosen.model for _ in range(40)} == {"first", "second"}
    assert routed.plan("auto:fastest").policy == "lowest_latency"


def test_auto_goes_on_to_the_others() -> None:
    routed = Routed(PROVIDERS + NAMED)
    ctx = context_for("auto:cheapest")
    plan = routed.router.plan(ctx)
    following = routed.router.another(ctx, plan, [plan.chosen], Fault(kind="server_error"))
    assert following is not None
    assert following.place == "a/dear"
    assert routed.router.another(ctx, plan, [plan.chosen, following], Fault(kind="server_error")) is None


def test_auto_is_over_what_the_key_may_use_and_needs_no_permission_of_its_own() -> None:
    routed = Routed(PROVIDERS + NAMED)
    assert [each.model for each in routed.plan("auto", principal=key("sec*")).candidates] == ["second"]
    assert routed.plan("auto:cheapest", principal=key("first")).chosen.place == "a/dear"
    with pytest.raises(ModelNotFound):
        routed.plan("auto", principal=key("other"))


def test_auto_best_needs_scores() -> None:
    with pytest.raises(InvalidRequest, match=r"routing\.scores") as caught:
        Routed(PROVIDERS + NAMED).plan("auto:best")
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "no_scores", "model")


@pytest.mark.parametrize("endpoint", [RESPONSES, MESSAGES])
def test_auto_is_for_operations_that_talk(endpoint: object) -> None:
    assert Routed(PROVIDERS + NAMED).plan("auto", endpoint=endpoint).chosen.place == "a/dear"
    with pytest.raises(ModelNotFound):
        Routed(PROVIDERS + NAMED).plan("auto", endpoint=EMBEDDINGS)


@pytest.mark.parametrize("name", ["autos", "auto:", "auto:quickest", "AUTO"])
def test_other_names_are_no_auto(name: str) -> None:
    with pytest.raises(ModelNotFound):
        Routed(PROVIDERS + NAMED).plan(name)


def test_a_configured_model_of_the_name_wins() -> None:
    text = (
        PROVIDERS
        + "models: {auto: {targets: [{provider: c, model: mine}]}, other: {targets: [{provider: a, model: dear}]}}"
    )
    assert Routed(text).plan("auto").chosen.place == "c/mine"
    assert len(Routed(text).plan("auto:cheapest").candidates) == 2


def test_without_configured_names_the_catalogues_stable_ones_are_chosen_from() -> None:
    routed = Routed(
        'providers: {openai: {use: openai, api_key: none}, c: {use: vllm, base_url: "http://c", api_key: none}}'
    )
    plan = routed.plan("auto:cheapest")
    names = {each.model for each in plan.candidates}
    assert len(names) > 3
    assert all(name.startswith("openai/") for name in names)
    assert not names & {"openai/o1-preview", "openai/gpt-4o", "openai/text-embedding-3-small"}
    assert plan.route.label == "openai/*"


def test_where_no_model_is_known_auto_is_a_name_like_any_other() -> None:
    text = 'providers: {c: {use: vllm, base_url: "http://c", api_key: none}}\nmodels: {"*": {targets: [{provider: c}]}}'
    plan = Routed(text).plan("auto")
    assert (plan.chosen.place, plan.route.label) == ("c/auto", "*")


def test_the_set_is_made_once_for_each_globs_and_anew_on_another_day() -> None:
    routed = Routed(PROVIDERS + NAMED)
    first = routed.plan("auto").candidates
    assert routed.plan("auto").candidates is first
    routed.wall.advance(86_400)
    assert routed.plan("auto").candidates is not first


# ---- a list ---------------------------------------------------------------------------------------------------------


def listed(*models: str, model: str | None = None, **more: object) -> bytes:
    body = {"messages": [{"role": "user", "content": "models"}], **more, "models": list(models), "stream": False}
    return json.dumps(body if model is None else {"model": model, **body}).encode()


def test_a_list_is_tried_in_order_whatever_the_fault() -> None:
    routed = Routed(PROVIDERS + NAMED)
    ctx = context_for(
        "second", models=("first", "c/x", "second"), body=listed("first", "c/x", "second", model="second")
    )
    plan = routed.router.plan(ctx)
    assert (plan.chosen.place, plan.route.label) == ("a/cheap", "second")
    assert plan.route.fallbacks == ("first", "c/x", "first")
    for kind in ("server_error", "context_length", "content_policy"):
        tried, places = [plan.chosen], []
        while (following := routed.router.another(ctx, plan, tried, Fault(kind=kind))) is not None:  # type: ignore[arg-type]
            tried.append(following)
            places.append(following.place)
        assert places == ["a/dear", "c/x"]
    assert routed.router.another(ctx, plan, [plan.chosen], Fault(kind="client")) is None


def test_what_we_act_on_does_not_travel() -> None:
    ctx = context_for("second", models=("first",), body=listed("first", model="second", route="fallback"))
    Routed(PROVIDERS + NAMED).router.plan(ctx)
    assert json.loads(ctx.body) == {
        "model": "second",
        "messages": [{"role": "user", "content": "models"}],
        "stream": False,
    }
    assert ctx.request == RequestView(model="second")


def test_the_list_alone_names_the_model() -> None:
    ctx = context_for(None, models=("second", "first"), body=listed("second", "first"))
    plan = Routed(PROVIDERS + NAMED).router.plan(ctx)
    assert plan.chosen.place == "a/cheap"
    assert json.loads(ctx.body)["model"] == "second"
    assert ctx.request.model == "second"


def test_every_name_has_its_turn() -> None:
    names = tuple(f"c/m{number}" for number in range(6))
    assert Routed(PROVIDERS + NAMED).plan(None, models=names, body=listed(*names)).attempts == 6
    assert Routed(PROVIDERS + NAMED).plan(None, models=names[:2], body=listed(*names[:2])).attempts == 3
    asked = {"x-tollway-retries": "1"}
    assert Routed(PROVIDERS + NAMED).plan(None, models=names, body=listed(*names), headers=asked).attempts == 2


@pytest.mark.parametrize("names", [("first", "nobody"), ("nobody", "first"), ("second", "first")])
def test_a_name_that_is_unknown_or_not_allowed_is_not_found(names: tuple[str, ...]) -> None:
    ctx = context_for(None, models=names, body=listed(*names), principal=key("first"))
    with pytest.raises(ModelNotFound) as caught:
        Routed(PROVIDERS + NAMED).router.plan(ctx)
    assert caught.value.status == 404


def test_an_empty_list_names_nothing() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Routed(PROVIDERS + NAMED).plan(None, models=(), body=listed())
    assert caught.value.code == "missing_required_parameter"
    ctx = context_for("first", models=(), body=listed(model="first"))
    Routed(PROVIDERS + NAMED).router.plan(ctx)
    assert "models" not in json.loads(ctx.body)


@pytest.mark.parametrize("model", [None, "x/one"])
def test_openrouter_reads_its_own_lists(model: str | None) -> None:
    body = listed("x/one", "y/two", model=model, route="fallback")
    ctx = context_for(model, models=("x/one", "y/two"), body=body)
    plan = Routed(PROVIDERS + OPEN).router.plan(ctx)
    assert ctx.body is body
    assert (plan.chosen.place, plan.route.fallbacks) == ("or/x/one", ())
    assert ctx.request.models == ("x/one", "y/two")


@pytest.mark.parametrize("names", [("or/x/one", "or/y/two"), ("x/one", "c/two"), ("x/one", "two")])
def test_a_list_that_openrouter_would_read_otherwise_is_ours(names: tuple[str, ...]) -> None:
    text = PROVIDERS + 'models: {"*": {targets: [{provider: or}]}, two: {targets: [{provider: or, model: y/two}]}}'
    ctx = context_for(None, models=names, body=listed(*names))
    plan = Routed(text).router.plan(ctx)
    assert "models" not in json.loads(ctx.body)
    assert plan.route.fallbacks == names[1:]


def test_a_list_on_other_paths_is_the_providers_business() -> None:
    text = PROVIDERS + OPEN + "\npassthrough: {provider: a}"
    body = listed("x", "y")
    ctx = context_for(None, models=("x", "y"), body=body, endpoint=PASSTHROUGH, path="/evals")
    assert Routed(text).router.plan(ctx).route.label == "passthrough"
    assert ctx.body is body


@pytest.mark.parametrize(
    ("body", "model", "left"),
    [
        (b'{"models":["a"]}', "a", b'{"model":"a"}'),
        (b'{"models":["a"]}', None, b"{}"),
        (b'{"models":["a"],"n":1}', "a", b'{"model":"a","n":1}'),
        (b'{ "models" : ["a"] , "n" : 1 }', None, b'{ "n" : 1 }'),
        (b'{"n":1,"models":["a","]}"]}', None, b'{"n":1}'),
        (b'{"n":1,"route":"fallback","models":[],"m":{"models":1}}', None, b'{"n":1,"m":{"models":1}}'),
        (b'{"route":"sort","models":[]}', None, b'{"route":"sort"}'),
        (b'\n{"mod\\u0065ls":["a"],"model":"b"}\n', None, b'\n{"model":"b"}\n'),
        (b'{"models":["a"]}', 'q"\xe9', '{"model":"q\\"\xe9"}'.encode()),
    ],
)
def test_members_are_cut_out_of_the_bytes(body: bytes, model: str | None, left: bytes) -> None:
    found = without_list(body, model)
    assert found == left
    json.loads(found)


def test_at_most_twenty_names() -> None:
    decode = msgspec.json.Decoder(RequestView).decode
    assert decode(listed(*map(str, range(20)))).models == tuple(map(str, range(20)))
    with pytest.raises(msgspec.ValidationError, match="20"):
        decode(listed(*map(str, range(21))))
