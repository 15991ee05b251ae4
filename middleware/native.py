"""For ``/native/<provider>/…`` only, in place of routing: the path names the provider, whose own API it is."""

from urllib.parse import unquote

import msgspec
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import Receive, RequestContext, Scope, Send, Target, context_of
from proxy.errors import NotFound, PermissionDenied
from proxy.local.answer import answer_json
from proxy.policy.scopes import within
from proxy.protocols import Clock, Directory, Router
from proxy.services import Services
from proxy.wire.endpoints import Endpoint
from proxy.wire.paths import model_in

from .routing import Explain

OPERATIONS = frozenset(
    """completions responses messages count_tokens chat embeddings embed rerank moderations classifications generations speech
    ocr""".split()
)
"""Last segments of native paths whose body names the model they use; anywhere else a model in the body proves nothing."""


class NativeMiddleware:
    """Picks the provider; the plan has no other. Raises ``NotFound``, ``PermissionDenied`` or what ``protocols.Router`` does."""

    def __init__(
        self, app: ASGIApp, *, directory: Directory, router: Router, explain: Explain, admin_paths: bool, clock: Clock
    ) -> None:
        self.app = app
        self._directory = directory
        self._router = router
        self._explain = explain
        self._admin_paths = admin_paths
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        begun = self._clock()
        ctx.target = self._target(ctx)
        plan = ctx.plan = self._router.plan(ctx)
        ctx.target = plan.chosen.target
        ctx.timings.append(("routing", self._clock() - begun))
        if ctx.controls.dry_run:
            await answer_json(ctx, send, msgspec.json.encode(self._explain(ctx)))
            return
        await self.app(scope, receive, send)

    def _target(self, ctx: RequestContext) -> Target:
        name, _, rest = ctx.path.removeprefix("/native/").partition("/")
        found = self._directory.provider(unquote(name))
        if found is None or not rest:
            raise NotFound(
                f"Invalid URL ({ctx.method} {ctx.path[:200]}): write /native/<provider>/<the provider's own path>, with a "
                "provider's name from the gateway's configuration."
            )
        if not self._admin_paths and administers(rest):
            raise NotFound(
                f"Invalid URL ({ctx.method} {ctx.path[:200]}): account administration is not proxied; "
                "set passthrough.admin to allow it."
            )
        if not within(ctx.principal.providers, found.provider):
            raise PermissionDenied(
                f"This key may not use provider {found.provider!r}; its owner can add it to the key's providers."
            )
        model = model_in("/" + rest)
        if not model and ctx.method == "POST" and unquote(rest).rpartition("/")[2] in OPERATIONS:
            model = ctx.request.model or ""
        # A limited key uses its models; deleting or changing one is no use.
        named = (
            bool(model)
            and ctx.method in ("GET", "POST")
            and self._directory.allows(ctx.principal, f"{found.provider}/{model}")
        )
        if not ctx.principal.passthrough and not named:
            raise PermissionDenied(
                f"This key is limited to named models; its owner can allow {found.provider}/<model> in its models, or any "
                "native path with passthrough: true."
            )
        ctx.route = f"native/{found.provider}"
        target = Target(provider=found.provider, model=model, limits=found.limits)
        if ctx.principal.stable_only and (not model or self._directory.standing(target) is not None):
            raise PermissionDenied(
                "This key is limited to stable models, and this request names none that is; its owner can lift the limit "
                "with stability: any.",
                param="model",
                code="model_not_stable",
            )
        return target


def administers(rest: str) -> bool:
    """Does a native path lead to the administration of an account? Google's resource names also begin with ``projects``."""
    parts = [unquote(part).lower() for part in rest.split("/")[:4]]
    families = ({"projects"} if "locations" not in parts else set()) | {"organization", "organizations"}
    return bool(families & set(parts))


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(
        NativeMiddleware,
        directory=services.directory,
        router=services.router,
        explain=services.explain,
        admin_paths=services.config.passthrough.admin,
        clock=services.clock,
    )
