"""The settlement policy as a table: for each way a request ends, what the customer pays, what it cost the operator, and why.

The one place: the code settles by it, and docs/settlement.md prints it.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from ..context import Attempt, RequestContext
from ..errors import (
    ClientGone,
    DeadlineExceeded,
    GatewayDraining,
    NoHealthyTarget,
    RateLimited,
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
)

Basis = Literal["nothing", "input", "delivered", "used", "cached"]
"""``input``: the prompt alone; ``delivered``: the prompt and what of the answer the client was sent; ``used``: the whole answer;
``cached``: the plan's percentage of what the whole answer would cost."""


class Ending(Struct, frozen=True, kw_only=True):
    """One way a request ends. ``entry``: does the ledger get a row (a provider may have seen the request, or the cache answered)?"""

    name: str
    when: str
    customer: Basis
    operator: Basis
    why: str
    entry: bool = True


_ROWS = (
    Ending(
        name="complete",
        when="The answer reached the client whole.",
        customer="used",
        operator="used",
        why="What was delivered is paid for.",
    ),
    Ending(
        name="client_left_early",
        when="The client left after the request was sent and before the first token.",
        customer="input",
        operator="input",
        why="The provider had begun to read the prompt on the client's behalf; generation is stopped at once.",
    ),
    Ending(
        name="client_left_between",
        when="The client left while no provider was at work for it: between two tries, or after an error.",
        customer="nothing",
        operator="nothing",
        why="Nothing was delivered, and nothing was under way on the client's behalf.",
    ),
    Ending(
        name="client_left",
        when="The client left after the first token.",
        customer="delivered",
        operator="delivered",
        why="The upstream is closed, so nothing more is generated than was sent on.",
    ),
    Ending(
        name="upstream_error",
        when="The provider answered with an error, or could not be reached.",
        customer="nothing",
        operator="nothing",
        why="Nothing was delivered, and providers do not bill refused requests.",
    ),
    Ending(
        name="upstream_cut_early",
        when="The provider took the request and its answer broke off, or made no sense, before the first token.",
        customer="nothing",
        operator="input",
        why="Nothing was delivered; the provider may bill the prompt.",
    ),
    Ending(
        name="upstream_cut",
        when="The provider's answer broke off after the first token.",
        customer="delivered",
        operator="delivered",
        why="A part was delivered, and the provider bills it; a free one would invite cutting.",
    ),
    Ending(
        name="timeout_early",
        when="A time limit passed before the first token.",
        customer="nothing",
        operator="input",
        why="Nothing was delivered; the provider may bill the prompt.",
    ),
    Ending(
        name="timeout",
        when="A time limit passed after the first token.",
        customer="delivered",
        operator="delivered",
        why="A part was delivered, and the provider bills it.",
    ),
    Ending(
        name="limit",
        when="A limit or budget of the client's was reached while the answer ran.",
        customer="delivered",
        operator="delivered",
        why="It is the client's own limit; the upstream is closed, so nothing more is generated than was sent on.",
    ),
    Ending(
        name="drained_early",
        when="The gateway shut down before the first token.",
        customer="nothing",
        operator="input",
        why="Nothing was delivered, and that is ours; the provider may bill the prompt.",
    ),
    Ending(
        name="drained",
        when="The gateway shut down after the first token.",
        customer="delivered",
        operator="delivered",
        why="A part was delivered, and the provider bills it.",
    ),
    Ending(
        name="failed_early",
        when="The gateway failed, or refused the answer, before the first token.",
        customer="nothing",
        operator="input",
        why="Nothing was delivered, and that is ours; the provider may bill the prompt.",
    ),
    Ending(
        name="failed",
        when="The gateway failed after the first token.",
        customer="delivered",
        operator="delivered",
        why="A part was delivered, and the provider bills it.",
    ),
    Ending(
        name="cached",
        when="The answer came from the cache, or from a request under way.",
        customer="cached",
        operator="nothing",
        why="No provider was asked for it; one that did not reach the client whole is free, since nothing was spent on it.",
    ),
    Ending(
        name="recovered_early",
        when="The process was killed; no token is known to have been delivered.",
        customer="nothing",
        operator="input",
        why="Nothing is known to have been delivered; the provider may bill the prompt.",
    ),
    Ending(
        name="recovered",
        when="The process was killed after tokens had been delivered.",
        customer="delivered",
        operator="delivered",
        why="What the write-ahead file says was delivered; the last 2 seconds or 200 tokens may be missing.",
    ),
    Ending(
        name="refused",
        when="The gateway refused the request, or it ended, before it was sent to a provider.",
        customer="nothing",
        operator="nothing",
        why="No provider saw it.",
        entry=False,
    ),
    Ending(
        name="answered_here",
        when="The gateway answered by itself, without a provider (a list, or a count).",
        customer="nothing",
        operator="nothing",
        why="No provider saw it, so that nothing was spent.",
        entry=False,
    ),
)

ENDINGS: Mapping[str, Ending] = {row.name: row for row in _ROWS}
COMPLETE = ENDINGS["complete"]


def ending_of(ctx: RequestContext) -> Ending:
    """How a request ended that has ended."""
    if ctx.attempts and ctx.error is None and ctx.outcome == "ok":
        return COMPLETE
    if ctx.from_cache:
        return ENDINGS["cached"]
    if not ctx.attempts:
        return ENDINGS["answered_here" if ctx.error is None and ctx.status < 400 else "refused"]
    name, answer = _name(ctx), answering(ctx)
    over = answer.fault is not None or answer.status >= 400
    if name == "client_left" and over and not ctx.first_token_at:
        return ENDINGS["client_left_between"]
    if name == "upstream_error" and ctx.error is None and answer.fault is not None and answer.status < 400:
        # An error inside a 200, which reached the client for want of anything better.
        return ENDINGS["upstream_cut_early"]
    return ENDINGS[name if name not in _SPLIT or delivered(ctx) else f"{name}_early"]


def answering(ctx: RequestContext) -> Attempt:
    """The try that answered, or was to: the last one at the request's target. Beside it there may be the other of a race."""
    target, attempts = ctx.target, ctx.attempts
    if target is not None and len(attempts) > 1:
        for attempt in reversed(attempts):
            if attempt.provider == target.provider and attempt.model == target.model:
                return attempt
    return attempts[-1]


_SPLIT = frozenset({"client_left", "upstream_cut", "timeout", "drained", "failed"})


def delivered(ctx: RequestContext) -> bool:
    """Did any of the answer itself reach the client? Headers, comments and a stream's opening event are none of it."""
    if ctx.first_token_at > 0:
        return True
    return ctx.committed and (ctx.request.stream is not True or ctx.endpoint.dialect in ("opaque", "events"))


def _name(ctx: RequestContext) -> str:
    error = ctx.error
    if error is None:
        return {"client_closed": "client_left", "internal_error": "failed"}.get(ctx.outcome, "upstream_error")
    if isinstance(error, ClientGone):
        return "client_left"
    if isinstance(error, UpstreamConnectTimeout):
        return "upstream_error"
    if isinstance(error, UpstreamTimeout | DeadlineExceeded):
        return "timeout"
    if isinstance(error, UpstreamCut | UpstreamDropped | UpstreamInvalid):
        return "upstream_cut"
    if isinstance(error, UpstreamError | NoHealthyTarget):
        return "upstream_cut" if delivered(ctx) else "upstream_error"
    if isinstance(error, RateLimited):
        return "limit"
    if isinstance(error, GatewayDraining):
        return "drained"
    return "failed"
