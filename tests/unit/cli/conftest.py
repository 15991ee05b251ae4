"""A configuration with a real SQLite file, commands run against it, and the same API behind a real port."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from proxy.admin.access import AdminKey
from proxy.admin.app import admin_app
from proxy.admin.desk import Desk
from proxy.cli import main
from proxy.cli.admin_local import call
from proxy.identity.failures import FailureLimiter
from proxy.protocols import Entry
from proxy.storage.database import Database
from tests.support.sqlite import migrated

ADMIN_KEY = "an admin key of a test"

CONFIG = """\
providers:
  local: {use: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}
models:
  "*": {targets: [{provider: local}]}
accounts:
  filed: {budget: {usd: 5}}
"""

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TOLLWAY_ADMIN_URL", "TOLLWAY_ADMIN_KEY", "TOLLWAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    """A SQLite file with its tables, named by ``tollway.yaml`` in the working folder."""
    path = migrated(tmp_path / "tollway.db")
    (tmp_path / "tollway.yaml").write_text(CONFIG + f"storage: {{type: sqlite, path: {path}}}\n")
    return path


def in_database(path: Path, work: Callable[[Database], Any]) -> None:
    """Runs ``work`` on the file, as another process would."""

    async def go() -> None:
        database = Database.sqlite(path)
        await database.open()
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(go())


@pytest.fixture
def run(database_file: Path) -> Run:
    """``run("keys", "list")``; ``input`` and the exit code that is expected may be named."""

    def go(*arguments: str, exits: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(main, arguments, **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exits, result.output
        return result

    return go


def told(result: Result) -> Any:
    """What a command printed as JSON."""
    return json.loads(result.stdout)


def entry(ident: str, **changes: Any) -> Entry:
    """A request of the ledger."""
    fields: dict[str, Any] = {
        "ident": ident,
        "request_id": f"req-{ident}",
        "upstream_id": f"up-{ident}",
        "account": "filed",
        "key": "app",
        "key_name": "app",
        "endpoint": "chat",
        "route": "*",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "outcome": "ok",
        "ending": "complete",
        "count": "reported",
        "input_tokens": 100,
        "output_tokens": 50,
        "charge": 2_500_000,
        "cost": 1_250_000,
        "at": time.time(),
        "ended": time.time(),
    }
    return Entry(**(fields | changes))


@pytest.fixture
def served(database_file: Path) -> Iterator[str]:
    """The admin API at a port of its own; gives its URL."""
    server = _Server(database_file)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(10)


class _Server:
    """One thread, one loop: an HTTP server in front of the ASGI application."""

    def __init__(self, path: Path) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, answer = outer.answer(self.command, self.path, list(self.headers.items()), body)
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the server looks for these names

            def log_message(self, *_: object) -> None:
                pass

        self._path = path
        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_port

    def run(self) -> None:
        with asyncio.Runner() as runner:
            self._runner = runner
            database = Database.sqlite(self._path)
            runner.run(database.open())
            failures = FailureLimiter(per_address=100, total=100, clock=time.monotonic)
            desk = Desk(database=database, pepper=b"p" * 32, clock=time.time, version="test")
            self._app = admin_app(desk, AdminKey(ADMIN_KEY, failures))
            try:
                self._http.serve_forever(poll_interval=0.01)
            finally:
                runner.run(database.close())
                self._http.server_close()

    def stop(self) -> None:
        self._http.shutdown()

    def answer(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        path, _, query = target.partition("?")
        scope: dict[str, object] = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "client": ("127.0.0.1", 1),
        }
        return self._runner.run(call(self._app, scope, body))
