"""For ``GET /v1/models`` only: the gateway's own list, or the provider's where everything goes to one under its own names."""

from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Principal, Receive, Scope, Send, context_of
from proxy.errors import ModelNotFound
from proxy.local.answer import answer_json
from proxy.protocols import Directory, ModelEntry
from proxy.services import Services
from proxy.wire.endpoints import Endpoint
from proxy.wire.values import JsonObject

PREFIX = "/models/"


class ModelsMiddleware:
    """Answers ``/models`` and ``/models/{id}`` with what this key may use. Raises ``ModelNotFound``."""

    def __init__(self, app: ASGIApp, *, directory: Directory) -> None:
        self.app = app
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        directory, principal = self._directory, ctx.principal
        claude = b"anthropic-version" in ctx.headers
        if directory.transparent and principal.passthrough and not principal.stable_only and not claude:
            await self.app(scope, receive, send)
            return
        entries = directory.entries(principal)
        show = _shown_to_anthropic if claude else _shown
        if not ctx.path.startswith(PREFIX):
            rows = [show(entry) for entry in entries]
            await answer_json(ctx, send, msgspec.json.encode(_anthropic_list(rows) if claude else _list(rows)))
            return
        name = unquote(ctx.path[len(PREFIX) :])
        for entry in entries:
            if entry.id == name:
                await answer_json(ctx, send, msgspec.json.encode(show(entry)))
                return
        raise self._missing(principal, name)

    def _missing(self, principal: Principal, name: str) -> ModelNotFound:
        """A retired model is told apart from an unknown one, to those who may name it."""
        found = self._directory.resolve(name) if self._directory.allows(principal, name) else None
        standing = self._directory.standing(found[1]) if found is not None else None
        if standing is not None and standing.tier == "retired":
            return self._directory.retired(name, standing)
        return self._directory.not_found(principal, name)


def _list(rows: list[JsonObject]) -> JsonObject:
    return {"object": "list", "data": [*rows]}


def _anthropic_list(rows: list[JsonObject]) -> JsonObject:
    first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
    return {"data": [*rows], "has_more": False, "first_id": first, "last_id": last}


def _shown(entry: ModelEntry) -> JsonObject:
    found: JsonObject = {"id": entry.id, "object": "model", "created": entry.created, "owned_by": entry.owned_by}
    if entry.about:
        found["tollway"] = {**entry.about}
    return found


def _shown_to_anthropic(entry: ModelEntry) -> JsonObject:
    """As Anthropic's Models API, version 2023-06-01, lists a model; an unknown day is the epoch there, too."""
    created = datetime.fromtimestamp(entry.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: JsonObject = {"type": "model", "id": entry.id, "display_name": entry.id, "created_at": created}
    if entry.about:
        found["tollway"] = {**entry.about}
    return found


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(ModelsMiddleware, directory=services.directory)
