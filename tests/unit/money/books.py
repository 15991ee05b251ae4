"""A database that keeps its word in memory: each ident and each ``ref`` once, sums zero, and it can fail in every way."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from proxy.policy.rules import window_of
from proxy.protocols import Entry
from proxy.storage.errors import StorageError
from proxy.storage.queries import OpenHold
from proxy.storage.records import ALLOWANCE, Transaction


class FakeBooks:
    """``down``: refuses; ``lost``: does it and says that it failed, so many times; ``poison``: idents it cannot store."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.transactions: dict[str, Transaction] = {}
        self.included: dict[tuple[str, str], int] = defaultdict(int)
        self.old: list[OpenHold] = []
        self.down = False
        self.lost = 0
        self.poison: set[str] = set()
        self.calls = 0

    async def record(self, entries: Sequence[Entry], transactions: Sequence[Transaction]) -> list[bool]:
        self.calls += 1
        if self.down:
            raise StorageError("The database is down.")
        if self.poison & {entry.ident for entry in entries}:
            raise ValueError("an absurd figure")
        new = [entry.ident not in self.entries for entry in entries]
        old = {entry.ident for entry, fresh in zip(entries, new, strict=True) if not fresh}
        for transaction in transactions:
            assert sum(posting.amount for posting in transaction.postings) == 0
            if transaction.request not in old and transaction.ref not in self.transactions:
                self.transactions[transaction.ref] = transaction
                for posting in transaction.postings:
                    if posting.book == ALLOWANCE:
                        self.included[transaction.account, window_of("month", transaction.at)] -= posting.amount
        for entry in entries:
            self.entries.setdefault(entry.ident, entry)
        if self.lost:
            self.lost -= 1
            raise StorageError("The answer to the commit was lost.")
        return new

    async def known_entries(self, idents: Iterable[str]) -> set[str]:
        return {ident for ident in idents if ident in self.entries}

    async def included_of_month(self, account: str, month: str) -> int:
        return self.included[account, month]

    async def open_holds(self, older_than: float, *, limit: int = 1000) -> Sequence[OpenHold]:
        return [hold for hold in self.old if hold.at < older_than][:limit]

    def balance(self, book: str) -> int:
        """Of all postings."""
        return sum(
            posting.amount
            for transaction in self.transactions.values()
            for posting in transaction.postings
            if posting.book == book
        )

    @property
    def refs(self) -> set[str]:
        """Kinds and request numbers: ``hold/1``."""
        return {f"{ref.split('/')[0]}/{int(ref.split('/')[1], 16)}" for ref in self.transactions}
