"""The stored ledger against a model of a few dictionaries: whatever is posted, settled, replayed or raced, both say the same."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.protocols import Entry
from proxy.storage.database import Database
from proxy.storage.queries import UsageQuery
from proxy.storage.records import ALLOWANCE, FUNDING, REVENUE, Transaction, account_book, held_book
from tests.contract.storage.made import NOW, account, audit, capture, entry, hold, refund, release, top_up
from tests.support.postgres import server
from tests.support.sqlite import migrated

ACCOUNTS = ("acc_1", "acc_2", "acc_3")
T = TypeVar("T")

some_account = st.sampled_from(ACCOUNTS)
amounts = st.integers(0, 10**9)


class LedgerMachine(RuleBasedStateMachine):
    """One database and what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.books: Counter[str] = Counter()
        self.granted: Counter[str] = Counter()
        self.held: dict[str, tuple[str, int]] = {}
        self.settled: dict[str, Entry] = {}
        self.sent: list[tuple[list[Entry], list[Transaction]]] = []
        self.posted: list[Transaction] = []
        self.number = 0
        self.open = self.run(self.place())
        self.database = self.open()
        self.run(self.database.open())

    async def place(self) -> Callable[[], Database]:
        """Makes handles to a new database; ``stack`` removes it."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.run(self.stack.aclose())
        self.runner.close()

    def name(self) -> str:
        self.number += 1
        return f"r{self.number}"

    def move(self, legs: dict[str, int]) -> None:
        self.books.update(legs)

    @initialize()
    def accounts(self) -> None:
        for id in ACCOUNTS:
            self.run(self.database.create_account(account(id), audit()))

    @rule(account=some_account, amount=amounts, back=st.booleans())
    def credit(self, account: str, amount: int, back: bool) -> None:
        movement = (refund if back else top_up)(self.name(), amount, account)
        assert self.run(self.database.post([movement])) == [True]
        self.posted.append(movement)
        self.move({REVENUE if back else FUNDING: -amount, account_book(account): amount})
        self.granted[account] += amount

    @rule(account=some_account, amount=st.integers(1, 10**6))
    def hold(self, account: str, amount: int) -> None:
        request = self.name()
        movement = hold(request, amount, account)
        self.run(self.database.record([], [movement]))
        self.posted.append(movement)
        self.held[request] = (account, amount)
        self.move({account_book(account): -amount, held_book(account): amount})

    @precondition(lambda self: self.held)
    @rule(data=st.data(), share=st.floats(0, 1.5), free=st.floats(0, 1))
    def settle_held(self, data: st.DataObject, share: float, free: float) -> None:
        request = data.draw(st.sampled_from(sorted(self.held)))
        owner, amount = self.held.pop(request)
        charge = int(amount * share)
        self.settle(request, owner, charge, int(charge * free), amount)

    @rule(account=some_account, charge=st.integers(0, 10**6), free=st.floats(0, 1), rest=st.integers(0, 1000))
    def settle_at_once(self, account: str, charge: int, free: float, rest: int) -> None:
        """The hold never reached the database; whoever settles sends the same."""
        self.settle(self.name(), account, charge, int(charge * free), 0, rest)

    def settle(self, request: str, owner: str, charge: int, free: int, held: int, rest: int = 0) -> None:
        done = entry(request, account=owner, key=f"key_{owner}", charge=charge)
        paid = charge - free
        moves = [capture(request, charge, owner, free=free), release(request, max(held - paid, 0) or rest, owner)]
        assert self.run(self.database.record([done], moves)) == [True]
        self.sent.append(([done], moves))
        self.settled[request] = done
        self.move({held_book(owner): -held, account_book(owner): held - paid, REVENUE: charge, ALLOWANCE: -free})

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def expire_hold(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.held)))
        owner, amount = self.held.pop(request)
        movement = release(request, amount, owner)
        assert self.run(self.database.post([movement])) == [True]
        self.posted.append(movement)
        self.move({held_book(owner): -amount, account_book(owner): amount})

    @rule(twice=st.booleans())
    def replay(self, twice: bool) -> None:
        """Everything again, in one batch: after an answer was lost, or by another process."""
        entries = [each for batch, _ in self.sent for each in batch]
        moves = [each for _, batch in self.sent for each in batch]

        async def again() -> list[list[bool]]:
            work = [self.database.record(entries, moves), self.database.post(self.posted)]
            if twice:
                work += [self.database.record(entries, moves), self.database.post(self.posted)]
            return list(await asyncio.gather(*work))

        assert not any(map(any, self.run(again())))

    @rule(account=some_account, amount=st.integers(1, 1000))
    def race(self, account: str, amount: int) -> None:
        """One movement, posted by two handles at once."""
        movement = top_up(self.name(), amount, account)
        other = self.open()

        async def both() -> list[list[bool]]:
            try:
                return list(await asyncio.gather(self.database.post([movement]), other.post([movement])))
            finally:
                await other.close()

        assert sorted(self.run(both())) == [[False], [True]]
        self.posted.append(movement)
        self.move({FUNDING: -amount, account_book(account): amount})
        self.granted[account] += amount

    @rule()
    def reopen(self) -> None:
        self.run(self.database.close())
        self.database = self.open()
        self.run(self.database.open())

    @invariant()
    def agrees(self) -> None:
        assert self.run(self.database.trial_balance()) == (0, [])
        stored = self.run(self.database.balances([*self.books]))
        assert {book: stored.get(book, 0) for book in self.books} == dict(self.books)
        assert sum(self.books.values()) == 0
        holds = self.run(self.database.open_holds(NOW + 1))
        assert {each.request: (each.account, each.amount) for each in holds} == self.held
        granted = {each.id: each.granted for each in self.run(self.database.all_accounts())}
        assert granted == {id: self.granted[id] for id in granted}

    @invariant()
    def adds_up(self) -> None:
        charged: Counter[str] = Counter()
        for each in self.settled.values():
            charged[each.account] += each.charge
        rows = self.run(self.database.usage(UsageQuery(group_by=("account",))))
        assert sum(row.requests for row in rows) == len(self.settled)
        assert {row.account: row.charge for row in rows if row.charge} == dict(+charged)
        spent = {each.id: each.micro for each in self.run(self.database.spent(NOW)) if each.window == "total"}
        expected = {**charged, **{f"key_{id}": micro for id, micro in charged.items()}}
        assert spent == {id: micro for id, micro in expected.items() if micro}


class SqliteMachine(LedgerMachine):
    """In a file."""

    async def place(self) -> Callable[[], Database]:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="tollway-test-"))
        file = migrated(Path(folder) / "tollway.db")
        return lambda: Database.sqlite(file)


class PostgresMachine(LedgerMachine):
    """On the server."""

    async def place(self) -> Callable[[], Database]:
        url = await self.stack.enter_async_context(server().database())
        return lambda: Database.postgres(url)


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

TestSqliteLedger = SqliteMachine.TestCase
TestSqliteLedger.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=QUIET
)

TestPostgresLedger = PostgresMachine.TestCase
TestPostgresLedger.settings = settings(
    max_examples=5, stateful_step_count=12, deadline=None, suppress_health_check=QUIET
)
