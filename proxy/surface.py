"""Starlette routes over the chains: the OpenAI surface under its four names, probes, and one route for the rest."""

from collections.abc import Callable, Iterator

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from .config.server import Cors
from .context import Receive, Scope, Send
from .local.health import PATHS, Health
from .wire.endpoints import (
    ANTHROPIC_PREFIXES,
    MODELS,
    NATIVE,
    PASSTHROUGH,
    PREFIXES,
    REALTIME,
    SOCKETS,
    SURFACE,
    Endpoint,
)

Build = Callable[[Endpoint, str | None], ASGIApp]


class Slot:
    """What a route points at: the current chain of one endpoint. A reload swaps it; requests under way keep theirs."""

    __slots__ = ("app",)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Unlisted:
    """Every path without a route: the pass-through chain decides whether it is on the surface."""

    def __init__(self, http: ASGIApp, socket: ASGIApp) -> None:
        self._http = http
        self._socket = socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._socket if scope["type"] == "websocket" else self._http)(scope, receive, send)


class Surface:
    """Starlette's router over the chains, and the slots behind its routes."""

    def __init__(self, build: Build, health: Health, cors: Cors) -> None:
        self._slots: list[tuple[Slot, Endpoint, str | None]] = []
        self._build = build
        self.admin = Slot(health)
        """The admin API, once it is there; until then the process is not ready."""
        unlisted = Unlisted(self._slot(PASSTHROUGH, None), self._slot(REALTIME, None))
        router = Router(routes=[*self._routes(health)], redirect_slashes=False, default=unlisted)
        # Not Starlette(): its two error layers wrap every send, and every error already ends at the edge.
        self.app: ASGIApp = _with_cors(router, cors)

    def rebuild(self, build: Build) -> None:
        """Swaps every chain for one of a new generation."""
        self._build = build
        for slot, endpoint, path in self._slots:
            slot.app = build(endpoint, path)

    def _slot(self, endpoint: Endpoint, path: str | None) -> Slot:
        slot = Slot(self._build(endpoint, path))
        self._slots.append((slot, endpoint, path))
        return slot

    def _routes(self, health: Health) -> Iterator[BaseRoute]:
        for method, path, endpoint in SURFACE:
            slot = self._slot(endpoint, path)
            for prefix in prefixes_of(endpoint):
                yield Route(prefix + path, slot, methods=[method])
        model = self._slot(MODELS, None)
        for prefix in prefixes_of(MODELS):
            yield Route(prefix + "/models/{id:path}", model, methods=["GET"])
        socket = self._slot(REALTIME, None)
        for path in SOCKETS:
            for prefix in PREFIXES:
                yield WebSocketRoute(prefix + path, socket)
                yield WebSocketRoute(prefix + path + "/{rest:path}", socket)
        for path in PATHS:
            yield Route(path, health, methods=["GET"])
        yield Route("/admin/v1/{path:path}", self.admin)
        yield Route("/native/{provider}/{path:path}", self._slot(NATIVE, None))
        # Last, so that another method of a listed path finds it before Starlette's own 405.
        yield Route("/{path:path}", self._slot(PASSTHROUGH, None))


def prefixes_of(endpoint: Endpoint) -> Iterator[str]:
    """The names of an endpoint's paths; the model list is on both surfaces."""
    if endpoint is MODELS:
        return iter(dict.fromkeys((*PREFIXES, *ANTHROPIC_PREFIXES)))
    return iter(ANTHROPIC_PREFIXES if endpoint.shape == "anthropic" else PREFIXES)


def _with_cors(app: ASGIApp, cors: Cors) -> ASGIApp:
    """Starlette's own middleware around ``app``, and only when it is asked for."""
    if not cors.origins:
        return app
    exposed = ["x-request-id", "x-tollway-request-id", "retry-after", "retry-after-ms", "openai-processing-ms"]
    return CORSMiddleware(
        app,
        allow_origins=list(cors.origins),
        allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=exposed,
        max_age=int(cors.max_age),
    )
