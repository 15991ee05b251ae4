"""Brings the tables to what this program expects: Alembic's revisions in ``migrations``, all in one locked transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from .engine import Engine
from .errors import SchemaMismatch

FOLDER = Path(__file__).with_name("migrations")


async def opened(engine: Engine) -> None:
    """Connects and sees to it that the tables are the expected ones. Raises ``SchemaMismatch`` where they are not."""
    if engine.dialect.migrates_itself:
        await migrate(engine)
        return

    async def work(connection: AsyncConnection) -> str | None:
        return await connection.run_sync(_revision)

    found, head = await engine.read(work), _head()
    if found != head:
        _refuse_newer(found)
        state = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head}"
        raise SchemaMismatch(f"The database {state}: run `tollway migrate db` once, then start again.")


async def migrate(engine: Engine) -> str:
    """Runs the revisions that are missing. Whoever comes second waits, and finds nothing to do. Returns the newest."""

    async def work(connection: AsyncConnection) -> None:
        await engine.dialect.lock_schema(connection)
        await connection.run_sync(_upgrade)

    async def revision(connection: AsyncConnection) -> str | None:
        return await connection.run_sync(_revision)

    head = _head()
    if await engine.read(revision) != head:
        await engine.write(work, replayable=True)
    return head


def _upgrade(connection: Connection) -> None:
    _refuse_newer(_revision(connection))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(found: str | None) -> None:
    known = {revision.revision for revision in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"The database is at revision {found}, which this program does not know: a newer Tollway made it. "
            "Run that version (its `tollway migrate db` was run here already), or use another database."
        )


def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _config() -> Config:
    config = Config()
    # A percent sign in the folder's name is no interpolation.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
