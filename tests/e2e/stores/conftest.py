"""Servers that a test may hurt, each its own, and stores over links with the product's time limits."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proxy.limits.failover import FailoverStore
from proxy.limits.memory import MemoryLimitStore
from proxy.limits.redis import SCRIPTS, RedisLimitStore
from proxy.policy.rules import Charge, Method, Reservation, Rule, Unit
from proxy.policy.terms import OnFailure
from proxy.state.link import StateLink
from proxy.state.push import Push
from proxy.state.settings import LinkSettings
from tests.support.valkey import Server, server

SLACK = 0.06
"""Seconds by which a test's own machine may be late."""


# The contract suite runs on both engines; what outages do to ours is the same for both.
@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One of each kind."""
    with server(request.param) as found:
        yield found


@pytest.fixture
def valkey() -> Iterator[Server]:
    """One Valkey."""
    with server() as found:
        yield found


@dataclass
class Fleet:
    """A gateway's way to the store, and what its hooks were told."""

    link: StateLink
    shared: RedisLimitStore
    local: MemoryLimitStore
    store: FailoverStore
    errors: list[str] = field(default_factory=list)
    states: list[bool] = field(default_factory=list)

    async def until(self, up: bool, within: float) -> float:
        """Waits until the link says so; the seconds it took."""
        began = time.monotonic()
        while self.link.up is not up:
            assert time.monotonic() - began < within, f"not {'up' if up else 'down'} after {within} s: {self.errors}"
            await asyncio.sleep(0.005)
        return time.monotonic() - began


@asynccontextmanager
async def fleet(settings: LinkSettings | str, *, replicas: int = 1) -> AsyncIterator[Fleet]:
    """One gateway process."""
    if isinstance(settings, str):
        settings = LinkSettings(url=settings)
    errors: list[str] = []
    states: list[bool] = []
    link = StateLink(settings, scripts=SCRIPTS, on_error=errors.append, on_state=states.append)
    shared = RedisLimitStore(link, time.time)
    local = MemoryLimitStore(time.monotonic, time.time, share=replicas)
    store = FailoverStore(link, shared, local)
    assert await link.open(), errors
    try:
        yield Fleet(link, shared, local, store, errors, states)
    finally:
        await store.close()
        await link.close()


@asynccontextmanager
async def pushing(settings: LinkSettings) -> AsyncIterator[tuple[Push, list[str]]]:
    """One worker that listens, and what it heard."""
    link = StateLink(settings)
    await link.open()
    made = Push(settings, link)
    heard: list[str] = []
    made.listen(heard.append)
    try:
        yield made, heard
    finally:
        await made.close()
        await link.close()


def rule(
    name: str = "rpm",
    limit: int = 1_000_000,
    *,
    unit: Unit = "requests",
    method: Method = "window",
    on_failure: OnFailure = "share",
    ledgered: bool = False,
    shadow: bool = False,
    soft: bool = False,
) -> Rule:
    """A rule of a key."""
    return Rule(
        ident=f"key/k/{name}", name=name, scope="key", unit=unit, method=method, limit=limit, period=60, on_failure=on_failure,
        ledgered=ledgered, shadow=shadow, soft=soft,
    )  # fmt: skip


def slots(limit: int, on_failure: OnFailure = "share") -> Rule:
    """Requests at once."""
    return rule("concurrency", limit, unit="slots", method="slots", on_failure=on_failure)


def budget(limit: int, on_failure: OnFailure = "closed", *, ledgered: bool = False) -> Rule:
    """Micro-dollars in total."""
    return rule("budget.total", limit, unit="micro_usd", method="money", on_failure=on_failure, ledgered=ledgered)


def charge(of: Rule, amount: int = 1, least: int | None = None) -> Charge:
    """All or nothing, unless ``least`` is said."""
    return Charge(of, amount, amount if least is None else least, "total" if of.method == "money" else "")


_numbers = iter(range(1, 1 << 60))


async def ask(store: FailoverStore | RedisLimitStore, *charges: Charge) -> object:
    """Reserves under a name of its own."""
    return await store.reserve(f"{next(_numbers):032x}", charges, 60.0)


async def granted(store: FailoverStore | RedisLimitStore, *charges: Charge) -> Reservation:
    """Reserves, which must succeed."""
    answer = await ask(store, *charges)
    assert isinstance(answer, Reservation), answer
    return answer


async def cost(call: Callable[[], Awaitable[object]]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def costs(call: Callable[[], Awaitable[object]], times: int = 300) -> list[float]:
    """Seconds of calls one after another, the dearest last."""
    return sorted([await cost(call) for _ in range(times)])
