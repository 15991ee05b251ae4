"""What a request asks of each rule: requests, slots, tokens, micro-dollars, from its estimate and the caps that bind its answer.

The output that is reserved is the least of the client's cap, the key's, the model's own and what recent answers came to; where
money is hard it is the whole cap, because an answer that is not a stream cannot be stopped half-way.
"""

from msgspec import Struct

from ..context import Quote, RequestContext
from ..policy.rules import window_end, window_of
from ..protocols import Clock
from .unseen import generates

GENERATING = frozenset(("chat", "completions", "responses", "messages"))
"""Dialects whose answers have output tokens."""

ASSUMED = 1024
"""Output tokens of an answer nobody has capped, until a route's answers are known."""

PRICED_PER = 1_000_000
"""Tokens that a price is for."""


class Asked(Struct, frozen=True, gc=False):
    """Tokens that one request would use. ``output`` is reserved at token limits, ``paid`` at budgets, of which ``least`` must fit."""

    input: int
    output: int
    paid: int
    least: int
    capped: bool
    """Did the client say how long the answer may be?"""
    bounded: bool
    """Does anything say so: the client, the key, the model?"""


def asked(ctx: RequestContext, quote: Quote, recent: int | None, *, exact_input: int | None = None) -> Asked:
    """``recent``: the 95th percentile of the route's recent answers, in tokens; ``exact_input``: a count in place of the estimate."""
    prompt = ctx.estimate.likely if exact_input is None else exact_input
    if ctx.endpoint.dialect not in GENERATING:
        if not generates(ctx):
            return Asked(prompt, 0, 0, 0, False, True)
        # Passed on as it is, and so without a cap of ours: its longest answer must be there.
        usual = recent if recent is not None else ASSUMED
        paid = quote.max_output or usual
        return Asked(prompt, min(usual, paid), paid, paid, False, True)
    client = whole = ctx.estimate.output
    cap, longest = ctx.principal.output_cap, quote.max_output
    if cap and (not whole or cap < whole):
        whole = cap
    if longest and (not whole or longest < whole):
        whole = longest
    output = recent if recent is not None else ASSUMED
    if whole and whole < output:
        output = whole
    paid = whole or output
    return Asked(prompt, output, paid, paid if client else output, bool(client), bool(whole))


def cost(quote: Quote, prompt: int, output: int) -> int:
    """Micro-dollars, rounded up once."""
    return -(-(prompt * quote.input_price + output * quote.output_price) // PRICED_PER)


def affordable(quote: Quote, prompt: int, micro_usd: int) -> int | None:
    """Output tokens that ``micro_usd`` pays for behind ``prompt``; ``None``: output costs nothing."""
    if not quote.output_price:
        return None
    return max(0, (micro_usd * PRICED_PER - prompt * quote.input_price) // quote.output_price)


class Calendar:
    """Names of the current calendar periods, looked up again only when one ends or the wall clock steps."""

    __slots__ = ("_names", "_wall")

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._names: dict[str, tuple[float, float, str]] = {}

    def window(self, per: str) -> str:
        """The current period's name, as ``window_of`` makes it."""
        if per == "total":
            return "total"
        now = self._wall()
        known = self._names.get(per)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        name = window_of(per, now)  # type: ignore[arg-type]
        self._names[per] = (now, window_end(per, now) or 0.0, name)  # type: ignore[arg-type]
        return name
