"""A drill as a user starts it: the verdicts on a small configuration, nobody called, nothing left running."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import KEY, ROOT, free_port

pytestmark = pytest.mark.e2e

SECRET = "sk-real-credential-of-the-user"
FEW = ("refused", "reset", "status-500", "rate-limit", "bad-key", "error-first", "cut-early", "cut-late", "context-length", "early-hints")  # fmt: skip


class Trap:
    """A server at the address that the user's providers have. It is never to be called."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def called(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    found = Trap()
    yield found
    found.close()


def written(folder: Path, trap: Trap, models: dict[str, Any], **sections: Any) -> Path:
    """A configuration file: two providers at the trap, with keys that must not leave."""
    path = trap.url.removesuffix("/v1")
    config = {
        "keys": [{"name": "app", "key": KEY}],
        "providers": {
            "first": {"use": "openai", "base_url": trap.url, "api_key": SECRET},
            "second": {"use": "anthropic", "base_url": path, "api_key": SECRET},
        },
        "models": models,
        **sections,
    }
    file = folder / "tollway.json"
    file.write_text(json.dumps(config))
    return file


def started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The command, with its temporary files in ``folder`` so that its processes can be told by their command lines."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "OPENAI_API_KEY": SECRET}
    return subprocess.Popen(
        [sys.executable, "-m", "proxy", "drill", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
        start_new_session=True,
    )


def finished(folder: Path, *arguments: str, timeout: float = 60) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    process = started(folder, *arguments)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err


def alive(folder: Path) -> list[int]:
    """Processes that were started for a file below ``folder``, but for the drill itself."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if str(folder).encode() in words and b"proxy.cli.drilled" in words:
                    found.append(int(entry.name))
    return found


def listening(folder: Path) -> bool:
    """Has the drill's gateway started?"""
    for file in folder.glob("tollway-drill-*/drill.json"):
        with contextlib.suppress(OSError, ValueError):
            port = json.loads(file.read_text())["server"]["port"]
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
    return False


def gone(folder: Path, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not alive(folder):
            return True
        time.sleep(0.05)
    return False


TWO = {"targets": [{"provider": "first", "model": "m"}, {"provider": "second", "model": "n"}]}
ONE = {"targets": [{"provider": "first", "model": "m"}]}


def test_two_targets_survive_and_one_fails_cleanly(tmp_path: Path, trap: Trap) -> None:
    file = written(tmp_path, trap, {"two": TWO, "one": ONE})
    chosen = [word for name in FEW for word in ("--fault", name)]
    code, out, err = finished(tmp_path, "--config", str(file), "--json", "--timeout", "1.5", *chosen)
    assert not trap.called()
    assert SECRET not in out + err
    found = json.loads(out)
    bad = [row for route in found["routes"] for row in route["results"] if not row["passed"]]
    assert bad == []
    assert code == 0
    two, one = (
        {(row["fault"], row["where"], row["stream"]): row for row in route["results"]} for route in found["routes"]
    )
    assert two["status-500", "target 1 of 2", True]["answered_by"] == "second/n"
    assert two["status-500", "target 1 of 2", True]["attempts"] == 2
    assert two["cut-late", "target 1 of 2", True]["kind"] == "broken"
    assert two["context-length", "target 1 of 2", False]["upstream_calls"] == 1
    assert one["reset", "the first try", False]["kind"] == "answer"
    assert one["bad-key", "the target", False]["status"] == 502
    assert one["rate-limit", "the target", False]["retry_after"]
    assert "Add a second target" in found["routes"][1]["advice"]
    assert gone(tmp_path, 5)
    assert list(tmp_path.glob("tollway-drill-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_drill_that_is_stopped_leaves_nothing_behind(tmp_path: Path, trap: Trap, number: signal.Signals) -> None:
    file = written(tmp_path, trap, {"one": ONE})
    process = started(tmp_path, "--config", str(file), "--fault", "hang", "--timeout", "30")
    try:
        deadline = time.monotonic() + 30
        while not listening(tmp_path):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert alive(tmp_path)
        process.send_signal(number)
        assert process.wait(20) != 0
        assert gone(tmp_path, 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if number is not signal.SIGKILL:
        assert list(tmp_path.glob("tollway-drill-*")) == []


def test_the_drills_gateway_cannot_leave_this_machine(tmp_path: Path) -> None:
    port = free_port()
    config = {
        "server": {"host": "127.0.0.1", "port": port, "drain": 0.5},
        "keys": [{"name": "app", "key": KEY}],
        "providers": {"away": {"use": "openai", "base_url": "http://192.0.2.1:9/v1", "api_key": "none"}},
        "models": {"m": {"targets": [{"provider": "away", "model": "m"}], "retry": {"attempts": 1}}},
        "timeouts": {"connect": 60, "first_byte": 60, "idle": 60, "total": 60},
        "telemetry": {"access_log": "off"},
    }
    file = tmp_path / "drill.json"
    file.write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.cli.drilled", str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers), timeout=30)
        assert refused.value.code == 502
        refused.value.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, told = process.communicate()
    assert b"a drill does not leave this machine: socket.connect to 192.0.2.1" in told
