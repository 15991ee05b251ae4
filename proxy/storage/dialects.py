"""All that differs between SQLite and PostgreSQL: how to connect, how a transaction begins, what an error means."""

import os
import sqlite3
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Table, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .errors import StorageError

Insert = sqlite.Insert | postgresql.Insert
"""Both know ``on_conflict_do_nothing`` and ``on_conflict_do_update``, with the same arguments."""

WRITES = "tollway_writes"
"""Execution option of connections that will write."""

BUSY = 1.0
"""Seconds that SQLite itself waits for another process's lock, in the connection's own thread; then the engine tries again."""

SCHEMA_LOCK = 7_065_557_929
"""Any number that no other program on the server takes."""

POOL = 5
"""Connections: one write at a time is enough for batches, the rest is for pages."""


class Trouble(Enum):
    """What a failure means for whoever asked."""

    BUSY = "is busy"
    """Nothing was done; the same again may work."""
    LOST = "does not answer"
    """The connection is gone; what was under way may or may not have been done."""
    FULL = "has no space left"
    READ_ONLY = "is read-only"
    RANGE = "a sum would pass what can be stored"
    TEXT = "a value cannot be stored"
    CONFLICT = "a row contradicts another"
    REFUSED = "refuses this user, password or database name"
    OTHER = "failed"


class Dialect(Protocol):
    """One kind of database."""

    name: str
    one_writer: bool
    """Are writes better queued here than left to wait for each other's locks?"""
    migrates_itself: bool
    """Are tables brought up to date at start? Not where several programs of different age may share them."""

    def connect(self) -> AsyncEngine:
        """A pool that has connected to nothing yet."""

    def insert(self, table: Table) -> Insert:
        """``INSERT`` that can say what to do on a conflict."""

    async def lock_schema(self, connection: AsyncConnection) -> None:
        """Keeps others from migrating until this transaction ends."""

    def trouble(self, error: BaseException) -> Trouble:
        """What ``error``, from SQLAlchemy or the driver, means."""


class Sqlite:
    """A file. WAL: readers and the writer do not wait for each other. Rows of money survive a power cut once they were acknowledged:
    ``synchronous=FULL`` costs one fsync a transaction, which batches of 100 ms do not feel; NORMAL could lose the last ones."""

    name = "SQLite"
    one_writer = True
    migrates_itself = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self) -> AsyncEngine:
        """The file is made here, readable by its owner alone."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StorageError(
                f"The database {self._path} cannot be opened ({os.strerror(error.errno or 0)}); "
                "check storage.path, that its folder exists and that this user may write there."
            ) from None
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{self._path}",
            # The driver must not begin transactions of its own, so that ours are exactly one a call.
            connect_args={"timeout": BUSY, "isolation_level": None},
            pool_size=POOL,
            max_overflow=0,
            pool_timeout=10,
        )
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine

    def insert(self, table: Table) -> Insert:
        """SQLite's."""
        return sqlite.insert(table)

    async def lock_schema(self, connection: AsyncConnection) -> None:
        """Every write has the file's one lock."""

    def trouble(self, error: BaseException) -> Trouble:
        """By the primary result code (the low byte of the extended one)."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(origin, "sqlite_errorcode", 0) or 0
        if code in (sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_MISMATCH):
            return Trouble.RANGE
        return _SQLITE.get(code & 0xFF, Trouble.OTHER)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A write takes its lock at once: one that began by reading could only fail where another has written since.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_SQLITE: Mapping[int, Trouble] = {
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_IOERR: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CONSTRAINT: Trouble.CONFLICT,
}


class Postgres:
    """A server. Statements and locks have time limits on its side, so that a stuck one ends there too."""

    name = "PostgreSQL"
    one_writer = False
    migrates_itself = False
    SETTINGS: Mapping[str, str] = {
        "application_name": "tollway",
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "default_transaction_isolation": "read committed",
    }

    def __init__(self, url: str) -> None:
        self._url = url

    def connect(self) -> AsyncEngine:
        """The driver reads the URL itself: it knows more of libpq's words than SQLAlchemy does."""
        import asyncpg  # noqa: PLC0415 - of the extra ``postgres``

        async def connection() -> object:
            try:
                return await asyncpg.connect(
                    self._url, timeout=5, command_timeout=15, server_settings=dict(self.SETTINGS)
                )
            except ValueError:
                raise StorageError(
                    "storage.url is misconfigured: it must read postgresql://user:password@host:port/database."
                ) from None

        return create_async_engine(
            "postgresql+asyncpg://", async_creator=connection, pool_size=POOL, max_overflow=0, pool_timeout=10
        )

    def insert(self, table: Table) -> Insert:
        """PostgreSQL's."""
        return postgresql.insert(table)

    async def lock_schema(self, connection: AsyncConnection) -> None:
        """A lock by number, and time for tables that are large."""
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        await connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))

    def trouble(self, error: BaseException) -> Trouble:
        """By SQLSTATE, the longest prefix first."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        state = str(getattr(origin, "sqlstate", None) or "")
        for known in (state, state[:2]):
            if known in _SQLSTATE:
                return _SQLSTATE[known]
        if isinstance(getattr(origin, "__cause__", None), ValueError):
            # The driver could not write it down: half of a surrogate pair, say.
            return Trouble.TEXT
        gone = error.connection_invalidated if isinstance(error, DBAPIError) else not state
        return Trouble.LOST if gone else Trouble.OTHER


_SQLSTATE: Mapping[str, Trouble] = {
    "40001": Trouble.BUSY,
    "40P01": Trouble.BUSY,
    "55P03": Trouble.BUSY,
    "08": Trouble.LOST,
    "57P01": Trouble.LOST,
    "57P02": Trouble.LOST,
    "57P03": Trouble.LOST,
    "53": Trouble.FULL,
    "53300": Trouble.LOST,
    "25006": Trouble.READ_ONLY,
    "22": Trouble.TEXT,
    "22003": Trouble.RANGE,
    "23514": Trouble.RANGE,
    "23": Trouble.CONFLICT,
    "28": Trouble.REFUSED,
    "3D": Trouble.REFUSED,
}
"""Serialisation failure, deadlock, lock timeout; connections; resources; values, ranges and checks; constraints; who may enter what."""
