"""What single tries hold: of a provider's limits, and of a fallback model's own. Each is settled by what that try used itself.

A try that is over gives its part back when the next one begins: a request that streams for minutes from its second target keeps
no place at its first.
"""

from ..context import Attempt, RequestContext, Target
from ..wire.usage import Usage
from .holding import Holding, amounts_of

_NOTHING = Usage()


class _Try:
    __slots__ = ("holding", "model", "provider")

    def __init__(self, target: Target, holding: Holding) -> None:
        self.provider = target.provider
        self.model = target.model
        self.holding = holding


class Tries:
    """Those of one request; one of its settlers."""

    __slots__ = ("_claimed", "_open")

    def __init__(self) -> None:
        self._open: list[_Try] = []
        self._claimed: list[Attempt] = []

    def add(self, target: Target, holding: Holding) -> None:
        """A try at ``target`` is about to be made."""
        self._open.append(_Try(target, holding))

    async def over(self, ctx: RequestContext) -> None:
        """Settles those that have ended, while the request goes on."""
        for each in [*self._open]:
            attempt = self._attempt(ctx, each)
            if attempt is not None and attempt.ended:
                await self._settle(each, attempt, _used_in_vain(ctx, attempt))

    async def __call__(self, ctx: RequestContext) -> None:
        """The request has ended. One that cannot be settled must not cost the others their turn."""
        if not self._open:
            return
        each = self._open[-1]
        attempt = self._attempt(ctx, each)
        answered = attempt is not None and attempt is ctx.attempts[-1] and attempt.usage is None
        try:
            await self._settle(each, attempt, ctx.usage if answered else _used_in_vain(ctx, attempt))
        finally:
            await self(ctx)

    async def _settle(self, each: _Try, attempt: Attempt | None, usage: Usage) -> None:
        self._open.remove(each)
        if attempt is not None:
            self._claimed.append(attempt)
        await each.holding.settle_as(amounts_of(each.holding.reservation, usage))

    def _attempt(self, ctx: RequestContext, each: _Try) -> Attempt | None:
        """Which of the request's tries it was; of several at one place, which are alike here, the latest. ``None``: none was sent."""
        for attempt in reversed(ctx.attempts):
            here = attempt.provider == each.provider and attempt.model == each.model
            if here and not any(attempt is taken for taken in self._claimed):
                return attempt
        return None


def tries_of(ctx: RequestContext) -> Tries:
    """The request's, made when its first try is."""
    for settler in ctx.settlers:
        if isinstance(settler, Tries):
            return settler
    made = Tries()
    ctx.settlers.append(made)
    return made


def _used_in_vain(ctx: RequestContext, attempt: Attempt | None) -> Usage:
    """What a try used that is not the answer: what is known of it, else its prompt where that may be billed."""
    if attempt is None:
        return _NOTHING
    if attempt.usage is not None:
        return attempt.usage
    billed = attempt.maybe_billed or (attempt.fault is not None and attempt.fault.action.billed)
    return Usage(input=ctx.usage.input or ctx.estimate.likely) if billed else _NOTHING
