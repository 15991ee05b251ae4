"""The admin API of real gateways: two workers over one database, SQLite and PostgreSQL; keys made and revoked, money moved once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import server
from tests.support.processes import Gateway, Mock, config_for, running
from tests.support.rawhttp import Answer, ask, chat, request

pytestmark = pytest.mark.e2e

KEY = "an admin key for two workers"
EVENTUALLY = 10.0
"""Seconds; how fast it is exactly is measured with the keys."""
WORKERS = 2


class Admin:
    """Asks one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.port = gateway.port

    async def ask(self, method: str, path: str, body: Any = None, *, key: str = KEY, once: str | None = None) -> Answer:
        """On a connection of its own, so that either worker may answer."""
        headers = {} if once is None else {"idempotency-key": once}
        raw = None if body is None else json.dumps(body).encode()
        return await ask(self.port, request(method, f"/admin/v1{path}", raw, key=key, headers=headers), timeout=20)

    async def good(self, method: str, path: str, body: Any = None, *, once: str | None = None) -> Any:
        """What must succeed."""
        answer = await self.ask(method, path, body, once=once)
        assert 200 <= answer.status < 300, answer
        return answer.json

    async def until(self, key: str, status: int) -> None:
        """Until twenty connections in a row answer ``key`` with ``status``: every worker knows."""
        deadline = time.monotonic() + EVENTUALLY
        while True:
            answers = await asyncio.gather(*(ask(self.port, chat(key=key)) for _ in range(20)))
            if {answer.status for answer in answers} == {status}:
                return
            assert time.monotonic() < deadline, [answer.status for answer in answers]


@asynccontextmanager
async def gateway_over(engine: str, mock: Mock, folder: Path) -> AsyncIterator[Admin]:
    """Two workers, and their engine's database."""
    shared = {"journal": str(folder / "journal"), "pepper": "a pepper for two workers"}
    common: dict[str, Any] = {
        "server": {"workers": WORKERS},
        "admin": {"key": KEY},
        "auth": {"mode": "keys", "failures_per_minute": 100_000, "failures_total_per_minute": 100_000},
    }
    if engine == "sqlite":
        common["storage"] = {"type": "sqlite", "path": str(folder / "tollway.db"), **shared}
        with running(config_for(mock.url, **common)) as gateway:
            yield Admin(gateway)
        return
    async with server().database() as url:
        common["storage"] = {"type": "postgres", "url": url, **shared}
        with running(config_for(mock.url, **common)) as gateway:
            yield Admin(gateway)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_keys_and_money_on_two_workers(engine: str, mock: Mock, tmp_path: Path) -> None:
    async with gateway_over(engine, mock, tmp_path) as admin:
        await admin.good("POST", "/accounts", {"name": "acme"})
        made = await admin.good("POST", "/keys", {"account": "acme", "name": "app"})
        await admin.until(made["key"], 200)

        once = await asyncio.gather(
            *(admin.good("POST", "/accounts/acme/credits", {"usd": 5}, once="same") for _ in range(20))
        )
        assert len({answer["id"] for answer in once}) == 1
        await asyncio.gather(
            *(admin.good("POST", "/accounts/acme/credits", {"usd": 1}, once=f"k{index}") for index in range(20))
        )
        assert (await admin.ask("POST", "/accounts/acme/credits", {"usd": 6}, once="same")).status == 409
        assert (await admin.good("GET", "/accounts/acme/balance"))["granted"] == "25.00"

        new = await admin.good("POST", f"/keys/{made['id']}/rotate", {"overlap": 60})
        await admin.until(new["key"], 200)
        await admin.until(made["key"], 200)
        for old in (made, new):
            await admin.good("POST", f"/keys/{old['id']}/revoke")
            await admin.until(old["key"], 401)

        third = await admin.good("POST", "/keys", {"account": "acme", "name": "app"})
        await admin.until(third["key"], 200)
        await admin.good("DELETE", "/accounts/acme")
        await admin.until(third["key"], 403)


async def test_a_request_is_seen_with_its_cost(mock: Mock, tmp_path: Path) -> None:
    async with gateway_over("sqlite", mock, tmp_path) as admin:
        await admin.good(
            "POST",
            "/accounts",
            {"name": "acme", "plan": {"prepaid": True, "prices": {"*": {"input": 10, "output": 20}}}},
        )
        key = (await admin.good("POST", "/keys", {"account": "acme", "name": "app"}))["key"]
        await admin.until(key, 429)
        await admin.good("POST", "/accounts/acme/credits", {"usd": 10})
        await admin.until(key, 200)
        deadline = time.monotonic() + 10
        while not (found := (await admin.good("GET", "/requests?account=acme&limit=1"))["data"]):
            assert time.monotonic() < deadline
        (entry,) = found
        micro = entry["input_tokens"] * 10 + entry["output_tokens"] * 20
        assert (entry["count"], entry["charge"]) == ("reported", f"{micro / 1_000_000:.6f}".rstrip("0").ljust(4, "0"))
        (target,) = (await admin.good("GET", "/health"))["targets"]
        assert (target["state"], [key["state"] for key in target["keys"]]) == ("ready", ["ready"])
        assert target["ttft_seconds"] > 0
        path = "/accounts/acme/refunds"
        assert (await admin.ask("POST", path, {"usd": 9, "request": entry["id"]})).status == 400
        await admin.good("POST", path, {"usd": entry["charge"], "request": entry["id"]})
        assert (await admin.ask("POST", path, {"usd": "0.000001", "request": entry["id"]})).status == 400


@pytest.mark.parametrize(("admin_key", "storage", "status"), [(None, "sqlite", 403), (KEY, "none", 501)])
async def test_what_is_not_set_up_says_how(
    mock: Mock, tmp_path: Path, admin_key: str | None, storage: str, status: int
) -> None:
    kept: dict[str, Any] = {"type": storage}
    if storage == "sqlite":
        kept |= {"path": str(tmp_path / "tollway.db"), "journal": str(tmp_path / "journal")}
    config = config_for(mock.url, storage=kept, **({"admin": {"key": admin_key}} if admin_key else {}))
    with running(config, environ={"TOLLWAY_ADMIN_KEY": ""}) as gateway:
        answer = await Admin(gateway).ask("GET", "/accounts")
        assert answer.status == status
        assert ("admin.key" if status == 403 else "storage: {type: sqlite}") in answer.error["message"]
