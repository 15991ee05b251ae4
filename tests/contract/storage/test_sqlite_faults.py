"""SQLite when others hold its lock, and when the disk is full: slow or refused, never lost, never half, and the loop runs on."""

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.storage import engine as engines
from proxy.storage.database import Database
from proxy.storage.errors import StorageError
from proxy.storage.records import REVENUE, account_book
from tests.support.processes import ROOT

from .made import account, audit, capture, entry, top_up

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@asynccontextmanager
async def locked(file: Path, seconds: float) -> AsyncIterator[None]:
    """Another process holds the database for so long."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCK, str(file), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert await child.stdout.readline() == b"locked\n"
        asyncio.get_running_loop().call_later(seconds, child.stdin.close)
        yield
        assert await child.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def lags(of: "asyncio.Future[list[list[bool]]]") -> list[float]:
    """How late the loop came back, every 5 ms until ``of`` is done."""
    found = []
    while not of.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        found.append(time.monotonic() - before - 0.005)
    return sorted(found)


async def test_locked_for_five_seconds_by_another_process(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "tollway.db")
    await database.open()
    await database.create_account(account(), audit())
    begun = time.monotonic()
    async with locked(tmp_path / "tollway.db", 5.0):
        writes = asyncio.gather(
            database.post([top_up("t1", 5)]),
            *(database.record([entry(f"r{n}")], [capture(f"r{n}", 7)]) for n in range(5)),
        )
        found = await lags(writes)
        assert await writes == [[True]] * 6
    assert 4.5 < time.monotonic() - begun < 10
    assert found[int(len(found) * 0.99)] < 0.02
    assert await database.balances([account_book("acc_1"), REVENUE]) == {account_book("acc_1"): 5 - 35, REVENUE: 35}
    assert await database.trial_balance() == (0, [])
    await database.close()


async def test_writes_cancelled_at_any_moment_do_not_keep_the_lock(tmp_path: Path) -> None:
    """They go on to their end: one that is broken off can leave the file locked for as long as the process lives."""
    chance = random.Random(1)
    for turn in range(20):
        file = tmp_path / f"{turn}.db"
        database = Database.sqlite(file)
        await database.open()
        await database.create_account(account(), audit())
        for number in range(5):
            write = asyncio.create_task(database.post([top_up(f"t{number}", 5)]))
            await asyncio.sleep(chance.uniform(0, 0.01))
            write.cancel()
            await asyncio.gather(write, return_exceptions=True)
        # What was begun may still be at it.
        async with asyncio.timeout(2):
            await database.post([top_up("last", 5)])
        with contextlib.closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        await database.close()


async def test_readers_do_not_wait_for_another_processs_write(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "tollway.db")
    await database.open()
    async with locked(tmp_path / "tollway.db", 1.0):
        begun = time.monotonic()
        await database.ping()
        assert await database.all_accounts() == []
        assert time.monotonic() - begun < 0.9
    await database.close()


async def test_locked_for_longer_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "PATIENCE", 1.0)
    database = Database.sqlite(tmp_path / "tollway.db")
    await database.open()
    await database.create_account(account(), audit())
    async with locked(tmp_path / "tollway.db", 4.0):
        begun = time.monotonic()
        with pytest.raises(StorageError, match=r"\(SQLite\) is busy: another process holds its lock"):
            await database.post([top_up("t1", 5)])
        assert time.monotonic() - begun < 3.5
    assert await database.post([top_up("t1", 5)]) == [True]
    await database.close()


FULL = """
import asyncio, resource, sys
from pathlib import Path
from proxy.storage.database import Database
from proxy.storage.errors import StorageError
from tests.contract.storage.made import account, audit, capture, entry, top_up

async def main():
    database = Database.sqlite(sys.argv[1])
    await database.open()
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 1000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in Path(sys.argv[1]).parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 300_000, hard))
    done = refused = 0
    for number in range(400):
        batch = [entry(f"r{number}-{n}", charge=1) for n in range(10)], [capture(f"r{number}-{n}", 1) for n in range(10)]
        try:
            await database.record(*batch)
            done += 1
        except StorageError as error:
            text = str(error)
            refused += 1
            if refused == 3:
                break
    assert done and refused == 3, (done, refused)
    print(text)
    assert await database.balance("revenue") == done * 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await database.record(*batch) == [True] * 10
    assert await database.balance("revenue") == done * 10 + 10
    assert await database.trial_balance() == (0, [])
    await database.close()
    print("recovered")

asyncio.run(main())
"""


async def test_a_full_disk_is_an_error_and_passes(tmp_path: Path) -> None:
    """Files may not grow (the database and its log have limits of their own); then they may again."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "-c", FULL, str(tmp_path / "tollway.db")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "The database (SQLite) has no space left: free some disk space, or raise its quota.",
        "recovered",
    ]
