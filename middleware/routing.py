"""Fifth link: which provider answers? The public name becomes a target; a name the key may not use reads like an unknown one.

A model in preview or deprecated is served and says so; a retired one is refused, or replaced where the configuration says by what.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote, unquote

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Receive, RequestContext, Scope, Send, Target, context_of
from proxy.errors import EndpointUnsupported, InvalidRequest, NotFound, PermissionDenied
from proxy.policy.scopes import within
from proxy.protocols import Clock, Directory, Standing
from proxy.services import Services
from proxy.wire.endpoints import ADMIN_FAMILIES, Endpoint


class RoutingMiddleware:
    """Picks the target. Raises ``ModelNotFound``, ``PermissionDenied``, ``EndpointUnsupported`` or ``InvalidRequest``."""

    def __init__(self, app: ASGIApp, *, directory: Directory, admin_paths: bool, clock: Clock) -> None:
        self.app = app
        self._directory = directory
        self._admin_paths = admin_paths
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        begun = self._clock()
        target = ctx.target = self._target(ctx)
        if not within(ctx.principal.providers, target.provider):
            raise PermissionDenied(
                f"This key may not use provider {target.provider!r}; its owner can add it to the key's providers."
            )
        ctx.timings.append(("routing", self._clock() - begun))
        await self.app(scope, receive, send)

    def _target(self, ctx: RequestContext) -> Target:
        model, need = ctx.request.model, ctx.endpoint.model
        if need == "hint" and (not ctx.principal.passthrough or family_of(ctx.path) in ADMIN_FAMILIES):
            return self._passthrough(ctx)
        if model is not None:
            if self._directory.allows(ctx.principal, model):
                found = self._directory.resolve(model)
                if found is not None:
                    return self._standing_of(ctx, model, *found)
            if need != "hint":
                raise self._directory.not_found(ctx.principal, model)
        elif need == "required":
            raise InvalidRequest(
                "You must name a model: the field 'model' is missing.", param="model", code="missing_required_parameter"
            )
        return self._passthrough(ctx)

    def _standing_of(self, ctx: RequestContext, model: str, route: str, target: Target) -> Target:
        """The target, or what stands in for a retired one. Raises ``ModelNotFound`` or ``PermissionDenied``."""
        standing = self._directory.standing(target)
        if standing is not None and standing.tier == "retired":
            instead = self._directory.successor(model, target)
            if instead is None:
                raise self._directory.retired(model, standing)
            name, route, target = instead
            ctx.response_headers.append((b"x-tollway-successor", quote(name, safe="/:*@ ").encode()))
            standing = self._directory.standing(target)
        if standing is not None:
            if ctx.principal.stable_only:
                raise PermissionDenied(
                    f"This key is limited to stable models, and `{model}` is {_said(standing)}. Use a stable one; its owner can "
                    "lift the limit with stability: any.",
                    param="model",
                    code="model_not_stable",
                )
            ctx.response_headers += lifecycle_headers(standing)
        ctx.route = route
        return target

    def _passthrough(self, ctx: RequestContext) -> Target:
        if family_of(ctx.path) in ADMIN_FAMILIES and not self._admin_paths:
            raise NotFound(
                f"Invalid URL ({ctx.method} {ctx.path[:200]}): account administration is not proxied; "
                "set passthrough.admin to allow it."
            )
        if not ctx.principal.passthrough:
            raise PermissionDenied(
                f"This key is limited to named models, and {ctx.path[:200]} names none; "
                "its owner can allow such paths with passthrough: true."
            )
        target = self._directory.passthrough()
        if target is None:
            raise EndpointUnsupported(
                f"No provider takes {ctx.path[:200]}: set passthrough.provider in the gateway's configuration."
            )
        ctx.route = "passthrough"
        return target


def _said(standing: Standing) -> str:
    if standing.tier == "preview":
        return "in preview"
    return (
        standing.tier if standing.shutdown is None else f"{standing.tier} (last day: {standing.shutdown.isoformat()})"
    )


def lifecycle_headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """``x-tollway-model-tier``, and ``deprecation`` (RFC 9745) and ``sunset`` (RFC 8594) where they are known."""
    headers = [(b"x-tollway-model-tier", standing.tier.encode())]
    if standing.tier != "preview":
        if standing.since is not None:
            headers.append((b"deprecation", b"@%d" % standing.since))
        day = standing.shutdown
        if day is not None:
            sunset = format_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC), usegmt=True)
            headers.append((b"sunset", sunset.encode()))
    return headers


def family_of(path: str) -> str:
    """The first segment as a lenient upstream might read it: decoded, in lower case."""
    return unquote(path).lower().split("/", 2)[1]


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(
        RoutingMiddleware,
        directory=services.directory,
        admin_paths=services.config.passthrough.admin,
        clock=services.clock,
    )
