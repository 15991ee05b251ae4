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
from .kubelet import Container, Kubelet, Object

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


@dataclass(frozen=True)
class Life:
    """What became of a pod, from its start to its end."""

    gateway: Container
    app: Container
    seen: dict[str, Any]
    """What the application saw."""
    entries: dict[str, int]
    """Request to how often the ledger has it."""
    probed: tuple[bool, ...]
    log: str

    @property
    def calls(self) -> int:
        """How many the application made and could report."""
        found: int = self.seen["before"] + self.seen["after"]
        return found


async def life(manifest: str, mock: Mock, *, mode: str = "serve", grace: int | None = None) -> Life:
    """Plays a manifest: a Job until it completes, others until the pod is told to end."""
    async with played(manifest, mock, mode=mode, grace=grace) as pod:
        probed: tuple[bool, ...] = ()
        if mode == "job":
            await pod.kubelet.complete()
        else:
            await calling(pod)
            probed = tuple([await pod.kubelet.probe("tollway", which) for which in ("readinessProbe", "livenessProbe")])
            await pod.kubelet.terminate()
        entries = {ident: len(each) for ident, each in (await pod.books.entries()).items()}
        await pod.books.check()
        gateway, app = pod.kubelet.containers["tollway"], pod.kubelet.application
        return Life(gateway, app, json.loads(pod.report.read_text()), entries, probed, pod.log.read_text())


@pytest.fixture(scope="module")
def lives(mock: Mock) -> dict[str, Life]:
    """Four pods side by side; together their ledgers have each request that the upstream saw, once."""

    async def all_of_them() -> dict[str, Life]:
        witness = Witness(mock)
        names = ("port", "socket", "job", "ignore")
        found = await asyncio.gather(
            life("sidecar.yaml", mock),
            life("sidecar-uds.yaml", mock),
            life("job.yaml", mock, mode="job"),
            life("sidecar.yaml", mock, mode="ignore", grace=2),
        )
        await witness.finish()
        entries: dict[str, int] = {}
        for each in found:
            entries |= each.entries
        assert entries == dict.fromkeys(witness.seen, 1)
        assert all(len(each) == 1 for each in witness.seen.values()), "the application tries once"
        return dict(zip(names, found, strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", ["port", "socket"])
def test_the_application_is_served_from_its_first_call_to_its_last(lives: dict[str, Life], name: str) -> None:
    """On loopback and on a Unix socket."""
    pod = lives[name]
    assert pod.gateway.ready_after < 15
    assert pod.app.started > pod.gateway.started + pod.gateway.ready_after
    assert pod.probed == (True, True)
    assert (pod.app.process.returncode, pod.app.killed) == (0, False), pod.log
    assert pod.gateway.termed >= pod.app.ended, "the gateway is told to end when nobody calls any more"
    assert (pod.gateway.process.returncode, pod.gateway.killed) == (0, False), pod.log
    assert pod.gateway.took < DRAIN + 2
    assert pod.seen["errors"] == []
    assert (pod.seen["before"] >= 10, pod.seen["after"] >= 11) == (True, True), pod.seen
    assert len(pod.entries) == pod.calls


def test_a_job_completes(lives: dict[str, Life]) -> None:
    pod = lives["job"]
    assert (pod.app.process.returncode, pod.gateway.process.returncode, pod.gateway.killed) == (0, 0, False), pod.log
    assert pod.gateway.took < 2
    assert pod.seen["errors"] == []
    assert len(pod.entries) == pod.calls == FEW + 11


def test_an_application_that_takes_all_the_time_leaves_two_seconds(lives: dict[str, Life]) -> None:
    pod = lives["ignore"]
    assert pod.app.killed
    assert (pod.gateway.process.returncode, pod.gateway.killed) == (0, False), pod.log
    assert pod.gateway.took < 2
    # The call that the application was killed in is one that it could not report.
    assert len(pod.entries) - pod.calls in (0, 1)
