"""The API, over a new database for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .api import Api, over_sqlite


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """Over SQLite."""
    async with over_sqlite(tmp_path) as found:
        yield found
