"""The admin API for commands: far away over HTTP, or here over the configured database; the commands do not see which.

Far away with ``--url`` or ``TOLLWAY_ADMIN_URL`` and the key in ``TOLLWAY_ADMIN_KEY``; else here.
"""

import functools
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol
from urllib.parse import quote, urlencode
from uuid import uuid4

import click
from msgspec import UNSET, Struct

from ..errors import TollwayError
from ..wire.values import Json, JsonObject, obj, objects
from . import Failure
from .config import CONFIG_OPTION
from .printed import OUTPUT, Printer

PREFIX = "/admin/v1"
URL = "TOLLWAY_ADMIN_URL"
KEY = "TOLLWAY_ADMIN_KEY"

PAGE = 1_000
"""Rows of one page, the API's most."""

P = ParamSpec("P")

_REQUEST_ID = re.compile(r" \(request id: [^)]*\)$")

LIMIT = click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="Rows at most.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Check and show what would be done; change nothing.")
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
ONCE = click.option(
    "--idempotency-key",
    "once",
    metavar="TEXT",
    help="Done once under this key, however often it is sent. Default: a new one each time.",
)


class Transport(Protocol):
    """Carries one request to the admin API. Raises ``Failure`` where it cannot."""

    far: bool

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """(status, body) of the answer to ``target``, a path with its query."""

    def close(self) -> None:
        """Lets go of connections and the database."""


class AdminClient(Printer):
    """What a command works with: asks, changes, prints."""

    def __init__(self, transport: Transport, output: str) -> None:
        super().__init__(output)
        self._transport = transport

    def get(self, path: str, **query: str | int | None) -> JsonObject:
        """One object. Raises ``Failure``."""
        return self._send("GET", path, query, None, {})

    def pages(self, path: str, *, limit: int, **query: str | int | None) -> tuple[list[JsonObject], bool]:
        """At most ``limit`` rows of a list, and whether there are more."""
        rows: list[JsonObject] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=min(limit - len(rows), PAGE), cursor=cursor, **query)
            rows += objects(page.get("data"))
            following = page.get("next")
            cursor = following if isinstance(following, str) else None
            if len(rows) >= limit or cursor is None:
                return rows, page.get("has_more") is True

    def each(self, path: str, **query: str | int | None) -> Iterator[JsonObject]:
        """Every row of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=PAGE, cursor=cursor, **query)
            yield from objects(page.get("data"))
            following = page.get("next")
            if not isinstance(following, str):
                return
            cursor = following

    def change(
        self, method: str, path: str, body: Json = None, *, once: str | None = None, version: Json = None
    ) -> JsonObject:
        """Changes something. ``once``: the ``Idempotency-Key``; ``version``: only if the object is still at it."""
        headers = {}
        if once is not None:
            headers["idempotency-key"] = once
        if version is not None:
            headers["if-match"] = f'"{version}"'
        return self._send(method, path, {}, body, headers)

    def rehearse(
        self, method: str, path: str, body: JsonObject | None = None, shape: type[Struct] | None = None
    ) -> None:
        """Prints what ``change`` would send, once it has been looked at as the API would. Raises ``Failure``."""
        if shape is not None:
            _check(shape, body)
        self.sheet({"would": f"{method} {PREFIX}{path}", "body": body, "changed": False})

    def _send(
        self, method: str, path: str, query: dict[str, str | int | None], body: Json, headers: dict[str, str]
    ) -> JsonObject:
        given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        target = PREFIX + path + (f"?{urlencode(given)}" if given else "")
        raw = b"" if body is None else json.dumps(body).encode()
        try:
            status, answer = self._transport.request(method, target, headers, raw)
        except Failure as failure:
            once = headers.get("idempotency-key")
            if once is not None:
                # It may have been done: only the same key makes sure that it is not done twice.
                failure.fix = f"{failure.fix}; then run it again with --idempotency-key {once}, so that it is done once"
            raise
        value = _json(answer)
        if 200 <= status < 300 and value is not None:
            return value
        raise refused(status, value, far=self._transport.far)


def _check(shape: type[Struct], body: Json) -> None:
    """Raises ``Failure`` for a body that the API would refuse by itself, whatever is stored."""
    from ..admin.bodies import into
    from ..admin.terms import budgets_of, check_limits, check_networks, expiry, with_numbers

    try:
        found = into(shape, with_numbers(body))
        budgets_of(getattr(found, "budget", None), getattr(found, "budgets", ()))
        check_limits(getattr(found, "limits", UNSET))
        check_networks(getattr(found, "networks", UNSET))
        expires = getattr(found, "expires", None)
        expiry(expires if isinstance(expires, str) else None, time.time())
    except TollwayError as error:
        raise Failure(error.message, fix="correct it as the message says; --help shows the options") from None


def part(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def new_once(given: str | None) -> str:
    """The ``Idempotency-Key`` that goes with a change: the one given, or a new one."""
    return given if given is not None else uuid4().hex


def administers(command: Callable[Concatenate[AdminClient, P], None]) -> Callable[P, None]:
    """Gives a command its ``AdminClient`` and the options that say which gateway and which format."""

    @click.option(
        "--url", metavar="URL", help=f"A running gateway's address. Default: {URL}, else the database itself."
    )
    @CONFIG_OPTION
    @OUTPUT
    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        url, path, output = kwargs.pop("url"), kwargs.pop("path"), kwargs.pop("output")
        assert url is None or isinstance(url, str)
        assert path is None or isinstance(path, str)
        with connected(url, path, str(output)) as admin:
            command(admin, *args, **kwargs)

    return run


@contextmanager
def connected(url: str | None, path: str | None, output: str) -> Iterator[AdminClient]:
    """The client that the options and the environment mean. A named ``--config`` means the database, whatever the environment says."""
    if url is not None and path is not None:
        raise click.UsageError("--url names a running gateway and --config a database; give one of them.")
    if url is None and path is None:
        url = os.environ.get(URL) or None
    transport = _remote(url) if url is not None else _local(path)
    try:
        yield AdminClient(transport, output)
    finally:
        transport.close()


def _remote(url: str) -> Transport:
    from .admin_remote import Remote

    key = os.environ.get(KEY)
    if not key:
        raise Failure(f"There is no admin key for {url}.", fix=f"put the gateway's admin.key into {KEY}")
    return Remote(url, key)


def _local(path: str | None) -> Transport:
    from .admin_local import Local

    return Local(path)


# ---- what can go wrong ----------------------------------------------------------------------------------------------

FIXES = {
    401: f"put the gateway's admin.key into {KEY}",
    403: "use the admin key that the gateway was started with, or set admin.key in its configuration and restart it",
    409: "look at what is there now, then try again",
    429: "too many wrong admin keys came from here: wait a minute",
    500: "the gateway's log says more, under this request id",
    501: "add storage: {type: sqlite, path: tollway.db} to the configuration",
    503: "is the database up? Try again in a moment",
}
LISTS = {
    "account": "tollway accounts list shows the accounts",
    "key": "tollway keys list shows the keys",
    "voucher": "tollway credits voucher list shows the vouchers",
    "trace": "tollway usage and the response header x-tollway-request-id name requests; the trace of an old one is gone",
    "request": "tollway usage and the response header x-tollway-request-id name requests",
}


def refused(status: int, value: JsonObject | None, *, far: bool) -> Failure:
    """The API's own words and what to do about them."""
    error = obj(value.get("error")) if value is not None else {}
    message, named = error.get("message"), error.get("param")
    if not isinstance(message, str) or not message:
        return Failure(
            f"What answered is not Tollway's admin API (status {status}).",
            fix=f"check --url or {URL}: the gateway's address, such as http://127.0.0.1:8080",
        )
    if not far:
        message = _REQUEST_ID.sub("", message)
    if status == 404:
        return Failure(message, fix=LISTS.get(str(named), "look at the id"))
    return Failure(message, fix=FIXES.get(status, "correct it as the message says; --help shows the options"))


def _json(answer: bytes) -> JsonObject | None:
    try:
        value = json.loads(answer)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
