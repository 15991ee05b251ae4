"""Whoever reads that Tollway listens, or runs, may connect: it is said once that is so, and not where the start has failed."""

import socket
import time
from pathlib import Path

import pytest

from tests.support.processes import Gateway, Mock, Process, config_for, free_port

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("workers", [1, 3])
def test_it_listens_when_it_says_so(mock: Mock, workers: int) -> None:
    for _ in range(3):
        gateway = Gateway(config_for(mock.url, server={"workers": workers}), wait=False)
        try:
            assert f"http://127.0.0.1:{gateway.port}/v1" in gateway.wait_for("Tollway listens")
            status, _ = gateway.get("/readyz")
            assert status == 200
            assert gateway.log().count("Tollway listens") == 1
        finally:
            gateway.close()


def test_of_a_socket_too(mock: Mock, tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    config = config_for(mock.url)
    config["server"] = {"uds": str(path)}
    gateway = Gateway(config, wait=False)
    try:
        assert f"unix:{path}" in gateway.wait_for("Tollway listens")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    finally:
        gateway.close()


def test_the_demo_runs_when_it_says_so(tmp_path: Path) -> None:
    port = free_port()
    demo = Process(["serve", "--demo", "--port", str(port)], cwd=tmp_path)
    try:
        demo.wait_for("Tollway runs at")
        socket.create_connection(("127.0.0.1", port), 1).close()
        assert demo.terminate() == 0
    finally:
        demo.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_fails_is_not_called_listening(mock: Mock, tmp_path: Path, workers: int) -> None:
    (tmp_path / "tollway.db.journal").write_text("a file where a folder has to be")
    storage = {"type": "sqlite", "path": str(tmp_path / "tollway.db")}
    gateway = Gateway(config_for(mock.url, server={"workers": workers}, storage=storage), wait=False)
    try:
        assert gateway.child.wait(30) != 0
        assert "cannot be written" in gateway.log()
        assert "Tollway listens" not in gateway.log()
        assert "Traceback" not in gateway.log()
    finally:
        gateway.close()


@pytest.mark.parametrize("after", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
def test_a_signal_while_it_starts_ends_it(mock: Mock, after: float) -> None:
    gateway = Gateway(config_for(mock.url), wait=False)
    try:
        time.sleep(after)
        gateway.terminate(20)
        assert "Traceback" not in gateway.log()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gateway.port), 1).close()
    finally:
        gateway.close()
