"""Starlette routes over the chains: the OpenAI surface under its four names, probes, and one route for the rest."""

from collections.abc import Awaitable, Callable, Iterator, Mapping

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, Router
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


class Doors:
    """The listed paths, each found at one look; every other goes through the router, pattern by pattern. WebSockets have one chain."""

    __slots__ = ("_listed", "_others", "_socket")

    def __init__(self, listed: Mapping[tuple[str, str], Slot], others: ASGIApp, socket: Slot) -> None:
        """``listed``: by method and path."""
        self._listed = listed
        self._others = others
        self._socket = socket

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._socket.app(scope, receive, send)
        slot = self._listed.get((scope["method"], scope["path"]))
        return self._others(scope, receive, send) if slot is None else slot.app(scope, receive, send)


class Surface:
    """The listed paths and Starlette's router over the chains, and the slots behind them."""

    def __init__(self, build: Build, health: Health, cors: Cors) -> None:
        self._slots: list[tuple[Slot, Endpoint, str | None]] = []
        self._build = build
        self.admin = Slot(health)
        """The admin API, once it is there; until then the process is not ready."""
        # Whatever has no route of its own: the chain decides whether it is on the surface.
        unlisted = self._slot(PASSTHROUGH, None)
        others = Router(routes=[*self._routes(unlisted)], redirect_slashes=False, default=unlisted)
        # Not Starlette(): its two error layers wrap every send, and every error already ends at the edge.
        self.app: ASGIApp = _with_cors(Doors(self._listed(health), others, self._slot(REALTIME, None)), cors)

    def rebuild(self, build: Build) -> None:
        """Swaps every chain for one of a new generation."""
        self._build = build
        for slot, endpoint, path in self._slots:
            slot.app = build(endpoint, path)

    def _slot(self, endpoint: Endpoint, path: str | None) -> Slot:
        slot = Slot(self._build(endpoint, path))
        self._slots.append((slot, endpoint, path))
        return slot

    def _listed(self, health: Health) -> dict[tuple[str, str], Slot]:
        """By method and path. Another method of such a path is the provider's to answer."""
        found: dict[tuple[str, str], Slot] = {}
        for method, path, endpoint in SURFACE:
            slot = self._slot(endpoint, path)
            for prefix in prefixes_of(endpoint):
                found[method, prefix + path] = slot
        found.update({("GET", path): Slot(health) for path in PATHS})
        found.update({("HEAD", path): slot for (method, path), slot in found.items() if method == "GET"})
        return found

    def _routes(self, unlisted: Slot) -> Iterator[BaseRoute]:
        model = self._slot(MODELS, None)
        for prefix in prefixes_of(MODELS):
            yield Route(prefix + "/models/{id:path}", model, methods=["GET"])
        yield Route("/admin/v1/{path:path}", self.admin)
        yield Route("/native/{provider}/{path:path}", self._slot(NATIVE, None))
        # Last, so that another method of a model's path finds it before Starlette's own 405.
        yield Route("/{path:path}", unlisted)


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
