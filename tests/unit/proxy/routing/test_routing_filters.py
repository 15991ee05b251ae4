"""Filters: who is left, which rule left out the others, and what is said when nobody is."""

import json

import pytest

from proxy.context import Principal, TokenEstimate
from proxy.errors import InvalidRequest, PermissionDenied
from proxy.policy.routes import PriceCeiling
from proxy.policy.targets import JSON_SCHEMA, TOOLS, VISION, Plan
from proxy.wire.endpoints import PASSTHROUGH
from tests.support.routers import Routed

POOL = """
providers:
  near: {use: vllm, base_url: "http://n", api_key: none, region: eu-1}
  far: {use: openai, base_url: "https://far.example", api_key: none, region: us-1}
  odd: {use: openai, base_url: "https://odd.example", api_key: none}
catalogue:
  models:
    vllm/small: {context: 1000, max_output: 200, tools: false, inputs: [text], prices: {input: 0.1, output: 0.4}}
    openai/large: {context: 100000, max_output: 8000, tools: true, json_schema: true, inputs: [text, image], prices: {input: 2, output: 8}}
    openai/new: {context: 50000, tier: preview}
models:
  pool: {targets: [{provider: near, model: small}, {provider: far, model: large}, {provider: odd, model: mystery}, {provider: odd, model: new}]}
  pair: {targets: [{provider: near, model: small}, {provider: far, model: large}]}
  lone: {targets: [{provider: near, model: small}]}
  near: {targets: [{provider: near, model: small}, {provider: near, model: small, region: eu-2}]}
"""
IMAGE = json.dumps(
    {"model": "pool", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}
).encode()
TOOL = b'{"messages": [], "tools": [{"type": "function"}]}'
SCHEMA = b'{"messages": [], "response_format": {"type": "json_schema"}}'


def left(plan: Plan) -> list[str]:
    return [each.place for each in plan.candidates]


def out(plan: Plan) -> dict[str, str]:
    return {each.candidate.place: each.filter for each in plan.rejected}


def key(**terms: object) -> Principal:
    return Principal(name="app", tenant="acme", **terms)  # type: ignore[arg-type]


def test_nothing_is_left_out_without_a_reason() -> None:
    plan = Routed(POOL).plan("pool", body=b'{"messages": []}', estimate=TokenEstimate(100, 200, 50))
    assert left(plan) == ["near/small", "far/large", "odd/mystery", "odd/new"]
    assert plan.rejected == ()


@pytest.mark.parametrize(
    ("body", "needs", "gone"),
    [(IMAGE, VISION, "near/small"), (TOOL, TOOLS, "near/small"), (SCHEMA, JSON_SCHEMA, None)],
)
def test_capabilities_that_are_known_to_be_missing(body: bytes, needs: int, gone: str | None) -> None:
    plan = Routed(POOL).plan("pool", body=body)
    assert out(plan) == ({gone: "capability"} if gone else {})
    assert "odd/mystery" in left(plan), "what is not known excludes nothing"
    dry = Routed(POOL).plan("pool", body=body, headers={"x-tollway-dry-run": "true"})
    assert dry.asking.needs == needs


@pytest.mark.parametrize(
    ("estimate", "gone"),
    [
        (TokenEstimate(900, 2000, 100), {}),
        (TokenEstimate(900, 2000, 101), {"near/small": "context"}),
        (TokenEstimate(1001, 2000, 0), {"near/small": "context"}),
        (TokenEstimate(10, 20, 201), {"near/small": "max_output"}),
        (TokenEstimate(60_000, 90_000, 0), {"near/small": "context", "odd/new": "context"}),
    ],
)
def test_sizes(estimate: TokenEstimate, gone: dict[str, str]) -> None:
    assert out(Routed(POOL).plan("pool", estimate=estimate)) == gone


def test_each_choice_must_fit_not_all_of_them_together() -> None:
    four = TokenEstimate(10, 20, 4 * 200)
    assert out(Routed(POOL).plan("pool", choices=4, estimate=four)) == {}
    assert out(Routed(POOL).plan("pool", choices=3, estimate=four)) == {"near/small": "max_output"}


def test_a_prompt_that_may_fit_the_largest_goes_there() -> None:
    plan = Routed(POOL).plan("pair", estimate=TokenEstimate(120_000, 200_000, 0))
    assert left(plan) == ["far/large"]
    assert out(plan) == {"near/small": "context"}
    with pytest.raises(InvalidRequest) as caught:
        Routed(POOL).plan("pair", estimate=TokenEstimate(140_000, 200_000, 0))
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "model")
    assert "near/small: about 140000 tokens do not fit into its 1000 (context)" in error.message
    assert "shorten the prompt" in error.message


def test_a_sole_target_is_not_asked_what_it_can_do() -> None:
    plan = Routed(POOL).plan("lone", body=IMAGE, estimate=TokenEstimate(5000, 9000, 5000))
    assert (left(plan), plan.rejected) == (["near/small"], ())


@pytest.mark.parametrize(
    ("terms", "gone"),
    [
        ({"providers": ("near", "o*")}, {"far/large": "providers"}),
        ({"regions": ("eu-*",)}, {"far/large": "regions", "odd/mystery": "regions", "odd/new": "regions"}),
        ({"stable_only": True}, {"odd/new": "stability"}),
        (
            {"max_price": PriceCeiling(input=2.0, output=8.0)},
            {"odd/mystery": "max_price", "odd/new": "max_price"},
        ),
        (
            {"max_price": PriceCeiling(output=7.99)},
            {"far/large": "max_price", "odd/mystery": "max_price", "odd/new": "max_price"},
        ),
    ],
)
def test_what_a_key_may_use(terms: dict[str, object], gone: dict[str, str]) -> None:
    assert out(Routed(POOL).plan("pool", principal=key(**terms))) == gone
    assert out(Routed(POOL).plan("pool", principal=key(**terms))) == gone, "remembered, and the same"


@pytest.mark.parametrize(
    ("headers", "gone"),
    [
        ({"providers": "!far"}, {"far/large": "x-tollway-providers"}),
        ({"providers": "n*,far,!near"}, dict.fromkeys(("near/small", "odd/mystery", "odd/new"), "x-tollway-providers")),
        ({"regions": "us-*"}, dict.fromkeys(("near/small", "odd/mystery", "odd/new"), "x-tollway-regions")),
        ({"stable-only": "true"}, {"odd/new": "x-tollway-stable-only"}),
        (
            {"max-input-price": "1"},
            dict.fromkeys(("far/large", "odd/mystery", "odd/new"), "x-tollway-max-input-price"),
        ),
        ({"max-output-price": "8"}, dict.fromkeys(("odd/mystery", "odd/new"), "x-tollway-max-output-price")),
    ],
)
def test_what_a_request_wants(headers: dict[str, str], gone: dict[str, str]) -> None:
    assert (
        out(Routed(POOL).plan("pool", headers={f"x-tollway-{name}": value for name, value in headers.items()})) == gone
    )


def test_a_region_of_a_target_goes_before_its_providers() -> None:
    plan = Routed(POOL).plan("near", principal=key(regions=("eu-2",)))
    assert [each.facts.region for each in plan.candidates] == ["eu-2"]


def test_a_path_without_a_model_has_no_price() -> None:
    text = POOL + "passthrough: {provider: odd}\n"
    cheap = key(max_price=PriceCeiling(input=0.01))
    assert Routed(text).plan(None, endpoint=PASSTHROUGH, path="/files", principal=cheap).chosen.place == "odd/"
    with pytest.raises(PermissionDenied):
        Routed(text).plan(None, endpoint=PASSTHROUGH, path="/files", principal=key(regions=("eu-*",)))


# ---- nobody is left -------------------------------------------------------------------------------------------------


def test_one_provider_that_the_key_may_not_use() -> None:
    with pytest.raises(PermissionDenied) as caught:
        Routed(POOL).plan("lone", principal=key(providers=("far",)))
    assert caught.value.message == "This key may not use provider 'near'; its owner can add it to the key's providers."


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"regions": ("ap-*",)}, "add a region to its regions"),
        ({"max_price": PriceCeiling(input=0.01)}, "raise its max_price"),
        ({"providers": ("none",)}, "add a provider to its providers"),
    ],
)
def test_terms_of_the_key_are_a_403_with_the_fix(terms: dict[str, object], words: str) -> None:
    with pytest.raises(PermissionDenied) as caught:
        Routed(POOL).plan("pair", principal=key(**terms))
    assert (caught.value.status, caught.value.code) == (403, "permission_denied")
    assert words in caught.value.message
    assert "near/small" in caught.value.message
    assert "far/large" in caught.value.message


def test_the_requests_own_terms_are_a_400_that_names_them() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Routed(POOL).plan("pair", body=TOOL, headers={"x-tollway-max-input-price": "1"})
    error = caught.value
    assert (error.status, error.code) == (400, "no_capable_target")
    assert "near/small: it has no tools (capability)" in error.message
    assert "its price of input is $2 per million tokens, the ceiling is $1 (x-tollway-max-input-price)" in error.message
    assert "leave out x-tollway-max-input-price" in error.message
    with pytest.raises(InvalidRequest, match="is not known, the ceiling is"):
        Routed(POOL).plan("odd/mystery", headers={"x-tollway-max-input-price": "1"})


def test_a_long_list_is_told_short() -> None:
    targets = ", ".join(f"{{provider: near, model: m{number}}}" for number in range(50))
    stand = Routed(POOL.partition("models:\n  pool")[0] + f"models: {{pool: {{targets: [{targets}]}}}}")
    with pytest.raises(PermissionDenied) as caught:
        stand.plan("pool", principal=key(providers=("far",)))
    assert "and 40 more" in caught.value.message
    assert len(caught.value.message) < 1500
