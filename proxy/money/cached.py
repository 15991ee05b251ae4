"""What the cache gave: which tokens nobody had to make again, who made them, under which public name they are priced, and at what."""

from typing import Literal

from msgspec import structs

from ..context import Quote, RequestContext, Target
from ..wire.usage import NO_USAGE, Usage
from .prices import Priced
from .sanity import beyond_the_body
from .tariff import share_of

Kind = Literal["", "hit", "semantic-hit", "shared"]

SHARED = "shared"
"""``ctx.cached.reason`` of an answer that was still being made for another request."""


def kind_of(ctx: RequestContext) -> Kind:
    """What the ledger calls it; "": a provider was asked."""
    cached = ctx.cached
    if cached is None or not ctx.from_cache:
        return ""
    if cached.status == "semantic-hit":
        return "semantic-hit"
    return "shared" if cached.reason == SHARED else "hit"


def given(ctx: RequestContext) -> Usage:
    """Tokens that came from the cache: of the whole answer, or of a part beside what a provider was asked for.

    None of an answer that did not leave whole, and none of figures that the provider had made up.
    """
    cached = ctx.cached
    if cached is None or cached.usage is NO_USAGE or ctx.outcome != "ok" or beyond_the_body(ctx, cached.usage):
        return NO_USAGE
    return cached.usage


def maker(ctx: RequestContext) -> Target | None:
    """The target that made the answer; where the cache does not say, the one that was chosen."""
    cached, target = ctx.cached, ctx.target
    if cached is None or target is None or not cached.provider:
        return target
    if target.model == cached.model and target.provider == cached.provider:
        return target
    plan = ctx.plan
    for candidate in plan.candidates if plan is not None else ():
        if (candidate.target.provider, candidate.target.model) == (cached.provider, cached.model):
            return candidate.target
    return structs.replace(target, provider=cached.provider, model=cached.model)


def public_name(ctx: RequestContext, target: Target) -> str:
    """The name under which ``target`` answers for this request: with ``auto`` and lists of models not always the chosen one's."""
    plan = ctx.plan
    if plan is None:
        return ctx.request.model or ""
    chosen = plan.chosen
    for candidate in (chosen, *plan.candidates):
        if (candidate.target.provider, candidate.target.model) == (target.provider, target.model):
            return candidate.model
    return chosen.model


def due(quote: Quote, usage: Usage, percent: float) -> int | None:
    """What a plan charges for an answer from the cache. A price that nobody knows matters only to one that takes a part of it."""
    if not percent or usage is NO_USAGE:
        return 0
    return quote.charge(usage, share_of(percent)) if isinstance(quote, Priced) else None


def spared(quote: Quote, usage: Usage) -> tuple[int, int]:
    """What ``usage`` would have cost the customer and the operator, had it not come from the cache; 0 where no price is known."""
    if usage is NO_USAGE or not isinstance(quote, Priced):
        return 0, 0
    charge, cost = quote.whole(usage)
    return charge or 0, cost or 0


def flags_of(ctx: RequestContext, *, unpriced: bool) -> tuple[str, ...]:
    """Marks on the entry of an answer from the cache: what its provider had said of its tokens was missing, or was not believed."""
    flags = []
    if ctx.outcome == "ok" and ctx.cached is not None:
        if ctx.cached.usage.output_source != "reported":
            flags.append("usage_missing")
        elif beyond_the_body(ctx, ctx.cached.usage):
            flags.append("usage_absurd")
    if unpriced:
        flags.append("unpriced")
    return tuple(flags)
