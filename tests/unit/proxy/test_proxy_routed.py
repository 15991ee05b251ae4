"""From the configuration and the catalogue to routes, candidates and what is known of them."""

import pytest

from proxy import catalogue, generation
from proxy.context import Target
from proxy.money.prices import Priced
from proxy.policy.routes import Hedge, Retry, Shadow, Slo, SlowStream
from proxy.policy.targets import AUDIO, JSON_SCHEMA, PDF, REASONING, TOOLS, VIDEO, VISION, Candidate, Facts, Route
from tests.support.clock import FakeClock
from tests.support.fakes import LIMITS
from tests.support.routers import ANYBODY, TODAY, load_text

TEXT = """
providers:
  openai: {use: openai, api_key: none, region: us}
  mine: {use: openai, base_url: "https://mine.example", api_key: none}
  vllm: {use: vllm, base_url: "http://gpu", api_key: none, region: eu}
catalogue:
  models:
    vllm/small: {context: 32768, tools: true, json_schema: false}
    vllm/eyes: {inputs: [text, image], max_input: 9000, prices: {input: 0.5}}
    openai/own: {context: 5, reasoning: false}
retry: {attempts: 4, base: 0.5s}
timeouts: {idle: 50s}
models:
  plain: {targets: [{provider: vllm, model: small}]}
  full:
    targets:
      - {provider: vllm, model: small, weight: 3, concurrency: 8, queue: {wait: 2s, size: 5}, region: eu-2, continues: true}
      - {provider: mine, model: gpt-6-luna, timeouts: {idle: 7s}}
    policy: weighted
    sticky_by: session
    fallbacks: [plain]
    fallbacks_for: {context_length: [plain], content_policy: [openai/x]}
    retry: {attempts: 2}
    hedge: {after: 1s}
    slow_stream: {tokens_per_second: 9}
    slo: {ttft: 1s}
    shadow: {model: plain, share: 0.5}
    continue_streams: true
"""
CONFIG = load_text(TEXT)


def known(place: str, *, now: float = TODAY, text: str | None = None) -> Facts:
    config = CONFIG if text is None else load_text(text)
    found = generation.directory(config, FakeClock(now)).route(place)
    assert found is not None
    return found.candidates[0].facts


def route(name: str) -> Route:
    found = generation.directory(CONFIG, FakeClock(TODAY)).route(name)
    assert found is not None
    return found


def test_a_route_is_what_the_configuration_says() -> None:
    found = route("full")
    assert (found.label, found.policy, found.sticky_by, found.fallbacks) == ("full", "weighted", "session", ("plain",))
    assert (found.on_context_length, found.on_content_policy) == (("plain",), ("openai/x",))
    assert (found.retry, found.hedge, found.slow_stream) == (
        Retry(attempts=2),
        Hedge(after=1.0),
        SlowStream(tokens_per_second=9.0),
    )
    assert (found.slo, found.shadow, found.continues) == (Slo(ttft=1.0), Shadow(model="plain", share=0.5), True)
    first, second = found.candidates
    assert (first.weight, first.capacity, first.queue, first.queue_size, first.continues) == (3, 8, 2.0, 5, True)
    assert (first.facts.region, first.target.limits.idle) == ("eu-2", 50.0)
    assert (second.weight, second.capacity, second.queue, second.target.limits.idle) == (1, 0, 0.0, 7.0)


@pytest.mark.parametrize("name", ["plain", "vllm/other", "openai/gpt-6-luna"])
def test_the_shared_retry_holds_where_a_model_has_none(name: str) -> None:
    assert route(name).retry == Retry(attempts=4, base=0.5)
    assert type(route(name).retry) is Retry


def test_what_the_catalogue_knows_of_a_model() -> None:
    info = catalogue.info("openai", "gpt-6-luna")
    assert info is not None
    facts = known("openai/gpt-6-luna")
    assert (facts.context, facts.max_output, facts.tier, facts.region) == (
        info.context,
        info.max_output,
        "stable",
        "us",
    )
    assert (facts.input_price, facts.output_price) == (info.input_price, info.output_price)
    assert facts.cached_price == (info.cached_price if info.cached_price is not None else -1)
    for modality, bit in (("image", VISION), ("pdf", PDF), ("audio", AUDIO), ("video", VIDEO)):
        assert bool(facts.lacks & bit) is (modality not in info.inputs)
    assert not facts.lacks & (TOOLS | JSON_SCHEMA)


def test_the_tier_is_todays() -> None:
    assert known("openai/gpt-4o").tier == "deprecated"
    assert known("openai/gpt-4o", now=TODAY + 60 * 86_400).tier == "retired"


def test_of_another_server_only_rows_of_the_configuration_hold_and_what_it_is_charged_at() -> None:
    info = catalogue.info("openai", "gpt-6-luna")
    assert info is not None
    assert info.input_price is not None
    assert info.output_price is not None
    assert info.cached_price is not None
    assert known("mine/gpt-6-luna") == Facts(
        input_price=info.input_price, output_price=info.output_price, cached_price=info.cached_price
    )
    assert known("mine/unheard-of") == Facts()
    assert known("mine/own") == Facts(context=5, lacks=REASONING)


@pytest.mark.parametrize(
    "place",
    ["openai/gpt-6-luna", "mine/gpt-6-luna", "mine/own", "vllm/eyes", "vllm/unheard-of", "near/gpt-4o", "near/other"],
)
def test_a_choice_reckons_with_what_the_ledger_charges(place: str) -> None:
    text = TEXT.replace(
        "  vllm: {use", '  near: {use: openai, base_url: "http://10.0.0.5", api_key: none}\n  vllm: {use'
    )
    provider, _, model = place.partition("/")
    facts = known(place, text=text)
    asked = Target(provider=provider, model=model, limits=LIMITS)
    quote = generation.pricing(load_text(text)).quote(ANYBODY, place, asked)
    assert isinstance(quote, Priced)
    rates = quote.operator.rates
    assert (facts.input_price, facts.output_price) == tuple(
        -1 if rate is None else rate for rate in (rates.input, rates.output)
    )


def test_what_a_row_of_the_configuration_does_not_mention_is_not_known() -> None:
    assert known("vllm/small") == Facts(context=32768, lacks=JSON_SCHEMA, region="eu", input_price=0, output_price=0), (
        "one's own machines cost nothing where no price is set"
    )
    assert known("vllm/eyes") == Facts(
        context=9000, lacks=PDF | AUDIO | VIDEO, region="eu", input_price=500_000, output_price=-1
    )
    assert known("vllm/unheard-of") == Facts(region="eu", input_price=0, output_price=0)


def test_a_passed_path_has_the_providers_region() -> None:
    directory = generation.directory(CONFIG, FakeClock(TODAY))
    target = directory.provider("openai")
    assert target is not None
    candidate = directory.candidate(target)
    assert isinstance(candidate, Candidate)
    assert candidate.facts.region == "us"


@pytest.mark.parametrize(
    ("row", "tier"),
    [
        ("{prices: {input: 1, output: 2}}", "stable"),
        ("{tier: preview}", "preview"),
        ("{shutdown: 2026-01-31}", "retired"),
    ],
)
def test_at_another_address_no_model_is_retired_but_by_a_row_that_says_so(row: str, tier: str) -> None:
    text = TEXT.replace("vllm/small: {", f"openai/o1-mini: {row}\n    vllm/small: {{", 1)
    try:
        assert known("mine/o1-mini", text=text).tier == tier
        assert known("openai/o1-mini", text=text.replace(row, "{prices: {input: 1}}")).tier == "retired"
    finally:
        catalogue.shelve()
