"""How ``loadtest.scale`` reads and writes: what perf says, the command line, the computed part of a page."""

from pathlib import Path

import pytest

from loadtest.scale import page, run
from loadtest.scale.costs import read, values, write
from loadtest.scale.instructions import counted, instructions_in


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("1234,,instructions:u,100,100.00,,\n", 1234.0),
        ("<not supported>,,instructions:u,0,100.00,,\n", None),
        ("Error: no permission\n", None),
        ("", None),
    ],
)
def test_what_perf_says(said: str, count: float | None) -> None:
    assert instructions_in(said) == count


def test_without_perf_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert counted([1], lambda: "done") == ("done", None)


def test_figures_are_kept_as_they_are(tmp_path: Path) -> None:
    write(read(), tmp_path / "costs.json")
    assert read(tmp_path / "costs.json") == read()
    assert values(read()).request_us > 0


def test_only_the_computed_part_of_a_page_is_written(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n\n{page.BEGIN}\n\nold\n\n{page.END}\n\nafter\n")
    page.rewrite("new", file)
    assert page.written(file) == "new"
    assert file.read_text() == f"before\n\n{page.BEGIN}\n\nnew\n\n{page.END}\n\nafter\n"


def test_too_many_streams_for_the_descriptors_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.resource, "getrlimit", lambda _: (1_000, 20_000))
    assert run.main(["streams", "--streams", "10000"]) == 2
    assert "take --streams 9750, more --workers" in capsys.readouterr().err
