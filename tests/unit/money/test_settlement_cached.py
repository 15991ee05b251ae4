"""Answers from the cache: what they are charged, what they saved, and the row that the ledger gets."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from proxy.context import Cached, RequestContext
from proxy.errors import ClientGone, GatewayDraining, UpstreamCut
from proxy.money.cached import kind_of, maker
from proxy.money.prices import Priced
from proxy.money.pricing import CataloguePricing
from proxy.policy.targets import Candidate, Route
from proxy.policy.targets import Plan as RoutePlan
from proxy.policy.terms import AT_COST, ListPrice, Plan
from proxy.wire.usage import NO_USAGE, Usage, reported

from .made import MODEL, TARGET, context, pricing

USAGE = reported(prompt=1000, output=100)
USUAL = 3000
"""Micro-dollars of ``USAGE``."""

BIG = structs.replace(MODEL, id="big", input_price=20_000_000)


def hit(
    prices: CataloguePricing, *, plan: Plan = AT_COST, usage: Usage = USAGE, status: str = "hit", **more: object
) -> RequestContext:
    """A request that the cache answered, whole."""
    ctx = context(prices, plan=plan)
    ctx.attempts.clear()
    ctx.usage = NO_USAGE
    ctx.cached = Cached(status=status, usage=usage, provider="openai", model="m", **more)  # type: ignore[arg-type]
    return ctx


def test_a_hit_is_free_and_says_what_it_saved() -> None:
    prices = pricing()
    ctx = hit(prices)
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.cost, settled.count) == ("cached", 0, 0, "reported")
    assert (settled.saved, settled.saved_cost) == (USUAL, USUAL)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.cache, row.ending, row.attempts, row.upstream_id, row.flags) == ("hit", "cached", 0, "", ())
    assert (row.provider, row.model, row.input_tokens, row.output_tokens) == ("openai", "m", 1000, 100)
    assert (row.saved, row.saved_cost, row.saved_input, row.saved_output) == (USUAL, USUAL, 1000, 100)
    assert (row.charge, row.cost, row.unpriced, row.price_version) == (0, 0, False, prices.version(ctx.principal))


@pytest.mark.parametrize(
    ("plan", "charge", "saved"),
    [
        (Plan(cached=50), 1500, 1500),
        (Plan(cached=100), 3000, 0),
        (Plan(cached=0.01), 1, 2999),
        (Plan(cached=10, markup=12.5), 338, 3375 - 338),
        (Plan(cached=10, prices={"pub*": ListPrice(input=1, output=1)}), 110, 990),
    ],
)
def test_a_plan_has_its_share_rounded_up_once(plan: Plan, charge: int, saved: int) -> None:
    prices = pricing()
    settled = prices.settled(hit(prices, plan=plan))
    assert (settled.charge, settled.cost, settled.saved, settled.saved_cost) == (charge, 0, saved, USUAL)


@settings(max_examples=200, deadline=None)
@given(
    percent=st.integers(0, 10_000).map(lambda hundredths: hundredths / 100),
    markup=st.sampled_from([0.0, 12.5, -33.3, 250.0]),
    prompt=st.integers(0, 10**7),
    output=st.integers(0, 10**6),
)
def test_charge_and_saved_are_whole_and_add_up_to_the_usual_price(
    percent: float, markup: float, prompt: int, output: int
) -> None:
    prices, plan = pricing(), Plan(cached=percent, markup=markup)
    ctx = hit(prices, plan=plan, usage=reported(prompt=prompt, output=output))
    ctx.estimate = structs.replace(ctx.estimate, likely=prompt, bound=prompt)
    settled = prices.settled(ctx)
    usual = prices.charge(ctx.principal, "public", TARGET, ctx.cached.usage)  # type: ignore[union-attr]
    exact = Fraction(prompt * 2 + output * 10) * (100 + Fraction(repr(markup))) / 100 * Fraction(repr(percent)) / 100
    assert settled.charge == ceil(exact)
    assert usual is not None
    assert settled.charge + settled.saved == usual
    assert prices.cached(ctx) == settled.charge, "what the header says"


@pytest.mark.parametrize(("percent", "charge", "flags"), [(0, 0, ()), (50, None, ("unpriced",))])
def test_an_unknown_price_matters_to_a_plan_that_takes_a_part_of_it(
    percent: float, charge: int | None, flags: tuple[str, ...]
) -> None:
    prices = pricing()
    ctx = hit(prices, plan=Plan(cached=percent))
    ctx.cached = structs.replace(ctx.cached, model="?")
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost, settled.saved, settled.saved_cost) == (charge, 0, 0, 0)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.charge, row.unpriced, row.flags, row.model) == (0, bool(percent), flags, "?")


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [("hit", "", "hit"), ("semantic-hit", "", "semantic-hit"), ("hit", "shared", "shared")],
)
def test_kinds_of_hits(status: str, reason: str, kind: str) -> None:
    prices = pricing()
    ctx = hit(prices, status=status, reason=reason)
    assert kind_of(ctx) == kind
    assert prices.entry(ctx, prices.settled(ctx), 1.0, 2.0).cache == kind


@pytest.mark.parametrize("status", ["miss", "bypass", "refresh", "disabled"])
def test_what_was_not_served_is_no_hit(status: str) -> None:
    prices = pricing()
    ctx = hit(prices, status=status)
    assert prices.settled(ctx).ending == "answered_here"


def gone(ctx: RequestContext) -> None:
    ctx.error, ctx.outcome = ClientGone("x"), "client_closed"


def cancelled(ctx: RequestContext) -> None:
    ctx.outcome = "client_closed"


def drained(ctx: RequestContext) -> None:
    ctx.error, ctx.outcome = GatewayDraining(), "rejected"


def broken(ctx: RequestContext) -> None:
    """What it followed broke off."""
    ctx.error, ctx.outcome = UpstreamCut("x"), "upstream_error"


@pytest.mark.parametrize("how", [gone, cancelled, drained, broken])
def test_what_did_not_leave_whole_is_free_and_saved_nothing(how: Callable[[RequestContext], None]) -> None:
    prices = pricing()
    ctx = hit(prices, plan=Plan(cached=50))
    how(ctx)
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.cost, settled.saved) == ("cached", 0, 0, 0)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.cache, row.outcome, row.input_tokens, row.saved_input, row.flags) == ("hit", ctx.outcome, 0, 0, ())


def test_a_follower_that_had_to_ask_itself_is_an_ordinary_request() -> None:
    prices = pricing()
    ctx = context(prices, plan=Plan(cached=10))
    ctx.cached = Cached(status="hit", reason="shared")
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.saved) == ("complete", USUAL, 0)
    assert prices.entry(ctx, settled, 1.0, 2.0).cache == ""


def test_the_part_of_an_answer_that_the_cache_gave_only_counts_as_saved() -> None:
    prices = pricing()
    ctx = context(prices, plan=Plan(cached=50))
    ctx.cached = Cached(status="miss", reason="partial", usage=reported(prompt=400, output=0))
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.cost) == ("complete", USUAL, USUAL)
    assert (settled.saved, settled.saved_cost) == (800, 800)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.cache, row.attempts, row.input_tokens, row.saved_input, row.saved_output) == ("", 1, 1000, 400, 0)


def test_figures_that_the_body_cannot_hold_are_neither_charged_nor_saved() -> None:
    """The provider had made them up when the answer was stored."""
    prices = pricing()
    ctx = hit(prices, plan=Plan(cached=50), usage=reported(prompt=10**9, output=1))
    settled = prices.settled(ctx)
    assert (settled.charge, settled.saved, prices.cached(ctx)) == (0, 0, 0)
    assert prices.entry(ctx, settled, 1.0, 2.0).flags == ("usage_absurd",)


def test_an_answer_without_usage_is_free_and_marked() -> None:
    prices = pricing()
    ctx = hit(prices, plan=Plan(cached=50), usage=NO_USAGE)
    settled = prices.settled(ctx)
    assert (settled.charge, settled.saved, settled.count) == (0, 0, "estimated")
    assert prices.entry(ctx, settled, 1.0, 2.0).flags == ("usage_missing",)


# ---- whose price ----------------------------------------------------------------------------------------------------


def test_a_hit_is_priced_as_whoever_made_it_not_as_whoever_was_chosen() -> None:
    prices = pricing(MODEL, BIG)
    ctx = hit(prices, plan=Plan(cached=50))
    ctx.cached = structs.replace(ctx.cached, model="big")
    settled = prices.settled(ctx)
    assert (settled.charge, settled.saved_cost) == (10_500, 21_000)
    assert prices.entry(ctx, settled, 1.0, 2.0).model == "big"


def test_the_public_name_is_that_of_the_candidate_that_made_it() -> None:
    """With ``auto`` each candidate stands for another name, for which the plan may have a price."""
    prices = pricing(MODEL, BIG)
    big = structs.replace(TARGET, model="big")
    first, second = Candidate(target=TARGET, model="public"), Candidate(target=big, model="premium")
    ctx = hit(prices, plan=Plan(cached=100, prices={"premium": ListPrice(input=1, output=1)}))
    ctx.plan = RoutePlan(
        route=Route(label="auto", candidates=(first, second)), candidates=(first, second), chosen=first
    )
    assert prices.settled(ctx).charge == USUAL
    ctx.cached = structs.replace(ctx.cached, model="big")
    assert maker(ctx) is big
    assert prices.settled(ctx).charge == 1100


def test_where_the_cache_does_not_say_who_made_it_the_chosen_target_is_taken() -> None:
    prices = pricing()
    ctx = hit(prices)
    ctx.cached = structs.replace(ctx.cached, provider="", model="")
    assert maker(ctx) is TARGET
    assert prices.settled(ctx).saved == USUAL
    ctx.target = None
    row = prices.entry(ctx, prices.settled(ctx), 1.0, 2.0)
    assert (row.provider, row.model) == ("", "")


def test_a_hit_is_settled_at_the_prices_it_was_admitted_with() -> None:
    old, new = pricing(), pricing(structs.replace(MODEL, input_price=8_000_000))
    ctx = hit(old, plan=Plan(cached=100))
    assert isinstance(ctx.quote, Priced)
    assert new.settled(ctx).charge == USUAL
    assert new.entry(ctx, new.settled(ctx), 1.0, 2.0).price_version == ctx.quote.version


def test_what_hits_cost_is_part_of_the_prices_version() -> None:
    prices = pricing()
    versions = {prices.version(hit(prices, plan=Plan(cached=percent)).principal) for percent in (0.0, 10.0, 20.0)}
    assert len(versions) == 3
