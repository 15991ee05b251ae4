"""The application behind ``server.admin_port``, over ASGI: what it answers, what it refuses, how it starts, reloads and ends."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.accounts import load_checked
from proxy.admin_plane import AdminPlane
from proxy.config import Loaded
from proxy.stores import StoresError
from tests.support.asgi import HOST, Client, http_scope, socket_scope

KEY = "an admin key of a test"
TEXT = f"""
server: {{admin_port: 8081}}
admin: {{key: {KEY}}}
auth: {{mode: open}}
providers: {{local: {{use: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}}}}
models: {{"*": {{targets: [{{provider: local}}]}}}}
"""
Load = Callable[[str], Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(more: str) -> Loaded:
        file = tmp_path / "tollway.yaml"
        file.write_text(TEXT + more.replace("FOLDER", str(tmp_path)))
        file.chmod(0o600)
        return load_checked(str(file), {})

    return loaded


def plane_of(loaded: Loaded, ready: list[bool]) -> AdminPlane:
    return AdminPlane(loaded, reload=lambda: loaded, ready=lambda: ready.append(True))


async def asked(plane: AdminPlane, path: str, *, key: str = KEY, body: Any = None) -> tuple[int, Any]:
    """(status, JSON)."""
    headers = [HOST, (b"authorization", f"Bearer {key}".encode())]
    raw = b""
    if body is not None:
        raw = orjson.dumps(body)
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(raw))]
    client = Client(raw)
    await plane(http_scope("GET" if body is None else "POST", path, headers=headers), client.receive, client.send)
    start, *parts = client.sent
    return start["status"], orjson.loads(b"".join(part["body"] for part in parts))


class Started:
    """A plane between its lifespan's start and end."""

    def __init__(self, plane: AdminPlane) -> None:
        self._plane = plane
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._begun = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def __aenter__(self) -> "Started":
        await self._messages.put({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._plane({"type": "lifespan"}, self._messages.get, self._send))
        await asyncio.wait_for(self._begun.wait(), 5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._messages.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(self._task, 5)

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self._begun.set()


async def test_probes_tell_when_it_is_ready(load: Load) -> None:
    ready: list[bool] = []
    plane = plane_of(load(""), ready)
    assert await asked(plane, "/readyz") == (503, {"status": "starting"})
    assert (await asked(plane, "/admin/v1/status"))[0] == 404
    async with Started(plane) as life:
        assert life.sent == [{"type": "lifespan.startup.complete"}]
        assert ready == [True]
        assert await asked(plane, "/readyz") == (200, {"status": "ready"})
        assert await asked(plane, "/livez") == (200, {"status": "live"})
        assert (await asked(plane, "/admin/v1/status"))[0] == 200
        assert (await asked(plane, "/admin/v1/status", key="wrong"))[0] == 401
    assert await asked(plane, "/readyz") == (503, {"status": "draining"})


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/", "/admin", "/admin/v1", "/admin/v2/keys", "/admin/v1x"])
async def test_nothing_else_is_there(load: Load, path: str) -> None:
    plane = plane_of(load(""), [])
    async with Started(plane):
        assert (await asked(plane, path))[0] == 404
        client = Client()
        await plane(socket_scope("/v1/realtime"), client.receive, client.send)
        assert client.sent == [{"type": "websocket.close", "code": 1008}]


async def test_without_a_shared_state_what_workers_know_is_refused(load: Load) -> None:
    plane = plane_of(load("cache: {exact: {}}\n"), [])
    async with Started(plane):
        for path, body in (
            ("/traces/req_1", None),
            ("/health", None),
            ("/cache", None),
            ("/cache/purge", {"all": True}),
        ):
            status, answer = await asked(plane, f"/admin/v1{path}", body=body)
            assert (status, answer["error"]["code"]) == (501, "state_required"), path
            assert "state: {type: embedded} or {type: redis}" in answer["error"]["message"]


async def test_without_a_cache_there_is_nothing_to_purge(load: Load) -> None:
    plane = plane_of(load(""), [])
    async with Started(plane):
        assert (await asked(plane, "/admin/v1/cache"))[1]["store"] == "none"
        _, answer = await asked(plane, "/admin/v1/cache/purge", body={"all": True})
        assert (answer["forgotten"], answer["everywhere"]) == (0, True)


async def test_balances_without_live_counters_are_the_ledgers(load: Load) -> None:
    plane = plane_of(load("storage: {type: sqlite, path: FOLDER/tollway.db}\n"), [])
    async with Started(plane):
        assert (await asked(plane, "/admin/v1/accounts", body={"name": "acme"}))[0] == 201
        status, balance = await asked(plane, "/admin/v1/accounts/acme/balance")
        assert (status, balance["live"]) == (200, False)


async def test_a_reload_brings_the_accounts_of_the_file_and_another_key(load: Load) -> None:
    loaded = load("storage: {type: sqlite, path: FOLDER/tollway.db}\n")
    plane = plane_of(loaded, [])
    async with Started(plane):
        assert (await asked(plane, "/admin/v1/accounts/filed"))[0] == 404
        after = load("storage: {type: sqlite, path: FOLDER/tollway.db}\naccounts: {filed: {limits: {rpm: 7}}}\n")
        plane._watcher._reload = lambda: after
        assert await plane._watcher.reload_now()
        status, account = await asked(plane, "/admin/v1/accounts/filed")
        assert (status, account["limits"]) == (200, {"rpm": 7})


async def test_a_start_that_fails_leaves_nothing_open(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tollway.db.journal").write_text("a file where a folder has to be")
    ready: list[bool] = []
    before = {thread for thread in threading.enumerate() if not thread.daemon}
    plane = plane_of(load("storage: {type: sqlite, path: FOLDER/tollway.db}\n"), ready)
    with pytest.raises(StoresError, match=r"tollway\.db\.journal cannot be written"):
        await plane._start()
    assert ready == []
    assert {thread for thread in threading.enumerate() if not thread.daemon} == before, "they would keep the process"
