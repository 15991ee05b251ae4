"""Every values file and every manifest: valid for Kubernetes from 1.29 on, and everything they name of each other is there."""

import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from proxy import __version__

from . import operator_kinds
from .rendered import CHART, Object, everything, merged, one, pods, rendered, texts, values_of

ALL = dict(everything())
NEWEST = kubernetes_validate.latest_version()
VERSIONS = ("1.29", "1.31", "1.33", ".".join(NEWEST.split(".")[:2]))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ALL)
def test_kubernetes_accepts_every_object(name: str, version: str) -> None:
    for item in ALL[name]:
        if not operator_kinds.known(item):
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("name", ALL)
def test_operators_accept_theirs(name: str) -> None:
    for item in filter(operator_kinds.known, ALL[name]):
        operator_kinds.check(item)


def test_the_operators_kinds_are_looked_at() -> None:
    seen = {item["kind"] for objects in ALL.values() for item in objects if operator_kinds.known(item)}
    assert seen == {"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute"}


def test_a_bad_object_is_noticed() -> None:
    deployment = one(rendered({}), "Deployment")
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)
    monitor = one(ALL["chart:production"], "ServiceMonitor")
    with pytest.raises(jsonschema.ValidationError):
        operator_kinds.check({**monitor, "spec": {**monitor["spec"], "endpoints": [{"port": 9901}]}})


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@pytest.mark.parametrize("name", ALL)
def test_what_selects_finds_our_pods_and_services(name: str) -> None:
    objects = [*ALL[name], *(ALL["central.yaml"] if name == "central-monitoring.yaml" else ())]
    services = [item for item in objects if item["kind"] == "Service"]
    labels = [item["spec"]["template"]["metadata"]["labels"] for item in objects if "template" in item.get("spec", {})]
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] == "Service":
            assert any(matches(spec["selector"], each) for each in labels)
        elif item["kind"] == "ServiceMonitor":
            wanted = spec["selector"]["matchLabels"]
            found = [each for each in services if matches(wanted, each["metadata"]["labels"])]
            assert len(found) == 1, "scraped twice, or not at all"
            assert spec["endpoints"][0]["port"] in {port["name"] for port in found[0]["spec"]["ports"]}
        elif item["kind"] in ("PodDisruptionBudget", "PodMonitor", "Deployment", "StatefulSet"):
            assert any(matches(spec["selector"]["matchLabels"], each) for each in labels)
        elif item["kind"] == "NetworkPolicy":
            assert any(matches(spec["podSelector"]["matchLabels"], each) for each in labels)
        elif item["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            one(objects, target["kind"], target["name"])


@pytest.mark.parametrize("name", [name for name in ALL if name != "central-monitoring.yaml"])
def test_what_pods_name_is_there(name: str) -> None:
    objects = ALL[name]
    maps = {item["metadata"]["name"] for item in objects if item["kind"] == "ConfigMap"}
    accounts = {item["metadata"]["name"] for item in objects if item["kind"] == "ServiceAccount"}
    seen = 0
    for _, pod in pods(objects):
        volumes = {volume["name"] for volume in pod["volumes"]}
        claims = {"data"} if any(item["kind"] == "StatefulSet" for item in objects) else set()
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes | claims
        for volume in pod["volumes"]:
            if "configMap" in volume and volume["name"] != "authority":
                assert volume["configMap"]["name"] in maps
        assert pod.get("serviceAccountName") in {None, *accounts}
        seen += 1
    assert seen


def test_ports_are_those_of_the_configuration() -> None:
    values: Object = {"config": {"server": {"port": 7000, "health_port": 7001}}}
    ports = one(rendered(values), "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert {port["name"]: port["containerPort"] for port in ports} == {"http": 7000, "health": 7001}
    (port,) = one(rendered(values), "Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, "http")
    scraped = one(rendered({**values, "serviceMonitor": {"enabled": True}}), "Service", "tollway-pods")
    (health,) = scraped["spec"]["ports"]
    assert (health["port"], health["targetPort"]) == (7001, "health")


def test_no_load_balancer_shows_the_health_port() -> None:
    services = [item["spec"] for item in ALL["chart:everything"] if item["kind"] == "Service"]
    assert {spec.get("type") or spec["clusterIP"]: [port["name"] for port in spec["ports"]] for spec in services} == {
        "LoadBalancer": ["http"],
        "None": ["health"],
    }


def test_the_service_says_what_the_port_speaks() -> None:
    def spoken(values: Object) -> str:
        found: str = one(rendered(values), "Service")["spec"]["ports"][0]["appProtocol"]
        return found

    assert spoken({}) == "http"
    assert spoken({"tls": {"existingSecret": "tollway-tls"}}) == "https"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, {"sleep": {"seconds": 10}}),
        ({"preStopSeconds": 0, "preStop": {"httpGet": {"path": "/bye", "port": 9000}}}, {"httpGet": {"path": "/bye", "port": 9000}}),
    ],
)  # fmt: skip
def test_a_hook_of_ones_own_is_used_whatever_it_takes(values: Object, wanted: Object) -> None:
    (container,) = one(rendered(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["lifecycle"]["preStop"] == wanted


LONG_NAME = "r" * 53
"""Helm allows no more."""


@pytest.mark.parametrize(
    "names", [{}, {"nameOverride": "n" * 70}, {"fullnameOverride": "f" * 70}], ids=["release", "name", "fullname"]
)
def test_long_names_stay_within_what_kubernetes_allows(names: Object) -> None:
    """63 characters for names of Services and labels; a Job's and a set's pods get theirs with up to 11 more."""
    objects = rendered(
        {**merged(values_of("production"), {"grafanaDashboards": {"enabled": True}}), **names}, LONG_NAME
    )
    for item in objects:
        template = item.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
        texts_of = [item["metadata"]["name"], *item["metadata"]["labels"].values(), *template.values()]
        assert [text for text in texts_of if len(text) > 63 or text.endswith("-")] == []
        if item["kind"] == "StatefulSet":
            assert len(item["metadata"]["name"]) <= 52
    assert len({(item["kind"], item["metadata"]["name"]) for item in objects}) == len(objects)


def test_labels_of_ones_own_do_not_hide_the_pods() -> None:
    labels: Object = {"app.kubernetes.io/name": "mine", "team": "edge"}
    spec = one(rendered({"podLabels": labels}), "Deployment")["spec"]
    assert spec["template"]["metadata"]["labels"]["team"] == "edge"
    assert matches(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"])


def test_promtool_takes_the_rules_as_they_are_rendered(tmp_path: Path) -> None:
    for name in ("chart:everything", "central-monitoring.yaml"):
        file = tmp_path / "rules.yaml"
        file.write_text(yaml.safe_dump(one(ALL[name], "PrometheusRule")["spec"]))
        done = subprocess.run(
            ["promtool", "check", "rules", file], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


@pytest.mark.parametrize(
    ("drain", "pre_stop", "grace"),
    [("120s", 10, 145), (60, 5, 80), ("2m", 0, 135), ("1500ms", 10, 27), ("1h", 0, 3615)],
)
def test_the_grace_period_is_what_the_end_takes(drain: str | int, pre_stop: int, grace: int) -> None:
    objects = rendered({"preStopSeconds": pre_stop, "config": {"server": {"drain": drain}}})
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == grace
    assert ("lifecycle" in pod["containers"][0]) == (pre_stop > 0)


def test_a_changed_configuration_replaces_the_pods_or_not() -> None:
    def checksum(values: Object) -> str | None:
        template = one(rendered(values), "Deployment")["spec"]["template"]
        found: str | None = template["metadata"]["annotations"].get("checksum/config")
        return found

    changed: Object = {"config": {"timeouts": {"total": "10m"}}}
    assert checksum({}) != checksum(changed)
    assert checksum({}) == checksum({"replicaCount": 3})
    assert checksum({**changed, "rolloutOnConfigChange": False}) is None


def test_the_network_policy_keeps_pods_from_metadata_and_the_cluster() -> None:
    policy = one(ALL["chart:production"], "NetworkPolicy")["spec"]
    providers = [rule for rule in policy["egress"] if any("ipBlock" in peer for peer in rule["to"])]
    assert [port["port"] for port in providers[0]["ports"]] == [443]
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in providers[0]["to"]}
    assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(blocks["0.0.0.0/0"])
    assert set(blocks["::/0"]) == {"fc00::/7", "fe80::/10"}
    assert all(rule["from"] for rule in policy["ingress"])


def test_the_autoscaler_counts_streams_and_lets_them_end() -> None:
    spec = one(ALL["central.yaml"], "HorizontalPodAutoscaler")["spec"]
    assert spec["metrics"][0]["pods"]["metric"]["name"] == "tollway_inflight_requests"
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 600
    only = one(ALL["chart:everything"], "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert [metric["type"] for metric in only] == ["Pods"]


def test_the_migration_runs_before_with_what_it_needs() -> None:
    objects = ALL["chart:production"]
    job = one(objects, "Job")
    hook = job["metadata"]["annotations"]
    assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["migrate", "db", "--config", "/etc/tollway/tollway.yaml"]
    (config,) = (volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    own = one(objects, "ConfigMap", config)
    assert own["metadata"]["annotations"]["helm.sh/hook"] == hook["helm.sh/hook"]
    weights = [int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for item in (own, job)]
    assert weights == sorted(weights)
    assert own["data"] == one(objects, "ConfigMap", "tollway")["data"]
    # Nothing else of the release is there yet but what the hook brings, and its pods are no endpoints.
    assert "serviceAccountName" not in pod
    selector = one(objects, "StatefulSet")["spec"]["selector"]["matchLabels"]
    assert not matches(selector, job["spec"]["template"]["metadata"]["labels"])


def test_the_migration_has_what_the_gateway_has() -> None:
    """The same nodes, and files such as a database's certificate: they may stand in the configuration that both read."""
    objects = ALL["chart:everything"]
    job, gateway = (one(objects, kind)["spec"]["template"]["spec"] for kind in ("Job", "Deployment"))
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
        assert job[name] == gateway[name], name
    mounts = [{mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]} for pod in (job, gateway)]
    assert mounts[1] - mounts[0] == {"/var/lib/tollway"}
    assert {"/etc/authority", "/run/secrets/tls"} <= mounts[0]
    own: Object = {"serviceAccount": {"create": False, "name": "mine"}}
    named = one(rendered(merged(values_of("production"), own)), "Job")["spec"]["template"]["spec"]
    assert named["serviceAccountName"] == "mine"


def test_a_journal_that_outlives_its_pod() -> None:
    found = one(ALL["chart:production"], "StatefulSet")["spec"]
    claim = found["volumeClaimTemplates"][0]
    assert claim["spec"]["storageClassName"] == "local-ssd"
    assert found["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    mounts = {mount["mountPath"]: mount["name"] for mount in found["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["/var/lib/tollway"] == claim["metadata"]["name"]
    config = yaml.safe_load(one(ALL["chart:production"], "ConfigMap", "tollway")["data"]["tollway.yaml"])
    assert config["storage"]["journal"].startswith("/var/lib/tollway/")
    single = yaml.safe_load(one(ALL["chart:single"], "ConfigMap")["data"]["tollway.yaml"])
    assert single["storage"]["path"].startswith("/var/lib/tollway/")


def test_the_notes_say_where_it_is_and_what_is_wrong() -> None:
    def notes(values: Object) -> str:
        return texts(values)["tollway/templates/NOTES.txt"]

    assert "http://tollway.edge.svc:80/v1" in notes({})
    assert "145 s in all" in notes({})
    assert "WARNING" in notes({"replicaCount": 2})
    assert "WARNING" not in notes(values_of("production"))
    assert "curl --insecure https://" in notes(values_of("ingress"))
    literal: Object = {
        "keys": [{"name": "a", "key": "sk-literal"}, {"name": "b", "key": "${APP_KEY}"}],
        "providers": {"openai": {"api_key": "sk-literal"}, "own": {"use": "openai", "base_url": "http://own/v1", "api_key": "none"}},
    }  # fmt: skip
    told = notes({"replicaCount": 1, "config": literal})
    assert "WARNING: secrets stand in the ConfigMap" in told
    assert [line.strip() for line in told.splitlines() if line.startswith("  config.")] == [
        "config.keys[0].key",
        "config.providers.openai.api_key",
    ]
    assert "secrets stand" not in notes({"config": {"keys": None, "providers": None}})


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    for name in ("sidecar.yaml", "sidecar-uds.yaml", "job.yaml", "central.yaml"):
        for _, pod in pods(ALL[name]):
            images = [each["image"] for each in [*pod.get("initContainers", []), *pod["containers"]]]
            target = "server" if name == "central.yaml" else "sidecar"
            assert f"registry.example/tollway:{__version__}-{target}" in images
