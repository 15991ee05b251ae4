"""k6 on the scripts of loadtest/k6, with a real gateway as its target: its exit code, what it printed, and the summary it wrote."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT

SCRIPTS = ROOT / "loadtest" / "k6"

PASSED, CROSSED, SCRIPT_ERROR = 0, 99, 107
"""k6's exit codes: all thresholds kept; some crossed; the script threw before it sent anything."""


def command(name: str) -> str:
    """A program beside this interpreter, as wheels install it, or on the PATH. Missing: a failure under ``CI=true``, else a skip."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        reason = f"{name} NOT RUN: it is neither beside {sys.executable} nor on the PATH (make install)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return str(found)


def environment(**told: object) -> dict[str, str]:
    """Nothing of this machine's own settings, the programs of this environment first on the PATH, and nothing sent to anybody else."""
    settings = ("K6_", "TOLLWAY_", "LOCUST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "K6_NO_USAGE_REPORT": "true", **{name: str(value) for name, value in told.items()}}


@dataclass
class Ran:
    """One run that is over. ``summary`` is empty where none was written."""

    code: int
    output: str
    summary: dict[str, Any] = field(default_factory=dict)

    def value(self, metric: str, figure: str) -> float:
        """One figure of a metric, times in milliseconds."""
        return float(self.summary["metrics"][metric][figure])

    @property
    def crossed(self) -> set[str]:
        """Metrics with a threshold that was not kept."""
        return {each["metric"] for each in self.summary["thresholds"] if not each["passed"]}

    @property
    def failed_checks(self) -> set[str]:
        """Names of checks that failed at least once."""
        return {each["name"] for each in self.summary["checks"] if each["fails"]}


class Run:
    """A load that goes on beside others, in a process group of its own; ``wait`` for it. SUMMARY says where its summary goes."""

    def __init__(self, arguments: list[str], **told: object) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tollway-load-")
        self._summary = Path(self._folder.name) / "summary.json"
        self._output = Path(self._folder.name) / "output"
        with self._output.open("wb") as output:
            self.child = subprocess.Popen(
                arguments,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment(SUMMARY=self._summary, **told),
                start_new_session=True,
            )

    def wait(self, timeout: float = 40.0) -> Ran:
        """Until it is over; it is ended if that takes longer."""
        try:
            code = self.child.wait(timeout)
            written = json.loads(self._summary.read_text()) if self._summary.exists() else {}
            return Ran(code, self._output.read_text(errors="replace"), written)
        finally:
            self.close()

    def close(self) -> None:
        """Ends it whatever it does."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(10)
        self._folder.cleanup()


def k6(script: str, *, url: str, key: str, **settings: object) -> Run:
    """One script, with its settings as options."""
    told: Mapping[str, object] = {"TOLLWAY_URL": url, "TOLLWAY_KEY": key, **settings}
    options = [part for name, value in told.items() for part in ("-e", f"{name}={value}")]
    # Without k6's own API, whose port two runs cannot share.
    return Run([command("k6"), "run", "--quiet", "--no-color", "--address=", *options, str(SCRIPTS / f"{script}.js")])
