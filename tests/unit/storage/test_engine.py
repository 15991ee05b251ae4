"""What is tried again, how often, and what becomes of failures."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.storage import engine as engines
from proxy.storage.dialects import Postgres, Sqlite, Trouble
from proxy.storage.engine import RECONNECTS, Engine
from proxy.storage.errors import StorageConflict, StorageError

SECRET = "postgresql://user:s3cr3t@host"


def failure(code: int) -> DBAPIError:
    """As SQLAlchemy wraps SQLite's; with what no message may repeat."""
    origin = sqlite3.OperationalError(SECRET)
    origin.sqlite_errorcode = code
    return DBAPIError(SECRET, {"password": SECRET}, origin)


class Lossy(Sqlite):
    """Loses its connection instead of failing otherwise."""

    def trouble(self, error: BaseException) -> Trouble:
        found = super().trouble(error)
        return Trouble.LOST if found is Trouble.OTHER else found


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(Lossy(tmp_path / "x.db"))
    await engine.write(_make)
    yield engine
    await engine.close()


async def _make(connection: AsyncConnection) -> None:
    await connection.execute(text("CREATE TABLE n (n INTEGER CHECK (n < 5))"))


async def _insert(connection: AsyncConnection, number: int = 1) -> None:
    await connection.execute(text("INSERT INTO n VALUES (:n)"), {"n": number})


async def rows(engine: Engine) -> int:
    async def count(connection: AsyncConnection) -> int:
        found: int = (await connection.execute(text("SELECT count(*) FROM n"))).scalar_one()
        return found

    return await engine.read(count)


class Work:
    """Inserts a row and then fails in the ways given, one a call."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self, connection: AsyncConnection) -> str:
        self.calls += 1
        await _insert(connection)
        if self.failures:
            raise self.failures.pop(0)
        return "done"


async def test_what_is_busy_is_tried_again_and_done_once(engine: Engine) -> None:
    work = Work(failure(sqlite3.SQLITE_BUSY), failure(sqlite3.SQLITE_BUSY | 2 << 8), failure(sqlite3.SQLITE_LOCKED))
    assert await engine.write(work) == "done"
    assert work.calls == 4
    assert await rows(engine) == 1


async def test_patience_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "PATIENCE", 0.3)
    work = Work(*(failure(sqlite3.SQLITE_BUSY) for _ in range(100)))
    with pytest.raises(StorageError, match="is busy") as caught:
        await engine.write(work)
    assert 2 <= work.calls < 10
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__
    assert await rows(engine) == 0


@pytest.mark.parametrize("replayable", [True, False])
async def test_a_lost_connection_is_replaced_a_few_times(engine: Engine, replayable: bool) -> None:
    assert await engine.write(Work(failure(0), failure(0)), replayable=replayable) == "done"
    work = Work(*(failure(0) for _ in range(9)))
    with pytest.raises(StorageError, match="does not answer"):
        await engine.write(work, replayable=replayable)
    assert work.calls == RECONNECTS + 1
    assert await rows(engine) == 1


async def test_a_lost_commit_is_repeated_only_where_that_is_safe(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = AsyncConnection.commit
    lose = True

    async def commit(connection: AsyncConnection) -> None:
        nonlocal lose
        await committed(connection)
        if lose:
            lose = False
            raise failure(0)

    monkeypatch.setattr(AsyncConnection, "commit", commit)
    with pytest.raises(StorageError, match="while it committed"):
        await engine.write(Work())
    assert await rows(engine) == 1
    lose = True
    assert await engine.write(Work(), replayable=True) == "done"
    assert await rows(engine) == 3


async def test_other_failures_are_told_at_once(engine: Engine) -> None:
    for error, kind, said in (
        (failure(sqlite3.SQLITE_FULL), StorageError, "no space left"),
        (failure(sqlite3.SQLITE_READONLY), StorageError, "is read-only"),
        (failure(sqlite3.SQLITE_CONSTRAINT), StorageConflict, "contradicts"),
        (failure(sqlite3.SQLITE_CONSTRAINT_CHECK), ValueError, "sum of these amounts"),
        (KeyError("ours"), KeyError, "ours"),
        (StorageConflict("ours"), StorageConflict, "ours"),
    ):
        work = Work(error)
        with pytest.raises(kind, match=said):
            await engine.write(work)
        assert work.calls == 1
    assert await rows(engine) == 0


async def test_the_database_says_so_itself(engine: Engine) -> None:
    async def too_large(connection: AsyncConnection) -> None:
        await _insert(connection, 7)

    with pytest.raises(ValueError, match="sum of these amounts"):
        await engine.write(too_large)


async def test_a_cancelled_write_that_does_not_end_leaves_nothing_and_lets_others_pass(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ALONE", 0.1)
    begun = asyncio.Event()

    async def stuck(connection: AsyncConnection) -> None:
        await _insert(connection)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(engine.write(stuck))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await engine.write(Work()) == "done"
    assert await rows(engine) == 1


async def test_a_write_has_its_lock_before_it_reads(engine: Engine, tmp_path: Path) -> None:
    """Else what it read may be old when it writes, and all it can do is begin again."""

    async def work(connection: AsyncConnection) -> None:
        other = sqlite3.connect(tmp_path / "x.db", timeout=0, isolation_level=None)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        finally:
            other.close()

    await engine.write(work)


async def test_it_opens_again_after_close(engine: Engine) -> None:
    await engine.close()
    await engine.close()
    assert await engine.write(Work()) == "done"


class Origin(Exception):
    sqlstate: str | None = None


@pytest.mark.parametrize(
    ("state", "trouble"),
    [
        ("40001", Trouble.BUSY),
        ("40P01", Trouble.BUSY),
        ("55P03", Trouble.BUSY),
        ("57P01", Trouble.LOST),
        ("08006", Trouble.LOST),
        ("53300", Trouble.LOST),
        ("53100", Trouble.FULL),
        ("25006", Trouble.READ_ONLY),
        ("22003", Trouble.RANGE),
        ("22021", Trouble.TEXT),
        ("23514", Trouble.RANGE),
        ("23505", Trouble.CONFLICT),
        ("28P01", Trouble.REFUSED),
        ("3D000", Trouble.REFUSED),
        ("57014", Trouble.OTHER),
        ("42P01", Trouble.OTHER),
    ],
)
def test_sqlstates(state: str, trouble: Trouble) -> None:
    origin = Origin()
    origin.sqlstate = state
    dialect = Postgres("postgresql://")
    assert dialect.trouble(origin) is trouble
    assert dialect.trouble(DBAPIError("", {}, origin)) is trouble


def test_without_a_state_the_connection_is_gone() -> None:
    dialect = Postgres("postgresql://")
    assert dialect.trouble(ConnectionRefusedError()) is Trouble.LOST
    assert dialect.trouble(DBAPIError("", {}, Origin())) is Trouble.OTHER
    assert dialect.trouble(DBAPIError("", {}, Origin(), connection_invalidated=True)) is Trouble.LOST
