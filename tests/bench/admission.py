"""What limits, a budget and the durable hold cost a request in memory: before it is sent, and after its answer.

``python -m tests.bench.admission [--json] [--profile]``. Target: 15 us of CPU on the path, for a key with rpm, tpm, concurrency and a
monthly budget: the auth link, the rate_limit link (one step over four rules, the hold in the journal), and the note that it is sent.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import structs
from starlette.types import ASGIApp

import middleware
from middleware import auth, rate_limit
from proxy.context import Message, Receive, RequestContext, Scope, Send
from proxy.money.bookkeeping import Bookkeeper
from proxy.money.journal import Journal
from proxy.money.ledger import JournaledLedger
from proxy.policy.terms import Budget, Limits
from proxy.protocols import Settlement
from proxy.wire.endpoints import CHAT

from .chain import BODY, Bench, Nowhere, collect_as_served, drop, loop_factory, requests

MOST = 1_000_000_000
LIMITS = Limits(rpm=MOST, tpm=MOST, concurrency=100_000)
BUDGET = Budget(usd=1_000_000.0, per="month")
AT_ONCE = 200
"""Requests that are under way together: so many are admitted, then sent, then settled."""


class Later:
    """A settlement that keeps what it should settle."""

    def __init__(self, inner: Settlement) -> None:
        self._inner = inner
        self.kept: list[tuple[RequestContext, float]] = []

    def needs_count(self, ctx: RequestContext) -> bool:
        """As the real one."""
        return self._inner.needs_count(ctx)

    def immediate(self, ctx: RequestContext) -> bool:
        """As the real one."""
        return self._inner.immediate(ctx)

    async def settle(self, ctx: RequestContext, ended: float, *, at_once: bool = False) -> None:
        """Not yet."""
        self.kept.append((ctx, ended))


@asynccontextmanager
async def limited() -> AsyncIterator[tuple[Bench, JournaledLedger]]:
    """The usual services with limits, a budget and a journal; the database takes everything."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), limit=256 * 1024 * 1024)
        ledger = JournaledLedger(journal, Bookkeeper(Nowhere()), sync=False, clock=time.monotonic)
        bench = Bench(limits=LIMITS, budget=BUDGET, ledger=ledger)
        bench.transport.plain()
        writing = asyncio.get_running_loop().create_task(ledger.run())
        try:
            yield bench, ledger
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await ledger.flush(5.0)
            bench.close()
            ledger.close()


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What is behind a link that is measured alone."""


async def never() -> Message:
    """Nobody reads here."""
    raise AssertionError


class Stages:
    """A request's way in stages, each with a clock of its own: what is timed is the links and the settler that are served."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        services = bench.services
        self.later = Later(services.settlement)
        bench.services = structs.replace(services, settlement=self.later)
        self.whole = bench.chain()
        self._settlement, self._telemetry = services.settlement, services.telemetry
        self._auth = self._alone(auth)
        self._limit = self._alone(rate_limit)
        self._before = bench.prefix(
            [link.__module__ for link in middleware.CHAIN].index(rate_limit.__name__), self._keep
        )
        self._scopes: list[Scope] = []

    def _alone(self, module: object) -> ASGIApp:
        cls, args, kwargs = module.link(CHAT, "/chat/completions", self._bench.services)  # type: ignore[attr-defined]
        made: ASGIApp = cls(nothing, *args, **kwargs)
        return made

    async def _keep(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    async def admitted(self, count: int, found: dict[str, float]) -> None:
        """Times the links of ``count`` requests that come at once."""
        self._scopes.clear()
        await requests(self._before, BODY, count)
        scopes = self._scopes
        began = time.thread_time()
        for scope in scopes:
            await self._auth(scope, never, drop)
        _note(found, "auth", began, count)
        began = time.thread_time()
        for scope in scopes:
            await self._limit(scope, never, drop)
        _note(found, "limits and hold", began, count)
        contexts: list[RequestContext] = [scope["tollway"] for scope in scopes]
        began = time.thread_time()
        for ctx in contexts:
            if ctx.on_dispatch is not None:
                ctx.on_dispatch()
        _note(found, "sent", began, count)
        for ctx in contexts:
            await self._settlement.settle(ctx, ctx.started)

    async def settled(self, count: int, found: dict[str, float]) -> None:
        """Times what follows the answers of ``count`` requests, and of that the record that every request has."""
        kept = self.later.kept
        kept.clear()
        await requests(self.whole, BODY, count)
        began = time.thread_time()
        for ctx, ended in kept:
            await self._settlement.settle(ctx, ended)
        _note(found, "after the answer", began, count)
        began = time.thread_time()
        for ctx, ended in kept:
            self._telemetry.record(ctx, ended)
        _note(found, "record", began, count)


def _note(found: dict[str, float], name: str, began: float, count: int) -> None:
    found[name] = min(found.get(name, float("inf")), (time.thread_time() - began) / count * 1e6)


async def measure(*, rounds: int = 60, count: int = AT_ONCE) -> dict[str, float]:
    """Microseconds of this thread's CPU a request: the best of ``rounds``."""
    found: dict[str, float] = {}
    async with limited() as (bench, _):
        stages = Stages(bench)
        for _ in range(rounds):
            await stages.admitted(count, found)
            await stages.settled(count, found)
            # The ledger writes between the rounds.
            await asyncio.sleep(0)
            gc.collect()
    return {
        "on the path": found["auth"] + found["limits and hold"] + found["sent"],
        **found,
        "settlement": found["after the answer"] - found["record"],
    }


async def profile(count: int) -> None:
    """Where the time goes."""
    async with limited() as (bench, _):
        stages = Stages(bench)
        profiler = cProfile.Profile()
        for _ in range(10):
            await stages.admitted(count, {})
            profiler.enable()
            await stages.admitted(count, {})
            await stages.settled(count, {})
            profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(60)


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--profile", action="store_true", help="the functions that cost most")
    options.add_argument("--rounds", type=int, default=60, help="rounds, of which the best counts")
    chosen = options.parse_args()
    collect_as_served()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if chosen.profile:
            runner.run(profile(AT_ONCE))
            return
        figures = runner.run(measure(rounds=chosen.rounds))
    if chosen.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:32s} {value:8.2f} us")


if __name__ == "__main__":
    main()
