"""Every store under the one contract. Those behind a server register in ``tests/support/limit_stores.py``."""

import importlib.util
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from proxy.limits.memory import MemoryLimitStore
from proxy.protocols import LimitStore

StoreFactory = Callable[[], AbstractAsyncContextManager[LimitStore]]
"""A store that knows nothing yet; closed on leaving."""


@asynccontextmanager
async def memory() -> AsyncIterator[LimitStore]:
    store = MemoryLimitStore(time.monotonic, time.time)
    yield store
    await store.close()


def factories() -> dict[str, StoreFactory]:
    """By name."""
    found: dict[str, StoreFactory] = {"memory": memory}
    if importlib.util.find_spec("tests.support.limit_stores") is not None:
        found.update(importlib.import_module("tests.support.limit_stores").FACTORIES)
    return found


FACTORIES = factories()


@pytest.fixture(params=sorted(FACTORIES))
def store_factory(request: pytest.FixtureRequest) -> StoreFactory:
    """What makes a store of each kind."""
    return FACTORIES[request.param]


@pytest.fixture
async def store(store_factory: StoreFactory) -> AsyncIterator[LimitStore]:
    """A new one of each kind."""
    async with store_factory() as made:
        yield made


@pytest.fixture
async def stores() -> AsyncIterator[dict[str, LimitStore]]:
    """A new one of every kind, by name."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(made()) for name, made in FACTORIES.items()}
