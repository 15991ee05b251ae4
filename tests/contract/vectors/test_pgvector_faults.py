"""A PostgreSQL that is not there, goes away or hangs: nothing is found meanwhile, nobody waits, and what was to be kept is kept afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from proxy.protocols import Purge
from proxy.semantic.vectors.pgvector import AGAIN, PgvectorIndex
from tests.support.clock import FakeClock
from tests.support.postgres import server
from tests.support.tcp_proxy import TcpProxy

from .conftest import until
from .made import MINE, SIGNATURE, Records, at, kept, key


class Through:
    """An index whose database is reached through a proxy with faults. ``clock`` is under the test's control."""

    def __init__(self, proxy: TcpProxy, url: str) -> None:
        self.proxy = proxy
        self.records = Records()
        self.clock = FakeClock()
        self.index = PgvectorIndex(
            url, embedder="minilm@1", max_entries=100, max_total=1000, timeout=0.2, clock=self.clock, wall=time.time,
            records=self.records,
        )  # fmt: skip

    async def there(self, number: int) -> bool:
        """Is the row found?"""
        self.clock.advance(AGAIN)
        found = await self.index.alike(MINE, SIGNATURE, "", 8)
        return found is not None and key(number) in [one for one, _ in found.bare]


@pytest.fixture
async def through() -> AsyncIterator[Through]:
    """Open, with one row."""
    postgres = server()
    async with postgres.database(empty=True) as url:
        proxy = TcpProxy(postgres.port)
        await proxy.listen()
        made = Through(proxy, url.replace(f":{postgres.port}/", f":{proxy.port}/"))
        await made.index.open()
        made.index.add(kept(1))
        assert await made.there(1)
        yield made
        await made.index.close()
        await proxy.close()


async def test_a_database_that_hangs_is_not_waited_for_and_then_left_alone(through: Through) -> None:
    through.proxy.swallow = True
    began = time.monotonic()
    assert await through.index.alike(MINE, SIGNATURE, "", 8) is None
    assert time.monotonic() - began < 1.0
    assert through.records.failures == ["down"]
    assert through.index.empty(MINE)
    began = time.monotonic()
    assert await through.index.nearest(MINE, SIGNATURE, at(0)) is None
    assert time.monotonic() - began < 0.1
    assert through.records.failures == ["down"]
    # Nothing that hung is left behind, and so nothing that takes the place of others.
    await until(lambda: asyncio.sleep(0, not through.index._lookups), 2)
    through.proxy.swallow = False
    await until(lambda: through.there(1))


async def test_what_could_not_be_written_is_written_afterwards(through: Through) -> None:
    await through.proxy.refuse()
    through.index.add(kept(2))
    through.index.forget(MINE, key(1))
    await through.index.purge(Purge(account="nobody"))
    assert "down" in through.records.failures
    await through.proxy.listen()
    await until(lambda: through.there(2))
    assert not await through.there(1)


async def test_a_database_that_is_not_there_at_start_is_used_later(through: Through) -> None:
    await through.proxy.refuse()
    other = Through(through.proxy, through.index._url)
    await other.index.open()
    assert other.records.failures == ["down"]
    other.index.add(kept(3))
    assert await other.index.alike(MINE, SIGNATURE, "", 8) is None
    await through.proxy.listen()
    await until(lambda: other.there(3))
    await other.index.close()


async def test_two_that_make_the_table_at_once_do_not_trip() -> None:
    async with server().database(empty=True) as url:
        many = [Through(TcpProxy(0), url) for _ in range(4)]
        await asyncio.gather(*(one.index.open() for one in many))
        assert [one.records.failures for one in many] == [[]] * 4
        await asyncio.gather(*(one.index.close() for one in many))


async def test_what_waits_is_written_at_the_end() -> None:
    async with server().database(empty=True) as url:
        one = Through(TcpProxy(0), url)
        await one.index.open()
        one.index.add(kept(1))
        await one.index.close()
        other = Through(TcpProxy(0), url)
        await other.index.open()
        assert await other.there(1)
        await other.index.close()
