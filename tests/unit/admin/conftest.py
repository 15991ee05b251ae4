"""The API, over a new database for each test: SQLite, and PostgreSQL for the modules that ask for both with ``BOTH``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.storage.database import Database
from tests.support.postgres import server

from .api import Api, over_sqlite


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """``sqlite`` unless parametrized."""
    found: str = getattr(request, "param", "sqlite")
    return found


@pytest.fixture
async def api(engine: str, tmp_path: Path) -> AsyncIterator[Api]:
    """With an empty database."""
    if engine == "sqlite":
        async with over_sqlite(tmp_path) as found:
            yield found
        return
    async with server().database() as url:
        database = Database.postgres(url)
        await database.open()
        try:
            yield Api(database)
        finally:
            await database.close()
