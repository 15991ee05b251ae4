"""The database as everybody else sees it: accounts, keys, money, usage, vouchers, ownership, in SQLite or PostgreSQL.

Every method raises ``StorageError`` where the database cannot be used, ``StorageConflict`` where what is asked contradicts what
is there, and ``ValueError`` for values that cannot be stored. A call is one SQL transaction, tried again where that is safe.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from ..protocols import Entry
from . import (
    accounts,
    changes,
    holds,
    keys,
    ledger,
    marks,
    migrating,
    objects,
    recording,
    spending,
    trail,
    usage,
    vouchers,
)
from .dialects import Dialect, Postgres, Sqlite
from .engine import Engine
from .queries import (
    Answer,
    EntryFilter,
    Idempotency,
    OpenHold,
    OwnedObject,
    Spent,
    TransactionFilter,
    UsageQuery,
    UsageRow,
    Voucher,
)
from .records import AccountRecord, AuditRecord, Change, KeyRecord, Transaction

PAGE = 100
"""Rows of a page, unless asked otherwise; at most ``text.MOST_ROWS``."""


class Database:
    """One database. Pages are newest first; ``after`` is the id of the last row of the page before."""

    def __init__(self, dialect: Dialect) -> None:
        self._engine = Engine(dialect)

    @classmethod
    def sqlite(cls, path: str | Path) -> Self:
        """A file, made at ``open`` where there is none (its folder must exist)."""
        return cls(Sqlite(Path(path)))

    @classmethod
    def postgres(cls, url: str) -> Self:
        """``postgresql://…`` with everything that libpq's URLs may have (``sslmode``, several hosts, ``host=/socket/folder``)."""
        return cls(Postgres(url))

    async def open(self) -> None:
        """Connects. SQLite's tables are brought up to date; on PostgreSQL raises ``SchemaMismatch`` where they are not."""
        await migrating.opened(self._engine)

    async def migrate(self) -> str:
        """Brings the tables up to date, from nothing too; does nothing where they are. Needs no ``open``. Returns their revision."""
        return await migrating.migrate(self._engine)

    async def ping(self) -> None:
        """Raises ``StorageError`` if the database does not answer."""
        await self._engine.ping()

    async def close(self) -> None:
        """Lets go of all connections."""
        await self._engine.close()

    # ---- accounts ---------------------------------------------------------------------------------------------------

    async def create_account(self, record: AccountRecord, audit: AuditRecord) -> None:
        """Raises ``StorageConflict`` where its name or id is taken."""
        await accounts.create(self._engine, record, audit)

    async def ensure_account(self, record: AccountRecord) -> AccountRecord:
        """The account with the record's id, made from the record where there is none: for accounts that a file owns."""
        return await accounts.ensure(self._engine, record)

    async def update_account(self, record: AccountRecord, expected_version: int, audit: AuditRecord) -> AccountRecord:
        """Everything but ``granted`` and ``included_used`` (which money moves) becomes as in ``record``. Returns what is stored now.

        Raises ``StorageConflict`` if somebody changed it since ``expected_version`` or the name is taken, ``StorageMissing`` if it
        is not there. The new version is ``expected_version + 1``, whatever ``record`` says.
        """
        return await accounts.update(self._engine, record, expected_version, audit)

    async def account(self, id: str) -> AccountRecord | None:
        """By its id."""
        return await accounts.by_id(self._engine, id)

    async def account_named(self, name: str) -> AccountRecord | None:
        """By its name."""
        return await accounts.by_name(self._engine, name)

    async def accounts(self, *, limit: int = PAGE, after: str | None = None, name: str = "") -> list[AccountRecord]:
        """A page; ``name``: only those whose name contains it, in any case of letters (ASCII)."""
        return await accounts.page(self._engine, limit=limit, after=after, name=name)

    async def all_accounts(self) -> list[AccountRecord]:
        """Every account, in no order."""
        return await accounts.everything(self._engine)

    # ---- keys -------------------------------------------------------------------------------------------------------

    async def create_key(self, record: KeyRecord, audit: AuditRecord) -> None:
        """Raises ``StorageMissing`` where its account is not there, ``StorageConflict`` where its id or digest is."""
        await keys.create(self._engine, record, audit)

    async def update_key(self, record: KeyRecord, expected_version: int, audit: AuditRecord) -> KeyRecord:
        """As ``update_account``. A key's account, digest, hint and creation never change."""
        return await keys.update(self._engine, record, expected_version, audit)

    async def rotate_key(
        self, old: KeyRecord, expected_version: int, new: KeyRecord, audit: AuditRecord
    ) -> tuple[KeyRecord, KeyRecord]:
        """``update_key(old)`` and ``create_key(new)`` in one transaction. Returns both as stored."""
        return await keys.rotate(self._engine, old, expected_version, new, audit)

    async def key(self, id: str) -> KeyRecord | None:
        """By its id."""
        return await keys.by_id(self._engine, id)

    async def key_by_digest(self, digest: bytes) -> KeyRecord | None:
        """By the HMAC of the key itself."""
        return await keys.by_digest(self._engine, digest)

    async def keys(self, account: str | None = None, *, limit: int = PAGE, after: str | None = None) -> list[KeyRecord]:
        """A page of all keys, or of one account's."""
        return await keys.page(self._engine, account, limit=limit, after=after)

    async def all_keys(self) -> list[KeyRecord]:
        """Every key, in no order: 100,000 in about a second, without holding up the loop."""
        return await keys.everything(self._engine)

    async def belongs_to(self, pepper: int) -> bool:
        """Is this the pepper (a fingerprint below 2^63) that its keys are hashed with? The first to ask decides."""
        return await marks.first(self._engine, "pepper", pepper) == pepper

    # ---- the log that workers follow --------------------------------------------------------------------------------

    async def latest_change(self) -> int:
        """Where to begin with ``changes_since``; ask before ``all_keys`` and ``all_accounts``, so that nothing falls between."""
        return await changes.latest(self._engine)

    async def changes_since(self, version: int) -> tuple[list[Change], int]:
        """What changed after ``version``, oldest first, and the version to ask with next. At most 10,000 at once."""
        return await changes.since(self._engine, version)

    # ---- money ------------------------------------------------------------------------------------------------------

    async def post(
        self,
        transactions: Sequence[Transaction],
        *,
        audit: AuditRecord | None = None,
        idempotency: Idempotency | None = None,
    ) -> list[bool]:
        """Writes all of them or none: for each, is it new (else its ``ref`` was there, and it changes nothing)?

        Postings must add up to zero. What top-ups, vouchers, refunds and adjustments move on an account's book is added to its
        ``granted``; ``StorageMissing`` where the account is not stored. A hold of a request that has an entry is not written.
        With ``idempotency``: if its key was used for the same, all are False; for something else, ``StorageConflict``. What the
        first was answered is then in ``answered``. ``audit`` is written if anything is new.
        """
        return await ledger.post(self._engine, transactions, audit=audit, idempotency=idempotency)

    async def answered(self, idempotency: Idempotency) -> Answer | None:
        """What its key was answered before. Raises ``StorageConflict`` where that was another request."""
        return await ledger.answered(self._engine, idempotency)

    async def record(self, entries: Sequence[Entry], transactions: Sequence[Transaction]) -> list[bool]:
        """Writes settled requests with their transactions, roll-ups and balances, all or nothing: for each entry, is it new?

        An entry whose ``ident`` is there adds nothing anywhere, nor do transactions of that request (``Transaction.request``)
        that settle it; so a batch may be sent again after an answer was lost. What ``allowance`` paid in a request's transactions is
        the entry's included part. Text is made storable (NUL and lone surrogates replaced, cut at 500 characters), never refused;
        an absurd figure is a ``ValueError`` that names the entry, and nothing was written.
        """
        return await recording.record(self._engine, entries, transactions)

    async def entry(self, ident: str) -> Entry | None:
        """By the gateway's own id of the request."""
        return await recording.entry(self._engine, ident)

    async def known_entries(self, idents: Iterable[str]) -> set[str]:
        """Which of these are there."""
        return await recording.known(self._engine, idents)

    async def entries(
        self, filters: EntryFilter | None = None, *, limit: int = PAGE, after: str | None = None
    ) -> list[Entry]:
        """A page, by the requests' begin. ``after``: an ``ident``."""
        return await recording.page(self._engine, filters or EntryFilter(), limit=limit, after=after)

    async def transactions(
        self, filters: TransactionFilter | None = None, *, limit: int = PAGE, after: str | None = None
    ) -> list[Transaction]:
        """A page, in the order they were written. ``after``: an ``id``."""
        return await ledger.page(self._engine, filters or TransactionFilter(), limit=limit, after=after)

    async def balance(self, book: str) -> int:
        """Micro-dollars; 0 for a book without postings."""
        return (await ledger.balances(self._engine, [book])).get(book, 0)

    async def balances(self, books: Iterable[str]) -> dict[str, int]:
        """Of each book that has postings."""
        return await ledger.balances(self._engine, books)

    async def trial_balance(self) -> tuple[int, list[str]]:
        """(sum of all postings, books whose balance is not the sum of their postings): ``(0, [])``, or the ledger is broken."""
        return await ledger.trial_balance(self._engine)

    async def held(self, requests: Iterable[str]) -> dict[str, int]:
        """What is still held, here, for each of these requests that has a hold."""
        return await holds.of(self._engine, requests)

    async def open_holds(self, older_than: float, *, limit: int = 1000) -> list[OpenHold]:
        """Holds from before ``older_than`` (unix seconds) that no capture or release has used up, oldest first."""
        return await holds.older(self._engine, older_than, limit=limit)

    async def spent(self, now: float) -> list[Spent]:
        """What keys and accounts were charged in the current day, week and month and in total, as ``LimitStore.seed`` wants it."""
        return await spending.current(self._engine, now)

    async def included_of_month(self, account: str, month: str) -> int:
        """Micro-dollars of a plan's allowance used in a month (``2026-11``)."""
        return await spending.included(self._engine, account, month)

    async def included_of(self, month: str) -> dict[str, int]:
        """The same for every account that used some."""
        return await spending.all_included(self._engine, month)

    async def roll_included(self, now: float) -> list[str]:
        """Adds past months' used allowances to ``included_used``, late ones too, each once. Returns the accounts that changed."""
        return await spending.roll(self._engine, now)

    async def usage(self, query: UsageQuery) -> list[UsageRow]:
        """Sums of entries: by day where grouped by it (newest first), then by charge."""
        return await usage.ask(self._engine, query)

    # ---- vouchers ---------------------------------------------------------------------------------------------------

    async def create_voucher(self, voucher: Voucher, code_digest: bytes, audit: AuditRecord) -> None:
        """Raises ``StorageConflict`` where its id or code is taken."""
        await vouchers.create(self._engine, voucher, code_digest, audit)

    async def redeem_voucher(
        self,
        code_digest: bytes,
        account: str,
        now: float,
        actor: str,
        *,
        audit: AuditRecord | None = None,
        idempotency: Idempotency | None = None,
    ) -> Transaction:
        """Adds its worth to ``account``. Raises ``StorageMissing`` for an unknown code or account, ``StorageConflict`` where it is used
        up, expired, revoked or was redeemed by this account (but not with the same ``idempotency``: then what it did)."""
        return await vouchers.redeem(
            self._engine, code_digest, account, now, actor, audit=audit, idempotency=idempotency
        )

    async def voucher(self, id: str) -> Voucher | None:
        """By its id."""
        return await vouchers.by_id(self._engine, id)

    async def vouchers(self, *, limit: int = PAGE, after: str | None = None) -> list[Voucher]:
        """A page."""
        return await vouchers.page(self._engine, limit=limit, after=after)

    async def revoke_voucher(self, id: str, now: float, audit: AuditRecord) -> Voucher:
        """Nobody can redeem it from now on. Raises ``StorageMissing``. Again: nothing changes."""
        return await vouchers.revoke(self._engine, id, now, audit)

    # ---- audit ------------------------------------------------------------------------------------------------------

    async def note(self, record: AuditRecord) -> None:
        """An audit row of something that changed outside the database."""
        await trail.note(self._engine, record)

    async def audit(
        self, *, object: str | None = None, actor: str | None = None, limit: int = PAGE, after: str | None = None
    ) -> list[AuditRecord]:
        """A page: of everything, of one object, of what one actor did."""
        return await trail.page(self._engine, object=object, actor=actor, limit=limit, after=after)

    # ---- ownership of providers' objects ----------------------------------------------------------------------------

    async def claim_objects(self, claims: Sequence[OwnedObject]) -> None:
        """They belong to their accounts now; ids that have an owner keep it."""
        await objects.claim(self._engine, claims)

    async def owners(self, ids: Iterable[str]) -> Mapping[str, OwnedObject]:
        """What is known of each id that has an owner."""
        return await objects.owners(self._engine, ids)

    def objects(self) -> AsyncIterator[OwnedObject]:
        """Every one, for loading, in no order."""
        return objects.everything(self._engine)

    async def forget_objects(self, ids: Iterable[str]) -> None:
        """They were deleted."""
        await objects.forget(self._engine, ids)

    async def expire_objects(self, before: float) -> int:
        """Forgets those claimed before ``before``. Returns how many."""
        return await objects.expire(self._engine, before)
