"""Configuration and catalogue together: bare names, tiers of today, rows of one's own, lists."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from proxy import catalogue, generation
from proxy.config import Config, load
from proxy.context import Principal
from proxy.identity.principals import Terms
from proxy.routing.directory import Directory

KNOWN = ("openai", "anthropic", "groq", "gemini", "deepseek")
TODAY = date(2026, 11, 22)
ANYBODY = Principal(name="app", tenant="app")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    catalogue.shelve()


def config_of(text: str) -> Config:
    Path("tollway.yaml").write_text("auth: {mode: open}\n" + text)
    Path("tollway.yaml").chmod(0o600)
    return load("tollway.yaml", {}, known_providers=KNOWN).config


def directory_of(text: str, today: date = TODAY) -> Directory:
    wall = datetime(today.year, today.month, today.day, 12, tzinfo=UTC).timestamp()
    return generation.directory(config_of(text), lambda: wall)


def providers(*uses: str) -> str:
    return "providers: {" + ", ".join(f"{use}: {{use: {use}, api_key: k}}" for use in uses) + "}\n"


def tier(found: Directory, model: str) -> str:
    resolved = found.resolve(model)
    assert resolved is not None
    standing = found.standing(resolved[1])
    return standing.tier if standing is not None else "stable"


@pytest.mark.parametrize(
    ("model", "provider", "sent"),
    [
        ("gpt-6-luna", "openai", "gpt-6-luna"),
        ("gpt-5.6", "openai", "gpt-5.6"),
        ("gpt-4o-2024-11-20", "openai", "gpt-4o-2024-11-20"),
        ("claude-haiku-4-5-20251001", "anthropic", "claude-haiku-4-5-20251001"),
        ("openai/gpt-6-luna", "openai", "gpt-6-luna"),
        ("claude-opus-5-5", "anthropic", "claude-opus-5-5"),
        ("anthropic/claude-unlisted", "anthropic", "claude-unlisted"),
        ("openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
    ],
)
def test_without_models_the_catalogue_is_served(model: str, provider: str, sent: str) -> None:
    resolved = directory_of(providers("anthropic", "openai", "groq")).resolve(model)
    assert resolved is not None
    assert (resolved[1].provider, resolved[1].model) == (provider, sent)
    assert resolved[0] == f"{provider}/*"


@pytest.mark.parametrize("model", ["gpt-9", "claude-sonnet-4.5", "nobody/gpt-6-luna", ""])
def test_other_names_lead_nowhere(model: str) -> None:
    assert directory_of(providers("anthropic", "openai")).resolve(model) is None


def test_with_models_only_those_and_prefixed_names_are_served() -> None:
    found = directory_of(providers("openai") + "models: {fast: {targets: [{provider: openai, model: gpt-6-luna}]}}\n")
    assert found.resolve("gpt-6-luna") is None
    assert found.resolve("openai/gpt-6-luna") is not None
    assert "gpt-6-luna" not in [entry.id for entry in found.entries(ANYBODY)]


def test_the_first_provider_that_has_a_name_gets_it() -> None:
    text = "providers: {b: {use: openai, api_key: k}, a: {use: openai, api_key: k}, c: {use: openai, base_url: 'http://c'}}\n"
    resolved = directory_of(text).resolve("gpt-6-luna")
    assert resolved is not None
    assert resolved[1].provider == "b"


def test_every_bare_name_is_listed_once_and_prefixed_too() -> None:
    names = [entry.id for entry in directory_of(providers("openai", "groq")).entries(ANYBODY)]
    assert len(names) == len(set(names))
    assert {"gpt-6-luna", "openai/gpt-6-luna", "groq/openai/gpt-oss-20b"} <= set(names)
    assert "o1-preview" not in names


@pytest.mark.parametrize(
    ("model", "today", "expected"),
    [
        ("gpt-4o", TODAY, "deprecated"),
        ("gpt-4o-2024-08-06", TODAY, "deprecated"),
        ("gpt-4o", date(2027, 1, 14), "retired"),
        ("o1-preview", TODAY, "retired"),
        ("gpt-6-luna", TODAY, "stable"),
        ("never-heard-of", TODAY, "stable"),
    ],
)
def test_the_tier_is_todays(model: str, today: date, expected: str) -> None:
    found = directory_of(providers("openai") + 'models: {"*": {targets: [{provider: openai}]}}\n', today)
    assert tier(found, model) == expected


def test_what_is_told_of_a_deprecated_model() -> None:
    found = directory_of(providers("openai"))
    resolved = found.resolve("gpt-4o-mini")
    assert resolved is not None
    standing = found.standing(resolved[1])
    assert standing is not None
    assert (standing.shutdown, standing.successor) == (date(2027, 1, 14), "gpt-6-luna")
    assert standing.since == datetime(2026, 10, 14, tzinfo=UTC).timestamp()


def test_a_server_of_ones_own_has_no_tiers_but_configured_ones() -> None:
    text = "providers: {mine: {use: openai, base_url: 'http://127.0.0.1:9'}}\n"
    assert tier(directory_of(text), "mine/o1-preview") == "stable"
    rows = "catalogue: {models: {openai/small: {tier: preview}}}\n"
    assert tier(directory_of(text + rows), "mine/small") == "preview"
    assert tier(directory_of(text + rows), "mine/o1-preview") == "stable"


def test_a_server_of_ones_own_lists_the_configured_models() -> None:
    text = "providers: {mine: {use: openai, base_url: 'http://127.0.0.1:9'}}\n"
    rows = "catalogue: {models: {openai/small: {context: 8192}}}\n"
    entries = directory_of(text + rows).entries(ANYBODY)
    assert [(entry.id, entry.about["context"]) for entry in entries] == [("mine/small", 8192)]
    assert directory_of(text).entries(ANYBODY) == []


def test_a_row_of_ones_own_changes_tier_and_price() -> None:
    rows = "catalogue: {models: {openai/o1-preview: {tier: stable, shutdown: '2030-01-01', prices: {input: 0, output: 0.25}}}}\n"
    found = directory_of(providers("openai") + rows)
    assert tier(found, "o1-preview") == "stable"
    info = catalogue.info("openai", "o1-preview")
    assert info is not None
    assert (info.input_price, info.output_price, info.cached_price) == (0, 250_000, 7_500_000)
    about = next(entry.about for entry in found.entries(ANYBODY) if entry.id == "o1-preview")
    assert about["prices"]["input"] == 0.0  # type: ignore[index,call-overload]


def test_the_next_generation_forgets_rows() -> None:
    directory_of(providers("openai") + "catalogue: {models: {openai/mine: {context: 5}}}\n")
    assert catalogue.info("openai", "mine") is not None
    directory_of(providers("openai"))
    assert catalogue.info("openai", "mine") is None


def test_successors_come_from_the_configuration() -> None:
    found = directory_of(providers("openai") + "successors: {o1-preview: gpt-5.6-sol}\n")
    resolved = found.resolve("openai/o1-preview")
    assert resolved is not None
    instead = found.successor("openai/o1-preview", resolved[1])
    assert instead is not None
    assert (instead[0], instead[2].model) == ("gpt-5.6-sol", "gpt-5.6-sol")


def test_rows_in_the_list_are_whole() -> None:
    about = next(e.about for e in directory_of(providers("openai")).entries(ANYBODY) if e.id == "gpt-5.6-sol")
    assert about["tier"] == "stable"
    assert about["context"] == 1_050_000
    assert about["modalities"] == {"input": ["text", "image", "pdf"], "output": ["text"]}
    assert about["prices"] == {
        "input": 4.0,
        "cached_input": 0.4,
        "cache_write": 5.0,
        "cache_write_1h": None,
        "output": 20.0,
        "batch_input": 2.0,
        "batch_output": 10.0,
        "above": {"tokens": 272_000, "input": 8.0, "cached_input": 0.8, "cache_write": 10.0, "output": 30.0},
    }


@pytest.mark.parametrize(
    ("use", "transparent"), [("openai", True), ("groq", True), ("anthropic", False), ("gemini", False)]
)
def test_only_a_list_in_openais_shape_is_passed_on(use: str, transparent: bool) -> None:
    found = directory_of(providers(use) + f'models: {{"*": {{targets: [{{provider: {use}}}]}}}}\n')
    assert found.transparent is transparent


def test_a_keys_stability_reaches_its_principal() -> None:
    text = "providers: {openai: {use: openai, api_key: k}}\nauth: {mode: keys}\nkeys: [{name: a, key: '0123456789abcdef', stability: stable}]\n"
    Path("keys.yaml").write_text(text)
    Path("keys.yaml").chmod(0o600)
    authenticator = generation.authenticator(
        load("keys.yaml", {}, known_providers=KNOWN).config, lambda: 0.0, terms=Terms()
    )
    assert authenticator.identify([b"0123456789abcdef"], "127.0.0.1").stable_only
