"""The stored keys, kept fresh by the database's log of changes: no request waits for SQL.

Every worker follows that log, so what one changes bites on all: within a poll, or at once where somebody calls ``nudge``.
While the database is down, known keys work for a while, and nobody can say of an unknown one that it is wrong.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Protocol

from ..context import Principal
from ..errors import KeysUnavailable, retry_after
from ..policy.rules import Rule, window_of
from ..protocols import Clock
from ..storage.records import AccountRecord, Change, KeyRecord
from .known import KnownKeys
from .principals import Terms

_log = logging.getLogger("tollway.identity")

POLL = 0.4
"""Seconds between looks at the log of changes."""

POLL_TIMEOUT = 2.0
"""Seconds that one look may take before the database counts as down."""

LOAD_TIMEOUT = 60.0
"""Seconds for reading everything."""

SEED_PATIENCE = 0.2
"""Seconds that other changes wait for a new budget's past; after that the budget comes into force at a later look."""

MANY = 500
"""Changed rows from which on reading everything is quicker than reading each."""

Seed = Callable[[Sequence[Rule]], Coroutine[object, object, None]]
"""Tells the limit store what was already spent under rules that are new to keys or accounts with a past."""


class KeySource(Protocol):
    """What is needed of the database."""

    async def latest_change(self) -> int:
        """The version of the newest change; 0 without any."""

    async def changes_since(self, version: int) -> tuple[list[Change], int]:
        """What changed after ``version``, oldest first, and the version to ask with next."""

    async def all_accounts(self) -> Sequence[AccountRecord]:
        """Every account."""

    async def all_keys(self) -> Sequence[KeyRecord]:
        """Every key, revoked ones too."""

    async def account(self, id: str) -> AccountRecord | None:
        """By its id."""

    async def key(self, id: str) -> KeyRecord | None:
        """By its id."""


class StoredKeys(KnownKeys):
    """Keys and accounts of a database. ``sync`` once, then ``run`` in the background.

    ``grace``: seconds that known keys work without the database. ``seed`` has to end before a new budget of an old key or
    account is put in force, so that what was spent before counts.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        terms: Terms,
        grace: float,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
        seed: Seed | None = None,
    ) -> None:
        super().__init__(terms=terms, wall=wall)
        self._source = source
        self._grace = grace
        self._clock = clock
        self._seed = seed
        self._seeding: tuple[asyncio.Task[None], set[str]] | None = None
        self._told: set[str] = set()
        self._again: set[tuple[str, str]] = set()
        self._version = 0
        self._month = ""
        self._begun = clock()
        self._synced: float | None = None
        self._failing = False
        self._nudged = asyncio.Event()
        self._syncing = asyncio.Lock()

    # ---- asked by requests ------------------------------------------------------------------------------------------

    def find(self, name: bytes) -> Principal | None:
        """As ``KnownKeys.find``. Raises ``KeysUnavailable`` too, once the database has been away for too long."""
        principal = super().find(name)
        if principal is not None and self.stale > self._grace and self.down:
            raise self.unavailable()
        return principal

    @property
    def loaded(self) -> bool:
        """Has the database been read at all?"""
        return self._synced is not None

    @property
    def down(self) -> bool:
        """Is the database out of reach, so that a key unknown here may exist?"""
        return self._failing or self._synced is None or self.stale > POLL + 2 * POLL_TIMEOUT

    @property
    def stale(self) -> float:
        """Seconds since the database was last read."""
        return self._clock() - (self._synced if self._synced is not None else self._begun)

    def unavailable(self) -> KeysUnavailable:
        """What a caller is told whose key cannot be looked up."""
        return KeysUnavailable(
            "The database of keys cannot be reached, so this key cannot be checked; send the request again.",
            headers=retry_after(1.0),
        )

    # ---- kept fresh -------------------------------------------------------------------------------------------------

    def nudge(self) -> None:
        """Something has changed: look now. From this process's event loop."""
        self._nudged.set()

    async def run(self) -> None:
        """Follows the database until cancelled."""
        try:
            while True:
                await self._try_sync()
                try:
                    async with asyncio.timeout(POLL):
                        await self._nudged.wait()
                except TimeoutError:
                    pass
                self._nudged.clear()
        finally:
            if self._seeding is not None:
                self._seeding[0].cancel()

    async def _try_sync(self) -> None:
        try:
            await self.sync()
        except Exception as error:  # noqa: BLE001 - any failure of any driver is an outage, and the loop goes on
            if not self._failing:
                said = type(error).__name__
                _log.error("the database of keys cannot be read (%s): known keys work for %g s", said, self._grace)
            self._failing = True

    async def sync(self) -> None:
        """Reads what has changed. Raises whatever the database raises, and ``TimeoutError``.

        Everything is read the first time, and after an outage: a database that took over may have lost the end of its log.
        """
        async with self._syncing:
            known = self._synced is not None and not self._failing
            if known:
                async with asyncio.timeout(POLL_TIMEOUT):
                    known = await self._follow()
            if not known:
                async with asyncio.timeout(LOAD_TIMEOUT):
                    await self._read_all()
            self._synced = self._clock()
        if self._failing:
            _log.info("the database of keys can be read again")
            self._failing = False

    async def _read_all(self) -> None:
        # The version first: what changes meanwhile is read twice rather than missed.
        async with asyncio.timeout(LOAD_TIMEOUT if self._synced is None else POLL_TIMEOUT):
            version = await self._source.latest_change()
        month = window_of("month", self._wall())
        accounts = await self._source.all_accounts()
        keys = await self._source.all_keys()
        self.forget_others({row.id for row in accounts}, {row.id for row in keys})
        await self._apply(*await self.differing(accounts, keys))
        self._version, self._month = version, month

    async def _follow(self) -> bool:
        """Reads the rows that have changed; ``False``: they are so many that reading everything is quicker."""
        changes, version = await self._source.changes_since(self._version)
        todo = {(change.kind, change.object) for change in changes} | self._again
        if len(todo) > MANY:
            return False
        month = window_of("month", self._wall())
        if todo:
            await self._apply(*await self._read(todo))
        if month != self._month:
            # What plans include is granted anew; what was used of the last month's is in the accounts' rows.
            await self._apply(await self._source.all_accounts(), ())
        self._version, self._month = version, month
        return True

    async def _read(self, changed: Iterable[tuple[str, str]]) -> tuple[list[AccountRecord], list[KeyRecord]]:
        accounts = [await self._source.account(ident) for kind, ident in changed if kind == "account"]
        keys = [await self._source.key(ident) for kind, ident in changed if kind == "key"]
        return [row for row in accounts if row is not None], [row for row in keys if row is not None]

    async def _apply(self, accounts: Sequence[AccountRecord], keys: Sequence[KeyRecord]) -> None:
        """Puts rows in force; those with a budget that must first be told its past, after that."""
        rows: list[AccountRecord | KeyRecord] = [*accounts, *keys]
        waiting = {row.id: rules for row in rows if (rules := self._untold(row))}
        self.put([row for row in accounts if row.id not in waiting], [row for row in keys if row.id not in waiting])
        self._again -= {("account", row.id) for row in accounts} | {("key", row.id) for row in keys}
        if not waiting:
            return
        late_accounts = [row for row in accounts if row.id in waiting]
        late_keys = [row for row in keys if row.id in waiting]
        if await self._tell([rule for rules in waiting.values() for rule in rules]):
            self.put(late_accounts, late_keys)
            self._told.clear()
        else:
            self._again |= {("account", row.id) for row in late_accounts} | {("key", row.id) for row in late_keys}

    def _untold(self, row: AccountRecord | KeyRecord) -> list[Rule]:
        if self._seed is None:
            return []
        return [rule for rule in self.new_budgets(row) if rule.ident not in self._told]

    async def _tell(self, rules: Sequence[Rule]) -> bool:
        """Has the limit store been told the past of ``rules``? Waits a little; the answer may come at a later look."""
        if self._seed is None:
            return True
        if self._seeding is None:
            task = asyncio.create_task(self._seed(rules))
            task.add_done_callback(lambda _: self.nudge())
            self._seeding = task, {rule.ident for rule in rules}
        task, idents = self._seeding
        await asyncio.wait([task], timeout=SEED_PATIENCE)
        if not task.done():
            return False
        self._seeding = None
        error = None if task.cancelled() else task.exception()
        if error is not None or task.cancelled():
            _log.warning("a new budget is not in force yet: its past could not be told (%s)", type(error).__name__)
            return False
        self._told |= idents
        return all(rule.ident in self._told for rule in rules)
