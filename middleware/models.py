"""For ``GET /v1/models`` only: the gateway's own list, or the provider's where everything goes to one under its own names."""

from urllib.parse import unquote

import msgspec
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Receive, Scope, Send, context_of
from proxy.local.answer import answer_json
from proxy.protocols import Directory, ModelEntry
from proxy.services import Services
from proxy.wire.endpoints import Endpoint

PREFIX = "/models/"


class ModelsMiddleware:
    """Answers ``/models`` and ``/models/{id}`` with what this key may use. Raises ``ModelNotFound``."""

    def __init__(self, app: ASGIApp, *, directory: Directory) -> None:
        self.app = app
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        directory, principal = self._directory, ctx.principal
        if directory.transparent and principal.passthrough:
            await self.app(scope, receive, send)
            return
        entries = directory.entries(principal)
        if not ctx.path.startswith(PREFIX):
            body = {"object": "list", "data": [_shown(entry) for entry in entries]}
            await answer_json(ctx, send, msgspec.json.encode(body))
            return
        name = unquote(ctx.path[len(PREFIX) :])
        for entry in entries:
            if entry.id == name:
                await answer_json(ctx, send, msgspec.json.encode(_shown(entry)))
                return
        raise directory.not_found(principal, name)


def _shown(entry: ModelEntry) -> dict[str, str | int]:
    return {"id": entry.id, "object": "model", "created": entry.created, "owned_by": entry.owned_by}


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(ModelsMiddleware, directory=services.directory)
