"""What a reservation and its end cost in a shared store: a real Valkey on loopback, over a Unix socket and over TCP.

``python -m tests.bench.store [--json] [--rounds N]``. Targets: one call before a request is sent and one after its answer, at most
60 us of this process's CPU each, one after the other. The calls are counted by the server.
"""

import argparse
import asyncio
import gc
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from proxy.limits.failover import FailoverStore
from proxy.limits.memory import MemoryLimitStore
from proxy.limits.redis import SCRIPTS, RedisLimitStore
from proxy.policy.rules import Charge, Reservation
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings
from tests.support.valkey import Server, server

from .admission import LIMITS
from .chain import collect_as_served, loop_factory
from .limits import USED, charges_of

LEASE = 60.0
PATIENCE = 2.0
"""Seconds that a call may take here: another program on these cores must not end the bench."""


def evaluated(valkey: Server) -> int:
    """Scripts that the server has run: each is one round trip."""
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", valkey.ask("INFO", "commandstats"))
    return int(found[1]) if found else 0


@asynccontextmanager
async def store_at(url: str) -> AsyncIterator[FailoverStore]:
    """The counters as a gateway with ``state: redis`` has them."""
    link = StateLink(LinkSettings(url=url, timeout=PATIENCE), scripts=SCRIPTS)
    assert await link.open()
    made = FailoverStore(link, RedisLimitStore(link, time.time), MemoryLimitStore(time.monotonic, time.time))
    await made.seed([])
    try:
        yield made
    finally:
        await made.close()
        await link.close()


async def one_by_one(
    store: FailoverStore, valkey: Server, asked: Sequence[Charge], count: int, found: dict[str, float]
) -> None:
    """CPU and time of ``count`` reservations, each awaited, then of as many settlements; and what the server counted."""
    held: list[Reservation] = []
    trips = evaluated(valkey)
    cpu, began = time.thread_time(), time.perf_counter()
    for number in range(count):
        answer = await store.reserve(f"{number:032x}", asked, LEASE)
        assert isinstance(answer, Reservation)
        held.append(answer)
    note(found, "reserve", cpu, began, count)
    found["trips to reserve"] = (evaluated(valkey) - trips) / count
    trips = evaluated(valkey)
    cpu, began = time.thread_time(), time.perf_counter()
    for reservation in held:
        await store.settle(reservation, USED)
    note(found, "settle", cpu, began, count)
    found["trips to settle"] = (evaluated(valkey) - trips) / count


def note(found: dict[str, float], name: str, cpu: float, began: float, count: int) -> None:
    """Microseconds each, if they are the lowest yet."""
    spent, took = time.thread_time() - cpu, time.perf_counter() - began
    for what, seconds in ((name, spent), (f"{name}, time", took)):
        found[what] = min(found.get(what, float("inf")), seconds / count * 1e6)


async def measure(*, rounds: int = 15, count: int = 300) -> dict[str, dict[str, float]]:
    """Microseconds by connection; ``trips to …``: calls of the server for one of them."""
    figures: dict[str, dict[str, float]] = {}
    with server() as valkey:
        for name, url in (("unix", valkey.unix), ("tcp", valkey.url)):
            found: dict[str, float] = {}
            async with store_at(url) as store:
                asked = charges_of(name, LIMITS)
                await one_by_one(store, valkey, asked, count, {})
                for _ in range(rounds):
                    gc.collect()
                    await one_by_one(store, valkey, asked, count, found)
            figures[name] = found
    return figures


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--rounds", type=int, default=15, help="rounds, of which the best counts")
    chosen = options.parse_args()
    collect_as_served()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        figures = runner.run(measure(rounds=chosen.rounds))
    if chosen.json:
        print(json.dumps({name: {key: round(value, 3) for key, value in row.items()} for name, row in figures.items()}))
        return
    for name, row in figures.items():
        print(name)
        for what, value in row.items():
            print(f"  {what:20s} {value:8.2f}{'' if what.startswith('trips') else ' us'}")


if __name__ == "__main__":
    main()
