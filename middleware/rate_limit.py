"""Sixth link: may it run now? Every limit and budget of key, account, model and gateway decides in one step, before anything is sent.

What is granted is held until the request has ended, however it ends; while a stream runs its meter keeps it within the grant.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import SCOPE_KEY, Receive, RequestContext, Scope, Send
from proxy.protocols import Admission, Clock
from proxy.services import Services
from proxy.wire.endpoints import Endpoint


class RateLimitMiddleware:
    """Holds what the request may use. Raises ``RateLimited``, ``BudgetExceeded``, ``PriceUnknown`` or a 503 for a store that is down."""

    def __init__(self, app: ASGIApp, *, admission: Admission, clock: Clock) -> None:
        self.app = app
        self._admission = admission
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx: RequestContext = scope[SCOPE_KEY]
        begun = self._clock()
        await self._admission.admit(ctx)
        ctx.timings.append(("rate_limit", self._clock() - begun))
        await self.app(scope, receive, send)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(RateLimitMiddleware, admission=services.admission, clock=services.clock)
