"""``server.uds``: the gateway on a Unix socket, called with the official SDK; who may open it, and whose path it may take."""

import contextlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import openai
import pytest

from tests.support.processes import KEY, ROOT, Gateway, Mock, Process, config_for, free_port

pytestmark = pytest.mark.e2e

POD_GROUP = 65532
"""``fsGroup`` of the manifests."""

NOT_CONNECTED = 7
"""What curl ends with when nobody takes its connection."""


@pytest.fixture
def path() -> Iterator[Path]:
    """A socket's place, as the kubelet makes it: a folder of the pod's group, which hands the group on."""
    folder = Path(tempfile.mkdtemp(prefix="tollway-socket-"))
    if os.geteuid() == 0:
        os.chown(folder, -1, POD_GROUP)
    folder.chmod(0o2770)
    yield folder / "tollway.sock"
    shutil.rmtree(folder)


def on_socket(mock: Mock, path: Path, **changes: Any) -> dict[str, Any]:
    """A configuration that listens there, and on no port but that of its probes."""
    config = config_for(mock.url, **changes)
    config["server"] = {"uds": str(path), "health_port": free_port(), "drain": 2, **changes.get("server", {})}
    return config


def wait_up(gateway: Process, port: int, timeout: float = 15.0) -> None:
    """Until its probe says that it is ready: the socket is there before."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and gateway.child.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise AssertionError(gateway.log())


@contextlib.contextmanager
def serving(config: dict[str, Any]) -> Iterator[Gateway]:
    """A gateway that answers on its socket."""
    gateway = Gateway(config, wait=False)
    try:
        wait_up(gateway, config["server"]["health_port"])
        yield gateway
    finally:
        gateway.close()


@contextlib.contextmanager
def sdk(path: Path, key: str = "none") -> Iterator[openai.OpenAI]:
    """The official SDK, whose every connection is to the socket."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=10) as client:
        yield openai.OpenAI(base_url="http://tollway/v1", api_key=key, http_client=client, max_retries=0)


def ask(path: Path, key: str = "none", *, stream: bool = False) -> str:
    """The text of one answer."""
    messages: Any = [{"role": "user", "content": "Hello"}]
    with sdk(path, key) as client:
        if not stream:
            return client.chat.completions.create(model="fast", messages=messages).choices[0].message.content or ""
        parts = client.chat.completions.create(model="fast", messages=messages, stream=True)
        return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


def test_the_official_sdk_over_the_socket(mock: Mock, path: Path) -> None:
    with serving(on_socket(mock, path, server={"workers": 2})) as gateway:
        assert ask(path, KEY)
        assert len(ask(path, KEY, stream=True)) > 10
        with sdk(path, "sk-wrong") as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
        assert f"listens on unix:{path}" in gateway.log()
        commands = {
            ("check",): f"unix:{path}",
            ("doctor",): f"{path} is taken: something listens there already",
            ("chat", "hello"): f"curl --unix-socket {path}",
        }
        processes = {
            command: Process([*command, "--config", str(gateway.path)], {"COLUMNS": "300"}) for command in commands
        }
        for command, process in processes.items():
            process.child.wait(20)
            assert commands[command] in process.log(), process.log()
            assert "Traceback" not in process.log()
            process.close()
        assert gateway.terminate() == 0
    assert not path.exists()


def test_whoever_is_of_the_pods_group_may_call_and_nobody_else(
    mock: Mock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``auth.mode: open``, as on loopback. The path of a killed process is taken over, that of a living one is not."""
    config = on_socket(mock, path, auth={"mode": "open"}, keys=[])
    with serving(config) as killed:
        os.killpg(killed.pid, 9)
    assert path.is_socket(), "left behind"
    with serving(config) as living:
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == path.parent.stat().st_gid
        if os.geteuid() == 0:
            # Only root may become others. The folder is open to all here, so that the socket's own mode decides.
            path.parent.chmod(0o2771)
            ask_it = ["curl", "--silent", "--unix-socket", str(path), "http://tollway/readyz"]
            for groups, code in ([POD_GROUP], 0), ([], NOT_CONNECTED):
                ended = subprocess.run(ask_it, user=10001, group=10001, extra_groups=groups, timeout=20, check=False)
                assert ended.returncode == code, groups
        the_page_works(path, monkeypatch)

        other = Gateway({**config, "server": {**config["server"], "health_port": free_port()}}, wait=False)
        try:
            assert other.child.wait(15) == 1
            assert f"Socket {path} is taken: stop what listens there or set server.uds." in other.log()
            assert "Traceback" not in other.log()
        finally:
            other.close()
        assert ask(path), "the one that was there is not disturbed"
        assert living.terminate() == 0


def the_page_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of docs/kubernetes.md, as pasted."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^(curl --unix-socket .*)$", page, re.MULTILINE)
    monkeypatch.setenv("TOLLWAY_SOCKET", str(path))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://tollway/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    names: dict[str, Any] = {}
    exec(code, names)
    with names["client"] as client:
        assert client.models.list().data
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=True)
    assert '"ready"' in said.stdout
