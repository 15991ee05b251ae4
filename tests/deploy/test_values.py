"""Values: what the schema refuses and how, what the chart itself refuses, Helm's lint, and copies that are not stale."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import yaml

from .rendered import CHART, DEPLOY, EXAMPLES, Object, helm_python, merged, rendered, values_of

NAMES = ["default", *(file.stem for file in EXAMPLES)]
DEFAULTS: Object = yaml.safe_load((CHART / "values.yaml").read_text())

POSTGRES: Object = {"storage": {"type": "postgres", "url": "file:/run/secrets/tollway/database-url"}}


def lint(values: Object, version: str = "v1.31.0") -> list[str]:
    """Helm's findings, warnings included, but for the icon that we do not have."""
    report: dict[str, Any] = helm_python.lint(CHART, values, strict=True, kube_version=version)
    said = [message["error"] for message in report["messages"]] + report["errors"]
    return [text for text in said if "icon is recommended" not in text]


@pytest.mark.parametrize("name", NAMES)
def test_helm_finds_nothing_wrong(name: str) -> None:
    assert lint(values_of(name)) == []


def test_helm_finds_what_is_wrong() -> None:
    assert lint({"replicacount": 2})


@pytest.mark.parametrize(
    ("values", "path", "said"),
    [
        ({"replicacount": 2}, "''", "'replicacount' not allowed"),
        ({"replicaCount": "two"}, "/replicaCount", "got string, want integer"),
        ({"kind": "DaemonSet"}, "/kind", "value must be one of"),
        ({"image": {"digest": "sha256:1234"}}, "/image/digest", "does not match"),
        ({"image": {"repository": ""}}, "/image/repository", "minLength"),
        ({"service": {"port": 70000}}, "/service/port", "maximum"),
        ({"serviceMonitor": {"interval": 15}}, "/serviceMonitor/interval", "got number, want string"),
        ({"persistence": {"size": "ten"}}, "/persistence/size", "does not match"),
        ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "/persistence/accessModes/0", "value must be one of"),
        ({"config": {"server": {"prot": 8080}}}, "/config/server", "'prot' not allowed"),
        ({"config": {"server": {"port": "eighty"}}}, "/config/server/port", "does not match"),
        ({"config": {"server": {"drain": "soon"}}}, "/config/server/drain", "does not match"),
        ({"config": {"keys": [{"name": "app"}]}}, "/config/keys/0", "missing property 'key'"),
        ({"config": {"auth": {"mode": "none"}}}, "/config/auth/mode", "value must be"),
        (
            {"config": {"models": {"fast": {"targets": [{"model": "m"}]}}}},
            "/config/models/fast/targets/0",
            "'provider'",
        ),
    ],
)
def test_wrong_values_are_refused_by_name(values: Object, path: str, said: str) -> None:
    with pytest.raises(helm_python.HelmError) as refused:
        rendered(values)
    assert f"at '{path}'" in str(refused.value) or f"at {path}" in str(refused.value), refused.value
    assert said in str(refused.value), refused.value


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"server": {"health_port": None}}}, "config.server.health_port is not set"),
        ({"config": {"server": {"host": "127.0.0.1"}}}, "config.server.host is a loopback address"),
        ({"config": {"server": {"uds": "/run/tollway/tollway.sock"}}}, "config.server.uds is for a sidecar"),
        ({"config": {"server": {"drain": "${DRAIN}"}}}, "write it like 120s, or set terminationGracePeriodSeconds"),
        ({"config": {"storage": {"type": "sqlite"}}}, "one file for one pod"),
        ({"replicaCount": 1, "config": {"storage": {"type": "sqlite"}}}, "set kind: StatefulSet"),
        ({"config": POSTGRES}, "config.storage.pepper is not set"),
        ({"persistence": {"existingClaim": "data"}}, "for a Deployment of one replica"),
        ({"podDisruptionBudget": {"minAvailable": 2}}, "no node could ever be drained"),
        ({"podDisruptionBudget": {"minAvailable": "100%"}}, "no node could ever be drained"),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "no node could ever be drained: use 1"),
        (
            {"podDisruptionBudget": {"minAvailable": 2}, "autoscaling": {"enabled": True}},
            "no node could ever be drained",
        ),
        ({"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}}, "minReplicas is more than"),
        (
            {"autoscaling": {"enabled": True, "targetInflightRequests": 0, "targetCPUUtilizationPercentage": 0}},
            "autoscaling looks at nothing",
        ),
        ({"terminationGracePeriodSeconds": 100}, "less than preStopSeconds and config.server.drain together .130."),
        ({"image": {"tag": "latest"}}, "two pods of one release may differ"),
        ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "each pod would be scraped twice"),
        ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs is empty"),
        (
            {"ingress": {"enabled": True, "hosts": [{"host": "a"}]}, "networkPolicy": {"enabled": True}},
            "networkPolicy.clients is empty",
        ),
        ({"service": {"type": "LoadBalancer"}, "networkPolicy": {"enabled": True}}, "networkPolicy.clients is empty"),
        (
            {"networkPolicy": {"enabled": True}, "config": {"state": {"type": "redis", "url": "redis://r"}}},
            "the database and Redis cannot be reached",
        ),
        ({"ingress": {"enabled": True}}, "ingress.hosts is empty"),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_the_fix(values: Object, said: str) -> None:
    with pytest.raises(helm_python.HelmError, match=said.replace("$", r"\$").replace("{", r"\{").replace("}", r"\}")):
        rendered(values)


@pytest.mark.parametrize(
    "values",
    [
        {"terminationGracePeriodSeconds": 99, "config": {"server": {"drain": "${DRAIN:-60s}"}}},
        {"replicaCount": 1, "persistence": {"existingClaim": "data"}, "config": {"storage": {"type": "sqlite"}}},
        {"replicaCount": 1, "config": POSTGRES},
        {"podDisruptionBudget": {"minAvailable": "50%"}},
        {"podDisruptionBudget": {"minAvailable": 1}, "autoscaling": {"enabled": True, "minReplicas": 1}},
        {"replicaCount": 0},
        {"enabled": True, "global": {"region": "eu"}},
        {"terminationGracePeriodSeconds": 130},
        {"existingConfigMap": "mine"},
        {"serviceAccount": {"create": False}},
        {"extraContainers": [{"name": "debug", "image": "registry.example/debug:1"}]},
    ],
)
def test_values_that_do_are_taken(values: Object) -> None:
    assert rendered(values)


def test_kubernetes_1_29_is_told_what_it_needs(capfd: pytest.CaptureFixture[str]) -> None:
    """Helm's lint only prints what would end an installation."""

    def refused(values: Object, version: str) -> bool:
        assert lint(values, version) == []
        return "kubelet cannot sleep" in capfd.readouterr().err

    assert refused({}, "v1.29.0")
    assert not refused({"preStop": {"exec": {"command": ["python3", "-c", "import time; time.sleep(10)"]}}}, "v1.29.0")
    assert not refused({}, "v1.30.0")


def keys_of(schema: Object, values: Object, path: str = "") -> list[str]:
    """Paths in the values that the schema's own properties do not name."""
    known = schema.get("properties")
    if known is None:
        return []
    found = []
    for name, value in values.items():
        if name not in known:
            found.append(f"{path}{name}")
        elif isinstance(value, dict) and name != "config":
            found += keys_of(known[name], value, f"{path}{name}.")
    return found


def test_the_schema_and_the_defaults_name_the_same_things() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert keys_of(schema, DEFAULTS) == []
    assert set(schema["properties"]) - set(DEFAULTS) == {"global", "enabled"}, "what a parent chart says"


def test_null_takes_a_default_away() -> None:
    mistral: Object = {
        "providers": {"openai": None, "mistral": {"use": "mistral", "api_key": "file:/run/secrets/tollway/m"}}
    }
    assert merged(DEFAULTS["config"], mistral)["providers"]["openai"] is None
    objects = rendered({"config": mistral})
    (text,) = (item["data"]["tollway.yaml"] for item in objects if item["kind"] == "ConfigMap")
    assert list(yaml.safe_load(text)["providers"]) == ["mistral"]


def test_the_copies_in_the_chart_are_not_stale() -> None:
    """When this fails: python deploy/helm/refresh.py."""
    command = [sys.executable, str(DEPLOY / "helm" / "refresh.py"), "--check"]
    environ = {**os.environ, "PYTHONPATH": str(DEPLOY.parent)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
