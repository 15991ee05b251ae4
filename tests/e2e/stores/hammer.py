"""One process of a fleet: ``python -m tests.e2e.stores.hammer MODE URL COUNT``. Begins with a line on standard input, prints a number."""

import asyncio
import sys
import time

from proxy.limits.redis import SCRIPTS, RedisLimitStore
from proxy.policy.rules import Reservation
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings

from .conftest import budget, charge, rule, slots


async def admitted(store: RedisLimitStore, name: str, count: int) -> int:
    """How many of ``count`` requests at once are let in; none of them ends."""
    asked = {
        "requests": (charge(rule(limit=10)),),
        "slots": (charge(slots(10)),),
        "budget": (charge(rule(limit=10**6)), charge(budget(1000, ledgered=True), 100)),
    }[name]
    answers = await asyncio.gather(*(store.reserve(f"{name}-{id(store)}-{n}", asked, 60.0) for n in range(count)))
    return sum(isinstance(answer, Reservation) for answer in answers)


async def streamed(store: RedisLimitStore, count: int) -> int:
    """Tokens that ``count`` streams get in three seconds: reserved in small parts, extended, and used as they flow."""
    tokens = rule("tpm", 10_000, unit="tokens")
    total = 0
    end = time.monotonic() + 3

    async def stream(number: int) -> None:
        nonlocal total
        turn = 0
        while time.monotonic() < end:
            turn += 1
            held = await store.reserve(f"stream-{id(store)}-{number}-{turn}", (charge(tokens, 20),), 60.0)
            if not isinstance(held, Reservation):
                await asyncio.sleep(0.01)
                continue
            used = 0
            for _ in range(5):
                if await store.extend(held, [7]) is not None:
                    break
                await store.spend(held, [5])
                used += 5
            used += held.grants[0].held
            await store.settle(held, [used])
            total += used

    await asyncio.gather(*(stream(number) for number in range(count)))
    return total


async def main() -> None:
    mode, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    link = StateLink(LinkSettings(url=url, timeout=5.0), scripts=SCRIPTS)
    assert await link.open()
    store = RedisLimitStore(link, time.time)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await (streamed(store, count) if mode == "stream" else admitted(store, mode, count)), flush=True)
    await link.close()


if __name__ == "__main__":
    asyncio.run(main())
