"""Every k6 script runs against a real gateway and keeps its thresholds, as the README has it; each fails when what it demands is not so.

Runs go on side by side, for seconds: their thresholds leave room for that.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import KEY, ROOT

from .conftest import FIRST_MS, LATE_MS, PACE_MS, ROOM_MS, TOKENS, Place
from .running_k6 import CROSSED, PASSED, SCRIPT_ERROR, SCRIPTS, Ran, Run, command, k6

pytestmark = pytest.mark.e2e

README = (ROOT / "loadtest" / "README.md").read_text(encoding="utf-8")
APP = "sk-tw-load"
LINES = re.findall(r"^(?:taskset -c \d )?k6 run .*$", README, re.M)
SHORT = {"DURATION": "3s", "RATE": "20", "PEAK": "40"}
"""What the README's values become here. Rates are those of a machine that other tests use too."""

LENIENT = {"TTFB_MS": "5000", "P95_MS": "5000", "HIT_P95_MS": "5000", "HIT_RATIO": "0.3"}
"""Thresholds of time, likewise, and what share of so few questions comes again."""


def shortened(line: str, url: str) -> Run:
    """The same command for seconds, on ``url``. The limit's contract is as short as it is."""
    values = LENIENT if "ratelimit.js" in line else {**SHORT, **LENIENT}
    for name, value in values.items():
        line = re.sub(rf"-e {name}=\S+", f"-e {name}={value}", line)
    line = re.sub(r"taskset -c \d ", "taskset -c 0 ", line)
    return Run(["bash", "-c", line], TOLLWAY_URL=url, TOLLWAY_KEY=APP, **values)


@pytest.fixture(scope="module")
def told(place: Place) -> Iterator[dict[str, Ran]]:
    """What became of each line of the README that runs k6."""
    command("k6")
    runs = {line: shortened(line, place.url) for line in LINES}
    try:
        yield {line: run.wait() for line, run in runs.items()}
    finally:
        for run in runs.values():
            run.close()


def script_of(line: str) -> str:
    """The script that a command runs."""
    return shlex.split(line)[-1].removeprefix("loadtest/k6/")


def test_the_readme_runs_every_script() -> None:
    assert {script_of(line) for line in LINES} == {each.name for each in SCRIPTS.glob("*.js")}


@pytest.mark.parametrize("line", LINES)
def test_the_readmes_command_keeps_its_thresholds(line: str, told: dict[str, Ran]) -> None:
    ran = told[line]
    assert ran.code == PASSED, ran.output
    assert ran.summary["passed"] is True
    assert ran.failed_checks == set()
    assert ran.value("http_reqs", "count") >= 10
    assert f"{ran.summary['script']}.js" == script_of(line)


def test_what_the_scripts_count_is_what_happened(told: dict[str, Ran]) -> None:
    by_line = {line.rpartition("loadtest/k6/")[2] + str("PATIENCE" in line): ran for line, ran in told.items()}
    limited, steady = by_line["ratelimit.jsFalse"], by_line["ratelimit.jsTrue"]
    assert (limited.value("tollway_passed", "count"), limited.value("tollway_refused", "count")) == (10, 5)
    kept = [each for each in steady.summary["checks"] if each["name"] == "after retry-after it passes"]
    assert kept == [{"name": "after retry-after it passes", "passes": 1, "fails": 0}]
    mixed = by_line["cache_mix.jsFalse"]
    assert 0.3 <= mixed.value("tollway_cache_hits", "rate") < 1
    assert mixed.value("tollway_hit_duration", "med") < mixed.value("tollway_miss_duration", "med")
    assert by_line["failover.jsFalse"].value("tollway_stood_in", "count") > 0
    assert 30 < by_line["ramp.jsFalse"].value("tollway_ramp_rate", "max") <= 40


# ---- contracts that are broken --------------------------------------------------------------------------------------

UNTIL_STOPPED = "30s"
"""Far longer than a run takes that stops itself."""

BROKEN: dict[str, tuple[str, dict[str, object], set[str]]] = {
    "a wrong key": ("smoke", {"TOLLWAY_KEY": "sk-tw-not-a-key"}, {"checks", "http_req_failed"}),
    "no answers": ("chat", {"MODEL": "dead", "DURATION": UNTIL_STOPPED}, {"http_req_failed", "checks"}),
    "late answers": (
        "ramp",
        {"MODEL": "slow", "P95_MS": 100, "DURATION": UNTIL_STOPPED, "PEAK": 10},
        {"http_req_duration"},
    ),
    "a k6 that cannot keep up": (
        "ramp",
        {"MODEL": "slow", "MAX_VUS": 1, "DURATION": UNTIL_STOPPED},
        {"dropped_iterations"},
    ),
    "late first bytes": (
        "stream_ttfb",
        {"MODEL": "slow", "TTFB_MS": 200, "DURATION": UNTIL_STOPPED},
        {"http_req_waiting"},
    ),
    "streams that break off": ("stream_ttfb", {"MODEL": "cut", "DURATION": "3s"}, {"checks"}),
    "no limit": ("ratelimit", {"LIMIT": 5}, {"checks"}),
    "another limit": ("ratelimit", {"LIMIT": 5, "TOLLWAY_KEY": "sk-tw-load-other"}, {"checks"}),
    "no cache": ("cache_mix", {"MODEL": "uncached", "DURATION": "3s"}, {"tollway_cache_hits", "checks"}),
    "nobody to stand in": (
        "failover",
        {"MODEL": "dead", "DURATION": UNTIL_STOPPED},
        {"http_req_failed", "tollway_stood_in"},
    ),
    "nothing to stand in for": ("failover", {"DURATION": "3s"}, {"tollway_stood_in"}),
    "one kind of many": (
        "soak",
        {"MODEL_FAILOVER": "dead", "DURATION": "4s"},
        {"http_req_failed{kind:failover}", "checks"},
    ),
}
"""What is wrong: the script that says so, its settings, and the thresholds that must be crossed."""


@pytest.fixture(scope="module")
def failed(place: Place, told: dict[str, Ran]) -> Iterator[dict[str, Ran]]:
    """All of these, after the good runs. Of streams there are two more: through the gateway, and at the slow upstream itself."""
    usual = {"TOLLWAY_KEY": APP, "RATE": 10}
    runs = {what: k6(script, url=place.url, key=KEY, **{**usual, **told}) for what, (script, told, _) in BROKEN.items()}
    slow = {"MODEL": "slow", "RATE": 5, "DURATION": "4s"}
    runs["through"] = k6("stream_ttfb", url=place.url, key=APP, **slow)
    runs["straight"] = k6("stream_ttfb", url=place.slow.url, key=APP, **slow)
    try:
        yield {what: run.wait() for what, run in runs.items()}
    finally:
        for run in runs.values():
            run.close()


@pytest.mark.parametrize("what", BROKEN)
def test_it_fails_when_the_contract_is_broken(what: str, failed: dict[str, Ran]) -> None:
    ran, (_, settings, crossed) = failed[what], BROKEN[what]
    assert ran.code == CROSSED, ran.output
    assert ran.summary["passed"] is False
    assert ran.crossed >= crossed, ran.output
    if settings.get("DURATION") == UNTIL_STOPPED:
        assert ran.summary["seconds"] < 15, "it stops itself"


@pytest.mark.parametrize(
    ("what", "check"),
    [
        ("no limit", "the answer says what the limit is"),
        ("another limit", "the answer says what the limit is"),
        ("no cache", "the cache was asked"),
        ("streams that break off", "the stream ends with one [DONE]"),
        ("a wrong key", "models are listed"),
    ],
)
def test_the_summary_names_the_check(what: str, check: str, failed: dict[str, Ran]) -> None:
    assert check in failed[what].failed_checks
    assert f"FAILED  check: {check}" in failed[what].output


# ---- what k6's times are ---------------------------------------------------------------------------------------------

REST_MS = (TOKENS - 1) * PACE_MS


def test_waiting_is_the_time_to_the_head(failed: dict[str, Ran]) -> None:
    straight = failed["straight"]
    assert straight.code == PASSED, straight.output
    # The head came at once; of the first token, 300 ms later, k6 knows nothing.
    assert straight.value("http_req_waiting", "min") < ROOM_MS
    assert straight.value("http_req_waiting", "med") < FIRST_MS
    assert FIRST_MS + REST_MS - ROOM_MS <= straight.value("http_req_receiving", "max")


def test_through_the_gateway_the_head_comes_with_the_first_token(failed: dict[str, Ran]) -> None:
    through = failed["through"]
    assert through.code == PASSED, through.output
    assert FIRST_MS - 1 <= through.value("http_req_waiting", "min") < FIRST_MS + ROOM_MS
    assert through.value("http_req_waiting", "med") < FIRST_MS + LATE_MS
    assert through.value("http_req_receiving", "med") < REST_MS + ROOM_MS


# ---- the scripts themselves -------------------------------------------------------------------------------------------

SOURCES = sorted([*SCRIPTS.glob("*.js"), *(SCRIPTS / "lib").glob("*.js")])


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("RATE", "many", "RATE is many: it must be a number from 1 to 10000"),
        ("DURATION", "9h", "DURATION is 9h: it must lie between 1s and 4h"),
        ("DURATION", "soon", "DURATION is soon: it must be a duration such as 30s"),
    ],
)
def test_a_setting_that_cannot_be_read_is_said_before_anything_is_sent(setting: str, value: str, said: str) -> None:
    ran = k6("chat", url="http://127.0.0.1:9/v1", key=APP, **{setting: value}).wait()
    assert ran.code == SCRIPT_ERROR
    assert said in ran.output


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_script_needs_no_network_and_no_particular_release(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    imported = set(re.findall(r'^(?:import|export) .*from "([^"]+)";', text, re.M))
    allowed = {"k6", "k6/http", "k6/metrics", "k6/execution"}
    assert {each for each in imported if not each.startswith("./")} <= allowed
    assert not re.search(r"externally-controlled|k6/experimental|\bhttps?://(?!127\.0\.0\.1)", text)


def test_the_readme_tells_each_scripts_settings() -> None:
    rows = dict(re.findall(r"^\| `(\w+)\.js` \|(.*)$", README, re.M))
    shared = README.partition("All of them:")[2].partition("\n\n")[0]
    common = names_read("lib/settings.js", "lib/prompts.js", "lib/summary.js")
    assert common == set(re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", shared))
    for script in SCRIPTS.glob("*.js"):
        assert names_read(script.name) <= set(re.findall(r"`([A-Z][A-Z0-9_]+)`", rows[script.stem])) | {"MORE"}, script


def names_read(*files: str) -> set[str]:
    """Settings that files read from the environment."""
    found: set[str] = set()
    for file in files:
        text = (SCRIPTS / file).read_text(encoding="utf-8")
        found |= set(re.findall(r'\b(?:text|number|seconds)\(\s*"([A-Z0-9_]+)"', text))
        found |= set(re.findall(r'\brate\(\d+, "(\w+)"\)', text)) | (
            {"RATE"} if re.search(r"\brate\(\d+\)", text) else set()
        )
    return found
