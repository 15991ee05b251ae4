"""A pytest plugin: what failed beside other work is run once more, alone, before it counts. ``-p tests.support.second_look``.

`make test` keeps two cores busy for a quarter of an hour, and a few tests hold real processes to real seconds. A run that fails
because the machine was busy tells nobody anything; one that hides a failure tells a lie. So a part with few failures writes them down
in the folder that ``SECOND_LOOK`` names, shows them, and goes on; `make test` ends by running them again with the machine to
themselves, and fails when one fails again. More than ``FEW``, a module that cannot be collected, or a broken run fails at once.
"""

import os
from pathlib import Path

import pytest

FOLDER = "SECOND_LOOK"
"""Where the list of each part is left, one test a line."""

FEW = 5
"""Of one part: more are no accident."""


class SecondLook:
    """What failed in this run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failed: dict[str, None] = {}
        self.reports = 0
        self.kept = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setup, call and teardown alike."""
        if report.failed:
            self.failed[report.nodeid] = None
            self.reports += 1

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Leaves the list, and the run counts as passed until then."""
        broken = session.testsfailed > self.reports  # what could not be collected has no report of a test
        if exitstatus != pytest.ExitCode.TESTS_FAILED or broken or not 0 < len(self.failed) <= FEW:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{os.getpid()}.txt").write_text("".join(f"{name}\n" for name in self.failed))
        session.exitstatus = pytest.ExitCode.OK
        self.kept = True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says what is to come."""
        if self.kept:
            terminalreporter.section("to be run again, alone")
            for name in self.failed:
                terminalreporter.line(name)


def pytest_configure(config: pytest.Config) -> None:
    """Only where a folder is named."""
    folder = os.environ.get(FOLDER)
    if folder:
        config.pluginmanager.register(SecondLook(Path(folder)), "second-look")
