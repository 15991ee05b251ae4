"""Tables come from nothing, are what the statements expect, and a database of another age is refused in words that help."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.storage.database import Database
from proxy.storage.errors import SchemaMismatch, StorageError
from proxy.storage.tables import metadata
from tests.support.postgres import PostgresServer
from tests.support.processes import ROOT

from .conftest import Connect
from .made import account, audit

HEAD = "0002"


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def test_the_revisions_make_the_tables_that_the_statements_use(database: Database) -> None:
    async def work(connection: AsyncConnection) -> list[object]:
        return await connection.run_sync(differences)

    assert await database._engine.read(work) == []


async def test_migrating_again_changes_nothing(connect: Connect) -> None:
    database = connect()
    assert await database.migrate() == HEAD
    await database.open()
    await database.create_account(account(), audit())
    assert await database.migrate() == HEAD
    await connect().migrate()
    assert await database.all_accounts() == [account()]


async def test_sqlite_migrates_itself(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "new.db")
    await database.open()
    await database.create_account(account(), audit())
    await database.close()
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(tmp_path / "new.db") as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


PROGRAM = """
import asyncio, sys
from proxy.storage.database import Database
database = Database.sqlite(sys.argv[2]) if sys.argv[1] == "sqlite" else Database.postgres(sys.argv[2])
async def main():
    sys.stdin.readline()
    print(await database.migrate())
    await database.open()
    await database.ping()
    await database.close()
print("ready", flush=True)
asyncio.run(main())
"""


def start_together(kind: str, where: str) -> list[str]:
    """Three processes that migrate at the same moment; what they printed."""
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, kind, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        for _ in range(3)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        outputs: list[str] = []
        threads = [
            threading.Thread(target=lambda child=child: outputs.append(child.communicate("go\n", timeout=40)[0]))
            for child in children
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [child.returncode for child in children] == [0, 0, 0], outputs
        return outputs
    finally:
        for child in children:
            child.kill()
            child.wait()


async def test_processes_that_start_at_once_migrate_once(tmp_path: Path, postgres: PostgresServer) -> None:
    assert await asyncio.to_thread(start_together, "sqlite", str(tmp_path / "new.db")) == [f"{HEAD}\n"] * 3
    async with postgres.database(empty=True) as url:
        assert await asyncio.to_thread(start_together, "postgres", url) == [f"{HEAD}\n"] * 3


async def test_postgres_without_tables_is_refused(postgres: PostgresServer) -> None:
    async with postgres.database(empty=True) as url:
        database = Database.postgres(url)
        with pytest.raises(SchemaMismatch, match=r"no tables yet: run `tollway migrate db`"):
            await database.open()
        assert await database.migrate() == HEAD
        await database.open()
        await database.close()


async def test_an_older_postgres_is_refused(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with postgres.database() as url:
        monkeypatch.setattr("proxy.storage.migrating._head", lambda: "0003")
        database = Database.postgres(url)
        with pytest.raises(SchemaMismatch, match="revision 0002, this program needs 0003: run `tollway migrate db`"):
            await database.open()
        await database.close()


async def test_a_newer_database_is_refused(connect: Connect, tmp_path: Path, postgres: PostgresServer) -> None:
    database = connect()
    await database.open()

    async def age(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    await database._engine.write(age)
    for step in (database.open, database.migrate, connect().open):
        with pytest.raises(SchemaMismatch, match="a newer Tollway made it"):
            await step()


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot be opened \(No such file or directory\); check storage.path"):
        await Database.sqlite(tmp_path / "none" / "tollway.db").open()
    with pytest.raises(StorageError, match="Is a directory"):
        await Database.sqlite(tmp_path).open()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_bytes(os.urandom(100_000))
    database = Database.sqlite(file)
    with pytest.raises(StorageError, match="SQLite"):
        await database.open()
    await database.close()
