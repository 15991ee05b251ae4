"""Keeps one engine running: a process between the gateway and the engine that starts it again when it dies.

``python -m proxy.inference.supervisor`` gets the engine's settings as one line of JSON, and the word ``KEEP`` once the engine
has answered: until then an engine that ends is not started again. It ends with its standard input, or its parent: a gateway
that is killed leaves nothing behind.
"""

import os
import select
import subprocess
import sys
import time

from .server import leave_signals_to_the_gateway

KEEP = b"keep\n"

LOOK = 0.2
"""Seconds between two looks at the engine and at the gateway."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
"""Seconds before an engine that died is started again: doubled each time, forgotten once it has lived for ``HEALTHY``."""

HEALTHY = 60.0
STOP = 3.0
"""Seconds an engine may take to leave before it is killed."""


class Gateway:
    """What the parent process says through the pipe."""

    def __init__(self) -> None:
        self.keeps = False
        self._parent = os.getppid()

    def gone(self, wait: float) -> bool:
        """Waits up to ``wait`` seconds for the pipe's end or the parent's. The gateway's workers hold the pipe open too."""
        readable, _, _ = select.select([sys.stdin], [], [], wait)
        if readable:
            said = os.read(sys.stdin.fileno(), 64)
            if not said:
                return True
            self.keeps = True
        return os.getppid() != self._parent


def main() -> int:
    """Runs engines until the gateway goes. The exit code is 1 when the first one never answered."""
    leave_signals_to_the_gateway()
    gateway = Gateway()
    settings = _first_line()
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        engine = _engine(settings)
        try:
            while engine.poll() is None:
                if gateway.gone(LOOK):
                    return 0
        finally:
            _stop(engine)
        if not gateway.keeps:
            return 1
        sys.stderr.write(f"tollway: the local model's engine ended with code {engine.returncode}; starting it again\n")
        pause = FIRST_PAUSE if time.monotonic() - began > HEALTHY else min(pause * 2, LONGEST_PAUSE)
        if gateway.gone(pause):
            return 0


def _first_line() -> bytes:
    """Byte by byte: what a buffer took in beyond the line would be hidden from ``select``."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(sys.stdin.fileno(), 1)):
        line += byte
    return line


def _engine(settings: bytes) -> "subprocess.Popen[bytes]":
    engine = subprocess.Popen(
        [sys.executable, "-m", "proxy.inference.server"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert engine.stdin is not None
    try:
        engine.stdin.write(settings)
        engine.stdin.flush()
    except BrokenPipeError:
        pass  # it has died already, and is seen to below
    return engine


def _stop(engine: "subprocess.Popen[bytes]") -> None:
    if engine.stdin is not None:
        try:
            engine.stdin.close()
        except BrokenPipeError:
            pass
    try:
        engine.wait(STOP)
    except subprocess.TimeoutExpired:
        engine.kill()
        engine.wait()


if __name__ == "__main__":
    raise SystemExit(main())
