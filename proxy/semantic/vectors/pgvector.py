"""The vectors in PostgreSQL with the extension pgvector: one table, searched exactly among the rows of one partition and signature.

Every lookup is a query, also where a partition is empty; for most fleets the replicated index is the faster one. Needs the extra
``postgres``. The table holds the questions' texts.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any

from ...protocols import CacheRecords, Clock, Purge, Vector
from . import Alike, Kept, Near, statements
from .kin import kin, words

_log = logging.getLogger("tollway.semantic")

UNWRITTEN = 10_000
"""Changes that wait for a database that is down; the oldest are given up."""

TOGETHER = 64
"""Changes written in one transaction."""

LOOK = 0.25
"""Seconds between two looks at what waits."""

UPKEEP = 60.0
"""Seconds between two looks for what has expired."""

AGAIN = 5.0
"""Seconds after a failure for which nothing is asked."""

EARLIER = 0.8
"""Share of a lookup's time after which a query is given up: before whoever asked gives up, so that it is known who was late."""

STATEMENT = 10.0
"""Seconds that a statement in the background may take."""


class PgvectorIndex:
    """``url``: as libpq reads it. ``embedder``: name of the only one whose vectors are compared. ``timeout``: seconds that
    a lookup may take; ``clock``: monotonic, ``wall``: unix seconds."""

    def __init__(
        self,
        url: str,
        *,
        embedder: str,
        max_entries: int,
        max_total: int,
        timeout: float,
        clock: Clock,
        wall: Clock,
        records: CacheRecords,
    ) -> None:
        self._url = url
        self._embedder = embedder
        self._max_entries = max_entries
        self._max_total = max_total
        self._timeout = EARLIER * timeout
        self._clock = clock
        self._wall = wall
        self._records = records
        self._pool: Any = None
        self._down_until = 0.0
        self._changes: deque[tuple[str, tuple[object, ...]]] = deque(maxlen=UNWRITTEN)
        self._writing = asyncio.Lock()
        """Changes are written in their order: what was purged must not come back."""
        self._touched: set[bytes] = set()
        """Partitions that got rows since they were last bounded."""
        self._task: asyncio.Task[None] | None = None
        self._lookups: set[asyncio.Task[list[Any]]] = set()

    def empty(self, partition: bytes) -> bool:
        """Only the database knows; while it is down, nothing is asked of it."""
        return self._clock() < self._down_until

    async def alike(self, partition: bytes, signature: bytes, text: str, most: int) -> Alike | None:
        """Who has this signature."""
        now = self._wall()
        rows = await self._ask(statements.ALIKE, partition, signature, now, self._embedder, most)
        if rows:
            bare = tuple((row["key"], _text(row["text"])) for row in rows if row["bare"])
            return Alike(count=rows[0]["count"], bare=bare)
        newest = await self._ask(statements.NEWEST, partition, now)
        if not newest:
            return None
        texts = [_text(row["text"]) for row in newest]
        return Alike(count=0, kin=kin(text, ((words(other), other) for other in texts)))

    async def nearest(self, partition: bytes, signature: bytes, vector: Vector) -> Near | None:
        """The nearest among those of the same embedder."""
        rows = await self._ask(
            statements.NEAREST, partition, signature, self._wall(), self._embedder, _literal(vector), len(vector)
        )
        if not rows or rows[0]["similarity"] is None:
            return None
        found = rows[0]
        return Near(key=found["key"], similarity=min(1.0, float(found["similarity"])), text=_text(found["text"]))

    def add(self, row: Kept, vector: Vector | None = None) -> None:
        """Written a moment later."""
        text, own = row.text.encode("utf-8", "surrogatepass"), (None, None)
        placed = own if vector is None else (self._embedder, _literal(vector))
        values = (row.partition, row.key, row.signature, text, _storable(row.tenant), row.expires, *placed)
        self._changes.append((statements.ADD, values))
        self._touched.add(row.partition)

    def place(self, partition: bytes, key: bytes, vector: Vector) -> None:
        """Written before anything else is asked."""
        self._changes.append((statements.PLACE, (partition, key, self._embedder, _literal(vector))))

    def forget(self, partition: bytes, key: bytes) -> None:
        """Written a moment later."""
        self._changes.append((statements.FORGET, (partition, key)))

    async def purge(self, what: Purge) -> None:
        """Gone when this returns, unless the database is down: then as soon as it is back."""
        self._changes.append((statements.PURGE, (bytes.fromhex(what.key), _storable(what.account))))
        await self._guarded(self.flush)

    def size(self) -> int:
        """They are elsewhere."""
        return 0

    async def open(self) -> None:
        """Connects, and makes the table where there is none. A database that is down is tried again later."""
        await self._guarded(self._connect)
        self._task = asyncio.create_task(self._keep(), name="semantic-pgvector")

    async def close(self) -> None:
        """Writes what waits, if it can be written, and lets go of all connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._guarded(self.flush)
        self._hang_up()
        if self._lookups:
            await asyncio.wait(tuple(self._lookups), timeout=self._timeout)

    # ---- the database -------------------------------------------------------------------------------------------------
    async def flush(self) -> None:
        """Writes what waits. Raises what the driver raises."""
        async with self._writing:
            while self._changes and self._pool is not None:
                portion = list(islice(self._changes, TOGETHER))
                async with self._pool.acquire(timeout=STATEMENT) as connection, connection.transaction():
                    for statement, values in portion:
                        await connection.execute(statement, *values, timeout=STATEMENT)
                for change in portion:
                    if self._changes and self._changes[0] is change:
                        self._changes.popleft()

    async def upkeep(self) -> None:
        """Deletes what has expired, and the oldest where there are too many. Raises what the driver raises."""
        touched, self._touched = self._touched, set()
        await self._pool.execute(statements.EXPIRED, self._wall(), timeout=STATEMENT)
        for partition in touched:
            await self._pool.execute(statements.BOUND_ONE, partition, self._max_entries, timeout=STATEMENT)
        await self._pool.execute(statements.BOUND, self._max_total, timeout=STATEMENT)

    async def _connect(self) -> None:
        import asyncpg  # noqa: PLC0415 - the extra

        settings = {"application_name": "tollway", "statement_timeout": "10s"}
        pool = await asyncpg.create_pool(self._url, min_size=1, max_size=4, timeout=5, server_settings=settings)
        try:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", statements.LOCK)
                if not await connection.fetchval("SELECT 1 FROM pg_type WHERE typname = 'vector'"):
                    await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
                await connection.execute(statements.CREATE)
        except BaseException:
            pool.terminate()
            raise
        self._pool = pool

    async def _keep(self) -> None:
        kept = self._clock()
        while True:
            await asyncio.sleep(LOOK)
            if self._clock() < self._down_until:
                continue
            if self._pool is None:
                await self._guarded(self._connect)
            elif self._changes:
                await self._guarded(self.flush)
            if self._pool is not None and self._clock() - kept >= UPKEEP:
                kept = self._clock()
                await self._guarded(self.upkeep)

    async def _ask(self, statement: str, *values: object) -> list[Any]:
        """Its rows; none while the database is down. Nobody waits for a query to be cancelled either: that takes an answer, too."""
        if self._pool is None or self._clock() < self._down_until:
            return []
        task = asyncio.create_task(self._fetched(statement, values), name="semantic-pgvector-lookup")
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)
        await asyncio.wait((task,), timeout=self._timeout)
        if task.done():
            return task.result()
        self._failed(TimeoutError(f"no answer within {self._timeout:g} s"))
        self._hang_up()
        return []

    async def _fetched(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            await self.flush()  # vectors just made are to be compared now
            pool = self._pool
            return [] if pool is None else list(await pool.fetch(statement, *values))
        except Exception as error:  # noqa: BLE001 - the driver's errors share no class; a lookup that fails finds nothing
            self._failed(error)
            return []

    def _hang_up(self) -> None:
        """Whoever waits for the database waits no more."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - as in ``_ask``: it is tried again
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self._clock() >= self._down_until:
            _log.warning(
                "the vectors in PostgreSQL are not reached (%s: %s); nothing is compared meanwhile",
                type(error).__name__,
                error,
            )
        self._down_until = self._clock() + AGAIN
        self._records.failed("down")


def _storable(name: str) -> str:
    """Without what PostgreSQL's text cannot hold."""
    return name.encode("utf-8", "replace").decode().replace("\x00", "")


def _literal(vector: Vector) -> str:
    """As pgvector reads it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")
