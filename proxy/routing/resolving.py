"""From what a request names to a route: a model, a list of them, ``auto``, a native path's provider, or nothing at all."""

from collections.abc import Mapping
from urllib.parse import quote

from msgspec import structs

from ..context import RequestContext, Target
from ..errors import InvalidRequest
from ..policy.routes import Retry
from ..policy.targets import Route
from ..protocols import Directory
from . import auto
from .carried import administers, carried
from .listed import names_in, without_list
from .prepared import Preparations, Prepared
from .refusals import bound_elsewhere

OPENROUTER = "openrouter"
"""The kind of provider that takes a list of models itself."""

_KEPT = 2048
_MOST_TRIES = 10


class Resolver:
    """``uses``: provider name to its kind; ``retry``: of routes that carry no model."""

    def __init__(
        self,
        *,
        directory: Directory,
        preparations: Preparations,
        autos: auto.Autos | None,
        admin_paths: bool,
        uses: Mapping[str, str],
        scored: bool,
        retry: Retry,
    ) -> None:
        self._directory = directory
        self._preparations = preparations
        self._autos = autos
        self._admin_paths = admin_paths
        self._uses = uses
        self._scored = scored
        self._retry = retry
        self._sole: dict[tuple[str, str, str], Route] = {}

    def route(self, ctx: RequestContext) -> Route:
        """Raises ``ModelNotFound``, ``InvalidRequest``, ``PermissionDenied``, ``NotFound`` or ``EndpointUnsupported``."""
        if ctx.target is not None:
            return self._bound(ctx, self._alone(ctx.route, ctx.target))
        request, need = ctx.request, ctx.endpoint.model
        if request.models is not None and need != "hint":
            return self._bound(ctx, self._listed(ctx))
        model = request.model
        if need == "hint" and (not ctx.principal.passthrough or administers(ctx.path)):
            return self._carried(ctx)
        if model is not None:
            directory = self._directory
            if model[:4] == "auto":
                route = self.named(ctx, model)
            else:
                route = directory.route(model) if directory.allows(ctx.principal, model) else None
            if route is not None:
                return self._bound(ctx, route) if ctx.bound else route
            if need != "hint":
                raise self._directory.not_found(ctx.principal, model)
        elif need == "required":
            raise InvalidRequest(
                "You must name a model: the field 'model' is missing.", param="model", code="missing_required_parameter"
            )
        return self._carried(ctx)

    def named(self, ctx: RequestContext, model: str) -> Route | None:
        """What a name leads to for this caller; ``None``: it is unknown, or not allowed. Raises ``InvalidRequest`` for ``auto:best``."""
        directory = self._directory
        if model.startswith("auto") and self._autos is not None and ctx.endpoint.name in auto.ENDPOINTS:
            found = self._auto(ctx, model)
            if found is not None:
                return found
        return directory.route(model) if directory.allows(ctx.principal, model) else None

    def standing_in(self, ctx: RequestContext, model: str) -> Route | None:
        """A fallback that the key may use."""
        directory = self._directory
        return directory.route(model) if directory.allows(ctx.principal, model) else None

    def living(self, ctx: RequestContext, route: Route, *, told: bool = True) -> tuple[Route, Prepared] | None:
        """The route, or its successor's where all of it is retired; ``None``, or ``ModelNotFound`` if that is to be ``told``."""
        prepared = self._preparations.of(route.candidates)
        if prepared.living:
            return route, prepared
        first = route.candidates[0]
        instead = self._directory.successor(first.model, first.target)
        if instead is None:
            if told:
                raise self._directory.retired(first.model, prepared.standings[first.place])
            return None
        if told:
            ctx.response_headers.append((b"x-tollway-successor", quote(instead[0], safe="/:*@ ").encode()))
        found = self._directory.route(instead[0])
        assert found is not None, "a successor is a name that the directory has resolved"
        return found, self._preparations.of(found.candidates)

    # ---- names ------------------------------------------------------------------------------------------------------

    def _auto(self, ctx: RequestContext, model: str) -> Route | None:
        """Not where a configured model has the name."""
        assert self._autos is not None
        own = self._directory.route(model)
        if own is not None and own.label == model:
            return None
        found = self._autos.route(model, ctx.principal)
        if found is not None and model == "auto:best" and not self._scored:
            raise InvalidRequest(
                "The model `auto:best` needs quality scores: the gateway's owner can name a file of them with routing.scores; "
                "`auto`, `auto:cheapest` and `auto:fastest` need none.",
                param="model",
                code="no_scores",
            )
        return found

    def _listed(self, ctx: RequestContext) -> Route:
        """The first name's route with the others as its fallbacks, whatever the fault; then the route's own."""
        names = names_in(ctx.request)
        if not names:
            if ctx.endpoint.model == "required":
                raise InvalidRequest(
                    "You must name a model: the fields 'model' and 'models' name none.",
                    param="model",
                    code="missing_required_parameter",
                )
            return self._carried(ctx)
        routes = []
        for name in names:
            route = self.named(ctx, name)
            if route is None:
                raise self._directory.not_found(ctx.principal, name)
            routes.append(route)
        if all(self._theirs(route, routes[0]) for route in routes):
            return routes[0]
        if ctx.body:
            named = None if ctx.request.model is not None else names[0]
            ctx.body = without_list(ctx.body, named)
            ctx.request = structs.replace(ctx.request, model=names[0], models=None)
        first, rest = routes[0], names[1:]
        if not rest:
            return first
        # Each of the list has its turn, though the usual number of tries be smaller.
        tries = min(max(first.retry.attempts, len(names)), _MOST_TRIES)
        return structs.replace(
            first,
            fallbacks=rest + first.fallbacks,
            on_context_length=rest + first.on_context_length,
            on_content_policy=rest + first.on_content_policy,
            retry=structs.replace(first.retry, attempts=tries),
        )

    def _theirs(self, route: Route, first: Route) -> bool:
        """Would OpenRouter read the list as we do: is it the one place for all of it, under the names that were written?"""
        if len(route.candidates) != 1:
            return False
        candidate, provider = route.candidates[0], first.candidates[0].target.provider
        target = candidate.target
        return (
            target.provider == provider and self._uses.get(provider) == OPENROUTER and target.model == candidate.model
        )

    # ---- no names ---------------------------------------------------------------------------------------------------

    def _carried(self, ctx: RequestContext) -> Route:
        return self._bound(
            ctx, self._alone("passthrough", carried(ctx, self._directory, admin_paths=self._admin_paths))
        )

    def _alone(self, label: str, target: Target) -> Route:
        asked = (label, target.provider, target.model)
        found = self._sole.get(asked)
        candidate = self._directory.candidate(target)
        if found is None or found.candidates[0] is not candidate:
            if len(self._sole) >= _KEPT:
                self._sole.clear()
            found = self._sole[asked] = Route(label=label, candidates=(candidate,), retry=self._retry)
        return found

    # ---- what only one place can serve ------------------------------------------------------------------------------

    def _bound(self, ctx: RequestContext, route: Route) -> Route:
        """``route`` as far as it leads to the provider that made what the request names. Raises ``InvalidRequest``: never elsewhere."""
        if not ctx.bound:
            return route
        provider = ctx.bound.partition("#")[0]
        there = tuple(each for each in route.candidates if each.target.provider == provider)
        if len(there) == len(route.candidates):
            return route
        if there:
            return structs.replace(route, candidates=there)
        own, first = self._directory.provider(provider), route.candidates[0]
        if own is not None:
            # A kind of provider has one set of names, so what one account calls a model the other does, too.
            for each in route.candidates:
                target = each.target
                if not target.model or self._uses.get(target.provider) == self._uses.get(provider):
                    same = structs.replace(target, provider=provider)
                    known = structs.replace(self._directory.candidate(same), model=each.model)
                    return structs.replace(route, candidates=(known,))
        raise bound_elsewhere(first.model, provider, known=own is not None)
