"""The gateway's end of one supervisor: starts it, starts it again should somebody kill it, and ends it."""

import subprocess
import sys
import threading

from .supervisor import KEEP, STOP

PAUSE = 1.0
"""Seconds before a supervisor that was killed is started again; its engine leaves meanwhile."""


class Keeper:
    """One supervisor with its engine. Until ``keep`` is called, an end is an end."""

    def __init__(self, settings: bytes) -> None:
        """``settings``: the engine's, one line of JSON."""
        self._settings = settings
        self._closing = threading.Event()
        self._supervisor = self._start()
        self._thread = threading.Thread(target=self._watch, name="local-model", daemon=True)

    def alive(self) -> bool:
        """Does the supervisor run?"""
        return self._supervisor.poll() is None

    def keep(self) -> None:
        """The engine has answered: from now on it is to run whatever happens."""
        _say(self._supervisor, KEEP)
        self._thread.start()

    def close(self) -> None:
        """The engine and its supervisor have left when this returns."""
        self._closing.set()
        _end(self._supervisor)
        if self._thread.is_alive():
            self._thread.join()

    def _start(self) -> "subprocess.Popen[bytes]":
        # In a session of its own: Ctrl-C is the gateway's, which drains first.
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "proxy.inference.supervisor"], stdin=subprocess.PIPE, start_new_session=True
        )
        _say(supervisor, self._settings)
        return supervisor

    def _watch(self) -> None:
        while True:
            self._supervisor.wait()
            if self._closing.wait(PAUSE):
                return
            sys.stderr.write("tollway: the local model's supervisor ended; starting it again\n")
            self._supervisor = self._start()
            _say(self._supervisor, KEEP)
            if self._closing.is_set():
                _end(self._supervisor)


def _say(supervisor: "subprocess.Popen[bytes]", words: bytes) -> None:
    assert supervisor.stdin is not None
    try:
        supervisor.stdin.write(words)
        supervisor.stdin.flush()
    except BrokenPipeError:
        pass  # it has ended, which its watcher sees


def _end(supervisor: "subprocess.Popen[bytes]") -> None:
    if supervisor.stdin is not None:
        try:
            supervisor.stdin.close()
        except BrokenPipeError:
            pass
    try:
        supervisor.wait(STOP + 2)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
