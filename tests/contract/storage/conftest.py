"""Each test runs on SQLite and on PostgreSQL, in a database of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from proxy.storage.database import Database
from tests.support.postgres import PostgresServer, server
from tests.support.sqlite import migrated

Connect = Callable[[], Database]


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The server of this run."""
    return server()


@pytest.fixture(params=["sqlite", "postgres"])
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes handles to one database, as several processes have them; not opened yet."""
    made = []
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            make = partial(Database.postgres, await stack.enter_async_context(server().database()))
        else:
            make = partial(Database.sqlite, migrated(tmp_path / "tollway.db"))

        def another() -> Database:
            database = make()
            made.append(database)
            return database

        yield another
        for database in made:
            await database.close()


@pytest.fixture
async def database(connect: Connect) -> Database:
    """An open one."""
    database = connect()
    await database.open()
    return database
