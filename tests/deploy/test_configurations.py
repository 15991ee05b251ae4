"""The configuration in each ConfigMap is one that the gateway takes, with every secret where the pod has it."""

import os
import re
from pathlib import Path

import pytest

from proxy.accounts import load_checked
from proxy.config import ConfigError, Loaded

from .rendered import configurations, everything, pods, rendered

TEXTS = {f"{name}:{where}": text for name, objects in everything() for where, text in configurations(objects)}
SECRETS = {
    "database-url": "postgresql://tollway:secret@db/tollway",
    "redis-url": "redis://:secret@valkey:6379/0",
    "openai-api-key": "sk-openai",
    "anthropic-api-key": "sk-anthropic",
    "app-key": "sk-tw-app-0123456789abcdef",
    "admin-key": "admin-0123456789abcdef",
    "metrics-key": "metrics-0123456789abcdef",
    "pepper": "p" * 64,
}


def load(text: str, folder: Path) -> Loaded:
    """As in the pod: its secrets' folder is ours here, and so is its data's."""
    for name, value in SECRETS.items():
        (folder / name).write_text(value)
    config = folder / "tollway.yaml"
    placed = text.replace("/run/secrets/tollway/", f"{folder}/").replace("/var/lib/tollway/", f"{folder}/")
    # The chart mounts a certificate there; what is in it is the cluster's affair.
    placed = re.sub(
        r"^  tls:\n    cert: /run/secrets/tls/tls.crt\n    key: /run/secrets/tls/tls.key\n", "", placed, flags=re.M
    )
    config.write_text(placed)
    return load_checked(str(config), os.environ, {})


@pytest.mark.parametrize("name", TEXTS)
def test_the_gateway_takes_it(name: str, tmp_path: Path) -> None:
    loaded = load(TEXTS[name], tmp_path)
    server = loaded.config.server
    assert server.health_port == 9901
    assert loaded.warnings == ()
    if "sidecar" in name or "job" in name:
        assert (server.health_host, server.drain) == ("0.0.0.0", 5.0)
        assert server.uds == ("/run/tollway/tollway.sock" if "uds" in name else None)
        assert server.host == "127.0.0.1"
    else:
        assert (server.host, server.drain) == ("0.0.0.0", 120.0)


def test_one_that_it_does_not_take_is_noticed(tmp_path: Path) -> None:
    (text,) = (text for _, text in configurations(rendered({})))
    with pytest.raises(ConfigError, match="unknown"):
        load(text.replace("provider: openai", "provider: opnai"), tmp_path)


def test_large_numbers_stay_numbers(tmp_path: Path) -> None:
    values = {"config": {"limits": {"default": {"tpm": 2_000_000_000}}}}
    (text,) = (text for _, text in configurations(rendered(values)))
    assert load(text, tmp_path).config.limits.default.tpm == 2_000_000_000


def test_no_secret_stands_in_a_configuration() -> None:
    for name, text in TEXTS.items():
        for found in re.findall(r"(?:key|api_key|url|pepper): *(\S+)", text):
            assert found.startswith(("file:", '"file:', "/run/secrets/tls")), (name, found)


def test_the_files_it_names_are_mounted() -> None:
    for name, objects in everything():
        for _, text in configurations(objects):
            for _, pod in pods(objects):
                mounts = {
                    mount["mountPath"]
                    for each in [*pod.get("initContainers", []), *pod["containers"]]
                    for mount in each.get("volumeMounts", [])
                }
                for folder in re.findall(r"file:(/run/secrets/[a-z]+)/", text):
                    assert folder in mounts, name
