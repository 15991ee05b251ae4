"""Answers in the memory of this process, within a bound of bytes that counts what keeping them costs.

What goes when room is needed: S3-FIFO (Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023), in bytes. New
answers pass through a small queue and are kept only if they are asked for there, so a scan cannot drive out what is in use; each
lap of the main queue's hand takes one from an answer's count, so old fame fades. What has expired goes before anything else.
"""

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from msgspec import Struct

from ..protocols import CacheEntry, CacheRecords, Clock, Purge
from .purges import LONGEST, key_of, means

OVERHEAD = 720
"""Bytes that an answer takes besides its body: key, Structs, numbers, places in queues; measured with tracemalloc."""

OF_A_TEXT, OF_A_LETTER = 64, 4
"""Bytes that a text takes, and each of its letters at most."""

SMALL = 0.1
"""The small queue's share of the bytes, once they are all in use."""

FAME = 3
"""Requests that are counted of an answer at most."""

LOOKS = 256
"""Answers that one ``put`` spares at most, so that it never takes long; then the next ones go, whatever their count."""

SWEPT = 16
"""Expired answers that one ``put`` clears away when there is room anyway."""

SLICE = 1000
"""Answers that a purge, or a smaller bound, looks at before others have their turn."""

USUAL = 2048
"""Bytes of an answer, for guessing how many there will be."""


class Slot(Struct, gc=False):
    """An answer in its queue. ``hits``: requests lately; ``due``: the bucket that its key expires from."""

    entry: CacheEntry
    size: int
    due: dict[bytes, None]
    hits: int = 0


class MemoryCacheStore:
    """Implements ``CacheStore``. ``max_bytes``: of all answers and what keeping them takes."""

    def __init__(self, max_bytes: int, wall: Clock, records: CacheRecords) -> None:
        self._max = max_bytes
        self._wall = wall
        self._records = records
        self._bytes = self._small_bytes = 0
        self._small: OrderedDict[bytes, Slot] = OrderedDict()
        self._main: OrderedDict[bytes, Slot] = OrderedDict()
        self._ghosts = Ghosts(max_bytes // USUAL)
        self._expiry = Expiry()
        self._purging: list[tuple[Purge, float]] = []
        self._shrinking: asyncio.Handle | None = None

    async def get(self, key: bytes) -> CacheEntry | None:
        """See ``CacheStore``."""
        slot = self._small.get(key) or self._main.get(key)
        if slot is None:
            return None
        entry = slot.entry
        if entry.expires <= self._wall() or (self._purging and self._purged(key, entry)):
            self._remove(key)
            return None
        if slot.hits < FAME:
            slot.hits += 1
        return entry

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[CacheEntry | None]:
        """See ``CacheStore``."""
        return [await self.get(key) for key in keys]

    async def put(self, key: bytes, entry: CacheEntry) -> None:
        """See ``CacheStore``. What does not fit in at all is not kept."""
        now = self._wall()
        size = OVERHEAD + len(entry.body) + len(entry.usage_event) + OF_A_LETTER * len(entry.public)
        if entry.tags:
            size += sum([OF_A_TEXT + OF_A_LETTER * len(tag) for tag in entry.tags])
        if not entry.expires > now or size > self._max:
            self._remove(key)
            return
        new = self._small.get(key)
        slot = new or self._main.get(key)
        if slot is None:
            slot = Slot(entry, size, self._expiry.add(key, entry.expires, now))
            self._bytes += size
            if self._ghosts.any and self._ghosts.forget(key):
                self._main[key] = slot
            else:
                self._small[key] = slot
                self._small_bytes += size
        else:
            self._bytes += size - slot.size
            if new is not None:
                self._small_bytes += size - slot.size
            slot.entry, slot.size = entry, size
        if self._expiry.soonest <= now:
            self._sweep(now)
        if self._bytes > self._max:
            self._make_room(len(self._small) + len(self._main))

    async def purge(self, what: Purge) -> int:
        """See ``CacheStore``. It holds from the first moment on; of many answers each is then looked at, with pauses for others."""
        if what.key:
            return self._purge_key(what)
        purging = (what, self._wall())
        self._purging.append(purging)
        try:
            count = 0
            keys = [*self._small, *self._main]
            for start in range(0, len(keys), SLICE):
                if start:
                    await asyncio.sleep(0)
                count += self._purge_some(keys[start : start + SLICE], *purging)
            return count
        finally:
            self._purging.remove(purging)

    def resize(self, max_bytes: int) -> None:
        """A reloaded bound. What is beyond it goes soon, in parts."""
        self._max = max_bytes
        self._ghosts = Ghosts(max_bytes // USUAL)
        if self._shrinking is None:
            self._shrink()

    def figures(self) -> tuple[int, int]:
        """See ``CacheStore``. Bytes as they are counted against the bound."""
        return len(self._small) + len(self._main), self._bytes

    async def close(self) -> None:
        """See ``CacheStore``."""
        if self._shrinking is not None:
            self._shrinking.cancel()
        self._small.clear()
        self._main.clear()
        self._expiry = Expiry()
        self._bytes = self._small_bytes = 0

    # ---- letting go -------------------------------------------------------------------------------------------------

    def _make_room(self, most: int) -> None:
        """Down to the bound, or until ``most`` have gone."""
        small, main, looks, evicted = self._small, self._main, LOOKS, 0
        share = self._max * SMALL
        while self._bytes > self._max and evicted < most:
            new = self._small_bytes > share or not main
            key, slot = (small if new else main).popitem(last=False)
            if new:
                self._small_bytes -= slot.size
            if slot.hits and looks:
                slot.hits = 0 if new else slot.hits - 1
                main[key] = slot
                looks -= 1
            else:
                self._let_go(key, slot)
                self._ghosts.add(key)
                evicted += 1
        if evicted:
            self._records.evicted(evicted)

    def _sweep(self, now: float) -> None:
        """Clears what has expired: a little, or as much as room is needed. What was stored anew since is found a later place."""
        expiry, left = self._expiry, SWEPT
        while (left or self._bytes > self._max) and (key := expiry.pop(now)) is not None:
            left = max(left - 1, 0)
            slot = self._small.get(key) or self._main[key]
            if slot.entry.expires > now:
                slot.due = expiry.add(key, slot.entry.expires, now)
            else:
                self._remove(key)

    def _remove(self, key: bytes) -> None:
        slot = self._small.pop(key, None)
        if slot is not None:
            self._small_bytes -= slot.size
        else:
            slot = self._main.pop(key, None)
        if slot is not None:
            self._let_go(key, slot)

    def _let_go(self, key: bytes, slot: Slot) -> None:
        """It has left its queue."""
        self._bytes -= slot.size
        due = slot.due
        due.pop(key, None)
        if not due:
            due.clear()  # an emptied dict keeps its table

    def _shrink(self) -> None:
        self._shrinking = None
        self._make_room(SLICE)
        if self._bytes > self._max:
            self._shrinking = asyncio.get_running_loop().call_soon(self._shrink)

    # ---- purges -----------------------------------------------------------------------------------------------------

    def _purged(self, key: bytes, entry: CacheEntry) -> bool:
        return any(entry.stored_at <= upto and means(what, key, entry) for what, upto in self._purging)

    def _purge_key(self, what: Purge) -> int:
        key = key_of(what)
        slot = self._small.get(key) or self._main.get(key)
        if slot is None or not means(what, key, slot.entry):
            return 0
        self._remove(key)
        return 1

    def _purge_some(self, keys: Iterable[bytes], what: Purge, upto: float) -> int:
        count = 0
        for key in keys:
            slot = self._small.get(key) or self._main.get(key)
            if slot is not None and slot.entry.stored_at <= upto and means(what, key, slot.entry):
                self._remove(key)
                count += 1
        return count


class Expiry:
    """Keys by when they expire, in buckets whose width grows with the time that is left: few of them, whatever the times are."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[bytes, None]] = {}
        self._order: list[int] = []
        self._begins = self._ends = 0
        self._latest: dict[bytes, None] = {}
        self.soonest = float("inf")
        """When the first bucket is due, unix seconds."""

    def add(self, key: bytes, expires: float, now: float) -> dict[bytes, None]:
        """The bucket that it went to: due when ``key`` has expired, and not much later."""
        if self._begins <= expires < self._ends:
            self._latest[key] = None
            return self._latest
        if not expires < now + LONGEST:
            expires = now + LONGEST
        left = int(expires - now).bit_length()
        shift = left - 4 if left > 4 else 0
        begins = int(expires) >> shift << shift
        due = begins + (1 << shift)
        bucket = self._buckets.get(due)
        if bucket is None:
            bucket = self._buckets[due] = {}
            heappush(self._order, due)
            self.soonest = self._order[0]
        bucket[key] = None
        self._begins, self._ends, self._latest = begins, due, bucket
        return bucket

    def pop(self, now: float) -> bytes | None:
        """A key of a bucket that is due."""
        while self.soonest <= now:
            bucket = self._buckets[self._order[0]]
            if bucket:
                return bucket.popitem()[0]
            del self._buckets[heappop(self._order)]
            self.soonest = self._order[0] if self._order else float("inf")
        return None


class Ghosts:
    """Which keys were let go of lately: 32 bits of each, where its other bits say; a newer one takes an older one's place."""

    def __init__(self, wanted: int) -> None:
        """``wanted``: how many to remember, rounded."""
        places = 1 << min(max(wanted, 1024).bit_length(), 20)
        self._mask = places - 1
        self._marks = array("I", bytes(4 * places))
        self.any = False
        """Was any key let go of at all?"""

    def add(self, key: bytes) -> None:
        """It was let go of."""
        self.any = True
        mixed = hash(key)
        self._marks[mixed & self._mask] = mixed >> 32 & 0xFFFFFFFF

    def forget(self, key: bytes) -> bool:
        """Was it let go of lately? It is back now."""
        mixed = hash(key)
        mark = self._marks[mixed & self._mask]
        if not mark or mark != mixed >> 32 & 0xFFFFFFFF:
            return False
        self._marks[mixed & self._mask] = 0
        return True
