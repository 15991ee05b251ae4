"""``tollway migrate``: brings a database to what this version expects, and another gateway's configuration to ours."""

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import Failure
from .admin_local import open_database
from .config import CONFIG_OPTION, load_or_fail
from .migrate_litellm import litellm
from .printed import OUTPUT, Printer

if TYPE_CHECKING:
    from ..config import Config


@click.group()
def migrate() -> None:
    """Bring a database to what this version expects, or another gateway's configuration to ours."""


migrate.add_command(litellm)


@migrate.command()
@CONFIG_OPTION
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 when the tables are not up to date.")
@OUTPUT
def db(path: str | None, check: bool, output: str) -> None:
    """Bring the database's tables up to date, from nothing too.

    Whoever comes second waits and finds nothing to do. SQLite does it by itself at start; run this for PostgreSQL, once, before
    the new version starts.
    """
    config = load_or_fail(path).config
    database = open_database(config)
    from ..storage.errors import StorageError

    try:
        if check:
            revision = asyncio.run(_checked(config))
        else:

            async def run() -> str:
                try:
                    return await database.migrate()
                finally:
                    await database.close()

            revision = asyncio.run(run())
    except StorageError as error:
        raise Failure(
            str(error), fix="run tollway migrate db" if check else "look at storage in the configuration"
        ) from None
    Printer(output).sheet({"storage": config.storage.type, "revision": revision, "up_to_date": True})


async def _checked(config: "Config") -> str:
    """The tables' revision, which is the expected one. Raises ``Failure`` or ``StorageError``."""
    from alembic.script import ScriptDirectory

    from ..storage.migrating import FOLDER

    head = ScriptDirectory(str(FOLDER)).get_current_head()
    assert head is not None
    if config.storage.type == "sqlite":
        found = _revision_of(Path(config.storage.path))
        if found != head:
            state = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head}"
            raise Failure(f"The database {state}.", fix="run tollway migrate db, or start the gateway")
        return head
    database = open_database(config)
    try:
        await database.open()
    finally:
        await database.close()
    return head


def _revision_of(path: Path) -> str | None:
    """What Alembic noted in a SQLite file; ``None`` where there is no file or no table."""
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    return str(row[0]) if row is not None else None
