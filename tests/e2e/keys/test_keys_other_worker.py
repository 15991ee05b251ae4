"""What one process changes in the database bites on another within a second: on SQLite and on PostgreSQL, between real processes."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from proxy.identity.virtual_keys import digest, hint, new_key
from proxy.policy.terms import Budget, Limits, Plan
from proxy.storage.database import Database
from proxy.storage.records import AccountRecord, AuditRecord, KeyRecord
from tests.support.postgres import server
from tests.support.processes import ROOT

pytestmark = pytest.mark.e2e

PEPPER = b"p" * 32
WITHIN = 1.0
"""Seconds in which a change must bite everywhere."""


def audit(action: str) -> AuditRecord:
    return AuditRecord(id=f"aud_{time.monotonic_ns()}", at=time.time(), actor="test", action=action, object="x")


class Follower:
    """The other process."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child

    async def ask(self, name: bytes) -> None:
        """From now on, tell about this key."""
        assert self._child.stdin is not None
        self._child.stdin.write(name.hex().encode() + b"\n")
        await self._child.stdin.drain()

    async def sees(self, name: bytes, *, within: float = WITHIN) -> str:
        """What it says next, which must be about ``name`` and in time."""
        assert self._child.stdout is not None
        async with asyncio.timeout(within):
            told, _, answer = (await self._child.stdout.readline()).decode().strip().partition(" ")
        assert told == name.hex()
        return answer


@contextlib.asynccontextmanager
async def follower(*arguments: str) -> AsyncIterator[Follower]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.e2e.keys.follower", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        yield Follower(child)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        try:
            async with asyncio.timeout(10):
                code = await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
            raise
    assert code == 0


async def every_change_bites(database: Database, other: Follower) -> None:
    """Revocation, rotation, limits, budgets, credit, suspension: each seen by the other process within a second."""
    account = AccountRecord(id="acc_1", name="acme", created=time.time())
    await database.create_account(account, audit("create"))
    key, second = new_key(), new_key()
    name, second_name = digest(PEPPER, key.encode()), digest(PEPPER, second.encode())
    record = KeyRecord(id="key_1", account="acc_1", name="app", digest=name, hint=hint(key), created=time.time())
    await other.ask(name)
    assert await other.sees(name, within=20) == "unknown"
    await database.create_key(record, audit("create"))
    assert await other.sees(name) == "ok"

    record = await database.update_key(structs.replace(record, limits=Limits(rpm=7)), record.version, audit("limit"))
    assert await other.sees(name) == "ok rpm=7"
    account = await database.update_account(
        structs.replace(account, plan=Plan(prepaid=True), budgets=(Budget(usd=2),)), account.version, audit("plan")
    )
    assert await other.sees(name) == "ok rpm=7 budget.month=2000000 credit=0"
    account = await database.update_account(
        structs.replace(account, status="suspended"), account.version, audit("stop")
    )
    assert await other.sees(name) == "PermissionDenied"
    account = await database.update_account(structs.replace(account, status="active"), account.version, audit("go"))
    assert (await other.sees(name)).startswith("ok")

    # The overlap is a second and a half: longer than it takes to bite.
    until = time.time() + 1.5
    replacement = KeyRecord(
        id="key_2", account="acc_1", name="app", digest=second_name, hint=hint(second), created=time.time()
    )
    old = structs.replace(record, revoked=until, replaced_by="key_2")
    old, _ = await database.rotate_key(old, record.version, replacement, audit("rotate"))
    await other.ask(second_name)
    while not (answer := await other.sees(second_name)).startswith("ok"):
        assert answer == "unknown"
    assert time.time() < until
    assert await other.sees(name, within=3) == "AuthenticationFailed"
    assert until <= time.time() < until + 0.5

    found = await database.key("key_2")
    assert found is not None
    begun = time.monotonic()
    await database.update_key(structs.replace(found, revoked=time.time()), found.version, audit("revoke"))
    assert await other.sees(second_name) == "AuthenticationFailed"
    print(f"revoked on the other process after {time.monotonic() - begun:.3f} s")


async def test_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "tollway.db"
    database = Database.sqlite(path)
    await database.open()
    try:
        async with follower("sqlite", str(path)) as other:
            await every_change_bites(database, other)
    finally:
        await database.close()


async def test_on_postgres() -> None:
    async with server().database() as url:
        database = Database.postgres(url)
        await database.open()
        try:
            async with follower("postgres", url) as other:
                await every_change_bites(database, other)
        finally:
            await database.close()
