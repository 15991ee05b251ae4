"""A client of the admin API in this process, over a real SQLite file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec import Struct
from starlette.types import ASGIApp

from proxy.admin.access import Access, AdminKey
from proxy.admin.app import admin_app
from proxy.admin.desk import Desk
from proxy.identity.failures import FailureLimiter
from proxy.protocols import LimitStore
from proxy.storage.database import Database
from proxy.storage.records import AccountRecord
from tests.support.asgi import HOST, Client, http_scope
from tests.support.clock import FakeClock
from tests.support.sqlite import migrated

KEY = "an admin key of a test"
PEPPER = b"pepper" * 6
NOW = 1_795_392_000.0
"""2026-11-23T00:00:00Z."""

BOTH = pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)
"""For modules whose tests run over both databases."""

Json = Any


class Reply(Struct):
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    json: Json

    @property
    def error(self) -> Json:
        """``error`` of the envelope."""
        return self.json["error"]


class Api:
    """The application, its database and clock; ``told`` counts the pushes to workers."""

    def __init__(
        self,
        database: Database | None,
        *,
        access: Access | None = None,
        store: LimitStore | None = None,
        file_accounts: dict[str, AccountRecord] | None = None,
    ) -> None:
        self.database = database
        self.clock = FakeClock(NOW)
        self.failures = FakeClock()
        self.told = 0
        self.access = access or AdminKey(KEY, FailureLimiter(per_address=5, total=50, clock=self.failures))
        self.desk = Desk(
            database=database,
            pepper=PEPPER,
            clock=self.clock,
            version="1.2.3",
            store=store,
            changed=self._changed,
            status=lambda: {"journal": {"open": 0}},
            file_accounts=lambda: file_accounts or {},
        )
        self.app: ASGIApp = admin_app(self.desk, self.access)

    async def _changed(self) -> None:
        self.told += 1

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        key: str | None = KEY,
        raw: bytes | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        query: bytes = b"",
    ) -> Reply:
        """One request. ``body`` as JSON, or ``raw`` as it is."""
        sent = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        pairs = [HOST, (b"content-type", b"application/json"), *headers]
        if key is not None:
            pairs.append((b"authorization", b"Bearer " + key.encode()))
        names = [name for name, _ in headers]
        if b"content-type" in names:
            pairs.pop(1)
        client = Client(sent)
        scope = http_scope(method, "/admin/v1" + path, headers=pairs, query=query)
        await self.app(scope, client.receive, client.send)
        assert client.ended
        return Reply(client.status, client.headers, orjson.loads(client.body) if client.body else None)

    async def good(self, method: str, path: str, body: Json = None, **more: Any) -> Json:
        """The same, for what must succeed."""
        reply = await self.ask(method, path, body, **more)
        assert 200 <= reply.status < 300, reply
        return reply.json

    async def account(self, name: str = "acme", **more: Json) -> Json:
        """A new account."""
        return await self.good("POST", "/accounts", {"name": name, **more})

    async def audit(self) -> list[Json]:
        """The audit log, the latest first."""
        found: list[Json] = (await self.good("GET", "/audit"))["data"]
        return found


@asynccontextmanager
async def over_sqlite(folder: Path, **more: Any) -> AsyncIterator[Api]:
    """An API over a new file in ``folder``."""
    database = Database.sqlite(migrated(folder / "admin.db"))
    await database.open()
    try:
        yield Api(database, **more)
    finally:
        await database.close()


def once(key: str) -> tuple[tuple[bytes, bytes], ...]:
    """The header."""
    return ((b"idempotency-key", key.encode()),)
