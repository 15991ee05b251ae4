"""A PostgreSQL that is killed: known keys keep working, unknown ones are not called wrong, and its return is noticed."""

import asyncio
import time
from collections.abc import Callable

import pytest

from proxy.errors import AuthenticationFailed, KeysUnavailable
from proxy.identity.callers import Callers
from proxy.identity.failures import FailureLimiter
from proxy.identity.principals import Terms, file_key
from proxy.identity.stored import StoredKeys
from proxy.identity.virtual_keys import digest, hint, new_key
from proxy.storage.database import Database
from proxy.storage.records import AccountRecord, AuditRecord, KeyRecord
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.e2e

PEPPER = b"p" * 32
NOTICED = 3.0
"""Seconds in which an outage and its end must be noticed."""


async def until(reached: Callable[[], bool], seconds: float) -> float:
    begun = time.monotonic()
    while not reached():
        assert time.monotonic() - begun < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def test_a_killed_postgres() -> None:
    server = await asyncio.to_thread(PostgresServer)
    try:
        async with server.database() as url:
            database = Database.postgres(url)
            await database.open()
            known, later = new_key(), new_key()
            audit = AuditRecord(id="aud_1", at=0.0, actor="test", action="create", object="x")
            await database.create_account(AccountRecord(id="acc_1", name="acme", created=0.0), audit)

            async def add(text: str, id: str) -> None:
                name = digest(PEPPER, text.encode())
                row = KeyRecord(id=id, account="acc_1", name=id, digest=name, hint=hint(text), created=0.0)
                note = AuditRecord(id=f"aud_{id}", at=0.0, actor="test", action="create", object=id)
                await database.create_key(row, note)

            await add(known, "key_1")
            stored = StoredKeys(database, terms=Terms(ledgered=True), grace=300)
            failures = FailureLimiter(per_address=10**6, total=10**6, clock=time.monotonic)
            callers = Callers([("file-key", file_key("app"))], failures, terms=Terms(), stored=stored, pepper=PEPPER)

            def met(text: str) -> str:
                try:
                    return callers.identify([text.encode()], "192.0.2.1").key
                except (AuthenticationFailed, KeysUnavailable) as error:
                    return type(error).__name__

            task = asyncio.create_task(stored.run())
            await until(lambda: stored.loaded, 10)
            assert [met(text) for text in (known, later, "file-key")] == ["key_1", "AuthenticationFailed", "app"]

            await asyncio.to_thread(server.kill)
            took = await until(lambda: met(later) == "KeysUnavailable", NOTICED)
            assert [met(text) for text in (known, "file-key")] == ["key_1", "app"]
            print(f"outage noticed after {took:.2f} s")

            await asyncio.to_thread(server.start)
            took = await until(lambda: met(later) == "AuthenticationFailed", NOTICED)
            print(f"return noticed after {took:.2f} s")
            await add(later, "key_2")
            assert await until(lambda: met(later) == "key_2", NOTICED) < 1.0
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await database.close()
    finally:
        await asyncio.to_thread(server.close)
