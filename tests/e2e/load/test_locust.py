"""Locust, as the README runs it, against a real gateway: its entries say what the upstream was told, and broken answers fail it."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT

from .conftest import FIRST_MS, LATE_MS, PACE_MS, ROOM_MS, TOKENS, Place
from .running_k6 import Ran, Run, command

pytestmark = pytest.mark.e2e

README = (ROOT / "loadtest" / "README.md").read_text(encoding="utf-8")
LINES = re.findall(r"^(?:[A-Z][A-Z0-9_]+=\S+ )*locust .*$", README, re.M)
FILE = "loadtest/locust/locustfile.py"
APP = "sk-tw-load"
FAILED = 1

Entries = dict[str, dict[str, float]]
"""By "type name": the columns of Locust's table that are numbers."""


def entries(prefix: Path) -> Entries:
    """What ``--csv`` wrote."""
    with Path(f"{prefix}_stats.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {f"{row['Type']} {row['Name']}": {name: _number(value) for name, value in row.items()} for row in rows}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def locust(
    place: Place,
    prefix: Path,
    *,
    url: str = "",
    file: str = FILE,
    run_time: str = "4s",
    **told: object,
) -> Run:
    """A few users for a few seconds; ``prefix``: where its tables go."""
    usual = ["--users", "3", "--spawn-rate", "3", "--only-summary", "--csv", str(prefix)]
    usual += ["--run-time", run_time] if run_time else []
    settings = {"TOLLWAY_URL": url or place.url, "TOLLWAY_KEY": APP, "PAUSE": "0.2", **told}
    return Run([command("locust"), "-f", file, "--headless", *usual], **settings)


def shortened(line: str, folder: Path) -> str:
    """A line of the README for seconds, with generous thresholds and its tables elsewhere."""
    line = re.sub(r"--run-time \S+", "--run-time 3s", line)
    line = re.sub(r"--csv (\S+)", rf"--csv {folder}/\1", line)
    line = re.sub(r'RAMP="[^"]+"', 'RAMP="2s:4,1s:4"', line)
    return re.sub(r"(_P95_MS)=\d+", r"\1=5000", line)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locust")


@pytest.fixture(scope="module")
def ran(place: Place, folder: Path) -> dict[str, Ran]:
    """All runs, three at once: those that measure, those that must fail, those of the README. More would wait for each other."""

    def asked(name: str, **told: Any) -> Callable[[], Run]:
        return lambda: locust(place, folder / name, **told)

    def line_of(line: str) -> Callable[[], Run]:
        told = {"TOLLWAY_URL": place.url, "TOLLWAY_KEY": APP, "PAUSE": "0.2"}
        return lambda: Run(["bash", "-c", shortened(line, folder)], **told)

    runs: dict[str, Callable[[], Run]] = {
        "straight": asked("straight", url=place.slow.url),
        "through": asked("through", MODEL="slow"),
        "wrong": asked("wrong", file=f"{FILE},loadtest/locust/ramp.py", RAMP="soon"),
        "late": asked("late", MODEL="slow", TTFT_P95_MS=FIRST_MS, ITL_P95_MS=PACE_MS / 2),
        "dead": asked("dead", MODEL="dead", run_time="", RUN_TIME="3s"),
        "cut": asked("cut", MODEL="cut", TTFT_P95_MS=5000),
        **{line: line_of(line) for line in LINES},
    }
    found: dict[str, Ran] = {}
    names = list(runs)
    for first in range(0, len(names), 3):
        begun = {name: runs[name]() for name in names[first : first + 3]}
        try:
            found |= {name: run.wait() for name, run in begun.items()}
        finally:
            for run in begun.values():
                run.close()
    return found


@pytest.mark.parametrize("line", LINES)
def test_the_readmes_command_runs_for_its_time_and_ends_well(line: str, ran: dict[str, Ran]) -> None:
    assert ran[line].code == 0, ran[line].output
    assert re.search(r"LLM +ttft +[1-9]", ran[line].output), ran[line].output


def test_a_ramp_follows_its_steps_and_ends_by_itself(ran: dict[str, Ran], folder: Path) -> None:
    (line,) = (line for line in LINES if "RAMP=" in line)
    assert "Shape test updating to 4 users" in ran[line].output
    assert "Shape test completed" in ran[line].output
    assert entries(folder / "ramp")["LLM ttft"]["Request Count"] > 0


def check_at_first_token(entry: dict[str, float]) -> None:
    """Is this when the upstream sent its first token, not when it sent its head or had ended?"""
    # The mock's timers count whole milliseconds.
    assert FIRST_MS - 1 <= entry["Min Response Time"] < FIRST_MS + ROOM_MS
    assert FIRST_MS - 1 <= entry["Median Response Time"] < FIRST_MS + LATE_MS


@pytest.mark.parametrize("way", ["straight", "through"])
def test_the_entries_say_what_the_upstream_was_told(way: str, ran: dict[str, Ran], folder: Path) -> None:
    assert ran[way].code == 0, ran[way].output
    found = entries(folder / way)
    ttft, gaps, whole = found["LLM ttft"], found["LLM itl"], found["LLM e2e"]
    assert ttft["Request Count"] >= 5
    check_at_first_token(ttft)
    assert gaps["Request Count"] == (TOKENS - 1) * ttft["Request Count"]
    assert PACE_MS * 0.9 <= gaps["Average Response Time"] < PACE_MS * 1.25
    assert whole["Average Response Time"] >= FIRST_MS - 1 + (TOKENS - 1) * (PACE_MS - 1)
    assert whole["Average Content Size"] == TOKENS
    assert 0.75 * 1000 / PACE_MS < found["LLM tokens_per_s"]["Median Response Time"] <= 1000 / PACE_MS + 1


def test_locusts_own_time_of_a_stream_is_that_of_its_head(ran: dict[str, Ran], folder: Path) -> None:
    head = "POST chat (head of a stream)"
    straight = entries(folder / "straight")[head]
    assert straight["Min Response Time"] < ROOM_MS
    assert straight["Median Response Time"] < FIRST_MS
    check_at_first_token(entries(folder / "through")[head])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("late", r"LLM/ttft: p95 is \d+.* not below 300"),
        ("late", r"LLM/itl: p95 is \d+.* not below 10"),
        ("dead", r"POST chat \(head of a stream\): status 500"),
        ("cut", r"POST chat \(head of a stream\): (the stream broke off|an error event)"),
        ("cut", r"LLM/ttft: p95 is \S+ ms of 0, not below 5000"),
    ],
)
def test_it_fails_when_answers_are_late_or_broken(what: str, said: str, ran: dict[str, Ran]) -> None:
    assert ran[what].code == FAILED, ran[what].output
    assert re.search(said, ran[what].output), ran[what].output


def test_a_ramp_that_cannot_be_read_is_said_before_anything_is_sent(ran: dict[str, Ran]) -> None:
    assert ran["wrong"].code != 0
    assert "RAMP has 'soon': each step is SECONDSs:USERS" in ran["wrong"].output
    assert "LLM" not in ran["wrong"].output


def test_no_load_is_without_an_end(ran: dict[str, Ran]) -> None:
    assert "Run time limit set to 3 seconds" in ran["dead"].output, "RUN_TIME, as the command line had none"
    assert "--run-time limit reached" in ran["dead"].output
