"""The chart's pod, played: it serves on while endpoints are updated, drains, tells those that are left, and loses nothing."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.deploy.rendered import configurations, one, rendered
from tests.support.gateways import INPUT, MODEL, OUTPUT, Books, Call, Load, Witness, load
from tests.support.processes import KEY, ROOT, Mock, free_port
from tests.support.rawhttp import eventually

from .kubelet import Kubelet, Object

pytestmark = pytest.mark.e2e

PRE_STOP, DRAIN = 1, 2.0
PROPAGATION = 0.5
"""Seconds until every node has taken an ending pod out of the Service."""

SHORT, MIDDLE, LONG = 0.8, 2.5, 60.0
"""Seconds of streams: one ends before SIGTERM, one within the drain, one does not."""


@dataclass
class Central:
    """A pod of the chart on this machine, and the Service in front of it."""

    kubelet: Kubelet
    books: Books
    url: str
    calls: list[Call] = field(default_factory=list)

    @property
    def in_service(self) -> bool:
        """Does the Service still send new connections here?"""
        ending = self.kubelet.terminating
        return not ending or time.monotonic() < ending + PROPAGATION


def objects_of(mock: Mock, folder: Path, ports: dict[int, int]) -> list[Object]:
    """The chart with short times, this machine's addresses, and SQLite."""
    config: Object = {
        "server": {"drain": f"{DRAIN:g}s", "port": ports[8080], "health_port": ports[9901]},
        "keys": [{"name": "app", "key": KEY}],
        "providers": {"openai": {"api_key": "sk-upstream", "base_url": mock.url}},
        "catalogue": {"models": {f"openai/{MODEL}": {"prices": {"input": INPUT, "output": OUTPUT}}}},
        "storage": {"type": "sqlite", "path": str(folder / "tollway.db")},
        "telemetry": {"access_log": "off"},
    }
    return rendered({"kind": "StatefulSet", "replicaCount": 1, "preStopSeconds": PRE_STOP, "config": config})


@contextlib.asynccontextmanager
async def played(mock: Mock, folder: Path) -> AsyncIterator[Central]:
    """The pod, started."""
    ports = {8080: free_port(), 9901: free_port()}
    objects = objects_of(mock, folder, ports)
    pod = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    ((_, text),) = configurations(objects)
    config = yaml.safe_load(text)
    config["server"]["host"] = "127.0.0.1"
    (folder / "tollway.json").write_text(json.dumps(config))
    found: list[subprocess.Popen[bytes]] = []

    def run(container: Object) -> subprocess.Popen[bytes]:
        arguments = [str(folder / "tollway.json") if each.startswith("/etc/") else each for each in container["args"]]
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("TOLLWAY_", "OPENAI_"))}
        with (folder / "log").open("ab") as output:
            command = [sys.executable, "-m", "proxy", *arguments]
            environ["PYTHONPATH"] = str(ROOT)
            found.append(subprocess.Popen(command, env=environ, stdout=output, stderr=output, start_new_session=True))
        return found[-1]

    # The chart's own port numbers are already those of this machine.
    kubelet = Kubelet(pod, run=run, ports={port: port for port in ports.values()})
    try:
        await kubelet.start()
        yield Central(kubelet, Books(folder / "tollway.db"), f"http://127.0.0.1:{ports[8080]}/v1")
    finally:
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait(10)


async def plain_calls(pod: Central, clients: Load, seen: list[Call]) -> None:
    """One request after another, each on a new connection, for as long as the Service leads here."""
    while pod.in_service:
        seen.append(await clients.ask(SimpleNamespace(url=pod.url), mock={"first-token": "20"}))


async def probing(pod: Central) -> list[tuple[float, bool]]:
    """(moment, ready) of the readiness probe, until the listener is gone."""
    found: list[tuple[float, bool]] = []
    gateway = pod.kubelet.containers["tollway"]
    while gateway.process.poll() is None:
        found.append((time.monotonic(), await pod.kubelet.probe("tollway", "readinessProbe")))
        await asyncio.sleep(0.1)
    return found


def stream(pod: Central, clients: Load, seconds: float) -> asyncio.Task[Call]:
    """A stream of so many seconds."""
    mock = {"pace": "20", "tokens": str(round(seconds * 20))}
    return asyncio.create_task(clients.ask(SimpleNamespace(url=pod.url), stream=True, mock=mock, max_tokens=None))


async def test_a_pod_is_taken_out_while_everybody_calls(mock: Mock, tmp_path: Path) -> None:
    witness = Witness(mock)
    async with played(mock, tmp_path) as pod, load() as clients:
        gateway = pod.kubelet.containers["tollway"]
        streams = {seconds: [stream(pod, clients, seconds) for _ in range(8)] for seconds in (SHORT, MIDDLE, LONG)}
        seen: list[Call] = []
        plain = [asyncio.create_task(plain_calls(pod, clients, seen)) for _ in range(4)]
        await eventually(lambda: len(seen) >= 20 and mock.stats()["open"] >= 16, 10)
        looking = asyncio.create_task(probing(pod))
        await pod.kubelet.terminate()
        await asyncio.gather(*plain)
        ends = {seconds: await asyncio.gather(*tasks) for seconds, tasks in streams.items()}
        log = (tmp_path / "log").read_text()

        assert (gateway.process.returncode, gateway.killed) == (0, False), log
        assert gateway.termed - pod.kubelet.terminating >= PRE_STOP
        assert DRAIN - 0.5 < gateway.took < DRAIN + 2
        assert {call.status for call in seen} == {200}, "nobody was refused"
        assert any(call.begun > pod.kubelet.terminating for call in seen), (
            "new ones were taken while endpoints were updated"
        )
        for seconds in (SHORT, MIDDLE):
            assert all(call.done and call.error is None for call in ends[seconds])
        for call in ends[LONG]:
            assert (call.ending, call.done, call.error and call.error["code"]) == ("whole", False, "gateway_draining")
            assert call.ended - gateway.termed < DRAIN + 1

        probes = await looking
        before = [ready for moment, ready in probes if moment < gateway.termed - 0.2]
        after = [ready for moment, ready in probes if gateway.termed + 0.5 < moment < gateway.ended - 0.2]
        assert (set(before), set(after)) == ({True}, {False})

        await witness.finish()
        entries = await pod.books.entries()
        assert {ident: len(each) for ident, each in entries.items()} == dict.fromkeys(witness.seen, 1)
        assert len(entries) == len(seen) + 24
        for call in [*seen, *ends[SHORT], *ends[MIDDLE]]:
            assert entries[call.ident][0]["charge"] == call.cost
        assert all(entries[call.ident][0]["charge"] > 0 for call in ends[LONG])
        await pod.books.check()
        assert await pod.books.holds() == 0
