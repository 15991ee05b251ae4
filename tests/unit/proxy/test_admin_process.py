"""The watch over the admin process: started again, later each time; left alone once the gateway ends; killed if it does not end."""

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, cast

import pytest

from proxy import admin_process
from proxy.admin_process import Process, Supervisor
from proxy.server import StartError


class Fake:
    """A process that lives until it is told otherwise. ``deaf``: it ends by nothing but ``kill``."""

    def __init__(self, ready: Connection, *, deaf: bool = False, fails: bool = False) -> None:
        self.ready = ready
        self.exitcode: int | None = None
        self.heard: list[str] = []
        self.over = threading.Event()
        self._deaf = deaf
        self._fails = fails

    def start(self) -> None:
        if self._fails:
            self.end(1)
        else:
            self.ready.send_bytes(b"ready")

    def end(self, code: int) -> None:
        self.exitcode = code
        self.over.set()

    def join(self, timeout: float | None = None) -> None:
        self.over.wait(timeout)

    def terminate(self) -> None:
        self.heard.append("terminate")
        if not self._deaf:
            self.end(0)

    def kill(self) -> None:
        self.heard.append("kill")
        self.end(-9)


class Made:
    """Makes them, and has them all."""

    def __init__(self, **how: Any) -> None:
        self.all: list[Fake] = []
        self._how = how

    def __call__(self, ready: Connection) -> Process:
        self.all.append(Fake(ready, **self._how))
        return cast("Process", self.all[-1])


def soon(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(admin_process, "PAUSE", 0.01)
    monkeypatch.setattr(admin_process, "FAREWELL", 0.05)
    yield
    assert not multiprocessing.active_children()


def test_it_is_started_again_until_the_end(caplog: pytest.LogCaptureFixture) -> None:
    made = Made()
    supervisor = Supervisor(made, stopping=lambda: False)
    supervisor.start()
    for code, said in ((-9, "signal 9"), (1, "exit code 1"), (0, "exit code 0")):
        before = len(made.all)
        made.all[-1].end(code)
        soon(lambda before=before: len(made.all) > before)  # type: ignore[misc]
        assert f"the admin process ended ({said}) and is started again" in caplog.text
    supervisor.close()
    assert len(made.all) == 4
    assert made.all[-1].heard == ["terminate"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3


def test_each_early_end_waits_longer_and_a_late_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    now = 0.0
    made = Made()
    supervisor = Supervisor(made, stopping=lambda: False, clock=lambda: now)
    wait = supervisor._ending.wait

    def noted(pause: float | None = None) -> bool:
        waits.append(pause or 0.0)
        return wait(0)

    monkeypatch.setattr(supervisor._ending, "wait", noted)
    monkeypatch.setattr(admin_process, "LONGEST_PAUSE", 0.03)
    supervisor.start()
    for number in range(1, 5):
        made.all[-1].end(1)
        soon(lambda number=number: len(made.all) > number)  # type: ignore[misc]
    now = admin_process.STEADY
    made.all[-1].end(1)
    soon(lambda: len(waits) == 5)
    supervisor.close()
    assert waits == [0.01, 0.02, 0.03, 0.03, 0.01]


def test_a_machine_without_room_for_a_process_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    made, refusals = Made(), [OSError(12, "Cannot allocate memory")] * 2

    def make(ready: Connection) -> Process:
        if made.all and refusals:
            raise refusals.pop()
        return made(ready)

    supervisor = Supervisor(make, stopping=lambda: False)
    supervisor.start()
    made.all[0].end(-9)
    soon(lambda: len(made.all) == 2)
    supervisor.close()
    assert caplog.text.count("the admin process could not be started: Cannot allocate memory") == 2
    assert made.all[1].heard == ["terminate"]


def test_nothing_is_started_while_the_launcher_ends() -> None:
    made = Made()
    supervisor = Supervisor(made, stopping=lambda: True)
    supervisor.start()
    made.all[0].end(0)
    soon(lambda: not supervisor._watcher.is_alive())
    supervisor.close()
    assert len(made.all) == 1


def test_what_does_not_end_is_killed() -> None:
    made = Made(deaf=True)
    supervisor = Supervisor(made, stopping=lambda: False)
    supervisor.start()
    supervisor.close()
    assert made.all[0].heard == ["terminate", "kill"]


def test_one_that_never_gets_ready_is_an_error() -> None:
    made = Made(fails=True)
    supervisor = Supervisor(made, stopping=lambda: False)
    with pytest.raises(StartError, match=r"server\.admin_port\) did not start"):
        supervisor.start()
    supervisor.close()
    assert len(made.all) == 1
