"""The memory store: its bound is honest, a scan does not drive out what is in use, what has expired goes first, nothing takes long."""

import asyncio
import os
import random
import tracemalloc

import pytest

from proxy.cache.memory import FAME, LOOKS, OVERHEAD, SLICE, Expiry, MemoryCacheStore
from proxy.cache.purges import LONGEST
from proxy.protocols import CacheEntry, Purge
from tests.support.cache_stores import NOW, Records, answer, new_key
from tests.support.clock import FakeClock, turns

BOUND = 1 << 20
BODY = b"x" * (2048 - OVERHEAD - 16)
"""An answer of 2048 bytes with it and the name ``fast``: 512 of them fit in."""

FIT = BOUND // 2048


class Stand:
    """A store that holds 512 of ``entry``."""

    def __init__(self, bound: int = BOUND) -> None:
        self.wall = FakeClock(NOW)
        self.records = Records()
        self.store = MemoryCacheStore(bound, self.wall, self.records)

    def entry(self, ttl: float = 3600.0, body: bytes = BODY, **fields: str) -> CacheEntry:
        return answer(body, now=self.wall(), ttl=ttl, **fields)

    async def fill(self, count: int, ttl: float = 3600.0) -> list[bytes]:
        keys = [new_key() for _ in range(count)]
        for key in keys:
            await self.store.put(key, self.entry(ttl))
        return keys

    async def alive(self, keys: list[bytes]) -> int:
        """How many are there: asking counts as asking."""
        return sum(found is not None for found in await self.store.get_many(keys))

    @property
    def evicted(self) -> int:
        return self.records.counts["evicted", ""]


@pytest.fixture
def stand() -> Stand:
    return Stand()


# ---- the bound ------------------------------------------------------------------------------------------------------


async def test_a_scan_of_a_million_keys_stays_within_the_bound_and_leaves_what_is_in_use(stand: Stand) -> None:
    store, entry, numbers = stand.store, stand.entry(), random.Random(1)
    hot = await stand.fill(FIT // 2)
    await stand.alive(hot)
    low, high = BOUND, 0
    for number in range(1_000_000):
        await store.put(number.to_bytes(32), entry)
        if not number % 50:
            await store.get(numbers.choice(hot))
        if not number % 1000:
            size = store.figures()[1]
            low, high = min(low, size) if number > 1000 else low, max(high, size)
    assert high <= BOUND
    assert low > BOUND * 0.95
    assert await stand.alive(hot) >= 0.99 * len(hot)
    assert stand.evicted == 1_000_000 + len(hot) - store.figures()[0]


@pytest.mark.parametrize("size", [0, 300, 5_000, 60_000])
async def test_real_memory_is_what_is_counted(size: int) -> None:
    """Answers of many kinds come, are asked for, are replaced, expire and are purged, several times what fits in."""
    bound, numbers = 2 << 20, random.Random(size)
    stand = Stand(bound)
    store, keys = stand.store, [new_key()]
    await store.put(keys[0], stand.entry())
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5 * bound // (size + OVERHEAD)):
            key = numbers.choice(keys) if numbers.random() < 0.2 else os.urandom(32)
            body = os.urandom(numbers.randrange(size, 2 * size + 1))
            ttl = numbers.choice((1.0, 30.0, 600.0, 86_400.0))
            name = f"tenant {number % 7}"
            await store.put(key, stand.entry(ttl, body, public=f"model {number}", tenant=name))
            keys = [*keys[-30:], key]
            await store.get(numbers.choice(keys))
            stand.wall.advance(0.05)
            if not number % 5000:
                await store.purge(Purge(account=name))
        taken = tracemalloc.get_traced_memory()[0] - before
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert store.figures()[1] <= bound
    assert store.figures()[1] > bound * 0.6 or not size
    assert taken <= 1.15 * bound + 200_000, (taken, store.figures())
    assert peak <= 1.15 * bound + 300_000, (peak, store.figures())


async def test_buckets_that_eviction_has_emptied_give_their_memory_back() -> None:
    """Of answers that are kept for a day under load, which lets go of them within a minute."""
    stand = Stand()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(12):
            for _ in range(3000):
                await stand.store.put(os.urandom(32), stand.entry(86_400.0, b""))
            stand.wall.advance(4500.0)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken <= 1.15 * BOUND + 200_000, (taken, stand.store.figures())


async def test_figures_follow_every_way_in_and_out(stand: Stand) -> None:
    store, numbers, wall = stand.store, random.Random(7), stand.wall
    keys = [new_key() for _ in range(80)]
    for _ in range(3000):
        key = numbers.choice(keys)
        match numbers.randrange(6):
            case 0 | 1:
                await store.put(key, stand.entry(numbers.choice((5.0, 500.0)), os.urandom(numbers.randrange(60_000))))
            case 2:
                await store.purge(Purge(key=key.hex()))
            case 3:
                wall.advance(0.5)
            case _:
                await store.get(key)
        entries, size = store.figures()
        assert 0 <= size <= BOUND
        assert entries * OVERHEAD <= size
    await store.purge(Purge())
    assert store.figures() == (0, 0)


async def test_what_is_larger_than_all_is_not_kept_and_evicts_nothing(stand: Stand) -> None:
    keys = await stand.fill(10)
    await stand.store.put(keys[0], stand.entry(body=bytes(BOUND)))
    assert await stand.store.get(keys[0]) is None
    assert await stand.alive(keys) == 9
    assert stand.evicted == 0


async def test_a_large_answer_drives_out_as_many_as_it_needs(stand: Stand) -> None:
    await stand.fill(FIT)
    key = new_key()
    await stand.store.put(key, stand.entry(body=bytes(BOUND // 4)))
    entries, size = stand.store.figures()
    assert size <= BOUND
    assert FIT * 0.7 < entries < FIT * 0.8


async def test_another_bound_is_kept_soon_in_parts(stand: Stand) -> None:
    await stand.fill(FIT)
    stand.store.resize(BOUND * 4)
    await stand.fill(3 * FIT - 8)
    assert stand.evicted == 0
    stand.store.resize(BOUND // 2)
    assert stand.store.figures()[0] == 4 * FIT - 8 - SLICE
    await turns(3)
    assert stand.store.figures() == (FIT // 2, BOUND // 2)
    await stand.fill(5)
    assert stand.store.figures() == (FIT // 2, BOUND // 2)


# ---- what goes ------------------------------------------------------------------------------------------------------


async def test_what_has_expired_goes_before_anything_else(stand: Stand) -> None:
    long, short = await stand.fill(FIT // 2), await stand.fill(FIT // 2, ttl=10.0)
    await stand.alive(short * FAME)
    stand.wall.advance(11.0)
    await stand.fill(FIT // 2)
    assert stand.evicted == 0
    assert await stand.alive(long) == FIT // 2


async def test_expired_answers_free_their_memory_although_there_is_room(stand: Stand) -> None:
    await stand.fill(100, ttl=10.0)
    stand.wall.advance(11.0)
    await stand.fill(20)
    assert stand.store.figures()[0] == 20


async def test_an_answer_that_was_renewed_outlives_its_first_time(stand: Stand) -> None:
    key = new_key()
    await stand.store.put(key, stand.entry(ttl=10.0))
    await stand.store.put(key, stand.entry(ttl=1000.0))
    stand.wall.advance(100.0)
    await stand.fill(20)
    assert await stand.store.get(key) is not None
    stand.wall.advance(1000.0)
    await stand.fill(20)
    assert stand.store.figures()[0] == 40


async def test_what_is_asked_for_outlives_what_is_not(stand: Stand) -> None:
    asked, ignored = await stand.fill(FIT // 4), await stand.fill(FIT // 4)
    await stand.alive(asked)
    await stand.fill(2 * FIT)
    assert await stand.alive(ignored) == 0
    assert await stand.alive(asked) == len(asked)


async def test_old_fame_fades(stand: Stand) -> None:
    """What was asked for often once makes room for what is asked for now."""
    numbers, store = random.Random(5), stand.store
    old, new, hits = await stand.fill(FIT), [new_key() for _ in range(FIT)], 0
    for _ in range(FAME):
        await stand.alive(old)
    for step in range(20 * FIT):
        key = numbers.choice(new)
        found = await store.get(key)
        hits += found is not None and step >= 19 * FIT
        if found is None:
            await store.put(key, stand.entry())
    assert hits > 0.9 * FIT
    assert await stand.alive(old) < 0.1 * FIT


async def test_what_comes_back_soon_after_it_was_let_go_of_stays(stand: Stand) -> None:
    first = await stand.fill(20)
    await stand.fill(FIT + 60)
    assert await stand.alive(first) == 0
    for key in first:
        await stand.store.put(key, stand.entry())
    await stand.fill(2 * FIT)
    assert await stand.alive(first) > 15


async def test_one_put_spares_only_so_many(stand: Stand) -> None:
    """All are famous: one goes all the same, and only few lose some of their fame."""
    keys = await stand.fill(FIT)
    for _ in range(FAME):
        await stand.alive(keys)
    await stand.fill(1)
    assert stand.evicted == 1
    assert stand.store.figures()[0] == FIT
    spared = LOOKS + 1
    assert fame(stand.store) == FAME * (FIT - spared)


def fame(store: MemoryCacheStore) -> int:
    """Requests that are counted of all answers."""
    return sum(slot.hits for slot in (*store._small.values(), *store._main.values()))


def test_buckets_of_expiry_stay_few_whatever_the_times_are() -> None:
    expiry, numbers, now = Expiry(), random.Random(3), NOW
    dues = set()
    for number in range(20_000):
        bucket = expiry.add(number.to_bytes(32), now + numbers.uniform(1.0, LONGEST) ** numbers.random(), now)
        dues.add(id(bucket))
    assert len(dues) < 500
    late = []
    for number in range(2000):
        expires = now + 2.0 ** (number / 100)
        bucket = Expiry().add(b"k", expires, now)
        late.append(bucket)
    alone = Expiry()
    alone.add(b"k", now + 1000.0, now)
    assert alone.pop(now + 1000.0 - 0.001) is None
    assert alone.pop(now + 1000.0 * 1.13) == b"k"
    assert alone.pop(now + LONGEST) is None
    assert alone.soonest == float("inf")


# ---- purges ---------------------------------------------------------------------------------------------------------


async def test_a_purge_of_many_holds_at_once_and_lets_others_have_their_turn() -> None:
    stand = Stand(64 << 20)
    keys = await stand.fill(5 * SLICE)
    stand.wall.advance(1.0)
    purge = asyncio.create_task(stand.store.purge(Purge(account="acme")))
    await asyncio.sleep(0)
    assert not purge.done()
    assert 0 < stand.store.figures()[0] < 5 * SLICE
    assert await stand.store.get(keys[-1]) is None
    stand.wall.advance(0.1)
    await stand.store.put(keys[-2], stand.entry())
    # The last but one was replaced before it was looked at, the last one met by a lookup.
    assert await purge == 5 * SLICE - 2
    assert stand.store.figures()[0] == 1
    assert await stand.store.get(keys[-2]) is not None


async def test_a_purge_that_is_given_up_does_not_go_on_holding() -> None:
    stand = Stand(64 << 20)
    keys = await stand.fill(5 * SLICE)
    purge = asyncio.create_task(stand.store.purge(Purge(account="acme")))
    await asyncio.sleep(0)
    purge.cancel()
    await asyncio.gather(purge, return_exceptions=True)
    assert await stand.store.get(keys[-1]) is not None
