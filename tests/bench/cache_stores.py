"""What the cache's stores cost: microseconds of the memory store's operations, and of a hit in a real Valkey over TCP on loopback.

``python -m tests.bench.cache_stores [--json]``. Targets: get and put in memory 1.5 us, a hit in Valkey 400 us at the median.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable

from proxy.cache.memory import MemoryCacheStore
from proxy.protocols import CacheEntry, CacheStore
from tests.support.cache_stores import Records, answer, opened
from tests.support.valkey import server

COUNT = 20_000
ROUNDS = 5
SIZES = {"1 KB": 1_000, "10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000}
TARGETS = {"memory get": 1.5, "memory put": 1.5, "valkey hit, 1 KB": 400.0}

Row = tuple[str, float, float, float]
"""What, then the median, the 99th percentile and the worst in microseconds; of operations in bulk only the mean."""


async def bulk(name: str, work: Callable[[int], Awaitable[object]]) -> Row:
    """The mean of the best round, in CPU time: what the operation costs, without what else the machine does."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for number in range(COUNT):
            await work(number)
        best = min(best, (time.thread_time() - began) / COUNT)
    return name, best * 1e6, 0.0, 0.0


async def each(
    name: str, count: int, work: Callable[[int], Awaitable[object]], clock: Callable[[], float] = time.perf_counter
) -> Row:
    """One by one."""
    times = []
    for number in range(count):
        began = clock()
        await work(number)
        times.append((clock() - began) * 1e6)
    times.sort()
    return name, statistics.median(times), times[int(count * 0.99)], times[-1]


async def of_memory() -> list[Row]:
    """Fresh keys each time where something is put."""
    now, keys = time.time(), [os.urandom(32) for _ in range(COUNT)]
    entries = [answer(os.urandom(1000), now=now) for _ in range(COUNT)]
    fresh = [os.urandom(32) for _ in range((2 * ROUNDS + 1) * COUNT)]
    roomy = MemoryCacheStore(1 << 30, time.time, Records())
    tight = MemoryCacheStore(COUNT * 400, time.time, Records())
    rows = [await bulk("memory put", lambda n: roomy.put(fresh.pop(), entries[n]))]
    for key, entry in zip(keys, entries, strict=True):
        await roomy.put(key, entry)
    rows.append(await bulk("memory get", lambda n: roomy.get(keys[n])))
    rows.append(await bulk("memory get, unknown", lambda n: roomy.get(b"unknown")))
    rows.append(await bulk("memory put, full", lambda n: tight.put(fresh.pop(), entries[n])))
    for _ in range(3):
        await tight.get_many(keys)
    rows.append(
        await each(
            "memory put, full, one by one", COUNT, lambda n: tight.put(fresh.pop(), entries[n]), time.thread_time
        )
    )
    return rows


async def of_valkey() -> list[Row]:
    """Text that shrinks to a third, as answers do."""
    rows = []
    with server() as valkey:
        async with opened(valkey.url, time.time, Records(), max_entry=4 << 20) as store:
            for name, size in SIZES.items():
                rows += await of_size(store, name, entry_of(size))
    return rows


async def of_size(store: CacheStore, name: str, entry: CacheEntry) -> list[Row]:
    """A hit and what storing it takes."""
    key, count = os.urandom(32), 2000 if entry.size <= 100_000 else 200
    await store.put(key, entry)
    assert await store.get(key) == entry
    return [
        await each(f"valkey hit, {name}", count, lambda _: store.get(key)),
        await each(f"valkey put, {name}", count // 4, lambda _: store.put(key, entry)),
    ]


def entry_of(size: int) -> CacheEntry:
    """Hexadecimal digits: half of them are noise."""
    return answer(os.urandom(size // 2).hex().encode(), now=time.time())


async def measured() -> list[Row]:
    """Every row."""
    return [*await of_memory(), *await of_valkey()]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = asyncio.run(measured())
    if given.json:
        print(json.dumps({name: {"median": median, "p99": late, "worst": worst} for name, median, late, worst in rows}))
        return
    print(f"{'':32}{'us':>10}{'p99':>10}{'worst':>10}  target")
    for name, median, late, worst in rows:
        tail = f"{late:>10.1f}{worst:>10.1f}" if late else " " * 20
        print(f"{name:32}{median:>10.2f}{tail}  {TARGETS.get(name, '')}")


if __name__ == "__main__":
    main()
