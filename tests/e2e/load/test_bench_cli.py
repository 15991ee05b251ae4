"""``tollway bench`` as a person calls it, on the mock and through the gateway."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.bench import bench as command
from tests.support.processes import KEY, ROOT, Gateway, Mock, Process, config_for

FIRST_MS, PACE_MS, TOKENS = 60, 10, 10


@dataclass(frozen=True)
class Servers:
    """A mock with a known course, and a gateway before it."""

    mock: Mock
    gateway: Gateway


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    mock = Mock("--first-token", str(FIRST_MS), "--pace", str(PACE_MS), "--tokens", str(TOKENS))
    gateway = Gateway(config_for(mock.url))
    yield Servers(mock, gateway)
    gateway.close()
    mock.close()


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOLLWAY_KEY", "OPENAI_API_KEY", "TOLLWAY_BASELINE_KEY"):
        monkeypatch.delenv(name, raising=False)


def bench(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments], input=stdin)


def test_the_figures_are_what_the_mock_was_told(servers: Servers, tmp_path: Path) -> None:
    saved, report = tmp_path / "result.json", tmp_path / "report.html"
    options = "--rate 40 --requests 60 --warmup 5 --cooldown 1s --arrivals constant --seed 3 --output json --details"
    slo = f"ttft:{FIRST_MS + 150} tpot:{PACE_MS + 30}"
    result = bench(servers.mock.url, *options.split(), "--goodput", slo, "--save", str(saved), "--report", str(report))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert json.loads(saved.read_text()) == found
    assert (found["completed"], found["failed"], found["total_output_tokens"]) == (60, 0, 60 * TOKENS)
    # The mock's timers count whole milliseconds; that it, or this process, is late for a moment is what medians leave out.
    assert FIRST_MS - 1 <= min(found["ttfts"]) * 1000 < FIRST_MS + 30
    assert FIRST_MS - 1 <= found["median_ttft_ms"] < FIRST_MS + 80
    assert PACE_MS - 2 <= found["median_itl_ms"] <= PACE_MS + 8
    assert (
        (TOKENS - 1) * (PACE_MS - 1) + FIRST_MS - 1 <= found["median_e2el_ms"] < (TOKENS + 6) * PACE_MS + FIRST_MS + 80
    )
    expected = (found["median_e2el_ms"] - found["median_ttft_ms"]) / (TOKENS - 1)
    assert found["median_tpot_ms"] == pytest.approx(expected, rel=0.1)
    assert found["request_throughput"] == pytest.approx(36, abs=6)
    assert found["request_goodput"] > 0.5 * found["request_throughput"]
    ours = found["tollway"]
    assert (ours["token_source"], ours["usage_mismatches"], ours["chunks_per_request"]["mean"]) == ("usage", 0, TOKENS)
    assert ours["seed"] == 3
    assert 0 < ours["generator"]["cpu"] < 1.5
    ET.fromstring(report.read_text().partition("\n")[2])
    assert f"Wrote {saved}" in result.stderr


def test_what_the_gateway_adds(servers: Servers) -> None:
    direct = ["--baseline", servers.mock.url, "--baseline-model", "gpt-4o"]
    load = "--concurrency 6 --requests 24 --warmup 4 --model fast".split()
    pid = ["--pid", str(servers.gateway.pid)]
    result = bench(servers.gateway.url, "--key", KEY, *direct, *load, *pid, "--output", "json")
    assert result.exit_code == 0, result.output
    ours = json.loads(result.stdout)["tollway"]
    assert (ours["baseline"]["completed"], ours["baseline"]["url"]) == (24, f"{servers.mock.url}/chat/completions")
    ttft = ours["added_latency_ms"]["ttft"]
    assert [one["percentile"] for one in ttft] == [50, 95, 99]
    # A gateway is no faster than what is behind it; on a busy machine it may be slow, though not by a second.
    assert -5 < ttft[0]["value"] < 500
    assert ttft[0]["low"] <= ttft[0]["value"] <= ttft[0]["high"]
    assert ours["gateway_overhead_ms"]["median"] > 0
    assert ours["cached_answers"] == 0
    assert ours["server"]["rss_bytes"] > 20e6
    assert 0 <= ours["server"]["cpu_s_per_1000_requests"] < 100


def test_the_key_is_not_sent_to_the_baseline(servers: Servers) -> None:
    servers.mock.requests()
    before = servers.mock.stats()["requests"]
    arguments = [servers.gateway.url, "--key", KEY, "--baseline", servers.mock.url, "-n", "2", "-q", "-m", "fast"]
    assert bench(*arguments, "-H", "api-key=secret-of-the-gateway").exit_code == 1
    assert bench(*arguments).exit_code == 0
    fresh = servers.mock.requests(last=servers.mock.stats()["requests"] - before)
    sent = [dict(entry["headers"]) for entry in fresh]
    direct = [
        headers for headers in sent if headers.get("user-agent") == "tollway-bench" and "authorization" not in headers
    ]
    assert direct
    assert KEY not in json.dumps(fresh)
    assert "secret-of-the-gateway" not in json.dumps(fresh)


def test_the_table_without_a_stream(servers: Servers) -> None:
    result = bench(servers.mock.url, "-n", "3", "--no-stream", "--repeat", "2")
    assert result.exit_code == 0, result.output
    assert "closed loop, 1 at once, not streamed" in result.stdout
    assert "Requests    6 completed, 0 failed" in result.stdout
    assert "Time to first token" not in result.stdout
    assert "2 runs" in result.stdout
    assert "Load: 7 requests" in result.stderr


def test_a_data_set_with_broken_lines(servers: Servers, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        '{"prompt": "One?"}\n{"prompt": \n{"messages": [{"role": "user", "content": "Two?"}], "output_tokens": 2}\n[]\n'
    )
    before = servers.mock.stats()["requests"]
    result = bench(servers.mock.url, "--dataset", str(file), "-n", "4", "-q", "--body", "temperature=0.5", "-o", "json")
    assert result.exit_code == 0, result.output
    assert f"{file}, line 2: not JSON" in result.stderr
    assert f"{file}, line 4: not a JSON object" in result.stderr
    assert json.loads(result.stdout)["total_output_tokens"] == 2 * (TOKENS + 2)
    assert servers.mock.stats()["requests"] - before == 5
    file.write_text("nothing\n")
    result = bench(servers.mock.url, "--dataset", str(file), "-n", "4")
    assert result.exit_code == 1
    assert "holds no prompt" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give --requests, --duration or both"),
        (["--duration", "0s"], 2, "is no time at all"),
        (["-n", "1", "--rate", "nan"], 2, "nan is no number"),
        (["-n", "1", "--timeout", "inf"], 2, "not in the range"),
        (["-n", "1", "--pid", "999999999"], 1, "There is no process 999999999"),
        (["-n", "1", "--goodput", "speed:3"], 2, "is no objective"),
        (["-n", "1", "--no-stream", "--goodput", "ttft:3"], 2, "leave ttft out"),
        (["-n", "1", "--input-tokens", "some"], 2, "is no length"),
        (["-n", "1", "--warmup", "soon"], 2, "neither a number of requests nor a time"),
        (["-n", "1", "-H", "nothing"], 2, "is no header"),
        (["-n", "1", "--body", "nothing"], 2, "is no field"),
        (["-n", "1", "--baseline", "nowhere"], 2, "is not an http or https URL"),
        (["-n", "1", "--save", "/proc/nowhere/x.json"], 1, "cannot be written"),
        (["-n", "1", "--report", "/"], 2, "is a directory"),
        (["-n", "1", "--key", "a b"], 1, "cannot be sent"),
        (["-n", "1", "--baseline", "http://127.0.0.1:1"], 1, "did not answer the first question (unreachable"),
        (["-n", "1", "-H", "x-mock-fault=bad-key"], 1, "no key was sent: use --key or TOLLWAY_KEY"),
        (["-n", "1", "--key", "k", "-H", "x-mock-fault=bad-key"], 1, "check the key"),
        (["-n", "1", "-m", "missing-model"], 1, "name another --model"),
        (["-n", "1", "-H", "x-mock-fault=html:200"], 1, "check that the URL is that of an OpenAI-compatible API"),
        (["-n", "2", "-H", "x-mock-fault=cut-mid-event:3"], 1, "No request was answered"),
    ],
)
def test_what_cannot_be_is_said(servers: Servers, arguments: list[str], code: int, said: str) -> None:
    before = servers.mock.stats()["requests"]
    result = bench(servers.mock.url, *arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    # At most the question beforehand, and both of those that were cut.
    assert servers.mock.stats()["requests"] - before <= 3


def test_a_closed_pipe_does_not_cost_the_files(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(found: object) -> str:
        raise BrokenPipeError

    monkeypatch.setattr("proxy.cli.benched.tabular.text", closed)
    saved, report = tmp_path / "f.json", tmp_path / "r.html"
    assert bench(servers.mock.url, "-n", "1", "--save", str(saved), "--report", str(report)).exit_code != 0
    assert json.loads(saved.read_text())["completed"] == 1
    assert "</html>" in report.read_text()


def test_errors_are_counted_by_class(servers: Servers) -> None:
    result = bench(servers.mock.url, "-n", "12", "-c", "3", "-q", "-o", "json", "-H", "x-mock-fault=rate-limit@0.5")
    found = json.loads(result.stdout)
    assert 0 < found["failed"] < 12
    assert found["completed"] + found["failed"] == 12
    assert found["tollway"]["errors_by_class"] == {"429 rate_limit_exceeded": found["failed"]}


def test_a_server_elsewhere_is_not_loaded_unasked() -> None:
    result = bench("http://203.0.113.7/v1", "-n", "50", "--output-tokens", "10")
    assert result.exit_code == 1
    assert "This sends 51 requests, 6,528 tokens in and up to 510 out to http://203.0.113.7/" in result.stderr
    assert "--yes" in result.stderr


def test_a_person_is_asked_and_may_refuse() -> None:
    """On a terminal of its own, since a pipe is nobody who could agree."""
    terminal, end = os.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    called = [sys.executable, "-m", "proxy", "bench", "http://203.0.113.7/v1", "-n", "5"]
    try:
        child = subprocess.Popen(called, stdin=end, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)
        os.write(terminal, b"n\n")
        _, said = child.communicate(timeout=20)
    finally:
        os.close(terminal)
        os.close(end)
    assert child.returncode == 1
    assert b"Go on? [y/N]" in said
    assert b"Aborted" in said


def test_more_requests_at_once_than_files_are_not_begun(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 256))
    result = bench(servers.mock.url, "-n", "500", "-c", "250")
    assert result.exit_code == 1
    assert "more than the 256 files" in result.stderr
    assert "ulimit -n" in result.stderr


def test_an_interruption_gives_a_partial_report(servers: Servers, tmp_path: Path) -> None:
    saved = tmp_path / "partial.json"
    process = Process(["bench", servers.mock.url, "--rate", "50", "--duration", "10m", "--save", str(saved)])
    try:
        before, deadline = servers.mock.stats()["requests"], time.monotonic() + 15
        while servers.mock.stats()["requests"] < before + 40 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.child.send_signal(signal.SIGINT)
        assert process.child.wait(10) == 1
        assert "Interrupted" in process.log()
        assert "Traceback" not in process.log()
    finally:
        process.close()
    found = json.loads(saved.read_text())
    assert found["completed"] >= 10
    assert found["failed"] == 0
    assert found["tollway"]["interrupted"] is True
    assert found["tollway"]["not_finished"] >= 1


def test_help_names_every_option() -> None:
    text = bench("--help").stdout
    for option in (
        "--rate",
        "--concurrency",
        "--duration",
        "--warmup",
        "--cooldown",
        "--dataset",
        "--goodput",
        "--baseline",
        "--report",
        "--repeat",
        "--yes",
    ):
        assert option in text
    assert "Needs a bound" in text


def test_the_page_of_the_docs_names_every_option_and_its_commands_can_be_read() -> None:
    text = (ROOT / "docs/bench.md").read_text()
    assert isinstance(command, click.Command)
    for parameter in command.params:
        names = [name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]
        assert not names or any(f"`{name}" in text or f" {name} " in text for name in names), names
    lines = [
        shlex.split(line)
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()
    ]
    for words in lines:
        if "--dataset" in words:
            words[words.index("--dataset") + 1] = "-"
        assert words[0] == "tollway"
        root = click.Context(main, info_name="tollway")
        name, found, rest = main.resolve_command(root, words[1:])
        assert found is not None
        found.make_context(name, list(rest), parent=root)
    assert len(lines) >= 6
