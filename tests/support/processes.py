"""Real processes on loopback for the tests: the gateway and the mock upstream, started, awaited and ended by pid."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-tw-test-key"

_held: list[socket.socket] = []
"""Ports that were given away."""


def free_port() -> int:
    """A port that nobody listens on now, and that nobody else is given while this run lasts.

    The socket stays bound without listening: the system hands its port to nobody who asks for any, and several runs may go on
    side by side; whoever names it may listen there (servers set SO_REUSEADDR), and until then connections are refused.
    """
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    if sys.platform != "linux":
        held.close()
        return port
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        held.setsockopt(socket.SOL_SOCKET, option, 1)
    _held.append(held)
    return port


class Process:
    """A child of ours whose output goes to a file."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self.output = tempfile.NamedTemporaryFile(prefix="tollway-test-", suffix=".log")
        env = {name: value for name, value in os.environ.items() if not name.startswith(("TOLLWAY_", "OPENAI_"))}
        env.update({"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environ or {})})
        self.child = subprocess.Popen(
            [sys.executable, "-m", "proxy", *arguments],
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the parent process."""
        return self.child.pid

    def log(self) -> str:
        """Everything printed so far."""
        return Path(self.output.name).read_text(errors="replace")

    def wait_for(self, text: str, timeout: float = 15.0) -> str:
        """Waits until ``text`` is printed; returns its line."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.log().splitlines():
                if text in line:
                    return line
            if self.child.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{text!r} was not printed:\n{self.log()}")

    def terminate(self, timeout: float = 20.0) -> int:
        """SIGTERM, then waits. Returns the exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout)

    def close(self) -> None:
        """Ends the process and its children whatever state they are in."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(10)
        self.output.close()


class Mock(Process):
    """``tollway mock`` on a free port. ``url`` ends with ``/v1``."""

    def __init__(self, *arguments: str) -> None:
        super().__init__(["mock", "--host", "127.0.0.1", "--port", "0", *arguments])
        self.url = self.wait_for("http://").split()[-1]
        self.origin = self.url.removesuffix("/v1")

    def requests(self, last: int = 1000) -> list[dict[str, Any]]:
        """What it received lately, oldest first."""
        with urlopen(f"{self.origin}/mock/requests?last={last}") as answer:
            found = json.load(answer)
        entries: list[dict[str, Any]] = found["data"]
        return entries

    def stats(self) -> dict[str, int]:
        """Counters: requests, open, aborted, connections."""
        with urlopen(f"{self.origin}/mock/stats") as answer:
            found: dict[str, int] = json.load(answer)
        return found


def config_for(upstream: str, **changes: Any) -> dict[str, Any]:
    """The usual test configuration: one provider ``mock``, key ``KEY``, names ``fast`` and ``*``. Sections can be replaced.

    A try is not made again and nothing rests: what most tests look at is one exchange. Those about failover replace both.
    """
    config: dict[str, Any] = {
        "server": {"host": "127.0.0.1", "port": free_port()},
        "keys": [{"name": "app", "key": KEY}],
        "providers": {"mock": {"use": "openai", "base_url": upstream, "api_key": "sk-upstream-credential"}},
        "models": {
            "*": {"targets": [{"provider": "mock", "model": "*"}]},
            "fast": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
        },
        "retry": {"attempts": 1},
        "health": {"enabled": False},
    }
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(name), dict) and name == "server":
            config[name] = {**config[name], **value}
        else:
            config[name] = value
    return config


class Gateway(Process):
    """``tollway serve`` with a configuration file of its own, ready when constructed. ``url`` ends with ``/v1``."""

    def __init__(
        self, config: dict[str, Any], *arguments: str, environ: Mapping[str, str] | None = None, wait: bool = True
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tollway-test-")
        self.path = Path(self.folder.name) / "tollway.json"
        self.write(config)
        server = config.get("server", {})
        scheme = "https" if "tls" in server else "http"
        self.port: int = server.get("port", 8080)
        self.origin = f"{scheme}://{server.get('host', '127.0.0.1')}:{self.port}"
        self.url = f"{self.origin}/v1"
        super().__init__(["serve", "--config", str(self.path), *arguments], environ)
        if wait:
            self.wait_ready()

    def write(self, config: dict[str, Any]) -> None:
        """Replaces the configuration file atomically, as an editor does."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(config))
        fresh.chmod(0o600)
        fresh.replace(self.path)

    def wait_ready(self, timeout: float = 15.0) -> None:
        """Waits until the data port accepts connections."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the gateway did not start:\n{self.log()}")

    def get(self, path: str) -> tuple[int, bytes]:
        """(status, body) of a GET below the origin."""
        try:
            with urlopen(self.origin + path, timeout=5) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()
        except URLError as error:
            raise AssertionError(str(error)) from error

    def close(self) -> None:
        """Ends the processes and removes the folder."""
        super().close()
        self.folder.cleanup()


@contextlib.contextmanager
def running(config: dict[str, Any], *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A gateway for one test."""
    gateway = Gateway(config, *arguments, environ=environ)
    try:
        yield gateway
    finally:
        gateway.close()
