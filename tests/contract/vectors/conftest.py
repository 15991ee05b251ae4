"""Every index under the one contract, as several processes have them: in memory, over a real Valkey, in a real PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from proxy.semantic.vectors import VectorIndex
from proxy.semantic.vectors.memory import MemoryIndex
from proxy.semantic.vectors.pgvector import PgvectorIndex
from proxy.semantic.vectors.replicated import STREAM, ReplicatedIndex
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings
from tests.support.clock import FakeClock
from tests.support.postgres import server as postgres
from tests.support.valkey import Server, server

from .made import Records

EMBEDDER = "minilm@1"
SECRET = b"s" * 32


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """One server for all tests of this folder that do not break it."""
    with server() as running:
        yield running


class Fleet:
    """Makes indexes that share what their engine shares. ``wall`` is everybody's."""

    def __init__(self, kind: str, records: Records, wall: FakeClock, stack: AsyncExitStack) -> None:
        self.kind = kind
        self.records = records
        self.wall = wall
        self.url = ""
        self.stack = stack
        self.made: list[VectorIndex] = []

    async def another(
        self, *, max_entries: int = 100, max_total: int = 1000, embedder: str = EMBEDDER, secret: bytes = SECRET
    ) -> VectorIndex:
        """One more process's. Replicated ones follow the stream only when told to, by ``settle``."""
        memory = MemoryIndex(max_entries=max_entries, max_total=max_total, wall=self.wall, records=self.records)
        index: VectorIndex = memory
        if self.kind == "replicated":
            link = StateLink(LinkSettings(url=self.url, timeout=2.0))
            assert await link.open()
            self.stack.push_async_callback(link.close)
            index = ReplicatedIndex(
                memory, link, secret=lambda: secret, embedder=embedder, longest=3600.0, most=5000,
                wall=self.wall, records=self.records,
            )  # fmt: skip
        elif self.kind == "pgvector":
            index = PgvectorIndex(
                self.url, embedder=embedder, max_entries=max_entries, max_total=max_total, timeout=5.0,
                clock=time.monotonic, wall=self.wall, records=self.records,
            )  # fmt: skip
            await index.open()
            self.stack.push_async_callback(index.close)
        self.made.append(index)
        return index

    async def settle(self) -> None:
        """Everybody has told, then heard, everything; and what is too much is gone."""
        for _ in range(2):
            for index in self.made:
                if isinstance(index, ReplicatedIndex):
                    while await index.turn():
                        pass
                elif isinstance(index, PgvectorIndex):
                    await index.flush()
                    await index.upkeep()


@pytest.fixture(params=["memory", "replicated", "pgvector"])
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    """Of each kind."""
    async with AsyncExitStack() as stack:
        made = Fleet(request.param, Records(), FakeClock(2_000_000_000.0), stack)
        if request.param == "replicated":
            valkey: Server = request.getfixturevalue("valkey")
            valkey.ask("DEL", STREAM)
            made.url = valkey.url
        elif request.param == "pgvector":
            made.url = await stack.enter_async_context(postgres().database(empty=True))
        yield made


@pytest.fixture
async def index(fleet: Fleet) -> VectorIndex:
    """One of each kind."""
    return await fleet.another()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Waits until it does."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.02)
