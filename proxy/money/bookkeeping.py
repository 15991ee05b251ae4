"""Settled requests into the books: one batch, one SQL transaction. Sending a batch again changes nothing.

A plan's allowance is split off here, against what the books say was used of it this month.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from ..policy.rules import window_of
from ..protocols import Entry, Hold
from ..storage.records import Transaction
from .postings import hold_of, release_of, settling


class Books(Protocol):
    """What the ledger needs of the database. All raise ``StorageError`` where it cannot be used."""

    async def record(self, entries: Sequence[Entry], transactions: Sequence[Transaction]) -> list[bool]:
        """All or nothing; for each entry, is it new? What is taken from a hold that is not there is taken from the account.
        Raises ``ValueError`` for what cannot be stored."""

    async def known_entries(self, idents: Iterable[str]) -> set[str]:
        """Which of these are there."""

    async def included_of_month(self, account: str, month: str) -> int:
        """Micro-dollars of a plan's allowance used in a month."""


class Released(Struct, frozen=True):
    """A request that never reached a provider, and whose money the books may hold."""

    ident: str
    account: str
    held: int
    at: float


class Batch(Struct, frozen=True, kw_only=True):
    """What is written together. ``held``: of requests that end here, what their holds may have set aside in the books.

    ``again``: some of it may be there already.
    """

    entries: Sequence[Entry]
    holds: Sequence[Hold] = ()
    released: Sequence[Released] = ()
    held: Mapping[str, int]
    again: bool


def no_allowance(account: str) -> int:
    """Nobody has one."""
    return 0


class Bookkeeper:
    """Writes batches. ``allowance``: micro-dollars a month that an account's plan includes."""

    def __init__(self, books: Books, *, allowance: Callable[[str], int] = no_allowance) -> None:
        self._books = books
        self._allowance = allowance

    async def write(self, batch: Batch) -> list[bool]:
        """For each entry, is it new? Raises ``StorageError`` or ``ValueError``, and then nothing was written, or all of it was."""
        included = await self._split(batch)
        transactions = [hold_of(hold) for hold in batch.holds]
        for entry, part in zip(batch.entries, included, strict=True):
            transactions += settling(entry, held=batch.held.get(entry.ident, 0), included=part)
        transactions += [release_of(end.ident, end.account, end.held, end.at) for end in batch.released if end.held > 0]
        if not batch.entries and not transactions:
            return []
        return await self._books.record(batch.entries, transactions)

    async def _split(self, batch: Batch) -> list[int]:
        """Of each entry's charge, what the allowance of its month still covers; earlier entries come first."""
        paying = {entry.ident: self._allowance(entry.account) for entry in batch.entries if entry.charge > 0}
        paying = {ident: allowance for ident, allowance in paying.items() if allowance > 0}
        if batch.again and paying:
            # What is there already has had its part, which the month's figure includes.
            for ident in await self._books.known_entries(paying):
                del paying[ident]
        left: dict[tuple[str, str], int] = {}
        parts = []
        for entry in batch.entries:
            if entry.ident not in paying:
                parts.append(0)
                continue
            month = (entry.account, window_of("month", entry.at))
            if month not in left:
                left[month] = max(0, paying[entry.ident] - await self._books.included_of_month(*month))
            part = min(entry.charge, left[month])
            left[month] -= part
            parts.append(part)
        return parts
