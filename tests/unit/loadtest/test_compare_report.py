"""What a run says: verdicts within rounds, tables, the kept files, and the figures of the README, which come from them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.compare import page, readme
from loadtest.compare.figures import Figure, figures
from loadtest.compare.measure import Cell
from loadtest.compare.record import Record, newest, read, summary
from loadtest.compare.run import status
from tests.unit.loadtest.runs import PEERS, cell, cells, record

ROOT = Path(__file__).parents[3]


def row(found: list[Figure], what: str) -> Figure:
    return next(each for each in found if what in each.what)


def test_ratios_are_taken_within_a_round_and_their_median_is_judged() -> None:
    found = [cell("c16", "tollway", 100, 240, 90), cell("c16", "sglang-router", 100, 120, 60)]
    rust = row(figures(found, [], ["sglang-router"]), "against the Rust router")
    assert rust.values == pytest.approx([1.0, 2.0, 1.5])
    assert rust.value == pytest.approx(1.5)
    assert rust.verdict == "FAIL"


@pytest.mark.parametrize(("us", "verdict"), [(95, "aim"), (120, "must"), (130, "FAIL")])
def test_a_verdict_names_the_bound_that_is_reached(us: float, verdict: str) -> None:
    found = [cell("c16", "tollway", us), cell("c16", "sglang-router", 95)]
    assert row(figures(found, [], ["sglang-router"]), "against the Rust router").verdict == verdict


@pytest.mark.parametrize(("us", "verdict"), [(90, "aim"), (140, "must"), (160, "FAIL")])
def test_against_a_dearer_peer_more_is_better(us: float, verdict: str) -> None:
    found = [cell("c16", "tollway", us), cell("c16", "litellm", 9000)]
    assert row(figures(found, [], ["litellm"]), "LiteLLM").verdict == verdict


def test_latency_is_what_is_added_to_a_direct_connection() -> None:
    found = figures(cells(), [], PEERS)
    assert row(found, "1,000 req/s").values == pytest.approx([0.3, 0.35, 0.4])
    assert row(found, "first token").value == pytest.approx(0.35)


def test_a_disturbed_round_is_shown_and_not_judged() -> None:
    found = [cell("c16", "tollway", 90, foreign=0.2), cell("c16", "sglang-router", 95)]
    rust = row(figures(found, [], ["sglang-router"]), "against the Rust router")
    assert rust.value is not None
    assert rust.verdict == "disturbed (20%)"


def test_what_was_not_asked_for_has_no_row_and_what_is_missing_says_why() -> None:
    found = [cell("c16", "tollway", 90), Cell("c16", "litellm", [], "litellm ended with status 1")]
    rows = figures(found, [], ["litellm"])
    assert [each.what for each in rows] == ["1 KB chat, 16 connections: CPU of LiteLLM against ours"]
    assert (rows[0].verdict, rows[0].problem) == ("not measured", "litellm ended with status 1")


@pytest.mark.parametrize(
    ("ours", "quick", "expected"), [(95, False, 0), (130, False, 1), (130, True, 0)], ids=["reached", "missed", "quick"]
)
def test_the_exit_status_says_whether_the_musts_are_reached(ours: float, quick: bool, expected: int) -> None:
    assert status(record(cells(ours=ours)).figures, quick=quick) == expected


def test_what_is_not_measured_or_not_judged_is_no_success() -> None:
    gone = [each for each in cells(ours=95) if (each.scenario, each.side) != ("c16", "nginx")]
    assert status(record(gone).figures, quick=True) == 2
    noisy = [*gone, cell("c16", "nginx", 15, 15, 15, foreign=0.5)]
    assert status(record(noisy).figures, quick=True) == 0
    assert status(record(noisy).figures, quick=False) == 2


def test_medians_of_each_side_and_reasons_of_those_without() -> None:
    medians, missing = summary([cell("c16", "tollway", 90, 300, 100), Cell("c16", "portkey", [], "gone")])
    assert medians["c16"]["tollway"]["request_us"] == 100
    assert medians["c16"]["tollway"]["rps"] == 500
    assert missing == {"c16": {"portkey": "gone"}}


def test_the_page_shows_peers_that_are_left_out_and_why() -> None:
    said = page.text(record(missing={"portkey": "node and npm are not on the PATH"}))
    assert re.search(r"\| Portkey +\| [\d.]+ +\| left out: node and npm are not on the PATH +\|", said)
    assert "saturated: carries 110 req/s" in said
    assert "95 µs" not in said  # units stand in the heads
    assert re.search(r"\| sglang-router +\| 95 ", said)


def test_a_kept_run_is_read_back_as_it_was_and_its_page_links_to_its_plots(tmp_path: Path) -> None:
    kept = page.save(record(), cells(), tmp_path)
    again = read(kept.with_suffix(".json"))
    assert again == record()
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".md", ".svg"}
    for name in re.findall(r"!\[.*?\]\((.*?)\)", kept.read_text()):
        assert (tmp_path / name).exists()
    runs = json.loads(kept.with_suffix(".json").read_text())["runs"]
    assert len(runs) == sum(len(each.outcomes) for each in cells())


def test_a_second_run_on_one_day_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    page.save(record(), cells(), tmp_path)
    page.save(record([]), [], tmp_path)
    assert not [file for file in tmp_path.glob("*.svg") if "memory" not in file.name]


def test_figures_of_the_readme_are_put_between_its_markers() -> None:
    before = "# T\n\n<!-- figures: old -->\n\nold\n\n<!-- /figures -->\n\nrest\n"
    after = readme.replaced(before, "new")
    assert after.startswith(f"# T\n\n{readme.BEGIN}\n\nnew\n\n{readme.END}")
    assert after.endswith("\n\nrest\n")
    assert readme.replaced(after, "new") == after
    with pytest.raises(ValueError, match="no figures to replace"):
        readme.replaced("# T\n", "new")


def test_a_rough_run_says_so() -> None:
    assert "rough" in readme.block(record(quick=True), "x")
    assert "rough" not in readme.block(record(), "x")


def test_a_disturbed_run_says_so() -> None:
    noisy = [cell("c16", "tollway", 90, foreign=0.25)]
    assert "disturbed by other work that took up to 25% of a core" in readme.block(record(noisy), "x")
    assert "disturbed" not in readme.block(record(), "x")


@pytest.fixture(scope="module")
def last() -> tuple[Path, Record]:
    path = newest()
    assert path is not None, "no run is kept: python -m loadtest.compare"
    return path, read(path)


def test_the_figures_of_our_readme_are_those_of_the_newest_run(last: tuple[Path, Record]) -> None:
    path, kept = last
    block = readme.block(kept, str(path.relative_to(ROOT).with_suffix("")))
    assert f"{readme.BEGIN}\n\n{block}\n\n{readme.END}" in (ROOT / "README.md").read_text(), (
        "the README shows other figures: python -m loadtest.compare.readme"
    )


def test_other_figures_make_another_readme(last: tuple[Path, Record]) -> None:
    kept = last[1]
    medians = {"c16": {"tollway": {"request_us": 12.3, "rps": 4567.0}}}
    assert "| **Tollway** | 12.3 µs | 4,567 |" in readme.block(replace(kept, medians=medians), "x")


def test_the_newest_page_is_what_its_record_says(last: tuple[Path, Record]) -> None:
    path, kept = last
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", path.with_suffix(".md").read_text())
    assert all((path.parent / name).exists() for name in pictures)
    assert path.with_suffix(".md").read_text() == page.text(kept, pictures)
