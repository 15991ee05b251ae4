"""Any order of holds, settlements, crashes and outages: sums are zero, every request that was sent has one entry, nothing stays held."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.errors import LedgerUnavailable
from proxy.money.bookkeeping import Bookkeeper
from proxy.money.journal import Journal
from proxy.money.ledger import JournaledLedger
from proxy.money.recovery import Recovery
from proxy.protocols import Entry
from proxy.storage.database import Database
from proxy.storage.errors import StorageError
from proxy.storage.queries import OpenHold, UsageQuery
from proxy.storage.records import Transaction
from tests.support.clock import FakeClock
from tests.support.sqlite import migrated
from tests.unit.money.abandoned import abandon
from tests.unit.money.made import entry, hit, hold

T = TypeVar("T")
ALLOWANCE = 2000
ACCOUNTS = ("acc_1", "acc_2")
AMOUNTS = st.sampled_from([0, 1, 300, 5000])
WHICH = st.integers(0, 1000)


class Unsteady:
    """A real database that goes away: before it did what was asked, or after."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.down = False
        self.lost = 0

    async def record(self, entries: Sequence[Entry], transactions: Sequence[Transaction]) -> list[bool]:
        if self.down:
            raise StorageError("down")
        done = await self.database.record(entries, transactions)
        if self.lost:
            self.lost -= 1
            raise StorageError("the answer was lost")
        return done

    async def known_entries(self, idents: Iterable[str]) -> set[str]:
        if self.down:
            raise StorageError("down")
        return await self.database.known_entries(idents)

    async def included_of_month(self, account: str, month: str) -> int:
        if self.down:
            raise StorageError("down")
        return await self.database.included_of_month(account, month)

    async def open_holds(self, older_than: float, *, limit: int = 1000) -> list[OpenHold]:
        if self.down:
            raise StorageError("down")
        return await self.database.open_holds(older_than, limit=limit)


class LedgerMachine(RuleBasedStateMachine):
    """The model: what was sent, what it was settled with, what was noted as delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="tollway-ledger-"))
        self.number = 0
        self.held: dict[int, str] = {}
        self.dispatched: set[int] = set()
        self.noted: dict[int, int] = {}
        self.settled: dict[int, Entry] = {}
        self.killed: dict[int, int] = {}
        database = Database.sqlite(migrated(self.root / "t.db"))
        self.do(database.open())
        self.books = Unsteady(database)
        self.begin()

    def do(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return self.loop.run_until_complete(run())

    def begin(self) -> None:
        self.keeper = Bookkeeper(self.books, allowance=lambda account: ALLOWANCE if account == "acc_2" else 0)
        self.journal = Journal(self.root / "journal", limit=1 << 20, segment=4096)
        self.ledger = JournaledLedger(self.journal, self.keeper, sync=False, clock=FakeClock(), kept=3, batch=4)
        self.recovery = Recovery(self.root / "journal", self.books, self.keeper, wall=lambda: entry(0).ended)

    # ---- what a gateway does ----------------------------------------------------------------------------------------

    @rule(amount=AMOUNTS, account=st.sampled_from(ACCOUNTS), count=st.integers(1, 6), sent=st.booleans())
    def hold_some(self, amount: int, account: str, count: int, sent: bool) -> None:
        for _ in range(count):
            self.number += 1
            self.ledger.hold(hold(self.number, held=amount, account=account))
            self.held[self.number] = account
            if sent:
                self.dispatch(self.number)

    @precondition(lambda self: self.held)
    @rule(which=WHICH)
    def dispatch_one(self, which: int) -> None:
        self.dispatch(self.one_of([*self.held], which))

    def dispatch(self, number: int) -> None:
        self.ledger.dispatched(hold(number).ident)
        self.dispatched.add(number)

    @precondition(lambda self: self.held)
    @rule(which=WHICH, tokens=st.integers(0, 500))
    def checkpoint(self, which: int, tokens: int) -> None:
        number = self.one_of([*self.held], which)
        self.ledger.checkpoint(hold(number).ident, tokens)
        self.noted[number] = max(self.noted.get(number, 0), tokens)

    @precondition(lambda self: self.dispatched & self.held.keys())
    @rule(which=WHICH, charge=st.sampled_from([0, 1, 299, 300, 1500]), written=st.booleans())
    def settle_one(self, which: int, charge: int, written: bool) -> None:
        self.settle(which, charge, written)

    def settle(self, which: int, charge: int, written: bool) -> None:
        number = self.one_of(sorted(self.dispatched & self.held.keys()), which)
        if written:
            self.write(1)
        self.end(entry(number, charge=charge, cost=charge, account=self.held.pop(number)))

    def end(self, made: Entry) -> None:
        self.ledger.settle(made)
        self.settled[int(made.ident, 16)] = made

    @precondition(lambda self: self.held.keys() - self.dispatched)
    @rule(which=WHICH, charge=st.sampled_from([0, 0, 1, 299, 1500]), count=st.integers(1, 4), written=st.booleans())
    def hit_some(self, which: int, charge: int, count: int, written: bool) -> None:
        """The cache answers: an entry of a request that was never sent."""
        if written:
            self.write(1)
        for _ in range(count):
            if waiting := sorted(self.held.keys() - self.dispatched):
                number = self.one_of(waiting, which)
                account = self.held.pop(number)
                self.end(hit(number, charge=charge, account=account))

    @precondition(lambda self: self.dispatched & self.held.keys())
    @rule(charge=st.sampled_from([0, 250, 1500]))
    def settle_all(self, charge: int) -> None:
        """More than a batch, and more than is kept in memory."""
        for _ in self.dispatched & self.held.keys():
            self.settle(0, charge, False)

    @precondition(lambda self: self.held.keys() - self.dispatched)
    @rule(which=WHICH, written=st.booleans())
    def release(self, which: int, written: bool) -> None:
        number = self.one_of(sorted(self.held.keys() - self.dispatched), which)
        if written:
            self.write(1)
        self.ledger.release(hold(number).ident)
        del self.held[number]

    @precondition(lambda self: self.number)
    @rule(which=WHICH)
    def again(self, which: int) -> None:
        """Everything once more, for a request that has ended."""
        number = 1 + which % self.number
        if number in self.held:
            return
        self.ledger.checkpoint(hold(number).ident, 10_000)
        self.ledger.settle(entry(number, charge=77_777))
        self.ledger.release(hold(number).ident)
        with contextlib.suppress(LedgerUnavailable):
            self.ledger.dispatched(hold(number).ident)
            raise AssertionError("sent without a hold")

    @staticmethod
    def one_of(numbers: list[int], which: int) -> int:
        return numbers[which % len(numbers)]

    @rule(batches=st.integers(1, 4))
    def write(self, batches: int) -> None:
        for _ in range(batches):
            self.do(self.ledger.write())

    # ---- what goes wrong --------------------------------------------------------------------------------------------

    @rule(down=st.booleans())
    def outage(self, down: bool) -> None:
        self.books.down = down

    @rule(times=st.integers(1, 3))
    def lose_answers(self, times: int) -> None:
        self.books.lost = times
        self.write(1)

    @rule()
    def crash(self) -> None:
        """The process is killed and another one takes its place."""
        abandon(self.journal)
        for number in self.held.keys() & self.dispatched:
            self.killed[number] = self.noted.get(number, 0)
        self.held.clear()
        self.begin()

    @rule()
    def recover(self) -> None:
        with contextlib.suppress(StorageError):
            self.do(self.recovery.once())

    # ---- what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def the_sum_of_all_postings_is_zero_and_balances_are_their_sums(self) -> None:
        assert self.do(self.books.database.trial_balance()) == (0, [])

    def teardown(self) -> None:
        try:
            self.everything_is_accounted_for()
        finally:
            if not self.journal._closing:
                self.journal.close()
            self.do(self.books.database.close())
            self.loop.close()
            shutil.rmtree(self.root)

    def everything_is_accounted_for(self) -> None:
        self.books.down, self.books.lost = False, 0
        assert self.do(self.ledger.flush(1.0))
        waiting = {hold(number).ident for number in self.held}
        assert self.journal._settled == {}
        assert self.journal.open.keys() == waiting
        assert waiting >= self.ledger._sent
        self.crash()
        self.do(self.recovery.once())
        assert self.do(self.ledger.flush(1.0))
        database = self.books.database
        rows = {int(row.ident, 16): row for row in self.do(database.entries(limit=1000))}
        assert set(rows) == set(self.settled) | set(self.killed), "each request that was sent has one entry"
        for number, made in self.settled.items():
            assert (rows[number].charge, rows[number].flags) == (made.charge, ())
            assert (rows[number].cache, rows[number].saved) == (made.cache, made.saved)
        for number, noted in self.killed.items():
            row = rows[number]
            expected = -(-(100 * 2_000_000 + noted * 10_000_000) // 1_000_000) if noted else 0
            assert (row.output_tokens, row.charge, row.count) == (noted, expected, "estimated")
        assert self.do(database.open_holds(1e12)) == [], "nothing stays held"
        for account in ACCOUNTS:
            charged = sum(row.charge for row in rows.values() if row.account == account)
            included = min(charged, ALLOWANCE) if account == "acc_2" else 0
            assert self.do(database.balance(f"held/{account}")) == 0
            assert self.do(database.balance(f"account/{account}")) == included - charged
            month = "2026-11"
            assert self.do(database.included_of_month(account, month)) == included
        hits = [row for row in rows.values() if row.cache]
        total = next(iter(self.do(database.usage(UsageQuery(group_by=())))), None)
        if total is not None:
            assert (total.requests, total.cache_hits, total.saved) == (
                len(rows),
                len(hits),
                sum(row.saved for row in hits),
            )
            assert total.input_tokens == sum(row.input_tokens for row in rows.values() if not row.cache)
        assert self.do(database.balance("revenue")) == sum(row.charge for row in rows.values())
        assert self.do(database.trial_balance()) == (0, [])
        assert list((self.root / "journal").iterdir()) == [self.journal.folder]


LedgerMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedger = LedgerMachine.TestCase
