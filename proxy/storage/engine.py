"""Runs work as one SQL transaction: tried again, with jitter and a deadline, where that is safe; failures become our own errors."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .dialects import WRITES, Dialect, Insert, Trouble
from .errors import StorageConflict, StorageError

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

PATIENCE = 12.0
"""Seconds within which work is tried again."""

PAUSE = 0.05
"""Seconds before the second try; each pause is twice as long, at most ``LONGEST``, times a random factor."""
LONGEST = 0.5

ALONE = 15.0
"""Seconds that a transaction has to end when nobody waits for it any more: longer than any statement takes."""

RECONNECTS = 2
"""Tries after a lost connection: each pooled one may be dead, but the first failure empties the pool."""


class Engine:
    """One database's connections. Opened lazily, so that it can be made before there is a loop."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._pool: AsyncEngine | None = None
        self._writer = asyncio.Lock()

    @property
    def dialect(self) -> Dialect:
        """Which kind of database."""
        return self._dialect

    def insert(self, table: Table) -> Insert:
        """``INSERT`` that can say what to do on a conflict."""
        return self._dialect.insert(table)

    async def read(self, work: Work[T]) -> T:
        """Runs ``work`` in a transaction that only reads."""
        return await self._run(work, writes=False, replayable=True)

    async def write(self, work: Work[T], *, replayable: bool = False) -> T:
        """Runs ``work`` and commits. ``replayable``: done twice it is done once, so a lost answer to COMMIT is no matter."""
        return await self._run(work, writes=True, replayable=replayable)

    async def ping(self) -> None:
        """Raises ``StorageError``."""
        await self.read(_select_one)

    async def close(self) -> None:
        """Closes every connection; a later call opens anew."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.dispose()

    async def _run(self, work: Work[T], *, writes: bool, replayable: bool) -> T:
        deadline = time.monotonic() + PATIENCE
        pause, lost = PAUSE, 0
        while True:
            try:
                return await (self._unbroken(work) if writes else self._attempt(work, writes=False))
            except _Failed as failed:
                trouble = failed.trouble
                if trouble is Trouble.LOST and (not failed.committing or replayable):
                    lost += 1
                again = trouble is Trouble.BUSY or (trouble is Trouble.LOST and 0 < lost <= RECONNECTS)
                if not again or time.monotonic() + pause > deadline:
                    raise self._told(failed) from None
            # Two that stopped each other must not meet again: jitter, not secrecy.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(2 * pause, LONGEST)

    async def _unbroken(self, work: Work[T]) -> T:
        """Goes on to its end when its caller is cancelled: one that is broken off inside SQLite keeps the file locked for good."""
        attempt = asyncio.ensure_future(self._attempt(work, writes=True))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            timer = asyncio.get_running_loop().call_later(ALONE, attempt.cancel)
            attempt.add_done_callback(lambda _: timer.cancel())
            attempt.add_done_callback(_forget)
            raise

    async def _attempt(self, work: Work[T], *, writes: bool) -> T:
        if self._pool is None:
            self._pool = self._dialect.connect()
        committing = False
        try:
            async with self._turn(writes):
                async with self._pool.connect() as connection:
                    await connection.execution_options(**{WRITES: writes})
                    await connection.begin()
                    result = await work(connection)
                    committing = writes
                    await connection.commit()
                    return result
        except PoolTimeout as error:
            raise _Failed(Trouble.BUSY, committing=False) from error
        except (DBAPIError, OSError) as error:
            raise _Failed(self._dialect.trouble(error), committing=committing) from error
        except Exception as error:
            # A connection that cannot be made fails with the driver's own classes, which SQLAlchemy does not wrap.
            if not _of_driver(error):
                raise
            raise _Failed(self._dialect.trouble(error), committing=committing) from error

    @contextlib.asynccontextmanager
    async def _turn(self, writes: bool) -> AsyncIterator[None]:
        if writes and self._dialect.one_writer:
            async with self._writer:
                yield
        else:
            yield

    def _told(self, failed: "_Failed") -> Exception:
        name, trouble = self._dialect.name, failed.trouble
        if trouble is Trouble.RANGE:
            return ValueError("The sum of these amounts would pass 9,000,000,000,000,000,000, the most that is kept.")
        if trouble is Trouble.TEXT:
            return ValueError(
                "A value holds a NUL or half of a surrogate pair, which databases cannot keep: leave it out."
            )
        if trouble is Trouble.CONFLICT:
            return StorageConflict(
                "This contradicts what is stored: a name or id is taken, or a row that it needs is not there."
            )
        if failed.committing and trouble is Trouble.LOST:
            return StorageError(
                f"The database ({name}) went away while it committed: look whether the change is there."
            )
        hint = _HINTS.get(trouble, "")
        return StorageError(f"The database ({name}) {trouble.value}{hint}.")


_HINTS = {
    Trouble.BUSY: ": another process holds its lock",
    Trouble.LOST: ": check that it runs and that storage.url leads there",
    Trouble.FULL: ": free some disk space, or raise its quota",
    Trouble.READ_ONLY: ": check the file's permissions, or that this is the primary server",
    Trouble.REFUSED: ": check storage.url",
}


class _Failed(Exception):
    """One attempt that came to nothing."""

    def __init__(self, trouble: Trouble, *, committing: bool) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.committing = committing


def _forget(attempt: "asyncio.Future[T]") -> None:
    """Whoever would have been told has gone."""
    if not attempt.cancelled():
        attempt.exception()


async def _select_one(connection: AsyncConnection) -> None:
    await connection.execute(text("SELECT 1"))


def _of_driver(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("asyncpg", "sqlite3", "aiosqlite")
