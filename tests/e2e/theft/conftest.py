"""One gateway for the whole folder; after each test its books are looked at."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.gateways import Books, wait_up
from tests.support.processes import Gateway, Mock

from .liar import Liar, liar
from .stand import Stand, configuration


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Mock, Liar, Books]]:
    """The processes."""
    folder: Path = tmp_path_factory.mktemp("theft")
    with contextlib.closing(Mock()) as mock, liar() as lying:
        with contextlib.closing(Gateway(configuration(mock, lying, folder), wait=False)) as gateway:
            wait_up(gateway)
            yield gateway, mock, lying, Books(folder / "tollway.db")


@pytest.fixture
async def stand(scene: tuple[Gateway, Mock, Liar, Books]) -> AsyncIterator[Stand]:
    """The scene with a client; when the test is over the books must add up, and nothing may be left open."""
    gateway, mock, lying, books = scene
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Stand(gateway, mock, lying, books, session)
    await books.check()
    assert "Traceback" not in gateway.log(), gateway.log()[-4000:]
