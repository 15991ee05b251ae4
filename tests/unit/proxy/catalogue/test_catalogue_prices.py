"""The shipped prices beside an independent source: they agree, or the row says why not."""

from datetime import date
from decimal import Decimal

import pytest
from genai_prices import data
from genai_prices.types import ModelInfo as Theirs
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices

from proxy.catalogue import ModelInfo, catalogue

NAMES = {
    "bedrock": "aws",
    "gemini": "google",
    "moonshot": "moonshotai",
    "vertex": "google",
    "xai": "x-ai",
}
"""Our provider ids to theirs, where they differ."""

TOLERANCE = Decimal("0.01")
PROVIDERS = {provider.id: provider for provider in data.providers}
MODELS = [model for model in catalogue().models if model.input_price is not None]


def theirs(provider: str, model: str) -> Theirs | None:
    found = PROVIDERS.get(NAMES.get(provider, provider))
    return next((one for one in found.models if one.is_match(model)), None) if found is not None else None


def price_on(model: Theirs, day: date) -> ModelPrice:
    if not isinstance(model.prices, list):
        return model.prices
    current = model.prices[0].prices
    for conditional in model.prices:
        constraint = conditional.constraint
        if isinstance(constraint, StartDateConstraint) and constraint.start_date <= day:
            current = conditional.prices
    return current


def base(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price


def differs(ours: int | None, price: Decimal | TieredPrices | None) -> bool:
    """More than one per cent apart; what one of the two does not know is no difference."""
    found = base(price)
    if ours is None or found is None:
        return False
    here = Decimal(ours) / 1_000_000
    return abs(here - found) > TOLERANCE * max(here, found)


def differences(model: ModelInfo, found: ModelPrice) -> list[str]:
    pairs = {
        "input": (model.input_price, found.input_mtok),
        "output": (model.output_price, found.output_mtok),
    }
    if model.price_note is None:
        pairs |= {
            "cached": (model.cached_price, found.cache_read_mtok),
            "cache_write": (model.cache_write_price, found.cache_write_mtok),
        }
    return [name for name, (ours, price) in pairs.items() if differs(ours, price)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.provider}/{model.id}")
def test_a_price_agrees_or_says_why_not(model: ModelInfo) -> None:
    found = theirs(model.provider, model.id)
    if found is None:
        return
    wrong = differences(model, price_on(found, catalogue().as_of))
    if model.price_note is not None:
        assert wrong, f"{model.price_note!r}: there is no difference any more, take the note out"
        assert not model.price_checked
    else:
        assert wrong == []


def test_enough_is_compared() -> None:
    assert sum(theirs(model.provider, model.id) is not None for model in MODELS) > 110


def test_what_counts_as_checked_was_found_there() -> None:
    for model in MODELS:
        if model.price_checked:
            assert theirs(model.provider, model.id) is not None, model.id


@pytest.mark.parametrize("host", ["bedrock", "vertex"])
def test_a_host_sells_at_the_same_price(host: str) -> None:
    hosted = [model for model in MODELS if host in model.hosts]
    assert hosted
    for model in hosted:
        name = f"global.anthropic.{model.id}" if host == "bedrock" else model.id
        found = theirs(host, name)
        assert found is not None, name
        price = price_on(found, catalogue().as_of)
        assert not differs(model.input_price, price.input_mtok), name
        assert not differs(model.output_price, price.output_mtok), name
