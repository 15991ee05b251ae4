"""What we demand of every pod that ``deploy/`` makes: a list of sentences, empty for a good one."""

from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]

ISTIO = 1337
"""The user of Istio's proxy, whose traffic its rules leave alone."""

OUR_SECRETS = "/run/secrets/"


def violations(pod: Object) -> list[str]:
    """Everything that is wrong with a pod's spec."""
    found = [f"pod: {said}" for rule in POD for said in rule(pod)]
    for container in containers(pod):
        where = container.get("name", "?")
        found += [f"{where}: {said}" for rule in CONTAINER for said in rule(pod, container)]
        if ours(container):
            found += [f"{where}: {said}" for rule in OURS for said in rule(pod, container)]
    return found


def containers(pod: Object) -> list[Object]:
    """All of them, those that start first included."""
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def ours(container: Object) -> bool:
    """Is it the gateway's image?"""
    return "/tollway" in container.get("image", "")


def serves(container: Object) -> bool:
    """Does it run the gateway, rather than one command of it?"""
    return ours(container) and container.get("args", [""])[0] == "serve"


def _setting(pod: Object, container: Object, name: str) -> Any:
    """A security setting of the container, else of the pod."""
    own = container.get("securityContext", {})
    return own[name] if name in own else pod.get("securityContext", {}).get(name)


# ---- the pod ---------------------------------------------------------------------------------------------------------


def no_token(pod: Object) -> Iterator[str]:
    if pod.get("automountServiceAccountToken") is not False:
        yield "the service account's token is mounted"


def own_namespaces(pod: Object) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if pod.get(name):
            yield f"{name} is on"


def no_host_paths(pod: Object) -> Iterator[str]:
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a path of the node"
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield f"volume {volume['name']} has no size limit"


def users_differ(pod: Object) -> Iterator[str]:
    gateway = {_setting(pod, each, "runAsUser") for each in containers(pod) if ours(each)}
    for each in containers(pod):
        if not ours(each) and _setting(pod, each, "runAsUser") in gateway:
            yield f"{each['name']} runs as the gateway's user"


def one_grace_period(pod: Object) -> Iterator[str]:
    if any(serves(each) for each in containers(pod)) and not isinstance(pod.get("terminationGracePeriodSeconds"), int):
        yield "no terminationGracePeriodSeconds"


# ---- each container --------------------------------------------------------------------------------------------------


def unprivileged(pod: Object, container: Object) -> Iterator[str]:
    if _setting(pod, container, "runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    user = _setting(pod, container, "runAsUser")
    if not isinstance(user, int) or user in (0, ISTIO):
        yield f"runs as {user}: a number that is neither 0 nor {ISTIO}"
    own = container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield "is privileged"


def no_capabilities(pod: Object, container: Object) -> Iterator[str]:
    capabilities = container.get("securityContext", {}).get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "capabilities are not all dropped"
    profile = _setting(pod, container, "seccompProfile")
    if not profile or profile.get("type") != "RuntimeDefault":
        yield "seccompProfile is not RuntimeDefault"


def read_only(pod: Object, container: Object) -> Iterator[str]:
    if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"


def bounded(pod: Object, container: Object) -> Iterator[str]:
    resources = container.get("resources", {})
    if not resources.get("limits", {}).get("memory"):
        yield "no memory limit"
    if "cpu" in resources.get("limits", {}):
        yield "a CPU limit: throttling shows as tail latency"
    for name in ("cpu", "memory"):
        if not resources.get("requests", {}).get(name):
            yield f"no {name} request"


def pinned(pod: Object, container: Object) -> Iterator[str]:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if "@sha256:" not in image and (not tag or tag == "latest"):
        yield f"image {image!r} is not pinned"


# ---- the gateway's own -----------------------------------------------------------------------------------------------


def probed(pod: Object, container: Object) -> Iterator[str]:
    if not serves(container):
        return
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports", [])}
    for name, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        ask = container.get(name, {}).get("httpGet", {})
        if ask.get("path") != path or ports.get(ask.get("port"), ask.get("port")) != ports.get("health"):
            yield f"{name} does not ask {path} on the health port"
        if "health" not in ports:
            yield "no port is called health"
    if "sleep" in str(container.get("lifecycle", {})) and container.get("restartPolicy") == "Always":
        yield "a sidecar's preStop runs while the application still calls"


def files_not_variables(pod: Object, container: Object) -> Iterator[str]:
    for variable in container.get("env", []):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            yield f"{variable['name']} is a secret in the environment"
    if any("secretRef" in source for source in container.get("envFrom", [])):
        yield "a whole Secret is in the environment"


def mounted_whole(pod: Object, container: Object) -> Iterator[str]:
    for mount in container.get("volumeMounts", []):
        if mount["mountPath"].startswith((OUR_SECRETS, "/etc/tollway")):
            if "subPath" in mount:
                yield f"{mount['mountPath']} is mounted by subPath, which never updates"
            if not mount.get("readOnly"):
                yield f"{mount['mountPath']} is writable"


def writable_tmp(pod: Object, container: Object) -> Iterator[str]:
    if "/tmp" not in {mount["mountPath"] for mount in container.get("volumeMounts", [])}:
        yield "no volume at /tmp, which multipart uploads need"


POD: tuple[Callable[[Object], Iterator[str]], ...] = (
    no_token,
    own_namespaces,
    no_host_paths,
    users_differ,
    one_grace_period,
)
CONTAINER: tuple[Callable[[Object, Object], Iterator[str]], ...] = (
    unprivileged,
    no_capabilities,
    read_only,
    bounded,
    pinned,
)
OURS: tuple[Callable[[Object, Object], Iterator[str]], ...] = (
    probed,
    files_not_variables,
    mounted_whole,
    writable_tmp,
)
