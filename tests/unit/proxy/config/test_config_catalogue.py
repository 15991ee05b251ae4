"""Catalogue rows, successors, free-form options and key variables in the configuration."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config import Loaded, load, wellknown
from proxy.config.show import changed, leaves, masked

LoadText = Callable[..., Loaded]
Problems = Callable[..., list[str]]

BASE = "auth: {mode: open}\nproviders: {p: {use: openai, api_key: k%s}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("catalogue: {models: {gpt-4o: {}}}", "a row is named provider/model"),
        ("catalogue: {models: {opnai/x: {}}}", 'unknown provider "opnai"'),
        ("catalogue: {models: {openai/x: {shutdown: soon}}}", "expected a date such as 2027-01-14"),
        ("catalogue: {models: {openai/x: {deprecated: '2027-02-30'}}}", "expected a date"),
        ("catalogue: {models: {openai/x: {prices: {input: -1}}}}", "must be at least 0"),
        ("catalogue: {models: {openai/x: {prices: {above: 5}}}}", "needs above_input and above_output"),
        ("catalogue: {models: {openai/x: {tier: stabel}}}", "must be one of"),
        ("catalogue: {models: {openai/x: {contxt: 5}}}", "unknown key"),
        ("catalogue: {refresh: {}}", "required"),
        ("catalogue: {refresh: {url: 'ftp://x'}}", "must start with http"),
        ("successors: {a: a}", "leads back to itself"),
        ("successors: {a: b, b: c, c: a}", "leads back to itself"),
        ("keys: [{name: a, key: b, stability: some}]", "must be one of any, stable"),
    ],
)
def test_what_is_wrong_is_said(problems: Problems, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(BASE % "" + text))


def test_a_whole_section(load_text: LoadText) -> None:
    config = load_text(
        BASE
        % ""
        + "catalogue: {models: {openai/x: {inputs: [text, image], shutdown: 2027-01-14, prices: {input: 0.5, above: 10, "
        "above_input: 1, above_output: 2}}}, refresh: {url: 'https://m.test/models.json', every: 6h}}\n"
        "successors: {a: b, b: c}\n"
    ).config
    row = config.catalogue.models["openai/x"]
    assert (row.inputs, row.shutdown, row.prices.input, row.prices.output) == (
        ("text", "image"),
        "2027-01-14",
        0.5,
        None,
    )
    assert config.catalogue.refresh is not None
    assert config.catalogue.refresh.every == 21_600.0
    assert config.successors == {"a": "b", "b": "c"}


OPTIONS = ", options: {region: '${REGION}', retries: 3, on: true, none: null, nested: {list: [a, '${TOKEN}']}, client_secret: plain-text-of-a-secret}"


def test_options_are_json_with_references_resolved(load_text: LoadText) -> None:
    loaded = load_text(BASE % OPTIONS, {"REGION": "eu-1", "TOKEN": "nightingale-token-nightingale-token"})
    options = loaded.config.providers["p"].options
    assert options == {
        "region": "eu-1",
        "retries": 3,
        "on": True,
        "none": None,
        "nested": {"list": ["a", "nightingale-token-nightingale-token"]},
        "client_secret": "plain-text-of-a-secret",
    }
    assert json.loads(json.dumps(options)) == options


def test_options_from_references_and_with_telling_names_are_masked(load_text: LoadText) -> None:
    config = load_text(BASE % OPTIONS, {"REGION": "nightingale", "TOKEN": "nightingale-token-nightingale-token"}).config
    for shown in (str(masked(config)), str([masked(value) for _, value in leaves(config)])):
        assert "nightingale-token" not in shown
        assert "plain-text" not in shown
        assert "3" in shown
    for path, value in leaves(config):
        if path[-2:] == ("options", "region"):
            assert masked(value) == "***"


def test_options_count_in_differences_and_the_digest(load_text: LoadText) -> None:
    one, two = (load_text(BASE % OPTIONS, {"REGION": region, "TOKEN": "t"}) for region in ("a", "b"))
    assert one.digest != two.digest
    assert changed(one.config, two.config).hot == ("providers.p.options.region",)


def test_a_reference_inside_options_that_leads_nowhere_is_a_problem(problems: Problems) -> None:
    assert "environment variable REGION is not set" in problems(BASE % ", options: {a: {b: '${REGION}'}}", {})[0]


def test_several_key_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        wellknown, "KEYS", {"openai": ("OPENAI_API_KEY",), "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY")}
    )
    known = ("openai", "gemini")
    config = load(None, {"GOOGLE_API_KEY": "second", "OPENAI_API_KEY": "a"}, known_providers=known).config
    assert list(config.providers) == ["openai", "gemini"]
    assert config.models == {}
    key = config.providers["gemini"].api_key
    assert key is not None
    assert key.reveal() == "second"
    sole = load(None, {"GOOGLE_API_KEY": "second", "GEMINI_API_KEY": "first"}, known_providers=known)
    assert list(sole.config.models) == ["*"]
    assert sole.origins["providers.gemini.api_key"] == "env GEMINI_API_KEY"


def test_a_kind_that_can_do_without_a_key(
    monkeypatch: pytest.MonkeyPatch, load_text: LoadText, problems: Problems
) -> None:
    loading = sys.modules["proxy.config.load"]
    monkeypatch.setattr(loading, "KEYLESS", frozenset({"openai"}))
    assert load_text("auth: {mode: open}\nproviders: {p: {use: openai}}\n", {}).config.providers["p"].api_key is None
    monkeypatch.setattr(loading, "KEYLESS", frozenset())
    assert "no key: export OPENAI_API_KEY" in problems("auth: {mode: open}\nproviders: {p: {use: openai}}\n", {})[0]


def test_the_page_lists_every_key_variable() -> None:
    page = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z_`, ]+) \| `(\w+)` \|$", page.split("## Without a file")[1], re.MULTILINE)
    assert {use: tuple(re.findall(r"\w+", names)) for names, use in rows} == wellknown.KEYS


def test_a_variable_that_names_a_file_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wellknown, "KEYS", {"vertex": ("GOOGLE_APPLICATION_CREDENTIALS",)})
    config = load(None, {"GOOGLE_APPLICATION_CREDENTIALS": "/a/file.json"}, known_providers=("vertex",)).config
    assert config.providers["vertex"].api_key is None
