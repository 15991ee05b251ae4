"""``tollway compare`` through a real gateway: the worked example, scores that routing reads, a kill in the middle, limits."""

import base64
import json
import os
import re
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.support.processes import KEY, ROOT, Gateway, Mock, Process, config_for, free_port, running

EXAMPLE = ROOT / "docs/examples/compare"
DEMO_KEY = "sk-tw-demo-compare"


@pytest.fixture(scope="module")
def demo(mock: Mock) -> Iterator[Gateway]:
    """The example's gateway in front of the mock."""
    config = yaml.safe_load((EXAMPLE / "tollway.yaml").read_text())
    config["server"]["port"] = free_port()
    with running(config, environ={"DEMO_UPSTREAM": mock.url}) as gateway:
        yield gateway


def command(gateway: Gateway, *arguments: str, cwd: Path, key: str = DEMO_KEY) -> Process:
    """``tollway compare`` in a process of its own."""
    return Process(["compare", *arguments], {"TOLLWAY_URL": gateway.url, "TOLLWAY_KEY": key}, cwd)


def ended(process: Process, code: int = 0, timeout: float = 60.0) -> str:
    """Waits for its end. Returns what it printed."""
    try:
        assert process.child.wait(timeout) == code, process.log()
        return process.log()
    finally:
        process.close()


def until(found: Callable[[], object], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not found():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def compared(demo: Gateway, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of the example's command, as its page has it."""
    folder = tmp_path_factory.mktemp("compare")
    page = (EXAMPLE / "README.md").read_text()
    line = next(line for line in page.replace("\\\n", " ").splitlines() if line.startswith("tollway compare"))
    arguments = [
        str(EXAMPLE / "prompts.jsonl") if each.endswith("prompts.jsonl") else each for each in shlex.split(line)[2:]
    ]
    return folder, ended(command(demo, *arguments, cwd=folder))


def figures(text: str) -> dict[str, list[str]]:
    """Model to quality, interval, graded answers and cost: all that the clock has no part in."""
    rows = re.findall(
        r"^(preview|mini|general) +([\d.]+ %) +([\d.]+ to [\d.]+ %) +(\d+ of \d+) +([\d.,]+) ", text, re.MULTILINE
    )
    return {name: rest for name, *rest in rows}


def test_the_worked_example_gives_the_figures_of_its_page(compared: tuple[Path, str]) -> None:
    folder, printed = compared
    found = figures(printed)
    assert found == figures((EXAMPLE / "README.md").read_text())
    assert len(found) == 3
    assert "preview is in the tier preview" in printed
    html = (folder / "report.html").read_text()
    assert "<svg" in html
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)\S*//", html), "the page needs no network"


def test_a_gateway_with_the_scores_sends_best_to_the_best(compared: tuple[Path, str], mock: Mock) -> None:
    folder, _ = compared
    scores = yaml.safe_load((folder / "scores.yaml").read_text())
    ranked = sorted(scores["scores"], key=lambda place: scores["scores"][place]["general"]["score"])
    assert ranked[-1] == "preview/demo-preview"
    config = yaml.safe_load((EXAMPLE / "tollway.yaml").read_text())
    targets = [{"provider": name, "model": f"demo-{name}"} for name in ("mini", "general", "preview")]
    config["server"]["port"] = free_port()
    config["models"]["smart"] = {"policy": "best", "targets": targets}
    config["routing"] = {"scores": str(folder / "scores.yaml")}
    config["providers"]["preview"]["headers"].pop("x-mock-fault")
    with running(config, environ={"DEMO_UPSTREAM": mock.url}) as gateway:
        assert chosen(gateway, "smart") == "preview"
        other = json.loads(json.dumps(scores))
        other["scores"][ranked[0]]["general"].update(score=1.0, interval=[0.9, 1.0])
        other["scores"][ranked[-1]]["general"].update(score=0.1, interval=[0.0, 0.2])
        (folder / "scores.yaml").write_text(yaml.safe_dump(other))
        until(lambda: chosen(gateway, "smart") == ranked[0].split("/")[0])


def chosen(gateway: Gateway, model: str) -> str:
    """The provider that a request would be sent to."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": f"Bearer {DEMO_KEY}", "content-type": "application/json", "x-tollway-dry-run": "true"}
    with urlopen(Request(f"{gateway.url}/chat/completions", json.dumps(body).encode(), headers), timeout=5) as answer:
        return str(json.load(answer)["chosen"]).split("/")[0]


def test_the_same_command_again_asks_nothing(compared: tuple[Path, str], mock: Mock, demo: Gateway) -> None:
    folder, _ = compared
    before = mock.stats()["requests"]
    models = "preview,mini,general"
    printed = ended(command(demo, "-d", str(EXAMPLE / "prompts.jsonl"), "-m", models, "-o", "json", cwd=folder))
    assert mock.stats()["requests"] == before
    found = json.loads(printed[printed.index("{") :])
    assert [model["answered"] for model in found["models"]] == [24, 24, 24]


def test_after_a_kill_no_answer_that_was_written_down_is_asked_for_again(
    demo: Gateway, mock: Mock, tmp_path: Path
) -> None:
    mark = os.urandom(4).hex()
    dataset = tmp_path / "prompts.jsonl"
    dataset.write_text(
        "".join(json.dumps({"id": f"q{at}", "prompt": f"{mark} number {at};"}) + "\n" for at in range(40))
    )
    results = tmp_path / "prompts.results.jsonl"
    arguments = ["--dataset", str(dataset), "--models", "mini", "--concurrency", "2", "--yes"]

    def answered() -> set[str]:
        lines = results.read_text().split("\n")[:-1] if results.exists() else []
        return {found["prompt"] for found in map(json.loads, lines) if found["type"] == "answer"}

    first = command(demo, *arguments, cwd=tmp_path)
    try:
        until(lambda: len(answered()) >= 6)
        first.child.send_signal(signal.SIGKILL)
        first.child.wait(10)
    finally:
        first.close()
    kept = answered()
    assert 6 <= len(kept) < 40
    ended(command(demo, *arguments, cwd=tmp_path))
    assert len(answered()) == 40
    counts = {f"q{at}": 0 for at in range(40)}
    for request in mock.requests():
        body = base64.b64decode(request["body_base64"] or "").decode()
        for at in re.findall(rf"{mark} number (\d+);", body):
            counts[f"q{at}"] += 1
    assert {name: counts[name] for name in kept} == dict.fromkeys(kept, 1)
    assert sorted(counts.values())[-3:] <= [2, 2, 2], "what was under way may have been asked before the kill"
    assert sum(counts.values()) <= 42


def test_a_gateway_that_limits_its_key_is_waited_for(mock: Mock, tmp_path: Path) -> None:
    keys = [{"name": "one", "key": KEY, "limits": {"concurrency": 1}}]
    dataset = tmp_path / "prompts.jsonl"
    dataset.write_text("".join(json.dumps({"prompt": f"limited {at}"}) + "\n" for at in range(3)))
    config = config_for(mock.url, keys=keys)
    config["providers"]["mock"]["headers"] = {"x-mock-first-token": "300"}
    with running(config) as gateway:
        arguments = ["--dataset", str(dataset), "--models", "fast", "--concurrency", "2", "--yes", "--output", "json"]
        printed = ended(command(gateway, *arguments, cwd=tmp_path, key=KEY))
    found = json.loads(printed[printed.index("{") :])
    assert (found["models"][0]["answered"], found["models"][0]["errors"]) == (3, {})
    lines = [json.loads(line) for line in (tmp_path / "prompts.results.jsonl").read_text().splitlines()]
    assert max(line["tries"] for line in lines if line["type"] == "answer") > 1, "the second was refused at first"


def test_ctrl_c_reports_what_is_there_and_says_how_to_go_on(demo: Gateway, tmp_path: Path) -> None:
    dataset = tmp_path / "prompts.jsonl"
    dataset.write_text("".join(json.dumps({"prompt": f"stopped {at}"}) + "\n" for at in range(60)))
    process = command(demo, "--dataset", str(dataset), "--models", "general", "--yes", cwd=tmp_path)
    results = tmp_path / "prompts.results.jsonl"
    until(lambda: results.exists() and results.read_bytes().count(b'"answer"') >= 4)
    process.child.send_signal(signal.SIGINT)
    printed = ended(process, code=1)
    assert "Stopping: what is under way is waited for." in printed
    assert re.search(r"The run was stopped\. \d+ questions have no answer\.\nFix: the same command goes on", printed), (
        printed
    )
    assert re.search(r"^general ", printed, re.MULTILINE), "what is there is reported"
