"""Prices: classes, tiers, plans, the one rounding; unknown is never 0."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from proxy.catalogue import Book
from proxy.context import NO_QUOTE
from proxy.money.hosting import self_hosted
from proxy.money.prices import PriceList
from proxy.money.tariff import MILLION, Rates, factor_of, of_list, of_model, price_up, rounded_up
from proxy.policy.terms import ListPrice, Plan
from proxy.wire.usage import Usage, reported

from .made import MODEL, TARGET, pricing, principal

TIERED = structs.replace(
    MODEL,
    tier_above=200_000,
    tier_input_price=4_000_000,
    tier_output_price=20_000_000,
    cache_write_price=None,
)
CACHED = reported(prompt=1000, output=100, cached=600, cache_write=100, reasoning=80)


def test_the_classes_are_disjoint() -> None:
    assert of_model(MODEL).total(CACHED) == 300 * 2_000_000 + 600 * 500_000 + 100 * 2_500_000 + 100 * 10_000_000


def test_a_class_without_a_price_costs_what_it_stands_in_for() -> None:
    bare = of_model(structs.replace(MODEL, cached_price=None, cache_write_price=None))
    assert bare.total(CACHED) == 1000 * 2_000_000 + 100 * 10_000_000


@pytest.mark.parametrize(("prompt", "rate"), [(200_000, 2_000_000), (200_001, 4_000_000)])
def test_above_the_tier_its_prices_hold_for_all_tokens(prompt: int, rate: int) -> None:
    assert of_model(TIERED).total(Usage(input=prompt)) == prompt * rate


def test_a_tier_without_a_cached_price_takes_the_tiers_input_price() -> None:
    assert of_model(TIERED).at(300_000) == Rates(4_000_000, 4_000_000, 4_000_000, 20_000_000)


def test_an_unknown_price_is_not_zero() -> None:
    half = structs.replace(MODEL, output_price=None)
    assert of_model(half).total(Usage(input=10)) == 20_000_000
    assert of_model(half).total(Usage(input=10, output=1)) is None
    assert of_model(structs.replace(half, mode="embedding")).dearest() == (2_500_000, 0)


def test_rounded_up_once_a_request() -> None:
    one_token = Usage(input=1)
    cheap = of_model(structs.replace(MODEL, input_price=1))
    total = cheap.total(one_token)
    assert total == 1
    assert rounded_up(total, Fraction(1)) == 1
    assert rounded_up(0, Fraction(1)) == 0
    assert rounded_up(MILLION, Fraction(1)) == 1
    assert rounded_up(MILLION + 1, Fraction(1)) == 2


@given(st.integers(0, 10**18), st.floats(-100, 10_000))
def test_a_markup_is_exact_and_never_rounds_down(total: int, markup: float) -> None:
    factor = factor_of(markup)
    charge = rounded_up(total, factor)
    assert charge - 1 < total * factor / MILLION <= charge


def test_a_markup_counts_as_its_decimal_text() -> None:
    assert factor_of(0.1) == Fraction(1001, 1000)
    assert factor_of(-100) == 0


def test_list_prices_follow_their_input_price() -> None:
    usage = reported(prompt=100, output=10, cached=50)
    assert of_list(ListPrice(input=3, output=12)).total(usage) == 100 * 3_000_000 + 10 * 12_000_000
    assert of_list(ListPrice(input=3, output=12, cached_input=0)).total(usage) == 50 * 3_000_000 + 10 * 12_000_000
    assert of_list(ListPrice(input=1e-9, output=0)).rates.input == 1, "a tiny price is not 0"


# ---- quotes ---------------------------------------------------------------------------------------------------------


def test_a_quote_is_made_of_the_dearest_classes_and_tiers() -> None:
    quote = pricing(TIERED).quote(principal(), "x", TARGET)
    assert (quote.input_price, quote.output_price) == (4_000_000, 20_000_000)
    assert (quote.known, quote.max_output) == (True, 4096)
    assert pricing(MODEL).quote(principal(), "x", TARGET).input_price == 2_500_000


@given(
    st.integers(0, 400_000), st.integers(0, 400_000), st.integers(0, 400_000), st.integers(0, 100_000),
    st.floats(-100, 1000),
)  # fmt: skip
def test_no_usage_costs_more_than_its_quote(prompt: int, cached: int, written: int, output: int, markup: float) -> None:
    usage = reported(prompt=prompt, output=output, cached=cached, cache_write=written)
    prices, customer = pricing(TIERED), principal(Plan(markup=markup))
    quote = prices.quote(customer, "x", TARGET)
    charge = prices.charge(customer, "x", TARGET, usage)
    assert charge == prices.charge_at(quote, usage)
    assert charge is not None
    assert charge <= -(-(usage.input * quote.input_price + usage.output * quote.output_price) // MILLION)


def test_the_first_matching_glob_decides_and_markup_does_not_touch_it() -> None:
    plan = Plan(markup=50, prices={"fast*": ListPrice(input=1, output=2), "*": ListPrice(input=7, output=8)})
    prices = pricing()
    assert prices.quote(principal(plan), "fast-1", TARGET).input_price == 1_000_000
    assert prices.quote(principal(plan), "Fast", TARGET).input_price == 7_000_000
    without = Plan(markup=50, prices={"other": ListPrice(input=1, output=2)})
    assert prices.quote(principal(without), "fast", TARGET).input_price == price_up(2_500_000, Fraction(3, 2))


def test_a_price_nobody_knows_is_denied_or_free_as_configured() -> None:
    stranger = structs.replace(TARGET, model="unheard-of")
    assert not pricing().quote(principal(), "x", stranger).known
    assert pricing(unknown="free").quote(principal(), "x", stranger).known
    assert pricing().charge(principal(), "x", stranger, Usage(input=1)) is None
    assert pricing().charge_at(NO_QUOTE, Usage(input=1)) is None
    listed = Plan(prices={"*": ListPrice(input=1, output=2)})
    assert pricing().quote(principal(listed), "x", stranger).known, "the customer's price is known"
    assert pricing().quote(principal(), "x", None) is NO_QUOTE


def test_what_one_runs_oneself_costs_nothing_unless_priced() -> None:
    own = structs.replace(TARGET, provider="mine")
    prices = pricing(structs.replace(MODEL, provider="mine"), free=("mine",))
    assert prices.quote(principal(), "x", own).input_price == 2_500_000
    other = structs.replace(own, model="other")
    assert prices.quote(principal(), "x", other).known
    assert prices.charge(principal(), "x", other, Usage(input=10, output=10)) == 0


@pytest.mark.parametrize(
    ("use", "base_url", "free"),
    [
        ("vllm", "https://gpu.example.com", True),
        ("local", None, True),
        ("openai", None, False),
        ("openai", "http://127.0.0.1:9000/v1", True),
        ("openai", "http://[::1]/v1", True),
        ("openai", "http://10.1.2.3", True),
        ("openai", "http://gpu:8000", True),
        ("openai", "http://llm.models.svc", True),
        ("openai", "https://api.example.com/v1", False),
        ("openai", "https://8.8.8.8", False),
        ("openai", "http://[broken", False),
        ("openai", "nonsense", False),
    ],
)
def test_who_sends_no_bill(use: str, base_url: str | None, free: bool) -> None:
    assert self_hosted(use, base_url) is free


# ---- versions -------------------------------------------------------------------------------------------------------


def test_the_version_names_prices_and_plan() -> None:
    one, other = pricing(), pricing(structs.replace(MODEL, input_price=2_000_001))
    cost, marked = principal(), principal(Plan(markup=1))
    assert one.version(cost) == pricing().version(principal(Plan(included_usd=5, prepaid=True)))
    assert len({one.version(cost), one.version(marked), other.version(cost), other.version(marked)}) == 4
    assert one.version(cost).endswith(".cost")
    unknown = pricing(structs.replace(MODEL, input_price=None))
    assert unknown.version(cost) != pricing(structs.replace(MODEL, input_price=0)).version(cost)


def test_the_order_of_globs_is_part_of_the_version() -> None:
    a, b = ListPrice(input=1, output=1), ListPrice(input=2, output=2)
    prices = pricing()
    assert prices.version(principal(Plan(prices={"a": a, "*": b}))) != prices.version(
        principal(Plan(prices={"*": b, "a": a}))
    )


def test_a_catalogue_that_changes_empties_the_memory() -> None:
    books = [Book([MODEL])]
    prices = PriceList(
        info=lambda target: books[-1].exact(target.provider, target.model), free=lambda _: False, book=lambda: books[-1]
    )
    before = prices.quote(principal(), "x", TARGET)
    version = prices.version(principal())
    books.append(Book([structs.replace(MODEL, input_price=9_000_000)]))
    assert prices.quote(principal(), "x", TARGET).input_price == 9_000_000
    assert before.input_price == 2_500_000
    assert prices.version(principal()) != version


def test_quotes_are_remembered_and_the_memory_is_bounded() -> None:
    prices, customer = pricing(), principal()
    assert prices.quote(customer, "x", TARGET) is prices.quote(customer, "x", TARGET)
    for number in range(9000):
        prices.quote(principal(Plan(markup=number)), f"m{number}", TARGET)
        prices.quote(customer, f"m{number}", TARGET)
    inner = prices.quote.__self__  # type: ignore[attr-defined]
    assert len(inner._plans) <= 4096
    assert len(inner._tables) <= 4096
    assert all(len(table.quotes) <= 4096 for table in inner._tables.values())
