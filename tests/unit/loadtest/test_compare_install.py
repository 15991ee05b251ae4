"""The peers are pinned by version and hash, and one that cannot be installed is left out with its reason."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from loadtest.compare import install
from loadtest.compare.install import LOCKS, NotInstalled, node_peer, pinned, python_peer
from loadtest.compare.peers import PEERS, envoy_config

LOCKED = sorted(LOCKS.glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKED, ids=lambda lock: lock.stem)
def test_every_package_is_pinned_with_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.\-]+(\[[a-z]+\])?==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_portkey_gets_the_server_with_which_streams_work() -> None:
    packages = json.loads((LOCKS / "portkey/package-lock.json").read_text())["packages"]
    assert packages["node_modules/@hono/node-server"]["version"] == "1.13.8"
    assert all(entry.get("integrity") for name, entry in packages.items() if name)


def test_versions_come_from_the_locks() -> None:
    assert PEERS["litellm"].version == pinned("litellm", "litellm")
    with pytest.raises(ValueError, match="absent is not in the lock"):
        pinned("nginx", "absent")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Commands that would have run; those with "pip" in them fail when the name says so."""
    ran: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        ran.append(list(command))
        failed = any("broken" in word for word in command) and "pip" in command
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(
            command, int(failed), "", "note: x\nERROR: no matching distribution\n" * failed
        )

    for name in ("sound", "broken"):
        (tmp_path / f"{name}.txt").write_text(f"{name}==1 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(install, "LOCKS", tmp_path)
    monkeypatch.setattr(install, "BUILD", tmp_path / "build")
    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_an_environment_is_made_once_until_its_lock_changes(registry: list[list[str]], tmp_path: Path) -> None:
    home = python_peer("sound")
    assert home == tmp_path / "build/sound"
    made = len(registry)
    assert any("--require-hashes" in command for command in registry)
    python_peer("sound")
    assert len(registry) == made
    (tmp_path / "sound.txt").write_text("sound==2 \\\n    --hash=sha256:00\n")
    python_peer("sound")
    assert len(registry) == 2 * made


def test_a_peer_that_cannot_be_installed_gives_its_reason(registry: list[list[str]], tmp_path: Path) -> None:
    for _ in range(2):  # and is tried again the next time
        with pytest.raises(NotInstalled, match=r"^broken could not be installed: ERROR: no matching distribution$"):
            python_peer("broken")


def test_without_node_a_peer_from_npm_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotInstalled, match="node and npm"):
        node_peer("portkey")


def test_envoy_listens_and_sends_where_it_is_told() -> None:
    text = json.dumps(envoy_config(1234, 4321))
    assert re.findall(r'"port_value": (\d+)', text) == ["1234", "4321"]
