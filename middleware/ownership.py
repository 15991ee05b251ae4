"""After parse: whose objects does this request name, and where are they? Another account's id reads like one that does not exist, and
nobody upstream is asked; the caller's own sends the request to the place that made it.

What an answer hands out belongs to the caller before the answer leaves; lists come without the objects of others.
"""

from collections.abc import Awaitable

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import SCOPE_KEY, Receive, RequestContext, Scope, Send
from proxy.ownership.guarding import Guard, guard
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

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        ctx: RequestContext = scope[SCOPE_KEY]
        begun = self._clock()
        if not self._guard.passes(ctx):
            return self._guarded(ctx, begun, scope, receive, send)
        ctx.timings.append(("ownership", self._clock() - begun))
        return self.app(scope, receive, send)

    async def _guarded(self, ctx: RequestContext, begun: float, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guard.admit(ctx)
        ctx.timings.append(("ownership", self._clock() - begun))
        try:
            await self.app(scope, receive, send)
        finally:
            # They hold the request, and the request them: no body is to stay until the collector runs.
            ctx.answers.clear()
            ctx.frames = None


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    assert services.owners is not None, (
        "the chain leaves the link out where it matters neither whose objects are nor where"
    )
    made = guard(
        endpoint,
        path,
        owners=services.owners,
        config=services.config,
        directory=services.directory,
        inflate=Inflater.for_encoding,
    )
    return Middleware(OwnershipMiddleware, guard=made, clock=services.clock)
