"""The garbage collector in the processes that serve: what a start made is frozen, and little is looked at afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from proxy.app import COLLECT
from tests.support.processes import ROOT, config_for, free_port

SERVES = """
import gc, json, os, sys
from proxy import accounts, server

load = server.load_application

def loaded(path, overrides):
    served = load(path, overrides)

    async def telling(scope, receive, send):
        if scope["type"] == "lifespan" or scope["path"] != "/collector":
            return await served(scope, receive, send)
        told = {"pid": os.getpid(), "threshold": gc.get_threshold(), "frozen": gc.get_freeze_count(), "enabled": gc.isenabled()}
        headers = [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    return telling

server.load_application = loaded
if __name__ == "__main__":
    server.serve(accounts.load_checked(sys.argv[1], os.environ, {}), overrides={})
"""
"""The server as it is, but for one path that tells of the process that answers."""


def told_by(port: int) -> dict[str, object] | None:
    """What the process says that takes the next connection; ``None``: nobody does yet."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/collector")
        told: dict[str, object] = json.loads(connection.getresponse().read())
    except OSError:
        return None
    finally:
        connection.close()
    return told


@pytest.mark.parametrize("workers", [1, 2])
def test_every_process_that_serves_has_a_tuned_and_frozen_collector(workers: int, tmp_path: Path) -> None:
    config, program, log = tmp_path / "tollway.json", tmp_path / "serves.py", tmp_path / "log"
    port = free_port()
    server = {"workers": workers, "port": port}
    config.write_text(json.dumps(config_for("http://127.0.0.1:9/v1", server=server, telemetry={"access_log": "off"})))
    program.write_text(SERVES)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, str(program), str(config)],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as child,
    ):
        try:
            found: dict[object, dict[str, object]] = {}
            deadline = time.monotonic() + 30
            while len(found) < workers and time.monotonic() < deadline:
                told = told_by(port)
                if told is None:
                    time.sleep(0.05)
                else:
                    found[told["pid"]] = told
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(20)
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
    assert len(found) == workers, log.read_text()
    assert child.pid not in found
    for told in found.values():
        assert told["enabled"]
        assert told["threshold"] == list(COLLECT)
        # The modules alone are tens of thousands.
        assert isinstance(told["frozen"], int)
        assert told["frozen"] > 20_000
