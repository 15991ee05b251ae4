"""Fourth link: how large is the prompt? From bytes alone; an exact count runs only where it decides something."""

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Receive, Scope, Send, context_of
from proxy.protocols import Clock, Counter
from proxy.services import Services
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import Dialect, Endpoint


class TokenCountMiddleware:
    """Puts the estimate on the context: likely tokens, an upper bound, and the client's own output cap."""

    def __init__(self, app: ASGIApp, *, counter: Counter, clock: Clock) -> None:
        self.app = app
        self._counter = counter
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        if ctx.body:
            begun = self._clock()
            request = ctx.request
            cap = _cap(ctx.endpoint.dialect, request) * max(request.n or 1, request.best_of or 1)
            ctx.estimate = self._counter.estimate(ctx.body, cap)
            ctx.timings.append(("token_count", self._clock() - begun))
        await self.app(scope, receive, send)


def _cap(dialect: Dialect, request: RequestView) -> int:
    """Of the caps that this operation knows the largest, whichever of them the provider will read; others cap nothing."""
    match dialect:
        case "chat":
            return max(request.max_completion_tokens or 0, request.max_tokens or 0)
        case "responses":
            return request.max_output_tokens or 0
        case "completions" | "messages":
            return request.max_tokens or 0
        case "events" | "opaque":
            return max(request.max_completion_tokens or 0, request.max_tokens or 0, request.max_output_tokens or 0)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(TokenCountMiddleware, counter=services.counter, clock=services.clock)
