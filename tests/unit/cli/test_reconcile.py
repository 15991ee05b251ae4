"""``tollway reconcile``: a provider's file against a real ledger."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.storage.database import Database

from .conftest import Run, entry, in_database, told
from .test_admin_commands import fix

File = Callable[..., str]


@pytest.fixture
def ledger(run: Run, database_file: Path) -> None:
    run("credits", "balance", "filed")

    async def record(database: Database) -> None:
        entries = [entry(f"{number:032x}", upstream_id=f"up-{number}") for number in range(1200)]
        entries.append(entry("without", upstream_id=""))
        entries.append(entry("elsewhere", upstream_id="up-other", provider="claude"))
        entries.append(entry("old", upstream_id="up-old", at=time.time() - 40 * 86_400, ended=time.time()))
        for start in range(0, len(entries), 500):
            await database.record(entries[start : start + 500], [])

    in_database(database_file, record)


@pytest.fixture
def export(tmp_path: Path) -> File:
    def write(*changed: str, name: str = "export.csv") -> str:
        rows = [f"up-{number},100,50,1.25" for number in range(1200 - len(changed))]
        path = tmp_path / name
        path.write_text("\n".join(["request_id,input_tokens,output_tokens,cost_usd", *changed, *rows]) + "\n")
        return str(path)

    return write


@pytest.mark.usefixtures("ledger")
def test_everything_agrees(run: Run, export: File) -> None:
    words = (
        "reconcile",
        export(),
        "--provider",
        "openai",
        "--from",
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400)),
    )
    totals = told(run(*words, "-o", "json"))["totals"]
    assert (totals["matched"], totals["uncompared"]) == (1200, 1)
    assert totals["ours"] == totals["theirs"]
    assert totals["ours"]["cost"] == "1500.00"
    lines = run(*words).stdout.splitlines()
    assert lines[0].split() == ["matched", "1200"]


@pytest.mark.usefixtures("ledger")
def test_what_differs_is_named_and_the_exit_code_tells(run: Run, export: File) -> None:
    file = export("up-1199,100,60,1.25", "up-mine,1,1,0.5", "broken,x,1,1")
    result = run("reconcile", file, "--provider", "openai", "--limit", "10", "-o", "json", exits=1)
    found = told(result)
    kinds = [row["kind"] for row in found["findings"]]
    assert kinds.count("only_ours") == 3
    assert {"differs", "only_theirs", "bad_row"} <= set(kinds)
    differs = next(row for row in found["findings"] if row["kind"] == "differs")
    assert differs["upstream_id"] == "up-1199"
    assert differs["differences"] == [
        {"measure": "output_tokens", "ours": 50, "theirs": 60, "difference": 10, "percent": 20.0}
    ]
    table = run("reconcile", file, "--provider", "openai", exits=1).stdout
    assert "output_tokens 50 -> 60" in table
    assert run("reconcile", file, "--limit", "1", exits=1).stderr.startswith("There is more")


@pytest.mark.usefixtures("ledger")
def test_json_lines_from_standard_input_and_columns_of_another_name(run: Run) -> None:
    rows = "\n".join(json.dumps({"uid": f"up-{number}", "usage": {"input_tokens": 100}}) for number in range(1200))
    words = ("reconcile", "-", "--provider", "openai", "--column", "id=uid", "-o", "json")
    assert told(run(*words, input=rows, exits=1))["totals"]["matched"] == 1200


def test_files_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    said, mend = fix(run("reconcile", str(path), exits=1))
    assert "No column holds the request's id" in said
    assert "--column id=NAME" in mend
    path.write_bytes(b"request_id,cost\n\xff\xfe,1\n")
    said, mend = fix(run("reconcile", str(path), exits=1))
    assert "UTF-8" in said
    assert "colour" in run("reconcile", str(path), "--column", "colour=x", exits=2).stderr
    assert "nothing.csv" in run("reconcile", str(tmp_path / "nothing.csv"), exits=2).stderr
