"""A process that does with one pod what the kubelet does: starts its containers in order, probes them, and ends them.

The rules are Kubernetes' own (pod lifecycle; sidecar containers): a sidecar's startup holds the next container back; every preStop
runs when the pod begins to end; SIGTERM follows a container's own preStop, a sidecar's also the end of the application; all of it
out of one grace period, whose end is SIGKILL, but for two seconds that are always given.
"""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

Object = dict[str, Any]

LEAST = 2.0
"""Seconds between SIGTERM and SIGKILL, however little of the grace period is left."""


@dataclass
class Container:
    """One container of the pod and its process. Moments are seconds of the monotonic clock."""

    spec: Object
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    ready_after: float = 0.0
    termed: float = 0.0
    ended: float = 0.0
    killed: bool = False

    @property
    def name(self) -> str:
        """As the pod calls it."""
        name: str = self.spec["name"]
        return name

    @property
    def took(self) -> float:
        """Seconds from SIGTERM to the end of the process."""
        return self.ended - self.termed


class Kubelet:
    """Plays ``pod`` (its spec). ``run`` starts a container's process; ``ports`` are where its ports really are."""

    def __init__(
        self, pod: Object, *, run: Callable[[Object], subprocess.Popen[bytes]], ports: Mapping[int, int]
    ) -> None:
        self._pod = pod
        self._run = run
        self._ports = ports
        self.containers: dict[str, Container] = {}
        self.terminating = 0.0
        """When the pod began to end; 0 before."""

    # ---- start -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Sidecars first, each until its startup probe is content, then the containers."""
        for spec in [*self._pod.get("initContainers", []), *self._pod["containers"]]:
            container = self.containers[spec["name"]] = Container(spec, self._run(spec))
            if "startupProbe" in spec:
                await self._started(container)

    async def _started(self, container: Container) -> None:
        probe = container.spec["startupProbe"]
        for _ in range(probe["failureThreshold"]):
            if await self.probe(container.name, "startupProbe"):
                container.ready_after = time.monotonic() - container.started
                return
            assert container.process.poll() is None, f"{container.name} ended while it started"
            await asyncio.sleep(probe["periodSeconds"])
        raise AssertionError(f"{container.name} did not start")

    async def probe(self, name: str, which: str) -> bool:
        """Asks one of a container's probes."""
        spec = self.containers[name].spec
        ask = spec[which]["httpGet"]
        named = {port["name"]: port["containerPort"] for port in spec["ports"]}
        url = f"http://127.0.0.1:{self._ports[named.get(ask['port'], ask['port'])]}{ask['path']}"

        def answered() -> bool:
            try:
                with urlopen(url, timeout=spec[which].get("timeoutSeconds", 1)) as answer:
                    return 200 <= answer.status < 400
            except HTTPError:
                return False
            except OSError:
                return False

        return await asyncio.to_thread(answered)

    @property
    def application(self) -> Container:
        """The pod's own container, which is one."""
        (spec,) = self._pod["containers"]
        return self.containers[spec["name"]]

    # ---- end ---------------------------------------------------------------------------------------------------------

    async def terminate(self) -> None:
        """Ends the pod. What became of each container is in ``containers``."""
        self.terminating = time.monotonic()
        deadline = self.terminating + self._pod["terminationGracePeriodSeconds"]
        sidecars = [self.containers[spec["name"]] for spec in self._pod.get("initContainers", [])]
        applications = [each for each in self.containers.values() if each not in sidecars]
        hooks = {each.name: asyncio.create_task(self._pre_stop(each)) for each in self.containers.values()}

        async def end(container: Container) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._at(deadline)):
                    await asyncio.shield(hooks[container.name])
            await self._stop(container, deadline)

        await asyncio.gather(*map(end, applications))
        for sidecar in reversed(sidecars):
            await end(sidecar)
        for hook in hooks.values():
            hook.cancel()

    async def complete(self) -> None:
        """Waits until the application ends by itself, as a Job's does; then the sidecars are ended."""
        await asyncio.to_thread(self.application.process.wait, 30)
        self.application.ended = time.monotonic()
        deadline = self.application.ended + self._pod["terminationGracePeriodSeconds"]
        for spec in reversed(self._pod.get("initContainers", [])):
            await self._stop(self.containers[spec["name"]], deadline)

    @staticmethod
    def _at(moment: float) -> float:
        return asyncio.get_running_loop().time() + moment - time.monotonic()

    async def _pre_stop(self, container: Container) -> None:
        hook = container.spec.get("lifecycle", {}).get("preStop", {})
        assert set(hook) <= {"sleep"}, "no other hook is played"
        await asyncio.sleep(hook.get("sleep", {}).get("seconds", 0))

    async def _stop(self, container: Container, deadline: float) -> None:
        container.termed = time.monotonic()
        container.process.send_signal(signal.SIGTERM)
        left = max(LEAST, deadline - container.termed)
        try:
            await asyncio.to_thread(container.process.wait, left)
        except subprocess.TimeoutExpired:
            container.killed = True
            container.process.kill()
            await asyncio.to_thread(container.process.wait, 5)
        container.ended = time.monotonic()
