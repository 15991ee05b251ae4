"""Second link: whose request is this, and may that key be used here? Looks in the four headers where SDKs put their key."""

from collections.abc import Awaitable

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import SCOPE_KEY, Receive, RequestContext, Scope, Send
from proxy.protocols import Authenticator, Authorise, Clock
from proxy.services import Services
from proxy.wire.endpoints import Endpoint
from proxy.wire.headers import CREDENTIALS

_SCHEME = (b"bearer ", b"bearer")

_KEY_HEADERS = CREDENTIALS[1:]
"""Those behind ``authorization``, which holds nothing but a key."""

SUBPROTOCOL = b"openai-insecure-api-key."


class AuthMiddleware:
    """Turns credentials into a principal. Raises ``AuthenticationFailed`` (401), ``PermissionDenied`` or ``RateLimited`` for a guesser."""

    def __init__(
        self, app: ASGIApp, *, authenticator: Authenticator, authorise: Authorise, endpoint: Endpoint, clock: Clock
    ) -> None:
        self.app = app
        self._authenticator = authenticator
        self._authorise = authorise
        self._endpoint = endpoint.name
        self._clock = clock

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        ctx: RequestContext = scope[SCOPE_KEY]
        principal = ctx.principal = self._authenticator.identify(presented_in(ctx.headers), ctx.client)
        self._authorise(principal, self._endpoint, ctx.client)
        ctx.timings.append(("auth", self._clock() - ctx.started))
        return self.app(scope, receive, send)


def presented_in(headers: dict[bytes, bytes]) -> list[bytes]:
    """Credentials in the order they are tried; spaces inside a key are part of it."""
    found = []
    value = headers.get(b"authorization")
    if value is not None:
        scheme = value[:7]
        if scheme == b"Bearer " or scheme.lower() in _SCHEME:
            value = value[7:].strip()
        if value:
            found.append(value)
    for name in _KEY_HEADERS:
        if name in headers and (value := headers[name]):
            found.append(value)
    # Browsers cannot set headers on a WebSocket; OpenAI's convention is a subprotocol.
    offered = headers.get(b"sec-websocket-protocol")
    if offered is not None:
        offers = [offer.strip() for offer in offered.split(b",")]
        found += [offer[len(SUBPROTOCOL) :] for offer in offers if offer.startswith(SUBPROTOCOL)]
    return found


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(
        AuthMiddleware,
        authenticator=services.authenticator,
        authorise=services.authorise,
        endpoint=endpoint,
        clock=services.clock,
    )
