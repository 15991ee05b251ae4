"""The whole product in one process, without a network: auth, count, limits of requests and tokens, exact cache, routing, metrics, log.

``python -m tests.bench.product [--only NAME] [--rounds N] [--count N]``: thousands of instructions and microseconds of CPU a request.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random

import msgspec
import orjson
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from proxy.cached import AnswerCache
from proxy.config import Config
from proxy.context import Message
from proxy.policy.caching import Cache, ExactCache
from proxy.policy.terms import Limits
from proxy.telemetry.access_log import BATCH_AFTER
from proxy.telemetry.caching import CacheMetrics

from .chain import Bench, collect_as_served, loop_factory, scope_for
from .instructions import Instructions, NotCounted

FAR = Limits(rpm=10**9, tpm=10**12)
"""Limits that every request is counted against and none comes near."""

CACHED = Config(cache=Cache(exact=ExactCache()))
SENTENCE = "How long is the road? "
SENTENCES = {1: 43, 10: 460, 100: 4600}
"""Sentences of a prompt, by its kilobytes."""

MARK = b"How"
"""What is replaced by a number where every request is to be another."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request. ``events`` of a stream, 0 for a whole answer; ``paced``: the loop turns between its reads."""

    whole: bool = True
    """With limits and the cache."""

    repeated: bool = False
    """The same body again and again: the cache's answer."""

    size: int = 1
    events: int = 0
    together: int = 1
    paced: bool = False
    tools: bool = False
    """An agent's: with eight tools, as ``TOOLS``."""


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"look_{number}",
            "description": "Looks a thing up in the index of things.",
            "parameters": {
                "type": "object",
                "properties": {"what": {"type": "string"}, "where": {"type": "string", "enum": ["near", "far"]}},
                "required": ["what"],
            },
        },
    }
    for number in range(8)
]

CASES = {
    "plain": Case(whole=False),
    "miss": Case(),
    "hit": Case(repeated=True),
    "miss, waited for": Case(paced=True),
    "miss, 10 KB": Case(size=10),
    "miss, 100 KB": Case(size=100),
    "agent": Case(tools=True),
    "agent, 100 KB": Case(tools=True, size=100),
    "hit, 10 KB": Case(repeated=True, size=10),
    "stream of 16": Case(events=16),
    "stream of 416": Case(events=416),
    "stream of 416 by 8": Case(events=416, together=8),
    "burst of 500 by 25": Case(events=500, together=25),
    "paced stream of 16": Case(events=16, paced=True),
    "paced stream of 416": Case(events=416, paced=True),
}
"""``plain`` is the product with nothing switched on; all others have everything on."""


def body_of(case: Case) -> bytes:
    """What the client of a case sends."""
    content = SENTENCE * SENTENCES[case.size]
    body: dict[str, object] = {"model": "fast", "messages": [{"role": "user", "content": content}]}
    if case.tools:
        body["tools"] = TOOLS
    return orjson.dumps(body | {"stream": True} if case.events else body)


async def _nobody(model: str, texts: object) -> bytes:
    raise NotImplementedError


class Client:
    """One request's other side: sends its body, then stays. ``status``: of the answer, 0 before its end."""

    __slots__ = ("_body", "_started", "status")

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._started = self.status = 0

    async def receive(self) -> Message:
        """ASGI's ``receive``: once the body is sent, it says nothing until the client leaves, which it never does."""
        body = self._body
        if body is None:
            await asyncio.get_running_loop().create_future()
        self._body = None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        """ASGI's ``send``: takes everything at once."""
        if message["type"] == "http.response.start":
            self._started = message["status"]
        elif not message.get("more_body"):
            self.status = self._started


class Product:
    """Both chains. Make it inside a running loop with ``made``."""

    def __init__(self) -> None:
        self.bare = Bench()
        self.bench = Bench(limits=FAR)
        self._cache = AnswerCache(CacheMetrics(CollectorRegistry()), ask=_nobody, rng=Random(1))
        self._number = 0
        self.plain = self.bare.chain()
        self.whole: ASGIApp = self.plain

    @classmethod
    async def made(cls) -> "Product":
        """One that serves."""
        product = cls()
        await product._cache.use(CACHED)
        product.whole = product.bench.chain(product._cache.made(CACHED))
        return product

    async def close(self) -> None:
        """Stops the threads."""
        await self._cache.close()
        self.bench.close()
        self.bare.close()

    def work(self, case: Case, count: int, app: ASGIApp | None = None) -> Callable[[], Awaitable[None]]:
        """``count`` requests, one after the other, ready to be sent: their bodies are made beforehand. ``app``: to another application."""
        bench, chain = (self.bench, self.whole) if case.whole else (self.bare, self.plain)
        if case.events:
            bench.transport.stream(case.events, together=case.together, paced=case.paced)
        else:
            bench.transport.plain()
            bench.transport.paced = case.paced
        body = body_of(case)
        bodies = [body] * count if case.repeated else [self._another(body) for _ in range(count)]
        # A server's header list is new for each request, what is in it is not.
        scopes = [{**scope, "headers": [*scope["headers"]]} for scope in [scope_for(body)] * count]
        clients = [Client(sent) for sent in bodies]
        served = app or chain

        async def requests() -> None:
            for scope, client in zip(scopes, clients, strict=True):
                await served(scope, client.receive, client.send)
            if any(client.status != 200 for client in clients):
                raise RuntimeError(f"not all answers were whole: {sorted({client.status for client in clients})}")

        return requests

    def _another(self, body: bytes) -> bytes:
        self._number += 1
        return body.replace(MARK, b"%07d" % self._number, 1)


class Spent(msgspec.Struct, frozen=True):
    """Of one request: thousands of instructions (0 where they cannot be counted), microseconds of this thread's CPU."""

    thousands: float = float("inf")
    micros: float = float("inf")

    def least(self, other: "Spent") -> "Spent":
        """The least of each: what disturbs only adds."""
        return Spent(min(self.thousands, other.thousands), min(self.micros, other.micros))


async def spent_by(work: Callable[[], Awaitable[None]], count: int, instructions: Instructions | None) -> Spent:
    """What ``work``, of ``count`` requests, costs a request."""
    before, began = instructions.read() if instructions else 0, time.thread_time()
    await work()
    took = time.thread_time() - began
    if instructions is not None and instructions.threads:
        await asyncio.sleep(2 * BATCH_AFTER)
    after = instructions.read() if instructions else 0
    return Spent((after - before) / count / 1e3, took / count * 1e6)


async def measure(names: list[str], *, rounds: int, count: int, instructions: Instructions | None) -> dict[str, Spent]:
    """Each case: the least of ``rounds``."""
    product = await Product.made()
    found: dict[str, Spent] = {}
    try:
        for turn in range(rounds):
            for name in names:
                case = CASES[name]
                number = max(count // (20 if case.events else 1), 5)
                if turn == 0:
                    await product.work(case, number // 2 + 1)()
                spent = await spent_by(product.work(case, number), number, instructions)
                found[name] = spent.least(found.get(name, Spent()))
    finally:
        await product.close()
    return found


@contextmanager
def counting(*, threads: bool) -> Iterator[Instructions | None]:
    """The machine's counter, where the kernel lets us have it."""
    try:
        counter = Instructions(threads=threads)
    except NotCounted:
        yield None
        return
    try:
        yield counter
    finally:
        counter.close()


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", choices=CASES, help="this case alone; may be given again")
    options.add_argument("--count", type=int, default=400, help="requests a round; a twentieth of it for streams")
    options.add_argument("--rounds", type=int, default=7, help="rounds, of which the least counts")
    options.add_argument("--threads", action="store_true", help="count the other threads' instructions too")
    chosen = options.parse_args()
    gc.collect()
    with counting(threads=chosen.threads) as instructions:
        collect_as_served()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            found = runner.run(
                measure(chosen.only or list(CASES), rounds=chosen.rounds, count=chosen.count, instructions=instructions)
            )
    for name, spent in found.items():
        print(f"{name:30s} kinstr min {spent.thousands:8.2f}   us min {spent.micros:8.2f}")


if __name__ == "__main__":
    main()
