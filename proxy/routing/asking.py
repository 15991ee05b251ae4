"""What a choice depends on besides the targets, read from one request: its needs, its size, whom it belongs to."""

from ..context import NO_CONTROLS, RequestContext
from ..policy.routes import Slo
from ..policy.targets import Asking, Route
from .filters import NO_DEMAND, Demand, ceilings_of
from .kinds import kind_of
from .needs import ALL, ENDPOINTS, needs_of
from .prepared import Prepared
from .sharing import shared

USUAL = 500
"""Output tokens of an answer nobody has capped lower."""

CACHED_FROM = 1024
"""Tokens of a prompt's beginning below which providers cache nothing."""

NO_ASKING = Asking()
"""Of a request whose target is no question."""

_BY_COST = ("lowest_cost", "best", "balanced")
_BY_KIND = ("best", "balanced")


def needs_of_request(ctx: RequestContext, prepared: Prepared) -> int:
    """Bits of what it needs: those that make a difference between the targets, of a dry run all."""
    mask = ALL if ctx.controls.dry_run else prepared.lacks
    return needs_of(ctx.body, mask) if mask and ctx.body and ctx.endpoint.name in ENDPOINTS else 0


def demand_of(ctx: RequestContext, prepared: Prepared, needs: int, *, several: bool) -> Demand | None:
    """``None``: every target meets it. ``several``: is it looked at what they can do?"""
    prompt = output = 0
    if not several:
        needs = 0
    else:
        prompt, output = ctx.estimate.likely, _cap(ctx)
        if prompt + output <= prepared.context and output <= prepared.output:
            prompt = output = 0
    controls = ctx.controls
    if controls is NO_CONTROLS:
        return Demand(needs=needs, prompt=prompt, output=output) if needs or prompt or output else None
    demand = Demand(
        providers=controls.providers,
        regions=controls.regions,
        stable_only=controls.stable_only,
        ceilings=ceilings_of(controls.max_price, ("x-tollway-max-input-price", "x-tollway-max-output-price")),
        needs=needs,
        prompt=prompt,
        output=output,
    )
    return demand if demand != NO_DEMAND else None


def asking_of(ctx: RequestContext, route: Route, policy: str, *, needs: int, classed: bool) -> Asking:
    """For one route and policy; what the policy does not look at is left out. ``classed``: are there scores by class of prompt?"""
    prompt, cap = ctx.estimate.likely, ctx.estimate.output
    slo = _slo(ctx, route)
    by_cost = policy in _BY_COST or slo is not None or ctx.controls.dry_run
    return Asking(
        needs=needs,
        prompt=prompt,
        output=min(cap, USUAL) if cap else USUAL,
        cached=_cached(ctx.body, prompt) if by_cost else 0,
        sticky=shared(ctx, route.sticky_by) if policy == "sticky" else "",
        kind=kind_of(ctx.body, prompt) if (classed and policy in _BY_KIND) or ctx.controls.dry_run else "general",
        slo=slo,
    )


def _cap(ctx: RequestContext) -> int:
    """Output tokens of one choice, as the client bounds them; 0: it does not."""
    if not ctx.estimate.output:
        return 0
    request = ctx.request
    return ctx.estimate.output // max(request.n or 1, request.best_of or 1)


def _cached(body: bytes, prompt: int) -> int:
    """Tokens that were probably sent before: of a conversation, all up to the model's latest turn."""
    at = max(body.rfind(b'"assistant"'), body.rfind(b'"function_call_output"'))
    if at < 0 or prompt < CACHED_FROM:
        return 0
    before = prompt * at // len(body)
    return before if before >= CACHED_FROM else 0


def _slo(ctx: RequestContext, route: Route) -> Slo | None:
    """Each target as the request states it, else the key, else the route."""
    asked, own, usual = ctx.controls.slo, ctx.principal.slo, route.slo
    if asked is None and own is None:
        return usual
    stated = [slo for slo in (asked, own, usual) if slo is not None]
    return Slo(
        ttft=next((slo.ttft for slo in stated if slo.ttft is not None), None),
        cost_usd=next((slo.cost_usd for slo in stated if slo.cost_usd is not None), None),
    )
