"""Fourth link: how large is the prompt? From bytes alone; an exact count runs only where it decides something."""

from collections.abc import Awaitable

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import SCOPE_KEY, Receive, RequestContext, Scope, Send
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

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        ctx: RequestContext = scope[SCOPE_KEY]
        if ctx.body:
            begun = self._clock()
            request = ctx.request
            cap = _cap(ctx.endpoint.dialect, request)
            if request.n is not None or request.best_of is not None:
                cap *= max(request.n or 1, request.best_of or 1)
            ctx.estimate = self._counter.estimate(ctx.body, cap, plain=bool(ctx.plain), words=ctx.words)
            ctx.timings.append(("token_count", self._clock() - begun))
        return self.app(scope, receive, send)


def _cap(dialect: Dialect, request: RequestView) -> int:
    """Of the caps that this operation knows the largest, whichever of them the provider will read; others cap nothing."""
    match dialect:
        case "chat":
            newer, older = request.max_completion_tokens or 0, request.max_tokens or 0
            return newer if newer > older else older
        case "responses":
            return request.max_output_tokens or 0
        case "completions" | "messages":
            return request.max_tokens or 0
        case "events" | "opaque":
            return max(request.max_completion_tokens or 0, request.max_tokens or 0, request.max_output_tokens or 0)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(TokenCountMiddleware, counter=services.counter, clock=services.clock)
