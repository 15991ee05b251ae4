"""The vectors in this process's memory: exact search by numpy, bounded in each partition and in all."""

import asyncio
from collections import OrderedDict

from ...protocols import CacheRecords, Clock, Purge, Vector
from . import Alike, Kept, Near, meant
from .shelf import Shelf

DUE = 4
"""Rows, the oldest of a partition, that are looked at whether they have expired whenever one is added."""

DUE_ASKED = 64
"""The same whenever the partition is asked."""

EXPIRED = 8
"""Expired rows that one search comes upon before it finds nothing."""

PURGED = 500
"""Rows that a purge goes through before others have a turn: half a millisecond where all of them go."""


class MemoryIndex:
    """At most ``max_entries`` rows in a partition, of which the oldest goes, and ``max_total`` in all: then the partition that was not used
    for longest loses its oldest. ``wall``: unix seconds."""

    def __init__(self, *, max_entries: int, max_total: int, wall: Clock, records: CacheRecords) -> None:
        self._max_entries = max_entries
        self._max_total = max_total
        self._wall = wall
        self._records = records
        self._shelves: OrderedDict[bytes, Shelf] = OrderedDict()
        self._total = 0

    def empty(self, partition: bytes) -> bool:
        """Has it no rows?"""
        return partition not in self._shelves

    async def alike(self, partition: bytes, signature: bytes, text: str, most: int) -> Alike | None:
        """Who has this signature."""
        shelf = self._shelves.get(partition)
        if shelf is None:
            return None
        now = self._wall()
        self._clear(partition, shelf, now, DUE_ASKED)
        if not shelf.rows:
            return None
        self._shelves.move_to_end(partition)
        return shelf.alike(signature, text, most, now)

    async def nearest(self, partition: bytes, signature: bytes, vector: Vector) -> Near | None:
        """The nearest that has not expired."""
        for _ in range(EXPIRED):
            shelf = self._shelves.get(partition)
            near = None if shelf is None else await shelf.nearest(signature, vector)
            if shelf is None or near is None:
                return None
            row = shelf.rows.get(near.key)
            if row is not None and row.kept.expires > self._wall():
                return near
            self.forget(partition, near.key)
        return None

    def add(self, row: Kept, vector: Vector | None = None) -> None:
        """Keeps it; the oldest make room."""
        now = self._wall()
        if row.expires <= now:
            return
        shelf = self._shelves.setdefault(row.partition, Shelf())
        self._shelves.move_to_end(row.partition)
        self._total += shelf.add(row, vector)
        # Rows of a partition that nobody asks for any more are cleared away by what comes to others.
        for partition, other in ((row.partition, shelf), next(iter(self._shelves.items()))):
            self._clear(partition, other, now, DUE)
        if len(shelf.rows) > self._max_entries:
            self.forget(row.partition, shelf.oldest())
        while self._total > self._max_total:
            partition, other = next(iter(self._shelves.items()))
            self.forget(partition, other.oldest())

    def place(self, partition: bytes, key: bytes, vector: Vector) -> None:
        """The vector of a row that had none. One of another size than its neighbours' is counted, and not kept."""
        shelf = self._shelves.get(partition)
        if shelf is not None and not shelf.place(key, vector):
            self._records.failed("dimensions")

    def forget(self, partition: bytes, key: bytes) -> None:
        """The row is gone."""
        shelf = self._shelves.get(partition)
        if shelf is None:
            return
        self._total -= shelf.remove(key)
        if not shelf.rows:
            del self._shelves[partition]

    async def purge(self, what: Purge) -> None:
        """Forgets the rows that ``what`` may mean, some at a time: others have a turn in between. What comes meanwhile may stay."""
        shelves, looked = list(self._shelves.items()), 0
        if not what.key and not what.account:
            self._shelves, self._total = OrderedDict(), 0
        for partition, shelf in shelves:
            for key in list(shelf.rows):
                row = shelf.rows.get(key)
                if row is not None and meant(what, key, row.kept.tenant):
                    # Of a shelf that was taken down, or of one that is in use.
                    if self._shelves.get(partition) is shelf:
                        self.forget(partition, key)
                    else:
                        shelf.remove(key)
                looked += 1
                if not looked % PURGED:
                    await asyncio.sleep(0)

    def size(self) -> int:
        """Rows."""
        return self._total

    async def open(self) -> None:
        """There is nothing to begin."""

    async def close(self) -> None:
        """There is nothing to end."""

    def _clear(self, partition: bytes, shelf: Shelf, now: float, most: int) -> None:
        for key in shelf.due(now, most):
            self.forget(partition, key)
