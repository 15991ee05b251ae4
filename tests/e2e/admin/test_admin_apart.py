"""``server.admin_port``: the admin API in a process of its own, which traffic cannot hold up, and whose end traffic does not notice."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import trustme

from tests.support.observed import children, gone
from tests.support.processes import ROOT, Gateway, Mock, config_for, free_port, running
from tests.support.rawhttp import Answer, Client, ask, chat, eventually, request

pytestmark = pytest.mark.e2e

KEY = "an admin key for a port of its own"
CONNECTIONS = 6
AT_ONCE = 1.0
"""Seconds in which a change has to hold for every worker."""
MEMORY = 80
"""MiB that the process may take: measured are 44 with SQLite, of which 30 are its own."""


class Apart:
    """A gateway with an admin port."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        raw = None if body is None else json.dumps(body).encode()
        return await ask(self.port, request(method, f"/admin/v1{path}", raw, key=KEY))

    async def good(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.ask(method, path, body)
        assert 200 <= answer.status < 300, answer
        return answer.json

    async def until(self, key: str, status: int) -> None:
        """Every worker answers ``key`` with ``status`` within a second."""
        begun = time.monotonic()
        while True:
            sent = time.monotonic()
            answers = await asyncio.gather(*(ask(self.gateway.port, chat(key=key)) for _ in range(CONNECTIONS - 1)))
            if {answer.status for answer in answers} == {status}:
                return
            assert sent - begun < AT_ONCE, [answer.status for answer in answers]

    @property
    def pid(self) -> int:
        """Of the process that listens on the admin port; 0: nobody."""
        return next((pid for pid in children(self.gateway.pid) if listens(pid, self.port)), 0)


def listens(pid: int, port: int) -> bool:
    """Does the process hold a listening socket of ``port``?"""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{name}") in sockets for name in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def settings(mock: Mock, folder: Path, port: int, *, workers: int = 1) -> dict[str, Any]:
    return config_for(
        mock.url,
        server={"admin_port": port, "workers": workers, "connections": CONNECTIONS, "drain": 5},
        admin={"key": KEY},
        auth={"failures_per_minute": 100_000, "failures_total_per_minute": 100_000},
        storage={"type": "sqlite", "path": str(folder / "tollway.db")},
        cache={"exact": {}},
        telemetry={"access_log": "off"},
        health={},
    )


@pytest.fixture(scope="module")
def alone(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """One worker, which shares nothing."""
    port = free_port()
    with running(settings(mock, tmp_path_factory.mktemp("alone"), port)) as gateway:
        yield Apart(gateway, port)


@pytest.fixture(scope="module")
def several(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """Two workers, which share a state."""
    port = free_port()
    with running(settings(mock, tmp_path_factory.mktemp("several"), port, workers=2)) as gateway:
        yield Apart(gateway, port)


@pytest.fixture(params=["alone", "several"])
def apart(request: pytest.FixtureRequest) -> Apart:
    """Each of the two."""
    found: Apart = request.getfixturevalue(request.param)
    return found


async def test_a_key_made_there_works_here_within_a_second(apart: Apart) -> None:
    await apart.good("POST", "/accounts", {"name": "acme"})
    made = await apart.good("POST", "/keys", {"account": "acme", "name": "app"})
    await apart.until(made["key"], 200)
    await apart.good("POST", f"/keys/{made['id']}/revoke")
    await apart.until(made["key"], 401)
    await apart.good("POST", "/accounts/acme/credits", {"usd": 5})
    assert (await apart.good("GET", "/accounts/acme/balance"))["granted"] == "5.00"
    deadline = time.monotonic() + 5
    while not (await apart.good("GET", "/requests?account=acme&limit=1"))["data"]:
        assert time.monotonic() < deadline


def test_the_start_says_where_it_is(alone: Apart) -> None:
    assert f"(auth: keys); its admin API on http://127.0.0.1:{alone.port}\n" in alone.gateway.log()


async def test_each_port_has_its_own_paths(apart: Apart) -> None:
    for key in (KEY, None, "wrong"):
        for method, path in (("GET", "/admin/v1/status"), ("POST", "/admin/v1/keys"), ("GET", "/admin/v1/nothing")):
            body = b"{}" if method == "POST" else None
            answer = await ask(apart.gateway.port, request(method, path, body, key=key))
            assert (answer.status, answer.ending) == (404, "whole")
            assert "server.admin_port" in answer.error["message"]
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/metrics")):
        assert (await ask(apart.port, request(method, path, b"{}" if method == "POST" else None))).status == 404
    for path in ("/livez", "/readyz"):
        assert (await ask(apart.port, request("GET", path, key=None))).status == 200
    assert (await ask(apart.port, request("GET", "/admin/v1/status", key="wrong"))).status == 401
    assert (await apart.good("GET", "/status"))["storage"] == {"status": "ok"}


async def test_what_workers_know_is_told_through_a_shared_state_or_refused(apart: Apart) -> None:
    made = await apart.good("POST", "/accounts", {"name": "asks"})
    key = (await apart.good("POST", "/keys", {"account": made["id"], "name": "app"}))["key"]
    await apart.until(key, 200)
    shared = (await apart.good("GET", "/status"))["details"]["state"] == "embedded"
    question = chat(key=key, headers={"x-tollway-trace": "true", "x-request-id": "apart-1"}, seed=apart.port)
    assert (await ask(apart.gateway.port, question)).status == 200
    if not shared:
        for method, path, body in (
            ("GET", "/traces/apart-1", None),
            ("GET", "/health", None),
            ("GET", "/cache", None),
            ("POST", "/cache/purge", {"all": True}),
        ):
            answer = await apart.ask(method, path, body)
            assert (answer.status, answer.error["code"]) == (501, "state_required"), path
            assert "state: {type: embedded}" in answer.error["message"]
        return
    await seen(apart, "/traces/apart-1")
    tired = {"x-mock-fault": "rate-limit:seconds=30"}
    assert (await ask(apart.gateway.port, chat(key=key, model="tired", headers=tired))).status == 429
    await resting(apart, "tired")
    assert (await apart.good("GET", "/cache"))["store"] == "state"
    again = await ask(apart.gateway.port, question)
    assert again.header("x-tollway-cache") == "hit"
    assert (await apart.good("POST", "/cache/purge", {"all": True}))["everywhere"] is True
    for _ in range(4):
        after = await ask(apart.gateway.port, chat(key=key, seed=apart.port, headers={"x-tollway-cache": "no-store"}))
        assert after.header("x-tollway-cache") != "hit"


async def test_answers_in_a_workers_memory_are_purged_through_the_state(mock: Mock, tmp_path: Path) -> None:
    port = free_port()
    config = settings(mock, tmp_path, port) | {
        "state": {"type": "embedded"},
        "cache": {"exact": {}, "store": "memory"},
        "storage": {"type": "none"},
    }
    with running(config) as gateway:
        apart, question = Apart(gateway, port), chat(seed=port)
        for found in ("miss", "hit"):
            assert (await ask(gateway.port, question)).header("x-tollway-cache") == found
        shown = await apart.good("GET", "/cache")
        assert (shown["store"], shown["entries"], shown["up"]) == ("memory", None, True)
        assert (await apart.good("POST", "/cache/purge", {"model": "gpt-4o"}))["everywhere"] is True
        deadline = time.monotonic() + AT_ONCE
        while (await ask(gateway.port, question)).header("x-tollway-cache") == "hit":
            assert time.monotonic() < deadline


async def resting(apart: Apart, model: str) -> None:
    """Until a worker's word of the model's rest is heard."""
    deadline = time.monotonic() + 5
    while True:
        found = {target["model"]: target for target in (await apart.good("GET", "/health"))["targets"]}
        if model in found:
            assert (found[model]["state"], found[model]["reason"]) == ("cooling", "rate_limited")
            assert found[model]["back_in_seconds"] > 0
            return
        assert time.monotonic() < deadline, found


async def seen(apart: Apart, path: str) -> None:
    """Until the path is found."""
    deadline = time.monotonic() + 5
    while (answer := await apart.ask("GET", path)).status != 200:
        assert time.monotonic() < deadline, answer


async def test_a_saturated_worker_does_not_hold_it_up(alone: Apart) -> None:
    """Every connection of the data port is taken, and then its process does not even run."""
    key = (await alone.good("POST", "/keys", {"account": (await account(alone)), "name": "busy"}))["key"]
    await alone.until(key, 200)
    held = [await Client.open(alone.gateway.port) for _ in range(CONNECTIONS)]
    for number, client in enumerate(held):
        slow = {"x-mock-pace": "100", "x-mock-tokens": "100"}
        await client.send(chat(stream=True, key=key, seed=number, headers=slow))
        assert (await client.head()).status == 200
    (worker,) = [pid for pid in children(alone.gateway.pid) if listens(pid, alone.gateway.port)]
    os.kill(worker, signal.SIGSTOP)
    try:
        blocked = await Client.open(alone.gateway.port)
        await blocked.send(chat(key=key))
        with pytest.raises(TimeoutError):
            await blocked.head(timeout=0.3)
        begun = time.monotonic()
        assert (await alone.good("GET", "/status"))["status"] == "ok"
        made = await alone.good("POST", "/keys", {"account": await account(alone), "name": "meanwhile"})
        assert time.monotonic() - begun < 2
    finally:
        os.kill(worker, signal.SIGCONT)
    for client in (*held, blocked):
        client.close()
    await eventually_served(alone, made["key"])


async def account(apart: Apart) -> str:
    """Some account's id."""
    found = (await apart.good("GET", "/accounts"))["data"]
    made = found[0] if found else await apart.good("POST", "/accounts", {"name": "acme"})
    return str(made["id"])


async def eventually_served(apart: Apart, key: str) -> None:
    deadline = time.monotonic() + 10
    while (answer := await ask(apart.gateway.port, chat(key=key))).status != 200:
        assert time.monotonic() < deadline, answer


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_it_is_started_again_and_traffic_does_not_notice(alone: Apart, number: signal.Signals) -> None:
    key = (await alone.good("POST", "/keys", {"account": await account(alone), "name": f"kept-{number}"}))["key"]
    await alone.until(key, 200)
    before = alone.pid
    stream = await Client.open(alone.gateway.port)
    await stream.send(chat(stream=True, key=key, headers={"x-mock-pace": "60", "x-mock-tokens": "24"}))
    assert (await stream.head()).status == 200
    os.kill(before, number)
    await eventually(lambda: gone(before))
    assert (await ask(alone.gateway.port, chat(key=key))).status == 200, "while there is no admin process"
    after = await eventually(lambda: alone.pid, timeout=15)
    assert after != before
    assert (await alone.good("GET", "/status"))["status"] == "ok"
    assert (await stream.until(b"[DONE]")).count(b"data: ") > 1
    stream.close()
    said = "signal 9" if number == signal.SIGKILL else "exit code 0"
    assert f"the admin process ended ({said}) and is started again" in alone.gateway.log()


async def test_the_cli_works_against_it(alone: Apart) -> None:
    environ = {"TOLLWAY_ADMIN_URL": f"http://127.0.0.1:{alone.port}", "TOLLWAY_ADMIN_KEY": KEY}
    command = [sys.executable, "-m", "proxy", "accounts", "list", "--output", "json"]
    environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    ran = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, timeout=20)
    assert ran.returncode == 0, ran.stderr
    assert await account(alone) in ran.stdout.decode()


def test_what_it_costs(alone: Apart) -> None:
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{alone.pid}/smaps_rollup").read_text().splitlines()[1:])
    assert int(rows["Pss"].split()[0]) < MEMORY * 1024


async def ended(gateway: Gateway, port: int, number: signal.Signals, code: int) -> None:
    """Signals the launcher alone: nothing of it is left."""
    pids = children(gateway.pid)
    assert Apart(gateway, port).pid in pids
    gateway.child.send_signal(number)
    assert gateway.child.wait(10) == code
    await eventually(lambda: all(gone(pid) for pid in pids), timeout=10)
    assert "started again" not in gateway.log()
    with pytest.raises(ConnectionRefusedError):
        await Client.open(port)


async def test_it_ends_with_a_launcher_that_is_killed(mock: Mock, tmp_path: Path) -> None:
    port = free_port()
    with running(settings(mock, tmp_path, port)) as gateway:
        await ended(gateway, port, signal.SIGKILL, -signal.SIGKILL)


async def test_it_ends_with_a_gateway_whose_only_worker_died(mock: Mock, tmp_path: Path) -> None:
    port = free_port()
    with running(settings(mock, tmp_path, port)) as gateway:
        pids = children(gateway.pid)
        (worker,) = [pid for pid in pids if listens(pid, gateway.port)]
        os.kill(worker, signal.SIGKILL)
        assert gateway.child.wait(10) == 1
        await eventually(lambda: all(gone(pid) for pid in pids), timeout=10)


async def test_it_speaks_tls_as_the_data_port_does_follows_a_new_key_and_ends(mock: Mock, tmp_path: Path) -> None:
    authority, port = trustme.CA(), free_port()
    made = authority.issue_cert("127.0.0.1")
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    config = settings(mock, tmp_path, port)
    config["server"]["tls"] = {"cert": str(tmp_path / "both.pem"), "key": str(tmp_path / "both.pem")}
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)

    def status(key: str) -> int:
        asked = Request(f"https://127.0.0.1:{port}/admin/v1/status", headers={"authorization": f"Bearer {key}"})
        try:
            with urlopen(asked, context=trusted, timeout=5) as answer:
                found: int = answer.status
                return found
        except HTTPError as error:
            return error.code

    with running(config) as gateway:
        assert await asyncio.to_thread(status, KEY) == 200
        gateway.write({**config, "admin": {"key": "another admin key of this test"}})
        await eventually(lambda: status("another admin key of this test") == 200, timeout=10)
        assert await asyncio.to_thread(status, KEY) == 401
        await ended(gateway, port, signal.SIGTERM, 0)


def test_a_taken_port_stops_the_start(mock: Mock, tmp_path: Path, alone: Apart) -> None:
    refused(settings(mock, tmp_path, alone.port), f"Port {alone.port} on 127.0.0.1 is taken: ", "set server.admin_port")


def test_a_process_that_cannot_start_stops_the_start(mock: Mock, tmp_path: Path) -> None:
    (tmp_path / "tollway.db.journal").write_text("a file where the folder of the pepper has to be")
    refused(
        settings(mock, tmp_path, free_port()),
        "cannot be written",
        "The admin process (server.admin_port) did not start",
    )


def refused(config: dict[str, Any], *said: str) -> None:
    gateway = Gateway(config, wait=False)
    try:
        assert gateway.child.wait(20) == 1
        log = gateway.log()
        assert all(part in log for part in said), log
        assert "Tollway listens" not in log
        assert "Traceback" not in log
    finally:
        gateway.close()
