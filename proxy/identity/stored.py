"""All stored keys and accounts in memory, kept fresh by the database's log of changes: no request waits for SQL.

Every worker follows that log, so what one changes bites on all: within a poll, or at once where somebody calls ``nudge``.
While the database is down, known keys work for a while, and nobody can say of an unknown one that it is wrong.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from ..context import Principal
from ..errors import KeysUnavailable, PermissionDenied, retry_after
from ..policy.rules import Rule, window_of
from ..protocols import Clock
from ..storage.records import AccountRecord, Change, KeyRecord
from .principals import Terms, account_of, account_rules, key_rules, principal_of
from .standing import ended, refuse_inactive

_log = logging.getLogger("tollway.identity")

POLL = 0.4
"""Seconds between looks at the log of changes."""

POLL_TIMEOUT = 2.0
"""Seconds that one look may take before the database counts as down."""

LOAD_TIMEOUT = 60.0
"""Seconds for reading everything."""

MANY = 500
"""Changed rows from which on reading everything is quicker than reading each."""

BATCH = 5_000
"""Rows compared in one turn of the loop."""

PRINCIPALS = 20_000
"""Callers kept ready; others are made from their records again, in about 30 us."""

Seed = Callable[[Sequence[Rule]], Awaitable[None]]
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


class StoredKeys:
    """Digest to principal. ``load`` once, then ``run`` in the background.

    ``grace``: seconds that known keys work without the database. ``seed`` is awaited before a new budget of an old key or
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
        self._source = source
        self._terms = terms
        self._grace = grace
        self._clock = clock
        self._wall = wall
        self._seed = seed
        self._keys: dict[bytes, KeyRecord] = {}
        self._digests: dict[str, bytes] = {}
        self._accounts: dict[str, AccountRecord] = {}
        self._named: dict[str, str] = {}
        self._principals: OrderedDict[bytes, Principal] = OrderedDict()
        self._version = 0
        self._month = ""
        self._again: set[tuple[str, str]] = set()
        self._synced: float | None = None
        self._begun = clock()
        self._failing = False
        self._nudged = asyncio.Event()
        self._syncing = asyncio.Lock()
        self.generation = 0
        """Grows whenever an account or the terms change: what was made from them is then out of date."""

    # ---- asked by requests ------------------------------------------------------------------------------------------

    def find(self, name: bytes) -> Principal | None:
        """The principal of the key with this digest, or ``None``. Raises what its caller is to be told if it must not be used."""
        principal = self._principals.get(name)
        if principal is None:
            record = self._keys.get(name)
            if record is None:
                return None
            principal = self._made(name, record)
        else:
            self._principals.move_to_end(name)
        if principal.expires is not None and self._wall() >= principal.expires:
            raise ended(self._keys[name], self._wall())
        if self.stale > self._grace and self.down:
            raise self.unavailable()
        return principal

    def account(self, ident: str) -> AccountRecord | None:
        """The account of this id."""
        return self._accounts.get(ident)

    def account_named(self, name: str) -> AccountRecord | None:
        """The account of this name; names are unique."""
        return self._accounts.get(self._named.get(name, ""))

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

    @property
    def count(self) -> int:
        """Keys known."""
        return len(self._keys)

    def money_rules(self, key: str, account: str) -> list[Rule]:
        """Budgets and balance that a charge to this key (its id) and account counts against, the file's ones too."""
        terms = self._terms
        record = self._keys.get(self._digests.get(key, b"")) or terms.keys.get(key)
        owner = account_of(account, terms, self._accounts.get(account))
        rules = (key_rules(record, terms) if record is not None else ()) + account_rules(owner, terms)
        return [rule for rule in rules if rule.method == "money"]

    def unavailable(self) -> KeysUnavailable:
        """What a caller is told whose key cannot be looked up."""
        return KeysUnavailable(
            "The database of keys cannot be reached, so this key cannot be checked; send the request again.",
            headers=retry_after(1.0),
        )

    def _made(self, name: bytes, record: KeyRecord) -> Principal:
        account = self._accounts.get(record.account)
        if account is None:
            raise PermissionDenied("This key's account does not exist any more; ask the gateway's operator.")
        refuse_inactive(account)
        principal = principal_of(record, account, self._terms)
        self._principals[name] = principal
        if len(self._principals) > PRINCIPALS:
            self._principals.popitem(last=False)
        return principal

    # ---- kept fresh -------------------------------------------------------------------------------------------------

    def use(self, terms: Terms) -> None:
        """New terms, from a reloaded configuration."""
        self._terms = terms
        self._principals.clear()
        self.generation += 1

    def nudge(self) -> None:
        """Something has changed: look now. From this process's event loop."""
        self._nudged.set()

    async def run(self) -> None:
        """Follows the database until cancelled."""
        while True:
            await self._try_sync()
            try:
                async with asyncio.timeout(POLL):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()

    async def _try_sync(self) -> None:
        try:
            await self.sync()
        except Exception as error:  # noqa: BLE001 - any failure of any driver is an outage, and the loop goes on
            if not self._failing:
                _log.error(
                    "the database of keys cannot be read (%s): known keys keep working for %g s",
                    type(error).__name__,
                    self._grace,
                )
            self._failing = True

    async def sync(self) -> None:
        """Reads what has changed; everything the first time, and after an outage: a database that took over may have lost the
        end of its log. Raises whatever the database raises, and ``TimeoutError``.
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
        self._forget({row.id for row in accounts}, {row.id for row in keys})
        await self._apply(*await self._different(accounts, keys))
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
            self._principals.clear()
            self.generation += 1
        self._version, self._month = version, month
        return True

    async def _read(self, changed: Iterable[tuple[str, str]]) -> tuple[list[AccountRecord], list[KeyRecord]]:
        accounts = [await self._source.account(ident) for kind, ident in changed if kind == "account"]
        keys = [await self._source.key(ident) for kind, ident in changed if kind == "key"]
        return [row for row in accounts if row is not None], [row for row in keys if row is not None]

    async def _different(
        self, accounts: Sequence[AccountRecord], keys: Sequence[KeyRecord]
    ) -> tuple[list[AccountRecord], list[KeyRecord]]:
        """The rows that are not in force as they are, found without holding up the loop."""
        changed = []
        for first in range(0, len(keys), BATCH):
            changed += [key for key in keys[first : first + BATCH] if self._keys.get(key.digest) != key]
            await asyncio.sleep(0)
        return [account for account in accounts if self._accounts.get(account.id) != account], changed

    def _forget(self, accounts: set[str], keys: set[str]) -> None:
        """Rows that are gone: only another database, put in this one's place, lacks any."""
        for ident in self._accounts.keys() - accounts:
            self._named.pop(self._accounts.pop(ident).name, None)
        for ident in self._digests.keys() - keys:
            name = self._digests.pop(ident)
            self._keys.pop(name, None)
            self._principals.pop(name, None)

    async def _apply(self, accounts: Sequence[AccountRecord], keys: Sequence[KeyRecord]) -> None:
        """Puts rows in force; those with a budget that must first be told its past, after that."""
        rows: list[AccountRecord | KeyRecord] = [*accounts, *keys]
        waiting = {row.id: rules for row in rows if (rules := self._unseeded(row))}
        self._swap([row for row in accounts if row.id not in waiting], [row for row in keys if row.id not in waiting])
        self._again -= {("account", row.id) for row in accounts} | {("key", row.id) for row in keys}
        if self._seed is None or not waiting:
            return
        late_accounts = [row for row in accounts if row.id in waiting]
        late_keys = [row for row in keys if row.id in waiting]
        try:
            await self._seed([rule for rules in waiting.values() for rule in rules])
        except Exception as error:  # noqa: BLE001 - the store may be down in any way; these rows wait for the next look
            _log.warning("a new budget is not in force yet: its past could not be told (%s)", type(error).__name__)
            self._again |= {("account", row.id) for row in late_accounts} | {("key", row.id) for row in late_keys}
        else:
            self._swap(late_accounts, late_keys)

    def _unseeded(self, row: AccountRecord | KeyRecord) -> list[Rule]:
        """Rules about money that ``row`` did not have before; none of a new row, which has no past, or of one that may not be used."""
        if self._seed is None:
            return []
        if isinstance(row, AccountRecord):
            old = self._accounts.get(row.id)
            if old is None or row.status != "active":
                return []
            before, after = account_rules(old, self._terms), account_rules(row, self._terms)
        else:
            known = self._keys.get(self._digests.get(row.id, b""))
            if known is None or (row.revoked is not None and row.revoked <= self._wall()):
                return []
            before, after = key_rules(known, self._terms), key_rules(row, self._terms)
        idents = {rule.ident for rule in before if rule.ledgered}
        return [rule for rule in after if rule.ledgered and rule.ident not in idents]

    def _swap(self, accounts: Iterable[AccountRecord], keys: Iterable[KeyRecord]) -> None:
        changed = set()
        for account in accounts:
            old = self._accounts.get(account.id)
            if old == account:
                continue
            if old is not None and self._named.get(old.name) == account.id:
                del self._named[old.name]
            self._accounts[account.id] = account
            self._named[account.name] = account.id
            changed.add(account.id)
        for key in keys:
            self._digests[key.id] = key.digest
            self._keys[key.digest] = key
            self._principals.pop(key.digest, None)
        if changed:
            self.generation += 1
            for name in [name for name, caller in self._principals.items() if caller.account in changed]:
                del self._principals[name]
