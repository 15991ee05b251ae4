"""What one process changes bites on the others within a second: keys made, rotated and revoked, credit added; also from the CLI."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.gateways import Load, costed, fleet, load, postgres_at, sqlite_in
from tests.support.postgres import server as postgres_server
from tests.support.processes import ROOT, Gateway, Mock
from tests.support.valkey import server as valkey_server

pytestmark = pytest.mark.e2e

WITHIN = 1.0
"""Seconds."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    """A mock that nobody else asks."""
    with contextlib.closing(Mock()) as mock:
        yield mock


@contextlib.asynccontextmanager
async def four(engine: str, mock: Mock, folder: Path) -> AsyncIterator[tuple[list[Gateway], Load]]:
    """Four processes with one database and one Valkey, ready, and a client."""
    async with contextlib.AsyncExitStack() as stack:
        storage = sqlite_in(folder)
        if engine == "postgres":
            storage = postgres_at(await stack.enter_async_context(postgres_server().database()), folder)
        valkey = stack.enter_context(valkey_server())
        state = {"type": "redis", "url": valkey.url, "replicas": 4}
        gateways = await stack.enter_async_context(fleet(costed(mock.url, storage, state, keys=[])))
        yield gateways, await stack.enter_async_context(load())


async def until_all(clients: Load, gateways: list[Gateway], key: str, status: int, since: float) -> float:
    """Seconds from ``since`` until every process answers ``key`` so."""

    async def one(gateway: Gateway) -> float:
        while True:
            begun = time.monotonic()
            if (call := await clients.ask(gateway, key=key)).status == status:
                return begun - since
            assert time.monotonic() < since + 10, call
            await asyncio.sleep(0.02)

    return max(await asyncio.gather(*map(one, gateways)))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_what_one_process_changes_bites_on_three(upstream: Mock, tmp_path: Path, engine: str) -> None:
    async with four(engine, upstream, tmp_path) as (gateways, clients):
        first, second, *_ = gateways
        took: dict[str, float] = {}
        await clients.admin(first, "POST", "/accounts", {"name": "acme", "plan": {"prepaid": True}})
        made = await clients.admin(first, "POST", "/keys", {"account": "acme", "name": "app"})
        since = time.monotonic()
        # Without credit; that it is known is what counts here.
        took["made"] = await until_all(clients, gateways, made["key"], 429, since)
        await clients.admin(second, "POST", "/accounts/acme/credits", {"usd": 1})
        since = time.monotonic()
        took["credited"] = await until_all(clients, gateways, made["key"], 200, since)
        rotated = await clients.admin(first, "POST", f"/keys/{made['id']}/rotate", {"overlap": 0})
        since = time.monotonic()
        took["rotated out"], took["rotated in"] = await asyncio.gather(
            until_all(clients, gateways, made["key"], 401, since),
            until_all(clients, gateways, rotated["key"], 200, since),
        )
        await clients.admin(second, "POST", f"/keys/{rotated['id']}/revoke")
        since = time.monotonic()
        took["revoked"] = await until_all(clients, gateways, rotated["key"], 401, since)
    print(f"{engine}: " + ", ".join(f"{name} after {seconds:.3f} s" for name, seconds in took.items()))
    assert max(took.values()) < WITHIN, took


async def test_a_key_revoked_by_the_command_line(upstream: Mock, tmp_path: Path) -> None:
    """It writes to the database and tells nobody; the processes look by themselves."""
    async with four("sqlite", upstream, tmp_path) as (gateways, clients):
        await clients.admin(gateways[0], "POST", "/accounts", {"name": "acme"})
        made = await clients.admin(gateways[0], "POST", "/keys", {"account": "acme", "name": "app"})
        await until_all(clients, gateways, made["key"], 200, time.monotonic())
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", "keys", "revoke", made["id"], "--yes", "--config", str(gateways[0].path),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(child.communicate(), 30)
        assert child.returncode == 0, said.decode()
        took = await until_all(clients, gateways, made["key"], 401, time.monotonic())
    print(f"revoked by the command line: everywhere {took:.3f} s after it returned")
    assert took < WITHIN
