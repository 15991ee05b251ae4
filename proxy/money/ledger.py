"""The ledger of one process: synchronous into the journal, and from there, batch by batch, into the database.

A request never waits for SQL (but with ``ledger: sync``). While the database is down entries wait in memory up to a number, the
others in the journal alone; once it is back nothing is missing and nothing is there twice.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from random import random
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ..errors import LedgerUnavailable
from ..protocols import Clock, Entry, Hold
from ..storage.errors import StorageConflict, StorageError
from .bookkeeping import Batch, Bookkeeper, Released
from .journal import Journal, Place

_log = logging.getLogger("tollway.ledger")

BATCH = 500
INTERVAL = 0.1
"""Seconds between two batches, unless one is full."""

KEPT = 10_000
"""Entries kept in memory; further ones are read from the journal when their turn comes."""

LONGEST_PAUSE = 2.0
PATIENCE = 5.0
"""Seconds that ``committed`` waits for the database."""

REJECTED = "rejected.jsonl"


class LedgerState(Struct, frozen=True, kw_only=True):
    """For metrics and readiness. ``oldest``: seconds that the longest waiting entry has waited; 0 when none does."""

    queued: int
    open_holds: int
    journal_bytes: int
    oldest: float
    failing: bool
    rejected: int


class _Waiting(NamedTuple):
    """A settled request on its way: the entry itself, or where the journal has it."""

    ident: str
    since: float
    entry: Entry | Place


class JournaledLedger:
    """Implements ``protocols.Ledger``. One event loop; the caller runs ``run()``, then ``flush()``, then ``close()``."""

    def __init__(
        self,
        journal: Journal,
        books: Bookkeeper,
        *,
        sync: bool,
        clock: Clock,
        kept: int = KEPT,
        batch: int = BATCH,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``clock``: monotonic seconds."""
        self._journal = journal
        self._books = books
        self._sync = sync
        self._clock = clock
        self._kept = kept
        self._batch = batch
        self._interval = interval
        self._patience = patience
        self._sleep = sleep
        self._queue: deque[_Waiting] = deque()
        self._queued: set[str] = set()
        self._released: dict[str, Released] = {}
        self._unheld: dict[str, Hold] = {}
        """Holds under way that the books do not have yet."""
        self._sent: set[str] = set()
        """Requests under way whose hold was in a batch, whatever became of it: their end gives back what the books hold."""
        self._waiters: dict[str, asyncio.Future[None]] = {}
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._failing = False
        self._unanswered = False
        """Was a batch sent whose fate is not known, because whoever sent it was cancelled?"""
        self._rejected = 0

    # ---- protocols.Ledger -------------------------------------------------------------------------------------------

    @property
    def sync(self) -> bool:
        """Does a request wait for the database?"""
        return self._sync

    def hold(self, hold: Hold) -> None:
        """See ``protocols.Ledger``."""
        self._journal.hold(hold)
        if hold.held > 0:
            self._unheld[hold.ident] = hold

    def dispatched(self, ident: str) -> None:
        """See ``protocols.Ledger``. Raises ``LedgerUnavailable``: then it must not be sent."""
        self._journal.dispatched(ident)

    def retarget(self, hold: Hold) -> None:
        """See ``protocols.Ledger``."""
        self._journal.retarget(hold)

    def checkpoint(self, ident: str, output_tokens: int) -> None:
        """See ``protocols.Ledger``."""
        self._journal.checkpoint(ident, output_tokens)

    def settle(self, entry: Entry) -> None:
        """See ``protocols.Ledger``. The entry learns what was held."""
        found = self._journal.open.get(entry.ident)
        if found is None:
            return
        if found.hold.held != entry.held:
            entry = msgspec.structs.replace(entry, held=found.hold.held)
        place = self._journal.settle(entry)
        self._unheld.pop(entry.ident, None)
        kept = entry if place is None or len(self._queue) < self._kept else place
        self._queue.append(_Waiting(entry.ident, self._clock(), kept))
        self._queued.add(entry.ident)
        if len(self._queue) >= self._batch:
            self._wake.set()

    def release(self, ident: str) -> None:
        """See ``protocols.Ledger``."""
        found = self._journal.open.get(ident)
        if found is None:
            return
        self._journal.release(ident)
        self._unheld.pop(ident, None)
        if ident in self._sent:
            self._released[ident] = Released(ident, found.hold.account, found.hold.held, found.hold.at)
        else:
            self._journal.done(ident)

    async def committed(self, ident: str) -> None:
        """See ``protocols.Ledger``."""
        if not (ident in self._unheld or ident in self._queued or ident in self._released):
            return
        waiter = self._waiters.get(ident)
        if waiter is None:
            waiter = self._waiters[ident] = asyncio.get_running_loop().create_future()
        self._wake.set()
        try:
            await asyncio.wait_for(asyncio.shield(waiter), self._patience)
        except TimeoutError:
            raise LedgerUnavailable("The database did not take the request's entry in time; try again later.") from None

    # ---- into the database ------------------------------------------------------------------------------------------

    def state(self) -> LedgerState:
        """How it stands now."""
        return LedgerState(
            queued=len(self._queue),
            open_holds=len(self._journal.open),
            journal_bytes=self._journal.size,
            oldest=max(0.0, self._clock() - self._queue[0].since) if self._queue else 0.0,
            failing=self._failing or self._journal.failing,
            rejected=self._rejected,
        )

    async def run(self) -> None:
        """Writes for ever."""
        failures = 0
        while True:
            if await self.write():
                failures = 0
                if len(self._queue) < self._batch:
                    await self._pause()
            else:
                failures = min(failures + 1, 10)
                # Spread out: many processes meet the same database when it comes back.
                await self._sleep(min(LONGEST_PAUSE, self._interval * 2**failures) * (0.5 + random() / 2))  # noqa: S311

    async def flush(self, timeout: float) -> bool:
        """Writes until nothing waits. False if ``timeout`` seconds did not suffice: the journal keeps the rest for recovery."""
        deadline = self._clock() + timeout
        while self._queue or self._released:
            left = deadline - self._clock()
            if left <= 0:
                return False
            try:
                written = await asyncio.wait_for(self.write(), left)
            except TimeoutError:
                return False
            if not written:
                await self._sleep(min(self._interval, left))
        return True

    def close(self) -> None:
        """Lets go of the journal. What is not in the database stays there and is recovered by the next process that looks."""
        self._journal.close()

    async def write(self) -> bool:
        """One batch. False if the database did not take it; it will be sent again."""
        async with self._writing:
            waiting = list(islice(self._queue, self._batch))
            holds = list(islice(self._unheld.values(), self._batch))
            released = list(islice(self._released.values(), self._batch))
            if not waiting and not holds and not released:
                self._journal.compact()
                return True
            entries = [self._entry(item) for item in waiting]
            self._sent.update(hold.ident for hold in holds)
            batch = Batch(
                entries=entries,
                holds=holds,
                released=released,
                held={entry.ident: entry.held for entry in entries if entry.ident in self._sent},
                again=self._failing or self._unanswered,
            )
            self._unanswered = True
            try:
                await self._books.write(batch)
            except ValueError:
                return await self._one_by_one(batch)
            except Exception as error:  # noqa: BLE001 - whatever the database says, nothing is lost: it is logged and sent again
                self._failed(error, batch)
                return False
            self._written(batch)
            self._journal.compact()
            return True

    def _entry(self, item: _Waiting) -> Entry:
        return item.entry if isinstance(item.entry, Entry) else self._journal.read(item.entry)

    def _written(self, batch: Batch) -> None:
        if self._failing:
            _log.warning("the database takes the ledger's entries again")
        self._failing = self._unanswered = False
        for hold in batch.holds:
            self._unheld.pop(hold.ident, None)
            if hold.ident not in self._queued and hold.ident not in self._released:
                self._tell(hold.ident)
        for entry in batch.entries:
            self._queue.popleft()
            self._queued.discard(entry.ident)
            self._ended(entry.ident)
        for end in batch.released:
            del self._released[end.ident]
            self._ended(end.ident)

    def _ended(self, ident: str) -> None:
        self._sent.discard(ident)
        self._journal.done(ident)
        self._tell(ident)

    def _failed(self, error: Exception, batch: Batch) -> None:
        if not self._failing:
            _log.error("the database does not take the ledger's entries, they wait in the journal: %s", _said(error))
        self._failing = True
        refusal = LedgerUnavailable("The database does not take the request's entry; try again later.")
        for of in (batch.holds, batch.entries, batch.released):
            for each in of:
                self._tell(each.ident, refusal)

    def _tell(self, ident: str, error: LedgerUnavailable | None = None) -> None:
        waiter = self._waiters.pop(ident, None)
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
            # Whoever waited may have left: then nobody asks for the exception.
            waiter.exception()

    # ---- what the database refuses ----------------------------------------------------------------------------------

    async def _one_by_one(self, batch: Batch) -> bool:
        """One figure that cannot be stored must not keep the others from it: it goes to a file beside the journal."""
        parts = [Batch(entries=(), holds=(hold,), held={}, again=True) for hold in batch.holds]
        parts += [Batch(entries=(entry,), held=batch.held, again=True) for entry in batch.entries]
        parts += [Batch(entries=(), released=(end,), held={}, again=True) for end in batch.released]
        for part in parts:
            try:
                await self._books.write(part)
            except ValueError as error:
                self._reject(part, error)
            except Exception as error:  # noqa: BLE001 - as in ``write``
                self._failed(error, part)
                return False
            self._written(part)
        return True

    def _reject(self, part: Batch, error: ValueError) -> None:
        self._rejected += 1
        path = self._journal.folder.parent / REJECTED
        _log.error("the database refused a figure of the ledger, which is kept in %s: %s", path, error)
        with path.open("ab") as file:
            for each in (*part.holds, *part.entries):
                file.write(msgspec.json.encode(each) + b"\n")

    async def _pause(self) -> None:
        try:
            # Not ``wait_for``: before Python 3.12 it loses a cancellation that comes together with the wake-up.
            async with asyncio.timeout(self._interval):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()


def _said(error: Exception) -> str:
    """Our own texts in full; of others only what they are, for they may hold a row's values."""
    return str(error) if isinstance(error, StorageError | StorageConflict) else type(error).__name__
