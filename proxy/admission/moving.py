"""A request that goes to another target than it was admitted for: its money must do there, and the journal must know where it is."""

from collections.abc import Callable

from ..context import Quote, RequestContext, Target
from ..errors import PriceUnknown
from ..protocols import Clock, Ledger, Pricing
from .asking import GENERATING
from .headers import limit_headers
from .holding import Holding

Watch = Callable[[], None]
"""Puts a meter on a stream of which nothing has left, in the place of the one before."""


class Moving:
    """Of one request. Called before each try; ``arrived`` when nothing speaks against it any more."""

    __slots__ = ("_ctx", "_holding", "_ledger", "_place", "_priced", "_pricing", "_wall", "_watch")

    def __init__(
        self,
        ctx: RequestContext,
        *,
        planned: Target,
        model: str,
        holding: Holding | None,
        ledger: Ledger | None,
        priced: bool,
        pricing: Pricing,
        wall: Clock,
        watch: Watch | None,
    ) -> None:
        """``planned``, ``model``: what was held and written down; ``priced``: must the price be known? ``watch``: for a stream with a limit."""
        self._ctx = ctx
        self._holding = holding
        self._ledger = ledger
        self._priced = priced
        self._pricing = pricing
        self._wall = wall
        self._watch = watch
        self._place = (planned.provider, planned.model, model)

    async def __call__(self, target: Target, model: str) -> None:
        """Holds what the try may cost. Raises ``BudgetExceeded`` or ``PriceUnknown``."""
        holding = self._holding
        if (target.provider, target.model, model) == self._place:
            return
        quote = self._quote(target, model)
        if self._priced and not quote.known:
            raise price_unknown(target)
        if holding is None or not holding.spends:
            return
        begun = self._ctx.committed
        stream = self._watch is not None
        whole = not stream and self._ctx.endpoint.dialect in GENERATING
        refused = await holding.requote(quote, stream=stream, whole=whole, begun=begun)
        if refused is not None:
            raise refused
        if not begun:
            self._tell(holding)
            if self._watch is not None:
                self._watch()

    def arrived(self, target: Target, model: str) -> None:
        """The try is about to be made: should this process die, the request is settled by this target's prices."""
        place = (target.provider, target.model, model)
        ctx, ledger = self._ctx, self._ledger
        if place == self._place or ledger is None or not ctx.ledger_id:
            return
        self._place = place
        quote = self._quote(target, model)
        ledger.retarget(self._pricing.hold(ctx, quote=quote, target=target, route=ctx.route, held=0, at=self._wall()))

    def checkpoint(self, tokens: int) -> None:
        """So many tokens have been delivered, by the target that answers: of a race, that may be the one that was asked first."""
        ctx, ledger = self._ctx, self._ledger
        if ctx.target is not None and ctx.attempts and ctx.attempts[-1].public:
            self.arrived(ctx.target, ctx.attempts[-1].public)
        if ledger is not None:
            ledger.checkpoint(ctx.ledger_id, tokens)

    def _quote(self, target: Target, model: str) -> Quote:
        return self._pricing.quote(self._ctx.principal, model, target)

    def _tell(self, holding: Holding) -> None:
        """The client is told what is left of its money now."""
        ctx = self._ctx
        fresh = [pair for pair in limit_headers(holding.reservation) if pair[0] in _MONEY]
        ctx.response_headers[:] = [pair for pair in ctx.response_headers if pair[0] not in _MONEY] + fresh


_MONEY = (b"x-tollway-budget-remaining-usd", b"x-tollway-credit-remaining-usd")


def price_unknown(target: Target) -> PriceUnknown:
    """The refusal of a target whose price nobody knows, where money counts."""
    return PriceUnknown(
        f"This key has a budget or pays for its use, and the price of {target.model or target.provider!r} is not known. Set it under "
        f"catalogue.models in the gateway's configuration, or catalogue.unknown_price: free.",
        param="model",
    )
