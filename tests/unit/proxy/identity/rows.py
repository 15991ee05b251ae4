"""Keys and accounts for the tests of this folder, and a database that is a list."""

import asyncio
from collections.abc import Sequence

from msgspec import structs

from proxy.errors import TollwayError
from proxy.identity.failures import FailureLimiter
from proxy.identity.principals import Terms
from proxy.identity.stored import Seed, StoredKeys
from proxy.identity.virtual_keys import digest, hint
from proxy.storage.records import AccountRecord, Change, KeyRecord
from tests.support.clock import FakeClock

PEPPER = b"p" * 32
NOW = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC."""


def account(id: str = "acc_1", **changes: object) -> AccountRecord:
    """An account that may do everything."""
    return structs.replace(AccountRecord(id=id, name=f"name of {id}", created=NOW), **changes)


def key(text: str, id: str = "key_1", **changes: object) -> KeyRecord:
    """The row of the key ``text``."""
    row = KeyRecord(
        id=id, account="acc_1", name="app", digest=digest(PEPPER, text.encode()), hint=hint(text), created=NOW
    )
    return structs.replace(row, **changes)


class Rows:
    """The database: rows, a log of changes, and faults. ``asked`` counts its calls."""

    def __init__(self, accounts: Sequence[AccountRecord] = (), keys: Sequence[KeyRecord] = ()) -> None:
        self.accounts = {row.id: row for row in accounts}
        self.keys = {row.id: row for row in keys}
        self.log: list[Change] = []
        self.broken: BaseException | None = None
        self.hangs = False
        self.asked = 0

    def put(self, *rows: AccountRecord | KeyRecord) -> None:
        """Writes rows as the database would."""
        for row in rows:
            kind = "account" if isinstance(row, AccountRecord) else "key"
            if isinstance(row, AccountRecord):
                self.accounts[row.id] = row
            else:
                self.keys[row.id] = row
            self.log.append(Change(len(self.log) + 1, kind, row.id))

    async def _answer(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.broken is not None:
            raise self.broken

    async def latest_change(self) -> int:
        await self._answer()
        return len(self.log)

    async def changes_since(self, version: int) -> tuple[list[Change], int]:
        await self._answer()
        return self.log[version:], len(self.log)

    async def all_accounts(self) -> list[AccountRecord]:
        await self._answer()
        return list(self.accounts.values())

    async def all_keys(self) -> list[KeyRecord]:
        await self._answer()
        return list(self.keys.values())

    async def account(self, id: str) -> AccountRecord | None:
        await self._answer()
        return self.accounts.get(id)

    async def key(self, id: str) -> KeyRecord | None:
        await self._answer()
        return self.keys.get(id)


class Bench:
    """Stored keys over ``Rows``, with clocks in the test's hand."""

    def __init__(
        self,
        accounts: Sequence[AccountRecord] = (),
        keys: Sequence[KeyRecord] = (),
        *,
        terms: Terms | None = None,
        seed: Seed | None = None,
        grace: float = 300.0,
    ) -> None:
        self.rows = Rows(accounts or [account()], keys)
        self.clock = FakeClock()
        self.wall = FakeClock(NOW)
        self.stored = StoredKeys(
            self.rows, terms=terms or Terms(ledgered=True), grace=grace, clock=self.clock, wall=self.wall, seed=seed
        )

    async def follow(self) -> None:
        """One look at the database, whatever comes of it, as ``run`` has one."""
        await self.stored._try_sync()

    def find(self, text: str) -> object:
        """The principal of a key, ``None`` or the error's class."""
        try:
            return self.stored.find(digest(PEPPER, text.encode()))
        except TollwayError as error:
            return type(error)


def failures(**bounds: int) -> FailureLimiter:
    """A limiter that does not get in the way, unless told to."""
    return FailureLimiter(**{"per_address": 10_000, "total": 10_000, **bounds}, clock=FakeClock(0.0))
