"""Mock servers that nobody here wrote, as real processes on loopback: aimock (npm, MIT) and llmock (PyPI, MIT)."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import free_port

FOLDER = Path(__file__).parent / "node"
PACKAGE = FOLDER / "node_modules" / "@copilotkit" / "aimock"
LLMOCK = "0.2.2"


def missing(reason: str) -> None:
    """A failure under ``CI=true``, else a skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def serving(command: list[str], port: int, health: str) -> Iterator[str]:
    """The origin of ``command``, once it answers ``health``. Ends the process and its children."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        origin = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), urlopen(origin + health, timeout=2):
                    break
                if child.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise AssertionError(f"{command[0]} did not start: {output.read().decode(errors='replace')}")
                time.sleep(0.05)
            yield origin
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait(10)


@contextlib.contextmanager
def aimock() -> Iterator[str]:
    """aimock of the locked version, answering from ``answers.json``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("AIMOCK NOT TESTED: node and npm are not on the PATH")
    assert node is not None
    assert npm is not None
    wanted = json.loads((FOLDER / "package-lock.json").read_text())["packages"]["node_modules/@copilotkit/aimock"][
        "version"
    ]
    if not PACKAGE.exists() or json.loads((PACKAGE / "package.json").read_text())["version"] != wanted:
        done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=FOLDER, capture_output=True, text=True, timeout=150)
        if done.returncode:
            missing(f"AIMOCK NOT TESTED: it could not be installed: {done.stderr[-300:]}")
    port = free_port()
    command = [node, str(PACKAGE / "dist" / "cli.js"), "-p", str(port), "-f", str(FOLDER / "answers.json"), "--strict"]
    with serving([*command, "--chunk-size", "7", "--log-level", "warn"], port, "/health") as origin:
        yield origin


@contextlib.contextmanager
def llmock() -> Iterator["Llmock"]:
    """llmock of the pinned version."""
    try:
        found = version("llmock")
    except PackageNotFoundError:
        found = ""
    if found != LLMOCK:
        missing(f"LLMOCK NOT TESTED: llmock {LLMOCK} is not installed (found {found or 'none'})")
    port = free_port()
    command = [sys.executable, "-c", "from llmock.cli import app; app()", "serve", "-h", "127.0.0.1", "-p", str(port)]
    with serving([*command, "--response-style", "static", "--log-level", "warning"], port, "/health") as origin:
        yield Llmock(origin)


class Llmock:
    """The running server and its control API."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def script(self, *behaviours: dict[str, Any]) -> None:
        """Replaces what the next requests meet."""
        self._post("/_llmock/reset", {})
        if behaviours:
            self._post("/_llmock/scenario", {"behaviors": behaviours})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        request = Request(
            self.origin + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}
        )
        with urlopen(request, timeout=5) as answer:
            answer.read()
