"""Fifth link: who answers? The public name becomes a plan: the targets that may serve the request, the first choice, and why.

It runs before anything is reserved, so that what is held is the price of what will be used, and a dry run holds nothing.
"""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import SCOPE_KEY, Receive, RequestContext, Scope, Send, Settler
from proxy.local.answer import answer_json
from proxy.protocols import Clock, Router
from proxy.services import Services
from proxy.wire.endpoints import Endpoint
from proxy.wire.values import JsonObject

Explain = Callable[[RequestContext], JsonObject]
"""A planned request's decision as an object."""


class RoutingMiddleware:
    """Puts plan, target and route on the context; answers a dry run. Raises what ``protocols.Router`` does."""

    def __init__(
        self, app: ASGIApp, *, router: Router, explain: Explain, clock: Clock, shadow: Settler | None = None
    ) -> None:
        """``shadow``: what follows a request whose route has one."""
        self.app = app
        self._router = router
        self._explain = explain
        self._shadow = shadow
        self._clock = clock

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        ctx: RequestContext = scope[SCOPE_KEY]
        begun = self._clock()
        plan = ctx.plan = self._router.plan(ctx)
        ctx.route, ctx.target = plan.route.label, plan.chosen.target
        ctx.timings.append(("routing", self._clock() - begun))
        if ctx.controls.dry_run:
            return answer_json(ctx, send, msgspec.json.encode(self._explain(ctx)))
        if self._shadow is not None and plan.route.shadow is not None:
            ctx.settlers.append(self._shadow)
        return self.app(scope, receive, send)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(
        RoutingMiddleware,
        router=services.router,
        explain=services.explain,
        shadow=services.shadow,
        clock=services.clock,
    )
