"""Splices an output cap into a request's bytes: the key's own, or what a hard budget can pay for."""

from ..context import RequestContext
from ..wire.endpoints import Endpoint
from ..wire.members import members
from .asking import GENERATING
from .holding import Holding

_NAMES: dict[str, tuple[bytes, ...]] = {
    "chat": (b"max_completion_tokens", b"max_tokens"),
    "completions": (b"max_tokens",),
    "responses": (b"max_output_tokens",),
    "messages": (b"max_tokens",),
}
"""Dialect to the members that cap its answers; the first is added where none stands."""


def put_cap(ctx: RequestContext, holding: Holding | None) -> None:
    """The key's cap and what a hard budget can pay for, into the request; not where the client, or every target, stays below it."""
    if ctx.endpoint.dialect not in GENERATING or not ctx.body:
        return
    money = holding.money_output if holding is not None and holding.short else None
    cap = min([bound for bound in (money, ctx.principal.output_cap) if bound is not None], default=None)
    client, longest = ctx.estimate.output, _longest_answers(ctx)
    if cap is None or (client and client <= cap) or (not client and all(0 < each <= cap for each in longest)):
        return
    if not client:
        # A model may refuse a cap above what it has.
        cap = min([cap, *(each for each in longest if each)])
    choices = ctx.request.n or 1
    each = max(1, cap // choices)
    ctx.uncapped = ctx.body
    ctx.body, changed = with_output_cap(ctx.body, ctx.endpoint, each)
    ctx.rewritten.append(changed)
    if holding is not None:
        holding.bound = each * choices


def _longest_answers(ctx: RequestContext) -> list[int]:
    """The most tokens that each target has which may be asked; 0: not known, as with fallbacks."""
    plan = ctx.plan
    if plan is None:
        return [ctx.quote.max_output]
    route = plan.route
    behind = route.fallbacks or route.on_context_length or route.on_content_policy
    others = [each.facts.max_output for each in plan.candidates if each is not plan.chosen]
    return [ctx.quote.max_output, *others, *([0] if behind else [])]


def with_output_cap(body: bytes, endpoint: Endpoint, cap: int) -> tuple[bytes, str]:
    """(``body`` with every cap that is larger, or absent, replaced by ``cap`` tokens; the member's name)."""
    names = _NAMES[endpoint.dialect]
    found = [member for member in members(body) if member.key in names]
    value = b"%d" % cap
    for member in reversed(found):
        given = body[member.start : member.end]
        if not given.isdigit() or int(given) > cap:
            body = body[: member.start] + value + body[member.end :]
    if found:
        return body, found[0].key.decode()
    at = body.index(b"{") + 1
    rest = body[at:].lstrip()
    comma = b"" if rest.startswith(b"}") else b","
    return body[:at] + b'"' + names[0] + b'":' + value + comma + body[at:], names[0].decode()
