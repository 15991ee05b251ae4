"""The sidecar's manifests, played: ready before the application starts, there for its last calls, gone after it, nothing lost."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rendered import DEPLOY, configurations, documents, pods
from tests.support.gateways import Books, Witness
from tests.support.processes import ROOT, Mock, free_port

from .app import FEW
from .kubelet import Kubelet, Object

pytestmark = pytest.mark.e2e

DRAIN = 5.0
"""Seconds: what the manifests say."""


@dataclass
class Sidecar:
    """A pod of the manifest on this machine, with a ledger so that its requests can be counted."""

    kubelet: Kubelet
    books: Books
    report: Path
    log: Path

    def seen(self) -> dict[str, Any]:
        """What the application saw."""
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found


def placed(config: Object, folder: Path, upstream: str, ports: dict[int, int]) -> Object:
    """The manifest's configuration with this machine's addresses and files, and a database."""
    server = config["server"]
    assert server["health_host"] == "0.0.0.0"
    server |= {"health_host": "127.0.0.1", "health_port": ports[server["health_port"]]}
    if "port" in server:
        server["port"] = ports[server["port"]]
    else:
        server["uds"] = str(folder / "tollway.sock")
    for key in config.get("keys", []):
        key["key"] = "sk-tw-the-apps-key"
    config["providers"]["openai"] |= {"api_key": "sk-upstream", "base_url": upstream}
    config["storage"] = {"type": "sqlite", "path": str(folder / "tollway.db")}
    config["telemetry"] = {"access_log": "off"}
    return config


@contextlib.asynccontextmanager
async def played(manifest: str, mock: Mock, *, mode: str = "serve", grace: int | None = None) -> AsyncIterator[Sidecar]:
    """The pod of a manifest, started."""
    objects = documents((DEPLOY / "kubernetes" / manifest).read_text())
    ((_, pod),) = pods(objects)
    ((_, text),) = configurations(objects)
    ports = {9901: free_port(), 8080: free_port()}
    with tempfile.TemporaryDirectory(prefix="tollway-pod-") as name:
        folder = Path(name)
        (folder / "tollway.json").write_text(json.dumps(placed(yaml.safe_load(text), folder, mock.url, ports)))
        report, log = folder / "report.json", folder / "log"
        found: list[subprocess.Popen[bytes]] = []

        def run(container: Object) -> subprocess.Popen[bytes]:
            environ = {key: value for key, value in os.environ.items() if not key.startswith(("TOLLWAY_", "OPENAI_"))}
            environ["PYTHONPATH"] = str(ROOT)
            if container["name"] == "tollway":
                arguments = [
                    str(folder / "tollway.json") if each.startswith("/etc/") else each for each in container["args"]
                ]
                command = ["-m", "proxy", *arguments]
            else:
                for variable in container["env"]:
                    value = variable.get("value", "sk-tw-the-apps-key")
                    environ[variable["name"]] = value.replace(":8080", f":{ports[8080]}").replace("/run/tollway", name)
                command = ["-m", "tests.e2e.deploy.app", str(report), mode]
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [sys.executable, *command], env=environ, stdout=output, stderr=output, start_new_session=True
                )
            found.append(process)
            return process

        kubelet = Kubelet({**pod, **({"terminationGracePeriodSeconds": grace} if grace else {})}, run=run, ports=ports)
        try:
            await kubelet.start()
            yield Sidecar(kubelet, Books(folder / "tollway.db"), report, log)
        finally:
            for process in found:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait(10)


async def calling(pod: Sidecar, calls: int = 10) -> None:
    """Waits until the application has called so often."""
    async with asyncio.timeout(40):
        while not pod.report.exists() or not (text := pod.report.read_text()) or json.loads(text)["before"] < calls:
            assert pod.kubelet.application.process.poll() is None, pod.log.read_text()
            await asyncio.sleep(0.05)


async def nothing_lost(witness: Witness, *pods: Sidecar) -> int:
    """The ledgers have each request that the upstream saw, once. Returns how many."""
    await witness.finish()
    entries: dict[str, int] = {}
    for pod in pods:
        entries |= {ident: len(each) for ident, each in (await pod.books.entries()).items()}
        await pod.books.check()
    assert entries == dict.fromkeys(witness.seen, 1)
    assert all(len(each) == 1 for each in witness.seen.values()), "the application tries once"
    return len(entries)


async def test_the_application_is_served_from_its_first_call_to_its_last(mock: Mock) -> None:
    """On loopback and on a Unix socket, side by side."""
    witness = Witness(mock)
    async with played("sidecar.yaml", mock) as port, played("sidecar-uds.yaml", mock) as socket:
        await asyncio.gather(calling(port), calling(socket))
        for pod in (port, socket):
            gateway = pod.kubelet.containers["tollway"]
            assert gateway.ready_after < 15
            assert pod.kubelet.application.started > gateway.started + gateway.ready_after
            assert await pod.kubelet.probe("tollway", "readinessProbe")
            assert await pod.kubelet.probe("tollway", "livenessProbe")
        await asyncio.gather(port.kubelet.terminate(), socket.kubelet.terminate())
        calls = 0
        for pod in (port, socket):
            app, gateway = pod.kubelet.application, pod.kubelet.containers["tollway"]
            assert (app.process.returncode, app.killed) == (0, False), pod.log.read_text()
            assert gateway.termed >= app.ended, "the gateway is told to end when nobody calls any more"
            assert (gateway.process.returncode, gateway.killed) == (0, False), pod.log.read_text()
            assert gateway.took < DRAIN + 2
            seen = pod.seen()
            assert seen["errors"] == []
            assert (seen["before"] >= 10, seen["after"] >= 11) == (True, True), seen
            calls += seen["before"] + seen["after"]
        assert await nothing_lost(witness, port, socket) == calls


async def test_a_job_completes(mock: Mock) -> None:
    witness = Witness(mock)
    async with played("job.yaml", mock, mode="job") as pod:
        await pod.kubelet.complete()
        app, gateway = pod.kubelet.application, pod.kubelet.containers["tollway"]
        assert (app.process.returncode, gateway.process.returncode, gateway.killed) == (0, 0, False), (
            pod.log.read_text()
        )
        assert gateway.took < 2
        assert pod.seen()["errors"] == []
        assert await nothing_lost(witness, pod) == pod.seen()["before"] == FEW + 11


async def test_an_application_that_takes_all_the_time_leaves_two_seconds(mock: Mock) -> None:
    witness = Witness(mock)
    async with played("sidecar.yaml", mock, mode="ignore", grace=2) as pod:
        await calling(pod)
        await pod.kubelet.terminate()
        app, gateway = pod.kubelet.application, pod.kubelet.containers["tollway"]
        assert app.killed
        assert (gateway.process.returncode, gateway.killed) == (0, False)
        assert gateway.took < 2
        # The call that the application was killed in is one that it could not report.
        assert await nothing_lost(witness, pod) - pod.seen()["before"] - pod.seen()["after"] in (0, 1)
