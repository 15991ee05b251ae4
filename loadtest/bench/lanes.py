"""What a failover scenario runs on: mock upstreams whose requests are counted, and gateways with routes of their own before them."""

import asyncio
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import meter
from .openloop import Asked, Reply, load
from .scenarios import Bench
from .servers import API_KEY, BenchError, Cores, Server, free_port, gateway, get

ROUTE, WARM = "route", "warm"

WARMED = 40
"""Requests of a second, each answered at once, before anything counts. They earn retries like any others."""
MODEL = "gpt-4o"
TARGETS = ("one", "two", "three")
"""Providers; the first is the one that fails where one does."""

_ATTEMPTS = re.compile(r"^tollway_upstream_attempts_total\{(.*)\} (\S+)$", re.M)
Config = Mapping[str, Any]


def mock(cores: Cores, folder: Path, name: str, *, port: int = 0) -> Server:
    """A mock upstream on the core of the load; not yet ready."""
    port = port or free_port()
    command = [sys.executable, "-m", "proxy", "mock", "--host", "127.0.0.1", "--port", str(port)]
    return Server(name, command, port=port, core=cores.load, folder=folder, ready_path="/mock/stats")


def received(server: Server) -> int:
    """Requests that a mock has received so far."""
    status, body = get(server.port, "/mock/stats")
    if status != 200:
        raise BenchError(f"{server.name} is gone")
    return int(json.loads(body)["requests"])


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses connections, and that nobody else can take."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        yield port


def provider(port: int, **headers: str) -> dict[str, Any]:
    """One upstream account; ``headers`` are controls of the mock, which a client's own cannot override."""
    controls = {f"x-mock-{name.replace('_', '-')}": value for name, value in headers.items()}
    return {"use": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "none", "headers": controls}


def routed(*targets: str, first: Mapping[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """A model; ``first``: more settings of its first target."""
    found: list[dict[str, Any]] = [{"provider": name, "model": MODEL} for name in targets]
    found[0] |= first or {}
    return {"targets": found, **settings}


@dataclass(frozen=True)
class Lane:
    """One gateway, the upstream that fails and the one that does not. ``before``: what each had received when the load began."""

    gateway: Server
    bad: Server
    good: Server
    before: tuple[int, int] = (0, 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}/v1"

    def counted(self) -> tuple[int, int]:
        """Requests that reached the failing upstream and the good one since the load began."""
        return received(self.bad) - self.before[0], received(self.good) - self.before[1]

    def told(self, provider: str) -> int:
        """Tries at ``provider`` that the gateway counted: for an upstream that cannot, because nobody listens there."""
        status, body = get(self.gateway.port, "/metrics")
        if status != 200:
            raise BenchError(f"{self.gateway.name} shows no metrics")
        return sum(int(float(value)) for labels, value in _ATTEMPTS.findall(body.decode()) if f'"{provider}"' in labels)


class Lanes:
    """Mocks that outlive the gateways before them."""

    def __init__(self, bench: Bench, stack: ExitStack) -> None:
        self._bench = bench
        self._stack = stack
        self._mocks: dict[str, Server] = {}

    def mock(self, name: str) -> Server:
        """The mock of this name, ready; started when it is first asked for."""
        if name not in self._mocks:
            server = self._stack.enter_context(mock(self._bench.cores, self._bench.folder, name))
            server.wait_ready()
            self._mocks[name] = server
        return self._mocks[name]

    def restarted(self, name: str) -> Server:
        """The same again, on the port it had, ready."""
        port = self._mocks[name].port
        server = self._stack.enter_context(mock(self._bench.cores, self._bench.folder, name, port=port))
        server.wait_ready()
        self._mocks[name] = server
        return server

    @contextmanager
    def opened(self, configs: Mapping[str, Callable[[Server, Server], Config]]) -> Iterator[dict[str, Lane]]:
        """A gateway for each, ready and warm, with a pair of mocks of its own; they start together."""
        with ExitStack() as stack:
            lanes: dict[str, Lane] = {}
            for number, (name, config) in enumerate(configs.items()):
                bad, good = self.mock(f"bad-{number}"), self.mock(f"good-{number}")
                sections = dict(config(bad, good))
                sections["providers"] = {**sections["providers"], WARM: provider(good.port)}
                sections["models"] = {**sections["models"], WARM: routed(WARM)}
                more = "".join(f"{section}: {json.dumps(value)}\n" for section, value in sections.items())
                server = gateway(
                    self._bench.cores, self._bench.folder, upstream=good.port, name=f"failover-{name}", more=more
                )
                lanes[name] = Lane(stack.enter_context(server), bad, good)
            for lane in lanes.values():
                lane.gateway.wait_ready()
            asyncio.run(_warm(lanes))
            yield {
                name: replace(lane, before=(received(lane.bad), received(lane.good))) for name, lane in lanes.items()
            }


async def _warm(lanes: Mapping[str, Lane]) -> None:
    """What is slow once, such as reading the tables of tokens, is over before anything counts."""
    await together(lanes, lambda _, number: chat(number, model=WARM, stream=number % 2 == 0), rate=WARMED, seconds=1)


async def together(
    lanes: Mapping[str, Lane],
    asked: Callable[[str, int], Asked],
    *,
    rate: float,
    seconds: float,
    began: float | None = None,
) -> dict[str, list[Reply]]:
    """The same load on all lanes at once."""

    def of(name: str) -> Callable[[int], Asked]:
        return lambda number: asked(name, number)

    found = await asyncio.gather(
        *(load(lane.url, API_KEY, of(name), rate=rate, seconds=seconds, began=began) for name, lane in lanes.items())
    )
    return dict(zip(lanes, found, strict=True))


PROMPTS = tuple(f"How long is the road from milestone {number} to the sea?" for number in range(20))


def chat(number: int, *, model: str = ROUTE, stream: bool = False, **headers: str) -> Asked:
    """The ``number``-th request; ``headers`` are controls of the mock."""
    prompt = PROMPTS[number % len(PROMPTS)]
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    controls = {f"x-mock-{name.replace('_', '-')}": value for name, value in headers.items()}
    return Asked(body, controls, tag=prompt)


@contextmanager
def watched(bench: Bench) -> Iterator[list[float]]:
    """What others used of the cores meanwhile, in cores: there when it is over."""
    cores = bench.cores.pinned or os.sched_getaffinity(0)
    before, clock = meter.others(), time.monotonic()
    shares: list[float] = []
    yield shares
    shares.append(meter.used_between(before, meter.others(), cores) / max(0.001, time.monotonic() - clock))
    bench.worst_foreign = max(bench.worst_foreign, *shares)
