"""``tollway models``: the list, one model, several side by side, and names that do not exist."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli import models as command


@pytest.fixture(autouse=True)
def _on_a_known_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cli.models._today", lambda: date(2026, 11, 22))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def table(text: str) -> dict[str, list[str]]:
    lines = text.splitlines()
    starts = [at for at, letter in enumerate(lines[0]) if letter != " " and (at == 0 or lines[0][at - 1] == " ")]
    return {
        line[: starts[0]].strip(): [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        for line in lines
    }


def test_models_side_by_side() -> None:
    result = run("compare", "o1-preview", "o1-mini", "gpt-4o-mini")
    assert result.exit_code == 0
    rows = table(result.stdout)
    assert rows[""] == ["o1-preview", "o1-mini", "gpt-4o-mini"]
    assert rows["tier"] == ["retired", "retired", "deprecated"]
    assert rows["last day"] == ["2025-07-28", "2025-10-27", "2027-01-14"]
    assert rows["input $/M"] == ["15", "1.1", "0.15"]
    assert rows["output $/M"] == ["60", "4.4", "0.6"]
    assert rows["context"] == ["128 000", "128 000", "128 000"]
    assert rows["max output"] == ["32 768", "65 536", "16 384"]
    assert rows["reads"] == ["text", "text", "text image pdf"]
    assert rows["output cap"] == ["max_completion_tokens", "max_completion_tokens", "max_tokens"]
    assert rows["temperature, top_p"] == ["dropped", "dropped", "yes"]
    assert rows["tools"] == ["refused", "refused", "yes"]
    assert rows["stop"] == ["enforced here", "enforced here", "yes"]


@pytest.mark.parametrize("flag", [("--json",), ("--output", "json")])
def test_the_same_as_json(flag: tuple[str, ...]) -> None:
    found = json.loads(run("compare", "o1-preview", "openai/gpt-4o-mini-2024-07-18", *flag).stdout)
    assert [row["id"] for row in found] == ["o1-preview", "gpt-4o-mini"]
    assert found[0]["prices"]["input"] == 15.0
    assert found[0]["parameters"]["tools"] == "refused"
    assert found[1]["successor"] == "gpt-6-luna"


def test_the_list_leaves_retired_ones_out() -> None:
    some, every = run("list").stdout, run("list", "--all").stdout
    assert "openai/o1-preview" not in some
    assert "openai/o1-preview" in every
    assert len(every.splitlines()) > 150
    only = run("list", "--provider", "xai", "--tier", "preview").stdout.splitlines()
    assert [line.split()[0] for line in only] == ["MODEL", "xai/grok-build-0.1"]
    assert all(row["provider"] == "groq" for row in json.loads(run("list", "-p", "groq", "--json").stdout))


def test_a_model_at_every_provider_that_has_it() -> None:
    found = json.loads(run("show", "openai/gpt-oss-120b", "--json").stdout)
    assert {"groq", "together", "deepinfra"} <= {row["provider"] for row in found}
    assert run("show", "gpt-5.6").stdout.split()[0] == "gpt-5.6-sol"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "gpt4o"), "did you mean gpt-4o"),
        (("compare", "gpt-4o", "zzzzzzzz"), "tollway models list shows every name"),
        (("list", "-p", "opnai"), "Did you mean openai?"),
        (("list", "-p", "zzzzzz"), "Providers: openai"),
        (("list", "--config", "missing.yaml"), "tollway check"),
    ],
)
def test_names_that_do_not_exist(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


def test_rows_of_the_configuration_count(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "auth: {mode: open}\n"
        "catalogue: {models: {openai/gpt-4o: {prices: {input: 1.5}}, openai/mine: {context: 5, tier: preview}}}\n"
    )
    row = json.loads(run("show", "openai/gpt-4o", "--config", str(file), "--json").stdout)[0]
    assert (row["prices"]["input"], row["prices"]["output"]) == (1.5, 10.0)
    assert json.loads(run("show", "mine", "--config", str(file), "--json").stdout)[0]["tier"] == "preview"
    assert json.loads(run("show", "openai/gpt-4o", "--json").stdout)[0]["prices"]["input"] == 2.5


def test_what_is_unknown_is_shown_as_that() -> None:
    assert command._price(None) == command._number(None) == "-"
    assert command._price(0) == "0"
