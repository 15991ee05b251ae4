"""Limit stores on real servers, for the contract suite: one server an engine for the whole run, emptied for each store."""

import atexit
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial

from proxy.limits.redis import SCRIPTS, RedisLimitStore
from proxy.protocols import LimitStore
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings

from .valkey import Server

PATIENT = 5.0
"""Seconds a call may take where a test is not about time: the machine may be busy."""


@cache
def shared(engine: str) -> Server:
    """The server of this run."""
    server = Server(engine)
    atexit.register(server.close)
    return server


@asynccontextmanager
async def opened(
    url: str, *, timeout: float = PATIENT, wall: Callable[[], float] = time.time
) -> AsyncIterator[RedisLimitStore]:
    """A store over a connection of its own."""
    link = StateLink(LinkSettings(url=url, timeout=timeout), scripts=SCRIPTS)
    assert await link.open(), f"no answer from {url}"
    try:
        yield RedisLimitStore(link, wall)
    finally:
        await link.close()


@asynccontextmanager
async def emptied(engine: str) -> AsyncIterator[RedisLimitStore]:
    """A store on the engine's server, with nothing in it."""
    server = shared(engine)
    server.ask("FLUSHALL")
    async with opened(server.unix) as store:
        yield store


def advance(engine: str, seconds: float) -> None:
    """Lets time pass on the engine's server: as if its clock had once been put back by as much, which the scripts make up for."""
    shared(engine).ask("HINCRBY", "{tollway}:clock", "behind", int(seconds * 1_000_000))


FACTORIES: dict[str, Callable[[], AbstractAsyncContextManager[LimitStore]]] = {
    "valkey": partial(emptied, "valkey"),
    "redis": partial(emptied, "redis"),
}
