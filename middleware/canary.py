"""While a changed configuration is on trial, each answer says which one made it: ``x-tollway-canary: base`` or ``trial``."""

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Receive, Scope, Send, context_of
from proxy.services import Services
from proxy.wire.endpoints import Endpoint


class CanaryMiddleware:
    """Marks the answer."""

    def __init__(self, app: ASGIApp, *, arm: str) -> None:
        self.app = app
        self._header = (b"x-tollway-canary", arm.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).response_headers.append(self._header)
        await self.app(scope, receive, send)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(CanaryMiddleware, arm=services.arm)
