"""The shipped catalogue holds together: unique ids, whole prices, no zeros for what is unknown."""

from datetime import date

import pytest

from proxy import catalogue as shelf
from proxy.catalogue import Book, ModelInfo, catalogue, info, models_of
from proxy.catalogue import book as book_module

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


@pytest.mark.parametrize(
    ("provider", "name", "ident"),
    [
        ("openai", "gpt-5.6", "gpt-5.6-sol"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("anthropic", "claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-5-5-latest", "claude-opus-5-5"),
        ("vertex", "claude-opus-5-5@20260801", "claude-opus-5-5"),
        ("vertex", "gemini-3.8-flash", "gemini-3.8-flash"),
        ("azure", "gpt-4o", "gpt-4o"),
        ("groq", "gpt-oss-120b", "openai/gpt-oss-120b"),
    ],
)
def test_other_names_of_a_model(provider: str, name: str, ident: str) -> None:
    found = info(provider, name)
    assert found is not None
    assert (found.provider, found.id) == (provider, ident)
    assert found.input_price is not None
    assert info(provider, name) is found


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "ft:gpt-4o-mini:org::id"), ("bedrock", "us.anthropic.claude-opus-5-5-v1:0")],
)
def test_where_the_price_may_differ_it_is_unknown(provider: str, name: str) -> None:
    found = info(provider, name)
    assert found is not None
    assert found.context is not None
    assert (found.input_price, found.batch_output_price, found.tier_above) == (None, None, None)


def test_a_host_has_a_calendar_of_its_own() -> None:
    found = info("azure", "gpt-4o")
    assert found is not None
    assert (found.stability, found.shutdown, found.successor) == ("stable", None, None)


@pytest.mark.parametrize(
    ("model", "day", "tier"),
    [
        ("gpt-4o-mini", date(2026, 11, 22), "deprecated"),
        ("gpt-4o-mini", date(2027, 1, 13), "deprecated"),
        ("gpt-4o-mini", date(2027, 1, 14), "retired"),
        ("o1-preview", date(2026, 11, 22), "retired"),
        ("gpt-6-luna", date(2030, 1, 1), "stable"),
    ],
)
def test_a_deprecated_model_retires_by_itself(model: str, day: date, tier: str) -> None:
    found = info("openai", model)
    assert found is not None
    assert found.tier(day) == tier


def test_a_rerouted_model_goes_on() -> None:
    found = info("gemini", "gemini-2.5-pro")
    assert found is not None
    assert found.tier(date(2027, 1, 1)) == "deprecated"
    assert found.successor == "gemini-3.8-flash"


@pytest.mark.parametrize(
    ("provider", "model", "day", "answers"),
    [
        ("gemini", "gemini-2.5-pro", date(2026, 11, 30), "gemini-2.5-pro"),
        ("gemini", "gemini-2.5-pro", date(2026, 12, 1), "gemini-3.8-flash"),
        ("vertex", "gemini-2.5-pro", date(2026, 12, 1), "gemini-2.5-pro"),
        ("openai", "o1-preview", date(2026, 12, 1), "o1-preview"),
        ("nobody", "x", date(2026, 12, 1), "x"),
    ],
)
def test_whose_rules_hold(provider: str, model: str, day: date, answers: str) -> None:
    assert shelf.answering(provider, model, day) == answers


def test_a_successor_is_in_the_catalogue_and_not_retired() -> None:
    named = [model for model in MODELS if model.successor is not None]
    assert len(named) > 15
    for model in named:
        found = info(model.provider, model.successor or "")
        assert found is not None, model.id
        assert found.tier(catalogue().as_of) == "stable", model.id


def test_every_row_has_its_source_and_no_two_share_a_name() -> None:
    assert [model.id for model in MODELS if not model.source] == []
    for provider in Book(MODELS).providers():
        names = [name for model in models_of(provider) for name in (model.id, *model.aliases)]
        assert len(names) == len(set(names)), provider


def test_rows_of_ones_own() -> None:
    book = shelf.changed(shelf.shipped(), {"openai/gpt-4o": {"input_price": 1}, "vllm/tiny": {"context": 4096}})
    changed, old = book.info("openai", "gpt-4o"), shelf.shipped().info("openai", "gpt-4o")
    assert changed is not None
    assert old is not None
    assert (changed.input_price, changed.output_price) == (1, old.output_price)
    tiny = book.info("vllm", "tiny")
    assert tiny is not None
    assert (tiny.context, tiny.input_price) == (4096, None)
    assert shelf.shipped().info("vllm", "tiny") is None


@pytest.mark.parametrize("rows", [{"gpt-4o": {}}, {"openai/": {}}, {"openai/gpt-4o": {"input_price": "much"}}])
def test_a_bad_row_is_named(rows: dict[str, dict[str, object]]) -> None:
    with pytest.raises(ValueError, match=next(iter(rows))):
        shelf.changed(shelf.shipped(), rows)


def test_a_refreshed_catalogue_keeps_ones_own_rows() -> None:
    try:
        shelf.configure({"openai/new": {"context": 5}})
        data = (
            b'{"version": 3, "as_of": "2026-12-01", "models": [{"id": "new", "provider": "openai", "max_output": 7}]}'
        )
        assert shelf.refresh(data) == 1
        found = info("openai", "new")
        assert found is not None
        assert (found.context, found.max_output) == (5, 7)
        assert info("openai", "gpt-4o") is None
        for bad in (b"", b"<html>", b'{"version": 3, "as_of": "2026-12-01", "models": []}', b'{"models": [{"id": 1}]}'):
            with pytest.raises(ValueError, match="catalogue"):
                shelf.refresh(bad)
        assert info("openai", "new") is not None
        shelf.configure({})
        assert info("openai", "new") == ModelInfo(id="new", provider="openai", max_output=7)
    finally:
        shelf.shelve()
    assert info("openai", "gpt-4o") is not None


def test_look_ups_are_remembered_for_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "_CACHE", 10)
    book = Book(MODELS)
    for index in range(100):
        assert book.info("openai", f"nobody-{index}") is None
    assert len(book._known) <= 10
