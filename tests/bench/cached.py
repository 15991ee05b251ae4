"""What the cache adds to the chain, in one process, without a network: microseconds of CPU a miss, and what a hit costs in all.

``python -m tests.bench.cached [--json] [--profile]``. Targets: a miss adds 6 us at 1 KB and 20 us at 10 KB.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import time
from random import Random

import orjson
from msgspec import structs
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

import middleware
from proxy.cached import AnswerCache
from proxy.config import Config
from proxy.context import Message
from proxy.policy.caching import Cache, ExactCache
from proxy.telemetry.caching import CacheMetrics
from proxy.wire.endpoints import CHAT

from .chain import BODY, Bench, collect_as_served, drop, loop_factory, scope_for

SENTENCE = "How long is the road? "
LARGE = orjson.dumps({"model": "fast", "messages": [{"role": "user", "content": SENTENCE * 460}]})
SIZES = {"1 KB": BODY, "10 KB": LARGE}
CACHED = Config(cache=Cache(exact=ExactCache()))


async def _nobody(model: str, texts: object) -> bytes:
    raise NotImplementedError


def varied(body: bytes, count: int, *, begin: int) -> list[bytes]:
    """``count`` bodies of one size, all different."""
    return [body.replace(b"How", b"%07d" % number, 1) for number in range(begin, begin + count)]


class Asked:
    """Sends each of its bodies once."""

    def __init__(self) -> None:
        self._number = 0

    async def once(self, app: ASGIApp, body: bytes, count: int) -> float:
        """Microseconds of this thread's CPU a request."""
        bodies = varied(body, count, begin=self._number)
        self._number += count
        scope = scope_for(bodies[0])
        waiting = iter(bodies)

        async def receive() -> Message:
            return {"type": "http.request", "body": next(waiting), "more_body": False}

        gc.collect()
        began = time.thread_time()
        for _ in range(count):
            await app({**scope}, receive, drop)
        return (time.thread_time() - began) / count * 1e6


async def hits(app: ASGIApp, body: bytes, count: int) -> float:
    """The same body again and again."""
    scope = scope_for(body)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    began = time.thread_time()
    for _ in range(count):
        await app({**scope}, receive, drop)
    return (time.thread_time() - began) / count * 1e6


async def measure(*, count: int, rounds: int, profile: bool = False) -> dict[str, float]:
    """Each figure: the median of differences within a round for misses, the best round for hits."""
    bench, asked = Bench(), Asked()
    bench.transport.plain()
    cache = AnswerCache(CacheMetrics(CollectorRegistry()), ask=_nobody, rng=Random(1))
    await cache.use(CACHED)
    plain = bench.chain()
    services = structs.replace(bench.services, cache=cache.made(CACHED))
    app = middleware.build_chain(CHAT, "/chat/completions", services)
    try:
        if profile:
            await asked.once(app, BODY, count)
            profiler = cProfile.Profile()
            profiler.enable()
            await asked.once(app, BODY, count)
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
            return {}
        figures: dict[str, float] = {}
        for size, body in SIZES.items():
            added = []
            without = 0.0
            for _ in range(rounds):
                without = await asked.once(plain, body, count)
                added.append(await asked.once(app, body, count) - without)
            figures[f"without {size}"] = without
            figures[f"miss {size}"] = sorted(added)[rounds // 2]
            await hits(app, body, count // 4)
            figures[f"hit {size}"] = min([await hits(app, body, count) for _ in range(rounds)])
        return figures
    finally:
        await cache.close()
        bench.close()


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--profile", action="store_true", help="the functions that cost most in a miss")
    options.add_argument("--count", type=int, default=2000, help="requests a round")
    options.add_argument("--rounds", type=int, default=9, help="rounds")
    chosen = options.parse_args()
    collect_as_served()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        figures = runner.run(measure(count=chosen.count, rounds=chosen.rounds, profile=chosen.profile))
    if chosen.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:32s} {value:8.2f} us")


if __name__ == "__main__":
    main()
