"""Every cache store under the one contract: memory, a real Valkey, a real Redis."""

from collections.abc import AsyncIterator

import pytest

from proxy.protocols import CacheStore
from tests.support.cache_stores import FACTORIES, NOW, Records
from tests.support.clock import FakeClock


@pytest.fixture
def wall() -> FakeClock:
    """Unix seconds."""
    return FakeClock(NOW)


@pytest.fixture
def records() -> Records:
    """What the store told."""
    return Records()


@pytest.fixture(params=sorted(FACTORIES))
async def store(request: pytest.FixtureRequest, wall: FakeClock, records: Records) -> AsyncIterator[CacheStore]:
    """A new one of each kind."""
    async with FACTORIES[request.param](wall, records) as made:
        yield made
