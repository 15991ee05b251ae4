"""PostgreSQL killed, deadlocked, cut off in the middle of a COMMIT: nothing lost, nothing doubled, no secret in an error."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.storage.database import Database
from proxy.storage.errors import StorageError
from proxy.storage.records import REVENUE, account_book
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port

from .made import account, audit, capture, entry, hold, release, top_up


@pytest.fixture
async def url(postgres: PostgresServer) -> AsyncIterator[str]:
    """A migrated database."""
    async with postgres.database() as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An open one, with an account."""
    database = Database.postgres(url)
    await database.open()
    await database.create_account(account(), audit())
    yield database
    await database.close()


async def test_killed_and_back(database: Database, postgres: PostgresServer) -> None:
    await database.post([top_up("t1", 100)])
    await asyncio.to_thread(postgres.kill)
    try:
        for call in (database.ping, database.all_keys, lambda: database.post([top_up("t2", 5)])):
            begun = time.monotonic()
            with pytest.raises(StorageError, match=r"\(PostgreSQL\) does not answer"):
                await call()
            assert time.monotonic() - begun < 3
    finally:
        await asyncio.to_thread(postgres.start)
    assert await database.post([top_up("t1", 100), top_up("t2", 5)]) == [False, True]
    assert await database.balance(account_book("acc_1")) == 105


async def test_killed_under_load_nothing_is_lost_or_doubled(database: Database, postgres: PostgresServer) -> None:
    """A writer that sends each batch until it is told that it is there, as the journal's does."""
    acknowledged: set[int] = set()
    progress = asyncio.Condition()

    async def write(name: int) -> None:
        for number in range(name, 240, 4):
            batch = (
                [entry(f"r{number}", charge=3)],
                [hold(f"r{number}", 9), capture(f"r{number}", 3), release(f"r{number}", 6)],
            )
            while number not in acknowledged:
                try:
                    await database.record(*batch)
                    acknowledged.add(number)
                    async with progress:
                        progress.notify_all()
                except StorageError:
                    await asyncio.sleep(0.02)

    writers = asyncio.gather(*(write(name) for name in range(4)))
    for enough in (20, 90, 160):
        async with progress:
            await progress.wait_for(lambda enough=enough: len(acknowledged) >= enough)  # type: ignore[misc]
        await asyncio.to_thread(postgres.kill)
        await asyncio.to_thread(postgres.start)
    await writers
    assert await database.known_entries(f"r{number}" for number in range(240)) == {f"r{n}" for n in range(240)}
    assert await database.balance(REVENUE) == 720
    assert await database.open_holds(9e9) == []
    assert await database.trial_balance() == (0, [])


async def test_a_deadlock_is_tried_again(database: Database, url: str) -> None:
    for id in ("acc_2", "acc_3"):
        await database.create_account(account(id), audit())
    met = asyncio.Barrier(2)
    tries = 0

    async def cross(first: str, second: str) -> None:
        meeting = True

        async def work(connection: AsyncConnection) -> None:
            nonlocal meeting, tries
            tries += 1
            lock = text("UPDATE accounts SET granted = granted + 1 WHERE id = :id")
            await connection.execute(lock, {"id": first})
            if meeting:
                meeting = False
                await met.wait()
            await connection.execute(lock, {"id": second})

        await database._engine.write(work)

    await asyncio.gather(cross("acc_2", "acc_3"), cross("acc_3", "acc_2"))
    assert tries == 3
    assert [each.granted for each in await database.all_accounts()] == [0, 2, 2]


async def test_a_lock_held_by_another_is_waited_for_within_bounds(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.post([top_up("t1", 5)])
    other = await asyncpg.connect(url)
    try:
        await other.execute("BEGIN; UPDATE balances SET amount = amount")
        waiting = asyncio.create_task(database.post([top_up("t2", 5)]))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await other.execute("ROLLBACK")
        assert await waiting == [True]
    finally:
        await other.close()


class CommitCutter:
    """A proxy that passes everything, and cuts the connection where it likes: at the answer to a COMMIT, if told so."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.armed = False
        self.cuts = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, upstream = await asyncio.open_connection("127.0.0.1", self.target)
        committed = False

        async def up() -> None:
            nonlocal committed
            while data := await reader.read(1 << 16):
                committed = committed or (self.armed and b"COMMIT" in data)
                upstream.write(data)

        async def down() -> None:
            while data := await there.read(1 << 16):
                if committed and self.armed:
                    # The server has done it and says so; nobody hears it.
                    self.armed = False
                    self.cuts += 1
                    return
                writer.write(data)

        sides = [asyncio.create_task(up()), asyncio.create_task(down())]
        try:
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
            writer.transport.abort()
            upstream.transport.abort()
            self._tasks.discard(task)

    async def ended(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def cutter(postgres: PostgresServer) -> AsyncIterator[CommitCutter]:
    """Between the gateway and PostgreSQL."""
    cutter = CommitCutter(postgres.port)
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", cutter.port)
    yield cutter
    server.close()
    await cutter.ended()


async def test_commits_whose_answer_is_lost_count_once(
    url: str, cutter: CommitCutter, postgres: PostgresServer
) -> None:
    database = Database.postgres(url.replace(str(postgres.port), str(cutter.port)))
    await database.open()
    await database.create_account(account(), audit())
    dice = random.Random(7)
    for number in range(60):
        cutter.armed = dice.random() < 0.6
        batch = (
            [entry(f"r{number}", charge=3)],
            [hold(f"r{number}", 9), capture(f"r{number}", 3), release(f"r{number}", 6)],
        )
        await database.record(*batch)
        cutter.armed = dice.random() < 0.6
        await database.post([top_up(f"t{number}", 10)])
    assert cutter.cuts > 50
    assert await database.balances([account_book("acc_1"), REVENUE]) == {account_book("acc_1"): 600 - 180, REVENUE: 180}
    found = await database.account("acc_1")
    assert found is not None
    assert found.granted == 600
    assert await database.open_holds(9e9) == []
    assert await database.trial_balance() == (0, [])
    await database.close()


async def test_what_cannot_be_repeated_says_that_it_is_not_known(
    url: str, cutter: CommitCutter, postgres: PostgresServer
) -> None:
    database = Database.postgres(url.replace(str(postgres.port), str(cutter.port)))
    await database.open()
    cutter.armed = True
    with pytest.raises(StorageError, match="while it committed: look whether the change is there"):
        await database.create_account(account(), audit())
    assert await database.all_accounts() == [account()]
    await database.close()


SECRET = "s3cr3t-canary"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"postgresql://tollway:{SECRET}@127.0.0.1:1/none", "does not answer"),
        (f"postgresql://nobody:{SECRET}@127.0.0.1:PORT/postgres", "refuses this user, password or database name"),
        (f"postgresql://postgres:{SECRET}@127.0.0.1:PORT/{SECRET}", "refuses this user, password or database name"),
        (f"postgresql://postgres:{SECRET}@127.0.0.1:PORT/postgres?sslmode=require", "does not answer"),
        (f"postgresql://postgres:{SECRET}@[{SECRET}", "is misconfigured"),
        (f"postgresql://postgres:{SECRET}@127.0.0.1:PORT/postgres?sslmode={SECRET}", "is misconfigured"),
    ],
)
async def test_errors_hold_no_secret(postgres: PostgresServer, address: str, said: str) -> None:
    database = Database.postgres(address.replace("PORT", str(postgres.port)))
    with pytest.raises(StorageError, match=said) as caught:
        await database.ping()
    assert SECRET not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.__suppress_context__
    await database.close()
