"""After parse: whose objects does this request name? Another account's id reads like one that does not exist, and nobody upstream is asked.

What an answer hands out belongs to the caller before the answer leaves; lists come without the objects of others.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Receive, Scope, Send, context_of
from proxy.ownership.guarding import Guard
from proxy.protocols import Clock
from proxy.relay.inflate import Inflater
from proxy.services import Services
from proxy.wire.endpoints import Endpoint


class OwnershipMiddleware:
    """Raises ``ObjectNotFound`` (404), or ``PermissionDenied`` for what cannot be told apart by account."""

    def __init__(self, app: ASGIApp, *, guard: Guard, clock: Clock) -> None:
        self.app = app
        self._guard = guard
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        begun = self._clock()
        await self._guard.admit(ctx)
        ctx.timings.append(("ownership", self._clock() - begun))
        await self.app(scope, receive, send)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    assert services.owners is not None, "the chain leaves the link out where nobody's objects are kept apart"
    shared = frozenset(services.config.models) - {"*"}
    guard = Guard(endpoint, path, owners=services.owners, shared=shared, inflate=Inflater.for_encoding)
    return Middleware(OwnershipMiddleware, guard=guard, clock=services.clock)
