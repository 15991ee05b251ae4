"""When the supervisor starts an engine again, and when it goes. Engines are small programs here."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from proxy.inference import supervisor
from proxy.inference.supervisor import KEEP, Gateway

DIES = "import sys; sys.exit(3)"
STAYS = "import sys; sys.stdin.read()"
HANGS = "import time; print('up', flush=True); time.sleep(60)"


class Pipe:
    """Standard input as the gateway holds its other end."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def fileno(self) -> int:
        return self.read

    def close(self) -> None:
        if self.write >= 0:
            os.close(self.write)
            self.write = -1


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    made = Pipe()
    monkeypatch.setattr(sys, "stdin", made)
    monkeypatch.setattr(supervisor, "leave_signals_to_the_gateway", lambda: None)
    monkeypatch.setattr(supervisor, "LOOK", 0.01)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.001)
    os.write(made.write, b"{}\n")
    yield made
    made.close()
    os.close(made.read)


class Engines:
    """Starts the programs one after the other, the last one again and again."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.started: list[subprocess.Popen[bytes]] = []
        self.settings: list[bytes] = []

    def __call__(self, settings: bytes) -> "subprocess.Popen[bytes]":
        program = self.programs[min(len(self.started), len(self.programs) - 1)]
        child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if program == HANGS:
            assert child.stdout is not None
            child.stdout.readline()
        self.started.append(child)
        self.settings.append(settings)
        return child

    def close(self) -> None:
        for child in self.started:
            if child.stdout is not None:
                child.stdout.close()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    made = Engines(STAYS)
    monkeypatch.setattr(supervisor, "_engine", made)
    yield made
    made.close()


def test_a_first_engine_that_dies_is_the_end(pipe: Pipe, engines: Engines) -> None:
    engines.programs = [DIES]
    assert supervisor.main() == 1
    assert len(engines.started) == 1
    assert engines.settings == [b"{}\n"]


def test_once_it_has_answered_it_is_started_again(
    pipe: Pipe, engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    engines.programs = [DIES, DIES, STAYS]
    os.write(pipe.write, KEEP)
    thread = threading.Thread(target=lambda: found.append(supervisor.main()))
    found: list[int] = []
    thread.start()
    while len(engines.started) < 3:
        thread.join(0.01)
    pipe.close()
    thread.join(10)
    assert found == [0]
    assert len(engines.started) == 3
    assert engines.started[-1].returncode == 0
    assert "ended with code 3" in capsys.readouterr().err


def test_the_pipes_end_is_its_end(pipe: Pipe, engines: Engines) -> None:
    pipe.close()
    assert supervisor.main() == 0
    assert [engine.returncode for engine in engines.started] == [0]


def test_an_engine_that_does_not_leave_is_killed(pipe: Pipe, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP", 0.05)
    engines.programs = [HANGS]
    pipe.close()
    assert supervisor.main() == 0
    assert [engine.returncode for engine in engines.started] == [-9]


def test_another_parent_is_its_end(pipe: Pipe, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe stays open: the workers of a killed gateway hold it."""
    parents = iter((100, 100, 1))
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert supervisor.main() == 0
    assert len(engines.started) == 1


def test_what_the_gateway_says_is_told_from_its_end(pipe: Pipe) -> None:
    gateway = Gateway()
    os.read(pipe.read, 3)
    assert not gateway.gone(0)
    assert not gateway.keeps
    os.write(pipe.write, KEEP)
    assert not gateway.gone(0)
    assert vars(gateway)["keeps"] is True
    pipe.close()
    assert gateway.gone(0)
