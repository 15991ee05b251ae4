"""The gateway of a drill as a process of its own, with nothing of the user's in its environment, ended by its id whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MODULE = "proxy.cli.drilled"
"""What the process runs: the gateway, which may connect to loopback alone."""

START = 60.0
"""Seconds that a start may take."""

_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "TZ", "TMPDIR", "SYSTEMROOT")
"""Variables that a Python program needs to start; everything else, keys and proxies among it, stays behind."""


class StartFailed(Exception):
    """The gateway did not start; the text is what it said."""


def environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The child's variables. ``home``: an empty folder, so that no credentials file of the user's is found."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return {**kept, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}


class Gateway:
    """``start``, ``ready`` (blocks), ``stop`` (whatever came before it)."""

    def __init__(self, file: Path, port: int, folder: Path) -> None:
        self._file = file
        self._port = port
        self._folder = folder
        self._log = folder / "gateway.log"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; it is not ready yet."""
        with self._log.open("wb") as output:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", MODULE, str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(os.environ, self._folder),
                start_new_session=True,
            )

    def ready(self) -> None:
        """Waits until it listens. Raises ``StartFailed``."""
        assert self._child is not None
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self._child.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.02)
        raise StartFailed(
            self._log.read_text(errors="replace").strip()[-2000:] or f"it was not ready after {START:g} s"
        )

    def stop(self) -> None:
        """Ends it and its workers at once: there is nothing that they would have to write down."""
        child = self._child
        if child is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
