"""What comes of a comparison: the figures, the page without a network, and the scores that routing reads."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
import yaml

from proxy.comparison import lines
from proxy.comparison.dataset import Dataset, read_dataset
from proxy.comparison.matching import Matcher
from proxy.comparison.meter import bar, span
from proxy.comparison.page import page
from proxy.comparison.questions import Asking, Question, questions
from proxy.comparison.results import Answer, Results
from proxy.comparison.running import Progress
from proxy.comparison.scored import LEAST, scores_of, written
from proxy.comparison.summary import Comparison, Graded, graded, summed_up
from proxy.routing.scores import load_scores
from tests.unit.proxy.routing.candidates import candidate

HOSTILE = '<script src="https://evil.example/x.js"></script>]]>\x1b[31m&amp; <img src=x onerror=alert(1)>'


def made(
    folder: Path, *, count: int = 40, models: tuple[str, ...] = ("a", "b"), text: str = "yes", **changes: object
) -> tuple[Comparison, list[Graded]]:
    """``a`` answers all right, the others every second question; each in its own time and at its own price."""
    file = folder / "prompts.jsonl"
    rows = [
        {"id": str(at), "class": ("x", "y")[at % 2], "prompt": f"def f{at}(): return sql", "check": {"exact": "yes"}}
        for at in range(count)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    dataset = read_dataset(file)
    with Results(folder / "results.jsonl") as results:
        results.begin(dataset.digest, dataset.name)
        asked = questions(dataset, models, Asking(), {})
        for question in asked:
            at, model = int(question.prompt.id), models.index(question.model)
            fields: dict[str, object] = {
                "place": f"p/{question.model}",
                "text": text if model == 0 or at % 2 else "no " + text,
                "ttft": 0.1 * (model + 1) + at / 1000,
                "seconds": 1.0 * (model + 1),
                "cost": 10 * (5 - model),
                "output_tokens": 7,
            }
            results.append(
                Answer(key=question.key, prompt=question.prompt.id, model=question.model, **{**fields, **changes})  # type: ignore[arg-type]
            )
        return _summed(dataset, models, asked, results)


def _summed(
    dataset: Dataset, models: tuple[str, ...], asked: list[Question], results: Results
) -> tuple[Comparison, list[Graded]]:
    found = graded(asked, results, None, Matcher())
    return summed_up(dataset, models, found, results, bench=None, generated="2026-11-23T10:00:00Z"), found


def test_the_figures_of_each_model_and_class(tmp_path: Path) -> None:
    comparison, _ = made(tmp_path)
    first, second = comparison.models
    assert (first.quality.share, second.quality.share) == (1.0, 0.5)
    assert (first.cost_per_1000, second.cost_per_1000) == (pytest.approx(0.05), pytest.approx(0.04))
    assert (first.places, first.unasked, first.errors) == ({"p/a": 40}, 0, {})
    assert {kind: found.quality.share for kind, found in second.classes.items()} == {"x": 0.0, "y": 1.0}
    assert second.ttft is not None
    assert second.ttft.percentiles[95.0] == pytest.approx(0.2 + 0.95 * 39 / 1000)
    (gap,) = comparison.gaps
    assert (gap.n, gap.better, gap.worse, gap.difference) == (40, 20, 0, 0.5)
    assert comparison.fronts == {"cost": ["b", "a"], "seconds_p95": ["a"]}
    assert comparison.spent == pytest.approx(40 * 90 / 1e6)
    document = json.loads(msgspec.json.encode(comparison))
    assert document["models"][0]["ttft"]["percentiles"]["95.0"] == pytest.approx(0.13705)


def test_what_failed_is_told_and_not_graded(tmp_path: Path) -> None:
    comparison, _ = made(tmp_path, error="timeout", detail="no answer within 5 s")
    assert [(model.answered, model.errors, model.quality.share) for model in comparison.models] == [
        (0, {"timeout": 40}, None)
    ] * 2
    assert comparison.fronts == {"cost": [], "seconds_p95": []}
    assert any("a failed 40 of 40 questions: timeout (40)" in note for note in comparison.notes)
    assert "- " in lines.report(comparison, by_class=True)
    assert "no question in common" in lines.report(comparison, by_class=False)


def test_answers_without_text_are_told(tmp_path: Path) -> None:
    comparison, _ = made(tmp_path, text="")
    assert comparison.models[0].empty == 40
    assert "40 answers of a hold no text." in comparison.notes


def test_a_price_nobody_knows_is_no_cost_of_nothing(tmp_path: Path) -> None:
    unknown, _ = made(tmp_path, cost=0, cost_from="unknown")
    assert [model.cost_per_1000 for model in unknown.models] == [None, None]
    assert unknown.fronts["cost"] == []
    (tmp_path / "free").mkdir()
    free, _ = made(tmp_path / "free", cost=0)
    assert [model.cost_per_1000 for model in free.models] == [0.0, 0.0]


def test_a_table_shows_no_control_characters_of_a_strangers(tmp_path: Path) -> None:
    comparison, _ = made(tmp_path, models=("a", "b\x1b[2J"))
    assert "\x1b" not in lines.report(comparison, by_class=True)


# ---- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [("a",), ("a", "b"), tuple(f"m{at}" for at in range(12))])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(tmp_path: Path, models: tuple[str, ...]) -> None:
    comparison, found = made(tmp_path, models=models, count=6)
    html = page(comparison, found, [("Seed", "none")])
    root = ElementTree.fromstring(html.removeprefix("<!doctype html>\n"))
    assert {"script", "link", "iframe", "img", "object", "embed"} & {element.tag for element in root.iter()} == set()
    for element in root.iter():
        for name, value in element.attrib.items():
            assert "//" not in value, (element.tag, name, value)
    style = root.find("head/style")
    assert style is not None
    assert style.text is not None
    assert not re.search(r"url\(|@import", style.text)
    assert "prefers-color-scheme: dark" in style.text
    assert len(root.findall(".//svg")) == 2
    words = "".join(root.itertext())
    assert all(model in words for model in models)


def test_nothing_of_an_answer_becomes_markup(tmp_path: Path) -> None:
    comparison, found = made(tmp_path, models=("a", HOSTILE), text=HOSTILE, count=4)
    html = page(comparison, found, [("Models", HOSTILE)])
    root = ElementTree.fromstring(html.removeprefix("<!doctype html>\n"))
    assert not {"script", "img"} & {element.tag for element in root.iter()}
    assert "onerror=alert(1)" in "".join(root.itertext()), "it is shown as words"


def test_a_page_of_nothing_but_failures_is_a_page(tmp_path: Path) -> None:
    comparison, found = made(tmp_path, error="timeout", detail=HOSTILE)
    assert ElementTree.fromstring(page(comparison, found, []).removeprefix("<!doctype html>\n")).findall(".//svg") == []


# ---- scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scores.yaml", "scores.json"])
def test_routing_reads_what_is_written(tmp_path: Path, name: str) -> None:
    comparison, found = made(tmp_path)
    file = tmp_path / name
    file.write_text(written(scores_of(comparison, found), file))
    scores = load_scores(file)
    assert (scores.of(candidate("p", "a"), "general"), scores.of(candidate("p", "b"), "general")) == (1.0, 0.5)
    assert scores.classed, "every prompt of these is code, as routing sees it"
    assert scores.of(candidate("p", "b"), "code") == 0.5
    assert scores.ttft(candidate("p", "a")) == pytest.approx(0.137, abs=1e-3)
    assert scores.generated == "2026-11-23T10:00:00Z"


def test_a_class_of_few_answers_has_no_score_of_its_own(tmp_path: Path) -> None:
    comparison, found = made(tmp_path, count=LEAST - 1)
    rows = scores_of(comparison, found)["scores"]
    assert isinstance(rows, dict)
    assert {place: list(kinds) for place, kinds in rows.items() if isinstance(kinds, dict)} == {
        "p/a": ["general"],
        "p/b": ["general"],
    }


def test_who_has_no_verdict_has_no_score_and_who_has_no_place_has_its_name(tmp_path: Path) -> None:
    comparison, found = made(tmp_path, error="timeout")
    assert scores_of(comparison, found)["scores"] == {}
    (tmp_path / "bare").mkdir()
    comparison, found = made(tmp_path / "bare", place="")
    assert set(yaml.safe_load(written(scores_of(comparison, found), Path("x.yaml")))["scores"]) == {"a", "b"}


# ---- the bar ---------------------------------------------------------------------------------------------------------


def test_the_bar_says_how_far_it_is() -> None:
    half = Progress(total=10, done=5, failed=1, spent=1_234_567, waits=0.0)
    assert bar(half, 60.0) == "[############............] 5 of 10 · $1.23 · 1 failed · about 60 s left"
    assert bar(half, 60.0, columns=56) == "[####....] 5 of 10 · $1.23 · 1 failed · about 60 s left"
    assert bar(half, 60.0, columns=30) == "5 of 10 · $1.23 · 1 failed · "
    waiting = Progress(total=10, done=0, failed=0, spent=0, waits=120.0)
    assert bar(waiting, 1.0) == "[........................] 0 of 10 · $0.00 · rate limit: 2 min to wait"
    assert bar(Progress(total=0, done=0, failed=0, spent=0, waits=0.0), 0.0).startswith(
        "[########################] 0 of 0"
    )
    assert (span(5), span(600), span(9000)) == ("5 s", "10 min", "2.5 h")
