"""The shipped catalogue holds together: unique ids, whole prices, no zeros for what is unknown."""

from datetime import date

import pytest

from proxy.catalogue import ModelInfo, catalogue, info, models_of

MODELS = catalogue().models
PRICES = (
    "input_price",
    "output_price",
    "cached_price",
    "cache_write_price",
    "tier_input_price",
    "tier_output_price",
)


def test_every_model_is_listed_once() -> None:
    names = [(model.provider, model.id) for model in MODELS]
    assert len(names) == len(set(names)) >= 150


@pytest.mark.parametrize("field", [*PRICES, "context", "max_input", "max_output", "tier_above"])
def test_unknown_numbers_are_null_and_never_zero(field: str) -> None:
    values = [getattr(model, field) for model in MODELS]
    assert any(value is not None for value in values)
    assert all(value is None or value > 0 for value in values)


def test_prices_are_plausible_micro_dollars_per_million_tokens() -> None:
    for model in MODELS:
        for field in PRICES:
            value = getattr(model, field)
            assert value is None or 1_000 <= value <= 1_000_000_000, (model.id, field)
        if model.cached_price is not None and model.input_price is not None:
            assert model.cached_price <= model.input_price, model.id


def test_a_tier_has_a_threshold_and_both_prices() -> None:
    for model in MODELS:
        parts = (model.tier_above, model.tier_input_price, model.tier_output_price)
        assert all(part is None for part in parts) or None not in parts, model.id


def test_input_fits_the_context() -> None:
    for model in MODELS:
        if model.context is not None and model.max_input is not None:
            assert model.max_input <= model.context, model.id


def test_what_is_retired_has_a_date_that_is_past() -> None:
    for model in MODELS:
        if model.stability == "retired":
            assert model.shutdown is not None, model.id
            assert model.shutdown <= catalogue().as_of, model.id


def test_chat_models_write_text_and_embeddings_do_not() -> None:
    for model in MODELS:
        assert ("text" in model.outputs) == (model.mode in ("chat", "responses")), model.id


def test_a_known_model_reads_as_published() -> None:
    found = info("openai", "gpt-4.1")
    assert isinstance(found, ModelInfo)
    assert (found.context, found.max_output) == (1_047_576, 32_768)
    assert (found.input_price, found.output_price, found.cached_price) == (2_000_000, 8_000_000, 500_000)
    assert (found.stability, found.shutdown) == ("deprecated", date(2027, 1, 14))


def test_a_dated_snapshot_is_its_model_and_other_suffixes_are_not() -> None:
    assert info("openai", "gpt-4.1-2025-04-14") is info("openai", "gpt-4.1")
    assert info("openai", "gpt-4.1-turbo") is None
    assert info("nobody", "gpt-4.1") is None


def test_models_of_gives_one_provider_only() -> None:
    found = models_of("openai")
    assert len(found) > 30
    assert {model.provider for model in found} == {"openai"}
    assert models_of("nobody") == ()
