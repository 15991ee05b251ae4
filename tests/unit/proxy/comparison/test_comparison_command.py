"""The command: everything that is wrong is said before money is spent, and what it says."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.comparison.results import Results
from tests.unit.proxy.comparison.scripted import Said, Scripted, scripted

CHECKED = {"exact": "yes"}


def gateway(body: dict[str, Any], before: int) -> Said:
    """``a``, ``b`` and ``judge`` exist and cost 2 and 8 dollars, ``free`` costs nothing, ``dark`` nobody knows what."""
    if body["model"] not in ("a", "b", "judge", "free", "dark"):
        return Said(status=404, body={"error": {"code": "model_not_found", "message": "There is no such model."}})
    if "." != body["messages"][0]["content"]:
        return Said()
    cost: float | None = {"free": 0.0, "dark": None}.get(body["model"], (10 * 2 + body["max_tokens"] * 8) / 1e6)
    candidate: Any = {"target": "p/" + body["model"], "tier": "stable", "expected_cost_usd": cost}
    return Said(
        body={
            "object": "tollway.route",
            "asked": {"prompt_tokens": 10},
            "chosen": "p/" + body["model"],
            "candidates": [candidate],
        }
    )


class Bench:
    """A folder, a gateway, and the command in it."""

    def __init__(self, folder: Path, asked: Scripted) -> None:
        self.folder = folder
        self.gateway = asked

    def dataset(self, *rows: object) -> None:
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        (self.folder / "prompts.jsonl").write_text(text)

    def run(self, *arguments: str, models: str = "a,b", answer: str | None = None) -> Result:
        given = ["compare", "-d", "prompts.jsonl", "-m", models, "--url", self.gateway.url, "--no-stream", *arguments]
        return CliRunner().invoke(main, given, input=answer)

    @property
    def questions(self) -> list[dict[str, Any]]:
        """What was asked besides dry runs."""
        return [each for each in self.gateway.asked if each["messages"][0]["content"] != "."]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    with scripted(gateway) as asked:
        own = Bench(tmp_path, asked)
        own.dataset(*({"id": f"q{at}", "prompt": f"question {at}", "check": CHECKED} for at in range(4)))
        yield own


def test_a_whole_comparison(bench: Bench) -> None:
    found = bench.run("--yes", "--report", "r.html", "--scores", "s.yaml", "--by", "class")
    assert found.exit_code == 0, found.output
    assert "8 of 8 questions are to be asked (4 prompts, 2 models): likely cost $" in found.stderr
    assert "a      100.0 %" in found.stdout
    assert "Spent so far: $0.0005." in found.stdout, "8 answers of 10 and 5 tokens"
    assert (bench.folder / "r.html").read_text().startswith("<!doctype html>")
    assert "p/a" in (bench.folder / "s.yaml").read_text()
    again = bench.run("--output", "json")
    assert (again.exit_code, len(bench.questions)) == (0, 8)
    assert [model["quality"]["share"] for model in json.loads(again.stdout)["models"]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "models", "said", "fix"),
    [
        ([], "a,x,y", "does not serve 'x' (There is no such model.); 'y' (There is no such model.)", "GET /v1/models"),
        (["--judge", "z"], "a", "does not serve 'z'", "nothing was asked"),
        (
            ["--report", "none/r.html"],
            "a",
            "none/r.html cannot be written: No such file or directory; nothing was asked.",
            "a folder that you may",
        ),
        (["--scores", "none/s.yaml"], "a", "none/s.yaml cannot be written", "a folder"),
        (["--results", "none/r.jsonl"], "a", "results file none/r.jsonl cannot be written: No such file", "--results"),
        (["--results", "prompts.jsonl"], "a", "prompts.jsonl is no results file", "--results"),
        (["--budget", "0.001"], "a", "budget of $0.0010 does not allow one question", "--max-tokens"),
        (["--budget", "5"], "a,dark", "The price of dark is not known, so no budget can be kept.", "--price"),
        ([], "a", "This may cost money, and nobody is here to be asked.", "--yes"),
        ([], "dark", "This may cost money", "--yes"),
    ],
)
def test_what_is_said_before_anything_is_asked(
    bench: Bench, arguments: list[str], models: str, said: str, fix: str
) -> None:
    yes = [] if "nobody" in said or "may cost" in said else ["--yes"]
    found = bench.run(*arguments, *yes, models=models)
    assert found.exit_code == 1, found.output
    assert said in found.stderr
    assert fix in found.stderr.split("Fix: ")[1]
    assert bench.questions == []
    assert not (bench.folder / "prompts.results.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check", "{"], "--check is not JSON"),
        (["--check", '{"exakt": 1}'], "--check has no kind"),
        (["--price", "a=1"], "write it like gpt-4o=2.50/10"),
        (["--price", "a=1/x"], "write it like"),
        (["--price", "a=-1/2"], "write it like"),
        (["--budget", "0"], "0.0 is not in the range"),
        (["--budget", "nan"], "nan is no number"),
        (["--budget", "inf"], "inf is no number"),
        (["--temperature", "nan"], "nan is no number"),
        (["--timeout", "inf"], "inf is no number"),
        (["--concurrency", "0"], "not in the range"),
    ],
)
def test_wrong_usage(bench: Bench, arguments: list[str], said: str) -> None:
    found = bench.run(*arguments)
    assert (found.exit_code, bench.gateway.asked) == (2, [])
    assert said in found.stderr


def test_a_results_file_that_is_a_folder(bench: Bench) -> None:
    (bench.folder / "r").mkdir()
    found = bench.run("--results", "r", "--yes")
    assert (found.exit_code, bench.gateway.asked) == (1, [])
    assert "The results file r cannot be written: Is a directory" in found.stderr


@pytest.mark.parametrize(("answer", "code", "asked"), [("n\n", 1, 0), ("y\n", 0, 4)])
def test_whoever_pays_is_asked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, asked: int
) -> None:
    monkeypatch.setattr("proxy.cli.comparing.asks", lambda: True)
    found = bench.run(models="a", answer=answer)
    assert (found.exit_code, len(bench.questions)) == (code, asked)
    assert "at most $" in found.stderr.split("Go on?")[0], "the cost is told before the question"


def test_what_costs_nothing_needs_no_consent(bench: Bench) -> None:
    assert bench.run(models="free").exit_code == 0
    assert len(bench.questions) == 4


def test_a_price_can_be_given(bench: Bench) -> None:
    found = bench.run("--price", "dark=1/2", "--budget", "1", "--yes", models="dark")
    assert (found.exit_code, len(bench.questions)) == (0, 4)
    assert "Spent so far: $0.0001." in found.stdout, "4 answers of 10 and 5 tokens"


def test_broken_lines_are_told_and_the_rest_runs(bench: Bench) -> None:
    bench.dataset({"prompt": "one", "check": CHECKED}, "{", {"prompt": "two", "chek": 1}, {"prompt": "three"})
    found = bench.run("--yes", "--check", '{"regex": "y"}')
    assert (found.exit_code, len(bench.questions)) == (0, 4)
    assert "warning: prompts.jsonl: line 2: is not JSON" in found.stderr
    assert "warning: prompts.jsonl: line 3: has the field 'chek'" in found.stderr
    bench.dataset("{")
    assert "has no question that can be asked" in bench.run("--yes").stderr
    (bench.folder / "prompts.jsonl").unlink()
    assert "prompts.jsonl cannot be read: No such file" in bench.run("--yes").stderr


def test_a_budget_that_ends_in_the_middle_reports_and_goes_on_later(bench: Bench) -> None:
    cost = 10 * 2 + 5 * 8
    bench.dataset(*({"id": str(at), "prompt": f"question {at}"} for at in range(50)))
    first = bench.run("--yes", "--budget", "0.001", "--max-tokens", "6", models="a")
    asked = len(bench.questions)
    assert 1 < asked < 50
    assert first.exit_code == 1
    assert f"does not allow another question. {50 - asked} questions have no answer." in first.stderr
    assert f"a was not asked {50 - asked} of 50 questions" in first.stdout
    assert asked * cost <= 1000
    second = bench.run("--yes", "--budget", "1", "--max-tokens", "6", models="a")
    assert (second.exit_code, len(bench.questions)) == (0, 50)


def test_another_dataset_is_refused_and_a_changed_one_is_told(bench: Bench) -> None:
    assert bench.run("--yes", models="free").exit_code == 0
    bench.dataset({"id": "q0", "prompt": "question 0"}, {"id": "q1", "prompt": "other"}, {"id": "new", "prompt": "new"})
    changed = bench.run("--yes", models="free")
    assert "warning: 1 questions have changed since prompts.results.jsonl was written" in changed.stderr
    assert {each["messages"][0]["content"] for each in bench.questions[4:]} == {"other", "new"}
    bench.dataset({"id": "z", "prompt": "of another dataset"})
    other = bench.run("--yes", models="free")
    assert (other.exit_code, len(bench.questions)) == (1, 6)
    assert "holds the answers to another dataset: none of its questions is in prompts.jsonl" in other.stderr


def test_two_runs_do_not_share_a_file(bench: Bench) -> None:
    with Results(bench.folder / "prompts.results.jsonl") as own:
        own.begin("digest", "x")
        found = bench.run("--yes")
    assert (found.exit_code, bench.gateway.asked) == (1, [])
    assert "Another run is writing to prompts.results.jsonl." in found.stderr


def test_a_gateway_that_is_not_there(bench: Bench) -> None:
    found = CliRunner().invoke(
        main, ["compare", "-d", "prompts.jsonl", "-m", "a", "--url", "http://127.0.0.1:9/v1", "--yes"]
    )
    assert found.exit_code == 1
    assert "Nothing answers at http://127.0.0.1:9/v1" in found.stderr
    bad = CliRunner().invoke(main, ["compare", "-d", "prompts.jsonl", "-m", "a", "--url", "ftp://x", "--yes"])
    assert "'ftp://x' is not an http or https URL" in bad.stderr


def test_a_report_that_cannot_be_written_any_more_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, words: str, **options: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        found = bench.run("--yes", "--report", "r.html", models="free")
    assert (found.exit_code, len(bench.questions)) == (1, 4)
    assert "r.html cannot be written: No space left on device.\nFix: run the same command again" in found.stderr
    assert bench.run("--report", "r.html", models="free").exit_code == 0
    assert len(bench.questions) == 4


def test_a_closed_pipe_does_not_cost_the_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(comparison: object, *, by_class: bool) -> str:
        raise BrokenPipeError

    monkeypatch.setattr("proxy.cli.comparing.lines.report", closed)
    assert bench.run("--yes", "--report", "r.html", models="free").exit_code != 0
    assert "</html>" in (bench.folder / "r.html").read_text()
