"""SQLite files with Tollway's tables: made once in a run, then copied, as PostgreSQL's databases are made from a template."""

import asyncio
import atexit
import functools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proxy.storage.database import Database


def migrated(path: Path) -> Path:
    """Makes the file at ``path``, with all tables and nothing in them."""
    shutil.copyfile(_template(), path)
    return path


@functools.cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tollway-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "tollway.db"
    # In a thread of its own: whoever asks first may be in a loop.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _made(path)).result()
    return path


async def _made(path: Path) -> None:
    database = Database.sqlite(path)
    await database.migrate()
    await database.close()
