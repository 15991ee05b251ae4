"""Every pod that we hand out keeps the policies, and each policy sees the pod that breaks it."""

import copy
from collections.abc import Callable

import pytest

from .policies import CONTAINER, OURS, POD, violations
from .rendered import DEPLOY, Object, documents, everything, pods

PODS = {f"{name}:{where}": pod for name, objects in everything() for where, pod in pods(objects)}
SIDECAR = next(pod for _, pod in pods(documents((DEPLOY / "kubernetes" / "sidecar.yaml").read_text())))


@pytest.mark.parametrize("name", PODS)
def test_it_keeps_them_all(name: str) -> None:
    assert violations(PODS[name]) == []


def test_every_kind_of_pod_is_looked_at() -> None:
    kinds = {name.rpartition(":")[2].partition("/")[0] for name in PODS}
    assert kinds == {"Deployment", "StatefulSet", "Job"}
    assert len(PODS) >= 12


def gateway(pod: Object) -> Object:
    found: Object = pod["initContainers"][0]
    return found


def app(pod: Object) -> Object:
    found: Object = pod["containers"][0]
    return found


SECRET: Object = {"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "tollway", "key": "openai-api-key"}}}

BROKEN: dict[str, tuple[Callable[[Object], object], str]] = {
    "root": (lambda pod: gateway(pod)["securityContext"].update(runAsUser=0), "runs as 0"),
    "istio's user": (lambda pod: gateway(pod)["securityContext"].update(runAsUser=1337), "runs as 1337"),
    "no user": (lambda pod: gateway(pod)["securityContext"].pop("runAsUser"), "runs as None"),
    "a named user": (lambda pod: gateway(pod)["securityContext"].update(runAsUser="app"), "runs as app"),
    "may be root": (
        lambda pod: (gateway(pod)["securityContext"].pop("runAsNonRoot"), pod["securityContext"].pop("runAsNonRoot")),
        "runAsNonRoot is not true",
    ),
    "root by the container's word": (
        lambda pod: gateway(pod)["securityContext"].update(runAsNonRoot=False),
        "tollway: runAsNonRoot is not true",
    ),
    "one user for both": (
        lambda pod: app(pod)["securityContext"].update(runAsUser=65532),
        "runs as the gateway's user",
    ),
    "writable root": (
        lambda pod: gateway(pod)["securityContext"].pop("readOnlyRootFilesystem"),
        "readOnlyRootFilesystem",
    ),
    "escalation": (
        lambda pod: gateway(pod)["securityContext"].pop("allowPrivilegeEscalation"),
        "allowPrivilegeEscalation",
    ),
    "privileged": (lambda pod: app(pod)["securityContext"].update(privileged=True), "app: is privileged"),
    "capabilities": (
        lambda pod: gateway(pod)["securityContext"].pop("capabilities"),
        "capabilities are not all dropped",
    ),
    "a capability": (
        lambda pod: gateway(pod)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
        "capabilities are not all dropped",
    ),
    "no seccomp": (lambda pod: pod["securityContext"].pop("seccompProfile"), "seccompProfile"),
    "unconfined": (
        lambda pod: pod["securityContext"].update(seccompProfile={"type": "Unconfined"}),
        "seccompProfile is not RuntimeDefault",
    ),
    "no memory limit": (lambda pod: gateway(pod)["resources"].pop("limits"), "no memory limit"),
    "a CPU limit": (lambda pod: gateway(pod)["resources"]["limits"].update(cpu="1"), "a CPU limit"),
    "no requests": (lambda pod: gateway(pod)["resources"].pop("requests"), "no cpu request"),
    "latest": (lambda pod: gateway(pod).update(image="registry.example/tollway:latest"), "is not pinned"),
    "no tag": (lambda pod: gateway(pod).update(image="registry.example:5000/tollway"), "is not pinned"),
    "a token": (lambda pod: pod.pop("automountServiceAccountToken"), "token is mounted"),
    "the node's network": (lambda pod: pod.update(hostNetwork=True), "hostNetwork is on"),
    "one process namespace": (lambda pod: pod.update(shareProcessNamespace=True), "shareProcessNamespace is on"),
    "a path of the node": (
        lambda pod: pod["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "volume node is a path of the node",
    ),
    "a folder without end": (
        lambda pod: pod["volumes"].append({"name": "more", "emptyDir": {}}),
        "more has no size limit",
    ),
    "no grace": (lambda pod: pod.pop("terminationGracePeriodSeconds"), "terminationGracePeriodSeconds"),
    "no liveness": (lambda pod: gateway(pod).pop("livenessProbe"), "livenessProbe does not ask /livez"),
    "the data port's probe": (
        lambda pod: gateway(pod)["readinessProbe"]["httpGet"].update(port=8080),
        "readinessProbe does not ask /readyz on the health port",
    ),
    "liveness by readiness": (
        lambda pod: gateway(pod)["livenessProbe"]["httpGet"].update(path="/readyz"),
        "livenessProbe does not ask /livez",
    ),
    "a sidecar that drains too soon": (
        lambda pod: gateway(pod).update(lifecycle={"preStop": {"sleep": {"seconds": 10}}}),
        "a sidecar's preStop",
    ),
    "a secret variable": (
        lambda pod: gateway(pod).update(env=[SECRET]),
        "OPENAI_API_KEY is a secret in the environment",
    ),
    "a Secret of variables": (
        lambda pod: gateway(pod).update(envFrom=[{"secretRef": {"name": "tollway"}}]),
        "a whole Secret is in the environment",
    ),
    "a sub path": (lambda pod: gateway(pod)["volumeMounts"][0].update(subPath="tollway.yaml"), "which never updates"),
    "writable secrets": (
        lambda pod: gateway(pod)["volumeMounts"][1].pop("readOnly"),
        "/run/secrets/tollway is writable",
    ),
    "no room for uploads": (lambda pod: gateway(pod)["volumeMounts"].pop(), "no volume at /tmp"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_one_is_seen(what: str) -> None:
    spoil, said = BROKEN[what]
    pod = copy.deepcopy(SIDECAR)
    assert violations(pod) == []
    spoil(pod)
    found = violations(pod)
    assert any(said in each for each in found), found


def test_every_policy_can_fail() -> None:
    rules = {rule.__name__ for rule in (*POD, *CONTAINER, *OURS)}
    seen = set()
    for spoil, _ in BROKEN.values():
        pod = copy.deepcopy(SIDECAR)
        spoil(pod)
        seen |= {rule.__name__ for rule in POD if list(rule(pod))}
        for container in (gateway(pod), app(pod)):
            seen |= {rule.__name__ for rule in CONTAINER if list(rule(pod, container))}
        seen |= {rule.__name__ for rule in OURS if list(rule(pod, gateway(pod)))}
    assert seen == rules
