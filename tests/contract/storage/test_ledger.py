"""The ledger: balanced, each movement once, append-only, and right when many write at once."""

import asyncio
import sqlite3
from pathlib import Path

import asyncpg
import pytest

from proxy.storage.database import Database
from proxy.storage.errors import StorageConflict, StorageMissing
from proxy.storage.queries import Answer, Idempotency, OpenHold, TransactionFilter
from proxy.storage.records import FUNDING, REVENUE, account_book, held_book
from tests.support.postgres import PostgresServer

from .conftest import Connect
from .made import NOW, account, audit, capture, entry, hold, moved, release, top_up


async def test_a_movement_happens_once(database: Database) -> None:
    await database.create_account(account(), audit())
    assert await database.post([top_up("t1", 100)]) == [True]
    assert await database.post([top_up("t1", 100), top_up("t2", 5), top_up("t2", 5)]) == [False, True, False]
    assert await database.balances([account_book("acc_1"), FUNDING, "other"]) == {
        account_book("acc_1"): 105,
        FUNDING: -105,
    }
    assert await database.balance("other") == 0
    found = await database.account("acc_1")
    assert found is not None
    assert found.granted == 105
    assert await database.trial_balance() == (0, [])


async def test_a_transaction_comes_back_as_it_was(database: Database) -> None:
    await database.create_account(account(), audit())
    sent = top_up("t1", 100, note="thanks 🚗\x01", actor="ops", request="r1")
    await database.post([sent])
    assert await database.transactions() == [sent]


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        ({FUNDING: -5, account_book("acc_1"): 6}, "add up to 1 "),
        ({FUNDING: -5}, "add up to -5 "),
        ({}, "no postings"),
        ({FUNDING: -(10**19), account_book("acc_1"): 10**19}, "out of bounds"),
        ({FUNDING: -1.5, account_book("acc_1"): 1.5}, "not a whole number"),
        ({FUNDING: float("nan"), account_book("acc_1"): 1}, "not a whole number"),
        ({FUNDING: True, account_book("acc_1"): -1}, "not a whole number"),
    ],
)
async def test_what_does_not_balance_is_refused_whole(database: Database, legs: dict[str, int], said: str) -> None:
    await database.create_account(account(), audit())
    with pytest.raises(ValueError, match=said):
        await database.post([top_up("t1", 1), moved("t2", "adjustment", legs)])
    assert await database.transactions() == []
    assert await database.balance(FUNDING) == 0


async def test_the_largest_amounts_are_kept_and_their_sum_is_refused(database: Database) -> None:
    await database.create_account(account(), audit())
    most = 9 * 10**18
    await database.post([top_up("t1", most)])
    assert await database.balance(account_book("acc_1")) == most
    for more in (1, most):
        with pytest.raises(ValueError, match="would pass 9,000,000,000,000,000,000"):
            await database.post([top_up(f"more-{more}", more)])
    assert await database.balances([account_book("acc_1"), FUNDING]) == {account_book("acc_1"): most, FUNDING: -most}
    assert len(await database.transactions()) == 1


async def test_credit_needs_an_account(database: Database) -> None:
    with pytest.raises(StorageMissing, match="no account 'acc_1'"):
        await database.post([top_up("t1", 5)], audit=audit())
    assert await database.transactions() == []
    assert await database.audit() == []


async def test_a_batch_is_all_or_nothing(database: Database) -> None:
    await database.create_account(account(), audit())
    with pytest.raises(StorageMissing):
        await database.post([top_up("t1", 5), top_up("t2", 5, "acc_9")])
    assert await database.balance(account_book("acc_1")) == 0
    assert await database.post([top_up("t1", 5)]) == [True]


async def test_audit_is_written_once_with_what_is_new(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 5)], audit=audit(action="credit"))
    await database.post([top_up("t1", 5)], audit=audit(action="credit"))
    assert [row.action for row in await database.audit()] == ["credit", "test"]


async def test_a_hold_is_open_until_it_is_used_up(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 100), hold("r1", 40, at=NOW - 50), hold("r2", 10)])
    assert await database.open_holds(NOW) == [OpenHold("r1", "acc_1", 40, NOW - 50)]
    assert await database.held(["r1", "r2", "r3"]) == {"r1": 40, "r2": 10}
    await database.post([capture("r1", 15)])
    assert await database.open_holds(NOW) == [OpenHold("r1", "acc_1", 25, NOW - 50)]
    await database.post([release("r1", 25)])
    assert await database.open_holds(NOW + 1) == [OpenHold("r2", "acc_1", 10, NOW)]
    assert await database.balances([account_book("acc_1"), held_book("acc_1"), REVENUE]) == {
        account_book("acc_1"): 75,
        held_book("acc_1"): 10,
        REVENUE: 15,
    }


@pytest.mark.parametrize(("charge", "rest"), [(15, 25), (40, 0), (60, 0)])
@pytest.mark.parametrize("known", [True, False])
async def test_settling_needs_not_know_whether_the_hold_was_written(
    database: Database, charge: int, rest: int, known: bool
) -> None:
    """The same two transactions settle it either way: what no hold covers, the account pays."""
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 100), *([hold("r1", 40)] if known else [])])
    await database.post([capture("r1", charge), release("r1", rest)])
    assert await database.balances([account_book("acc_1"), held_book("acc_1"), REVENUE]) == {
        account_book("acc_1"): 100 - charge,
        REVENUE: charge,
        **({held_book("acc_1"): 0} if known else {}),
    }
    assert await database.open_holds(NOW + 1) == []
    assert await database.trial_balance() == (0, [])


async def test_a_hold_that_comes_after_its_entry_is_not_written(database: Database) -> None:
    """A killed process's last commit may land after its journal was recovered."""
    await database.create_account(account(), audit())
    await database.record([entry("r1", charge=15)], [capture("r1", 15)])
    assert await database.post([hold("r1", 40), hold("r2", 5)]) == [False, True]
    await database.record([], [hold("r1", 40)])
    assert [each.request for each in await database.open_holds(NOW + 1)] == ["r2"]


async def test_pages_and_filters_of_transactions(database: Database) -> None:
    for owner in ("acc_1", "acc_2"):
        await database.create_account(account(owner), audit())
        for number in range(12):
            await database.post([top_up(f"{owner}/{number}", number + 1, owner, at=NOW + number)])
    await database.post([hold("r1", 5)])
    found: list[str] = []
    after = None
    while page := await database.transactions(
        TransactionFilter(account="acc_1", kinds=("top_up",)), limit=5, after=after
    ):
        found += [each.ref for each in page]
        after = page[-1].id
    assert found == [f"acc_1/{number}" for number in reversed(range(12))]
    assert [each.ref for each in await database.transactions(TransactionFilter(request="r1"))] == ["hold/r1"]
    some = await database.transactions(TransactionFilter(account="acc_2", since=NOW + 3, until=NOW + 5))
    assert [each.ref for each in some] == ["acc_2/4", "acc_2/3"]


async def test_an_idempotency_key_answers_its_replays(database: Database) -> None:
    await database.create_account(account(), audit())

    def asked(digest: bytes) -> Idempotency:
        return Idempotency(
            key="once",
            scope="admin",
            request_digest=digest,
            answer=lambda posted, balances: Answer(
                201, {"ref": posted[0].ref, "balance": balances[account_book("acc_1")]}
            ),
        )

    assert await database.answered(asked(b"a")) is None
    assert await database.post([top_up("t1", 5)], idempotency=asked(b"a"), audit=audit()) == [True]
    assert await database.post([top_up("t2", 5)], idempotency=asked(b"a"), audit=audit()) == [False]
    assert await database.answered(asked(b"a")) == Answer(201, {"ref": "t1", "balance": 5})
    for digest in (b"b", b""):
        with pytest.raises(StorageConflict, match="used for another request"):
            await database.post([top_up("t3", 5)], idempotency=asked(digest))
        with pytest.raises(StorageConflict):
            await database.answered(asked(digest))
    assert await database.balance(account_book("acc_1")) == 5
    assert len(await database.audit()) == 2


async def test_a_refused_operation_uses_up_no_idempotency_key(database: Database) -> None:
    once = Idempotency(key="once", scope="admin", request_digest=b"a")
    with pytest.raises(StorageMissing):
        await database.post([top_up("t1", 5)], idempotency=once)
    assert await database.answered(once) is None
    await database.create_account(account(), audit())
    assert await database.post([top_up("t1", 5)], idempotency=once) == [True]


async def test_many_at_once_with_one_idempotency_key(connect: Connect) -> None:
    handles = [connect() for _ in range(3)]
    for handle in handles:
        await handle.open()
    await handles[0].create_account(account(), audit())
    once = Idempotency(key="once", scope="admin", request_digest=b"a")
    results = await asyncio.gather(
        *(handles[number % 3].post([top_up(f"t{number}", 5)], idempotency=once) for number in range(12))
    )
    assert sorted(results) == [[False]] * 11 + [[True]]
    assert await handles[0].balance(account_book("acc_1")) == 5


async def test_many_writers_at_once_lose_nothing(connect: Connect) -> None:
    handles = [connect() for _ in range(3)]
    for handle in handles:
        await handle.open()
    accounts = [f"acc_{number}" for number in range(5)]
    for id in accounts:
        await handles[0].create_account(account(id), audit())

    async def write(handle: Database, name: int) -> None:
        for number in range(20):
            # Every ref is posted by two of the three, in different orders of accounts: one of them does it.
            each = [top_up(f"t{number}/{name // 2}/{id}", 1, id) for id in accounts]
            await handle.post(each if name % 2 else each[::-1])

    await asyncio.gather(*(write(handle, name) for name, handle in enumerate(handles)))
    books = await handles[0].balances([account_book(id) for id in accounts])
    assert books == {account_book(id): 40 for id in accounts}
    assert await handles[0].trial_balance() == (0, [])
    assert [each.granted for each in await handles[0].all_accounts()] == [40] * 5


TABLES = ("transactions", "postings", "entries", "audit")


@pytest.mark.parametrize("table", TABLES)
async def test_the_database_itself_refuses_changes(
    connect: Connect, tmp_path: Path, postgres: PostgresServer, table: str
) -> None:
    database = connect()
    await database.open()
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 5)])
    await database.record([entry("r1")], [])
    column = {"transactions": "note", "postings": "amount", "entries": "charge", "audit": "actor"}[table]
    statements = [f"UPDATE {table} SET {column} = '1'", f"DELETE FROM {table}"]
    file = tmp_path / "tollway.db"
    for statement in statements:
        if file.exists():
            with sqlite3.connect(file) as raw, pytest.raises(sqlite3.IntegrityError, match="never changed"):
                raw.execute(statement)
            raw.close()
        else:
            number = statement.replace("'1'", "1") if column in ("amount", "charge") else statement
            name = str(database._engine.dialect._url).rsplit("/", 1)[1]  # type: ignore[attr-defined]
            with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
                await postgres.execute(number, database=name)
            with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
                await postgres.execute(f"TRUNCATE {table} CASCADE", database=name)
    assert await database.trial_balance() == (0, [])


async def test_an_id_belongs_to_one_movement(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 5, id="same")])
    with pytest.raises(StorageConflict, match="has the id 'same'"):
        await database.post([top_up("t2", 5, id="same")])
    assert await database.balance(account_book("acc_1")) == 5
