"""The compose file by the compose specification as far as it is used, by our own rules, and its configuration against real engines."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import jsonschema
import pytest
import yaml

from proxy.config.units import seconds
from tests.support.postgres import PostgresServer, server
from tests.support.processes import ROOT, Mock, Process, free_port
from tests.support.valkey import Server

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "deploy/compose"
CONFIG = FOLDER / "config/tollway.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
OURS = ("gateway", "migrate")
GATEWAYS = {"x-gateway-model-name": "llama", "x-gateway-destination-endpoint": "10.0.0.7:8000"}
LEAST_GRACE = 5.0
"""Seconds that Granian gives a worker behind its drain."""

TEXTS = {"type": "array", "items": {"type": "string"}}
SPAN = {"type": "string", "pattern": r"^\d+(?:ms|s|m|h)$"}
SIZE = {"type": "string", "pattern": r"^\d+[kmg]$"}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "pattern": ":"},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in ("context", "dockerfile", "target")},
        },
        "command": TEXTS,
        "user": {"type": "string", "pattern": r"^\d+:\d+$"},
        "restart": {"type": "string", "pattern": r"^(?:no|always|unless-stopped|on-failure(?::\d+)?)$"},
        "read_only": {"type": "boolean"},
        "cap_drop": {**TEXTS, "uniqueItems": True},
        "security_opt": {**TEXTS, "uniqueItems": True},
        "pids_limit": {"type": "integer"},
        "logging": {"type": "object", "required": ["driver"]},
        "tmpfs": TEXTS,
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[^:]+:/[^:]+(?::ro)?$"}},
        "secrets": TEXTS,
        "ports": {"type": "array", "items": {"type": "string"}},
        "networks": {**TEXTS, "minItems": 1},
        "mem_limit": SIZE,
        "shm_size": SIZE,
        "stop_grace_period": SPAN,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "profiles": TEXTS,
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "required": ["test"],
            "properties": {
                "test": {**TEXTS, "minItems": 2},
                "retries": {"type": "integer"},
                **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), SPAN),
            },
        },
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {
                    "condition": {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
                },
            },
        },
    },
}
"""What the compose specification allows for the keys that are used here; any other is a slip of the pen."""


def test_every_service_is_one_by_the_specification() -> None:
    known = {"name", "services", "networks", "volumes", "secrets"}
    assert {name for name in COMPOSE if not name.startswith("x-")} == known
    for name, service in COMPOSE["services"].items():
        errors = [error.message for error in jsonschema.Draft202012Validator(SERVICE).iter_errors(service)]
        assert not errors, f"{name}: {errors}"


@pytest.mark.parametrize("broken", [{"comand": []}, {"user": "root"}, {"mem_limit": "512"}, {"depends_on": {"x": {}}}])
def test_a_slip_of_the_pen_would_be_seen(broken: dict[str, Any]) -> None:
    service = {**COMPOSE["services"]["gateway"], **broken}
    assert not jsonschema.Draft202012Validator(SERVICE).is_valid(service)


def test_what_is_named_is_declared_and_what_is_declared_is_used() -> None:
    services = COMPOSE["services"].values()
    for kind in ("secrets", "networks"):
        used = {name for service in services for name in service.get(kind, [])}
        assert used == set(COMPOSE[kind]), kind
    mounted = {volume.partition(":")[0] for service in services for volume in service.get("volumes", [])}
    assert {name for name in mounted if not name.startswith(".")} == set(COMPOSE["volumes"])
    for name in mounted:
        assert not name.startswith(".") or (FOLDER / name).exists(), name
    for service in services:
        for other, wanted in service.get("depends_on", {}).items():
            needed = COMPOSE["services"][other]
            assert wanted["condition"] != "service_healthy" or "healthcheck" in needed, other
    build = COMPOSE["services"]["gateway"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_every_variable_stands_in_the_example_and_nothing_else_does() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    used = dict(re.findall(r"(?<!\$)\$\{(\w+):-([^}]*)\}", text))
    assert len(re.findall(r"(?<!\$)\$\{?\w", text)) == len(re.findall(r"(?<!\$)\$\{\w+:-", text)), "each with a default"
    lines = (FOLDER / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert example == used
    assert not [name for name in example if re.search("KEY|TOKEN|PASSWORD|SECRET", name)], "secrets are files"


def test_nobody_is_root_and_nothing_can_be_written_or_gain_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert int(service["user"].split(":")[0]) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service), name
        secret = [key for key in service.get("environment", {}) if re.search("PASSWORD|KEY|TOKEN", key)]
        assert all(key.endswith("_FILE") for key in secret), f"{name}: {secret}"
        for volume in service.get("volumes", []):
            assert volume.endswith(":ro") or not volume.startswith("."), f"{name}: {volume}"


def test_images_are_pinned_and_only_the_front_is_open() -> None:
    for name, service in COMPOSE["services"].items():
        tag = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", service["image"]).rpartition(":")[2]
        assert tag not in ("", "latest"), name
        assert name in OURS or re.match(r"v?\d", tag), name
        assert not service.get("ports") or name in ("gateway", "grafana")
        for port in service.get("ports", []):
            assert port.startswith("${TOLLWAY_BIND:-127.0.0.1}:")
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("postgres", "valkey", "migrate", "prometheus"):
        assert COMPOSE["services"][name]["networks"] == ["back"]


def test_the_gateway_starts_after_the_tables_and_stops_after_its_drain() -> None:
    gateway, migrate = (COMPOSE["services"][name] for name in OURS)
    assert gateway["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert migrate["command"] == ["migrate", "db"]
    assert (gateway["image"], gateway["user"]) == (migrate["image"], "65532:65532")
    drain = seconds(yaml.safe_load(CONFIG.read_text())["server"]["drain"])
    grace = seconds(gateway["stop_grace_period"])
    assert drain is not None
    assert grace is not None
    assert grace >= drain + LEAST_GRACE + 5


# ---- secrets.sh and the configuration -----------------------------------------------------------------------------------


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    subprocess.run([FOLDER / "secrets.sh", folder], check=True, capture_output=True, timeout=10)
    return folder


def test_the_secrets_are_made_once_and_agree(secrets: Path) -> None:
    first = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(first) == set(COMPOSE["secrets"])
    assert len(set(first.values())) == len(first)
    assert first["openai_api_key"] == "", "to be filled, whatever the umask is then"
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o644}, "mounted for other users"
    assert f":{first['postgres_password']}@" in first["database_url"]
    assert f":{first['valkey_conf'].split()[1]}@" in first["redis_url"]
    again = subprocess.run([FOLDER / "secrets.sh", secrets], check=True, capture_output=True, text=True, timeout=10)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == first
    assert "openai_api_key" in again.stderr
    (secrets / "openai_api_key").write_text("sk-x")
    quiet = subprocess.run([FOLDER / "secrets.sh", secrets], check=True, capture_output=True, text=True, timeout=10)
    assert quiet.stderr == ""


def test_no_secret_can_be_committed() -> None:
    assert (FOLDER / ".gitignore").read_text().split() == ["secrets/", ".env"]
    assert {Path(entry["file"]).parent.name for entry in COMPOSE["secrets"].values()} == {"secrets"}


@pytest.fixture
def valkey(secrets: Path) -> Iterator[Server]:
    """A server with the password of ``valkey_conf``."""
    _, password = (secrets / "valkey_conf").read_text().split()
    found = Server("valkey", "--requirepass", password)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def postgres() -> PostgresServer:
    return server()


async def test_the_configuration_serves_with_real_engines(
    secrets: Path, valkey: Server, postgres: PostgresServer, mock: Mock, tmp_path: Path
) -> None:
    """What compose would start, one after the other: check, the migration, the gateway; only addresses are this machine's."""
    (secrets / "openai_api_key").write_text("sk-x")
    redis = (secrets / "redis_url").read_text()
    (secrets / "redis_url").write_text(redis.replace("@valkey:6379", f"@127.0.0.1:{valkey.port}"))
    port, health = free_port(), free_port()
    environ = {
        "TOLLWAY_SECRETS": str(secrets),
        "TOLLWAY_JOURNAL": str(tmp_path / "journal"),
        "TOLLWAY_PROVIDERS__OPENAI__BASE_URL": mock.url,
        "TOLLWAY_SERVER__HOST": "127.0.0.1",
        "TOLLWAY_SERVER__PORT": str(port),
        "TOLLWAY_SERVER__HEALTH_PORT": str(health),
        "TOLLWAY_CONFIG": str(CONFIG),
    }
    async with postgres.database(empty=True) as url:
        (secrets / "database_url").write_text(url)
        refused = ended(Process(["serve"], environ))
        assert refused[0] == 1
        assert "has no tables yet: run `tollway migrate db` once, then start again." in refused[1]
        for command in (["check"], COMPOSE["services"]["migrate"]["command"]):
            code, said = ended(Process(command, environ))
            assert code == 0, said
        gateway = Process(COMPOSE["services"]["gateway"]["command"], environ)
        try:
            gateway.wait_for("listens on")
            assert healthy(health, gateway)
            assert chat(port, (secrets / "app_key").read_text()) == 200
            passed = {name.lower(): value for name, value in mock.requests(last=1)[0]["headers"]}
            assert GATEWAYS.items() <= passed.items(), "what a gateway of the Gateway API says to a pool behind us"
            assert gateway.terminate() == 0
        finally:
            gateway.close()
        assert await postgres.execute("SELECT 1 FROM entries", database=url.rpartition("/")[2])


def ended(process: Process) -> tuple[int, str]:
    """(exit code, what it said)."""
    try:
        return process.child.wait(30), process.log()
    finally:
        process.close()


def healthy(port: int, gateway: Process) -> bool:
    """The healthcheck's own lines, asked until they agree."""
    *_, code = COMPOSE["services"]["gateway"]["healthcheck"]["test"]
    assert ":9901/" in code
    for _ in range(100):
        done = subprocess.run(
            [sys.executable, "-IBc", code.replace(":9901/", f":{port}/")], capture_output=True, timeout=10, check=False
        )
        if done.returncode == 0:
            return True
        assert gateway.child.poll() is None, gateway.log()
    return False


def chat(port: int, key: str) -> int:
    """The status of one request."""
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", **GATEWAYS}
    with urlopen(Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers), timeout=10) as answer:
        status: int = answer.status
        return status


# ---- monitoring ---------------------------------------------------------------------------------------------------------


def test_prometheus_asks_the_health_listener_and_reads_the_rules() -> None:
    scraped = yaml.safe_load((FOLDER / "monitoring/prometheus.yaml").read_text())
    (job,) = scraped["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    assert names["names"] == ["gateway"]
    assert names["port"] == yaml.safe_load(CONFIG.read_text())["server"]["health_port"]
    mounts = dict(volume.split(":")[:2] for volume in COMPOSE["services"]["prometheus"]["volumes"])
    assert set(scraped["rule_files"]) <= set(mounts.values())
    checked = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", FOLDER / "monitoring/prometheus.yaml"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_prometheus_and_the_boards() -> None:
    (source,) = yaml.safe_load((FOLDER / "monitoring/datasource.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (boards,) = yaml.safe_load((FOLDER / "monitoring/boards.yaml").read_text())["providers"]
    mounts = dict(volume.split(":")[1::-1] for volume in COMPOSE["services"]["grafana"]["volumes"])
    assert list((FOLDER / mounts[boards["options"]["path"]]).glob("*.json"))
