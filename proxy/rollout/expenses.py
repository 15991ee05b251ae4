"""What a shadow, or an embedding, costs goes into the books of the operator: an entry with its cost and no charge, under nobody's account."""

from collections.abc import Callable

from msgspec import structs

from ..context import RequestContext, Settled, Target
from ..errors import LedgerUnavailable
from ..protocols import Clock, Hold, Ledger, Pricing

FLAG = "shadow"
"""Among the flags of its entry."""


class Expenses:
    """Books what one generation asks for on its own account. Without a ledger it only says what they cost."""

    def __init__(
        self,
        *,
        pricing: Pricing,
        ledger: Ledger | None,
        ident: Callable[[], str],
        clock: Clock,
        wall: Clock,
        flag: str = FLAG,
    ) -> None:
        """``ident``: a new name for a ledger's entry; ``wall``: unix seconds; ``flag``: what marks the entries."""
        self._flag = flag
        self._pricing = pricing
        self._ledger = ledger
        self._ident = ident
        self._clock = clock
        self._wall = wall

    def begin(self, copy: RequestContext, target: Target) -> bool:
        """Written down before it is sent, so that a killed process leaves a trace. False: it cannot be, so it must not be sent."""
        if self._ledger is None:
            return True
        copy.ledger_id = self._ident()
        hold = Hold(
            ident=copy.ledger_id,
            request_id=copy.request_id[:256],
            account=copy.principal.account,
            key=copy.principal.key,
            key_name=copy.principal.name,
            endpoint=copy.endpoint.name,
            route=copy.route,
            provider=target.provider,
            model=target.model[:256],
            held=0,
            input_tokens=copy.estimate.likely,
            # At these prices recovery charges nothing.
            input_price=0,
            output_price=0,
            price_version=self._pricing.version(copy.principal),
            at=self._wall(),
        )
        try:
            self._ledger.hold(hold)
            self._ledger.dispatched(copy.ledger_id)
        except LedgerUnavailable:
            self._ledger.release(copy.ledger_id)
            copy.ledger_id = ""
            return False
        return True

    def end(self, copy: RequestContext, ended: float) -> int | None:
        """It has ended, however it did. Micro-dollars that it cost; ``None``: its price is not known."""
        settled = self._pricing.settled(copy)
        free = Settled(charge=0, cost=settled.cost, ending=settled.ending, count=settled.count)
        if self._ledger is not None and copy.ledger_id:
            at = self._wall() - (self._clock() - copy.started)
            entry = self._pricing.entry(copy, free, at, at + ended - copy.started)
            self._ledger.settle(structs.replace(entry, flags=(*entry.flags, self._flag)))
        return settled.cost
