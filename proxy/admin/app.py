"""The admin API as an ASGI application: who asks, which route, what it takes; one place where its errors become answers."""

import logging
import re
from collections.abc import Mapping
from random import getrandbits

import msgspec
from msgspec import Struct
from starlette.routing import Route as Path
from starlette.routing import Router
from starlette.types import ASGIApp

from ..context import Receive, Scope, Send
from ..errors import (
    ClientGone,
    InternalError,
    NotFound,
    PermissionDenied,
    RawHeaders,
    answer_headers,
    envelope,
)
from .access import Access, Actor
from .bodies import CONTROL, into
from .calls import AnyRoute, Call
from .desk import Desk
from .openapi import document
from .reading import body_in, headers_in, query_in, repeat_key_in, version_in
from .refusals import MethodNotAllowed, as_refusal
from .replay import Replayed, repeat_of
from .routes import TABLE
from .terms import with_numbers

PREFIX = "/admin/v1"

LONGEST = 200
"""Characters of an id or name in a path."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
_log = logging.getLogger("tollway.admin")


Answered = tuple[int, bytes, RawHeaders]


def admin_app(desk: Desk, access: Access) -> ASGIApp:
    """Everything below ``/admin/v1``. Paths are whole: route it, do not mount it."""
    paths: dict[str, dict[str, AnyRoute]] = {}
    for route in TABLE:
        paths.setdefault(route.path, {})[route.method] = route
    routes = [Path(PREFIX + path, Resource(access, methods, desk)) for path, methods in paths.items()]
    described = Path(PREFIX + "/openapi.json", Described(access, desk.version))
    return Router([*routes, described], redirect_slashes=False, default=Unknown(access))


class Door:
    """What every path has in common: a request id, the admin key, and errors in the usual envelope."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = _request_id(scope)
        try:
            headers = headers_in(scope)
            client = scope["client"][0] if scope.get("client") else ""
            actor = self._access.identify(headers, client)
            status, body, more = await self.answer(scope, receive, Asker(actor, client, request_id, headers))
            answered = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode()), *more]
        except ClientGone:
            return
        except Exception as problem:  # noqa: BLE001 - the API's edge: our own bugs end as 500, logged, process alive
            error = as_refusal(problem)
            if error.status == InternalError.status:
                _log.error("admin request %s failed", request_id, exc_info=problem)
            status, body, answered = error.status, envelope(error, request_id), answer_headers(error, request_id)
        await _send(send, scope["method"], status, answered, body)

    async def answer(self, scope: Scope, receive: Receive, asker: "Asker") -> Answered:
        """(status, JSON, further headers). Raises ``TollwayError`` or the database's errors."""
        raise NotImplementedError


class Asker(Struct, frozen=True):
    """Who asks, from where, under which id, with what headers."""

    actor: Actor
    client: str
    request_id: str
    headers: Mapping[bytes, bytes]


class Resource(Door):
    """One path and its methods."""

    def __init__(self, access: Access, methods: Mapping[str, AnyRoute], desk: Desk) -> None:
        super().__init__(access)
        self._methods = methods
        self._desk = desk

    async def answer(self, scope: Scope, receive: Receive, asker: Asker) -> Answered:
        """Decodes, serves, encodes."""
        route = self._methods.get(scope["method"])
        if route is None:
            raise MethodNotAllowed(scope["method"], ", ".join(self._methods))
        if route.role not in asker.actor.roles:
            raise PermissionDenied(f"This needs the role {route.role}, which {asker.actor.name} does not have.")
        path: Mapping[str, str] = scope["path_params"]
        if any(CONTROL.search(part) or len(part) > LONGEST for part in path.values()):
            raise NotFound("There is no such path: a part of it is too long or holds a control character.")
        query = into(route.query, query_in(scope["query_string"]), what="query")
        json = with_numbers(await body_in(asker.headers, receive))
        call = Call(
            actor=asker.actor.name,
            client=asker.client,
            request_id=asker.request_id,
            path=path,
            query=query,
            body=into(route.body, json),
            at=self._desk.clock(),
            expected=version_in(asker.headers) if route.versioned else None,
            repeat=repeat_of(repeat_key_in(asker.headers), asker.actor.name, route.method, scope["path"], json)
            if route.once
            else None,
        )
        found = await route.handle(self._desk, call)
        if isinstance(found, Replayed):
            return route.status, msgspec.json.encode(found.body), ((b"idempotent-replayed", b"true"),)
        return route.status, msgspec.json.encode(found), ()


class Described(Door):
    """``/openapi.json``."""

    def __init__(self, access: Access, version: str) -> None:
        super().__init__(access)
        self._document = msgspec.json.encode(document(TABLE, PREFIX, version))

    async def answer(self, scope: Scope, receive: Receive, asker: Asker) -> Answered:
        """The document."""
        if scope["method"] != "GET":
            raise MethodNotAllowed(scope["method"], "GET")
        return 200, self._document, ()


class Unknown(Door):
    """Every other path: that it is unknown is told only to who may know."""

    async def answer(self, scope: Scope, receive: Receive, asker: Asker) -> Answered:
        """Raises ``NotFound``."""
        raise NotFound("The admin API has no such path; GET /admin/v1/openapi.json lists them.")


def _request_id(scope: Scope) -> str:
    """The client's ``x-request-id`` where it is sane, else one of ours."""
    given = next((value for name, value in scope["headers"] if name.lower() == b"x-request-id"), b"")
    return given.decode() if _SANE_ID.fullmatch(given) else f"req_{getrandbits(128):032x}"


async def _send(send: Send, method: str, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Nothing of this API is for a cache, a browser's guess, or a frame."""
    headers += [
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body, "more_body": False})
