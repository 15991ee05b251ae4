"""The admin API in this process, over the configured database. Gateways that run on the same database hear of changes within a second."""

import asyncio
import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.types import ASGIApp

from .. import __version__
from ..config import Config
from . import Failure
from .config import load_or_fail

if TYPE_CHECKING:
    from ..storage.database import Database

EXTRA = "install the extra: uv tool install 'tollway[server]', or [postgres] for PostgreSQL"


class Local:
    """Opens the database at the first request, closes it at the end."""

    far = False

    def __init__(self, path: str | None) -> None:
        self._config = load_or_fail(path).config
        self._runner = asyncio.Runner()
        self._app: ASGIApp | None = None
        self._database: Database | None = None

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """(status, body). Raises ``Failure``."""
        return self._runner.run(self._request(method, target, headers, body))

    def close(self) -> None:
        """Closes the database."""
        if self._database is not None:
            self._runner.run(self._database.close())
        self._runner.close()

    async def _request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self._app is None:
            _check_there(self._config, reads=method == "GET")
            self._app = await self._open()
        path, _, query = target.partition("?")
        if body:
            headers = {**headers, "content-type": "application/json"}
        scope: dict[str, object] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("local", 0),
            "server": ("local", 0),
        }
        return await call(self._app, scope, body)

    async def _open(self) -> ASGIApp:
        from ..admin.access import Local as Trusted
        from ..admin.app import admin_app
        from ..admin.desk import Desk
        from ..generation import terms_of
        from ..identity.pepper import PepperError
        from ..storage.errors import StorageError
        from ..stores import read_pepper

        config = self._config
        database = self._database = open_database(config)
        try:
            await database.open()
            known = await read_pepper(config, database)
        except (StorageError, PepperError) as error:
            raise Failure(
                str(error), fix="see storage in the configuration; tollway doctor looks at the rest"
            ) from None
        accounts = terms_of(config).accounts
        desk = Desk(
            database=database, pepper=known, clock=time.time, version=__version__, file_accounts=lambda: accounts
        )
        return admin_app(desk, Trusted(f"cli/{_user()}"))


def open_database(config: Config) -> "Database":
    """The configured database, not connected yet. Raises ``Failure`` where there is none or its extra is missing."""
    storage = config.storage
    if storage.type == "none":
        raise Failure(
            "The configuration keeps no accounts, keys or ledger (storage: none).",
            fix="add storage: {type: sqlite, path: tollway.db} to it, or name a running gateway with --url",
        )
    try:
        from ..storage.database import Database
    except ImportError as error:
        raise Failure(f"The database needs the package {error.name}, which is not installed.", fix=EXTRA) from None
    if storage.type == "sqlite":
        return Database.sqlite(Path(storage.path))
    return Database.postgres(storage.url.reveal() if storage.url is not None else "")


def _check_there(config: Config, *, reads: bool) -> None:
    """A wrong folder must not look like an empty database. Raises ``Failure``."""
    storage = config.storage
    if reads and storage.type == "sqlite" and not Path(storage.path).exists():
        raise Failure(
            f"There is no database at {Path(storage.path).absolute()} yet.",
            fix="run tollway migrate db to make it, or look at storage.path, --config and the folder you are in",
        )


async def call(app: ASGIApp, scope: dict[str, object], body: bytes) -> tuple[int, bytes]:
    """One request to an ASGI application."""
    status, parts = 0, list[bytes]()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: object) -> None:
        nonlocal status
        assert isinstance(message, dict)
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)


def _user() -> str:
    try:
        return getpass.getuser()[:64]
    except (OSError, KeyError):
        return "unknown"
