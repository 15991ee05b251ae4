"""``tollway drill``: its options, what it says of wrong ones, exit codes, and the hook that keeps its gateway on this machine."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli import drill as module
from proxy.cli import main
from proxy.cli.drilled import loopback_only
from proxy.config import Config
from proxy.drill.cases import Case
from proxy.drill.faults import DRILLED
from proxy.drill.judge import Verdict
from proxy.drill.process import StartFailed
from proxy.drill.seen import Seen
from proxy.drill.stage import Played

CONFIG = """
keys: [{name: app, key: sk-tw-a-key-of-a-test}]
providers:
  a: {use: openai, api_key: sk-real}
  b: {use: anthropic, api_key: sk-real}
models:
  fast: {targets: [{provider: a, model: m}, {provider: b, model: n}]}
  slow: {targets: [{provider: b, model: n}]}
"""

Drill = Callable[..., Result]


@pytest.fixture
def asked() -> list[Case]:
    """What was played."""
    return []


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Case]) -> Drill:
    """The command on ``CONFIG``, with a stage on which every request is answered, or fails with ``fails=True``."""

    def run(*arguments: str, text: str = CONFIG, fails: bool = False) -> Result:
        async def played(config: Config, cases: Sequence[Case], **_: Any) -> list[Played]:
            asked.extend(cases)
            verdict = Verdict(passed=not fails, reasons=("an answer was due",) if fails else ())
            return [Played(case=case, seen=Seen(kind="answer", status=200, place=0), verdict=verdict) for case in cases]

        monkeypatch.setattr(module, "play", played)
        file = tmp_path / "tollway.yaml"
        file.write_text(text)
        return CliRunner().invoke(main, ["drill", "--config", str(file), *arguments])

    return run


def test_everything_passes_is_zero_and_one_failure_is_one(drill: Drill) -> None:
    result = drill("--route", "fast", "--fault", "reset")
    assert result.exit_code == 0, result.output
    assert "route fast (priority: a/m → b/n; no fallbacks; 3 tries)" in result.output
    assert "all passed" in result.output
    assert "no provider is called" in result.output
    result = drill("--route", "fast", "--fault", "reset", fails=True)
    assert result.exit_code == 1
    assert "because an answer was due" in result.output
    assert "FAILED" in result.output


def test_routes_and_faults_can_be_chosen(drill: Drill, asked: list[Case]) -> None:
    drill("--route", "slow", "--fault", "reset", "--fault", "quota")
    assert {case.shape.name for case in asked} == {"slow"}
    assert {case.fault.name for case in asked} == {"none", "reset", "quota"}


def test_without_a_choice_it_is_everything(drill: Drill, asked: list[Case]) -> None:
    drill()
    assert {case.shape.name for case in asked} == {"fast", "slow"}
    assert {case.fault.name for case in asked} == {"none", *DRILLED}


def test_failures_alone(drill: Drill) -> None:
    assert "pass  " not in drill("--fault", "reset", "--failures").output


def test_json_is_one_document(drill: Drill) -> None:
    found = json.loads(drill("--fault", "reset", "--json").stdout)
    assert found["ok"] is True
    assert [route["route"] for route in found["routes"]] == ["fast", "slow"]


def test_the_list_needs_no_configuration() -> None:
    result = CliRunner().invoke(main, ["drill", "--list"])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in DRILLED)
    assert "nobody listens" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--route", "fats"), "There is no route 'fats'"),
        (("--fault", "earthquake"), "There is no fault 'earthquake'"),
    ],
)
def test_unknown_names_are_refused(drill: Drill, asked: list[Case], arguments: tuple[str, str], said: str) -> None:
    result = drill(*arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert "Fix: " in result.output
    assert not asked


def test_a_bad_configuration_is_told_as_check_tells_it(drill: Drill, asked: list[Case]) -> None:
    result = drill(text=CONFIG.replace("provider: b,", "provider: bb,"))
    assert result.exit_code == 1
    assert "models.fast.targets[1].provider" in result.output
    assert not asked


def test_colours_are_for_terminals(drill: Drill) -> None:
    assert "\x1b[" not in drill("--fault", "reset", fails=True).output


def test_a_gateway_that_does_not_start_is_a_failure_with_its_words(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drill("--fault", "reset")

    async def broken(*_: Any, **__: Any) -> list[Played]:
        raise StartFailed("no such file")

    monkeypatch.setattr(module, "play", broken)
    result = CliRunner().invoke(main, ["drill", "--config", str(tmp_path / "tollway.yaml")])
    assert result.exit_code == 1
    assert "did not start: no such file" in result.output


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("192.0.2.1", 443))),
        ("socket.connect", (None, ("2001:db8::1", 443, 0, 0))),
        ("socket.connect", (None, ("api.openai.com", 443))),
        ("socket.sendto", (None, ("192.0.2.1", 53))),
        ("socket.getaddrinfo", ("api.openai.com", 443, 0, 0, 0)),
        ("socket.getaddrinfo", (b"api.openai.com", 443, 0, 0, 0)),
        ("socket.gethostbyname", ("api.openai.com",)),
    ],
)
def test_the_way_out_is_closed(event: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(PermissionError, match="does not leave this machine"):
        loopback_only(event, arguments)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
        ("socket.connect", (None, "/run/a.sock")),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
        ("open", ("/etc/hosts", "r", 0)),
    ],
)
def test_the_way_to_this_machine_is_open(event: str, arguments: tuple[object, ...]) -> None:
    loopback_only(event, arguments)
