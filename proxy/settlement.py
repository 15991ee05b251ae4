"""What happens once after every request, whatever ended it: exact counts, the price, settlers in reverse order, the ledger, the record."""

import asyncio

from msgspec import structs

from .admission.limiter import Forecast, WaitingRoom
from .context import RequestContext
from .money.cached import maker
from .money.endings import answering
from .money.sanity import judged, needs_count
from .protocols import Clock, Counter, Ledger, Pricing, Telemetry

LIMIT = 30.0
"""Seconds that one settler may take."""


class Settler:
    """Settles finished requests. One per generation: a request is charged by the prices it was admitted under."""

    def __init__(
        self,
        *,
        counter: Counter,
        telemetry: Telemetry,
        pricing: Pricing,
        ledger: Ledger | None,
        forecast: Forecast,
        room: WaitingRoom | None,
        local: bool,
        clock: Clock,
        wall: Clock,
    ) -> None:
        """``local``: are all counters in this process, so that settling waits for nothing?"""
        self._counter = counter
        self._telemetry = telemetry
        self._pricing = pricing
        self._ledger = ledger
        self._forecast = forecast
        self._room = room
        self._local = local
        self._clock = clock
        self._wall = wall

    needs_count = staticmethod(needs_count)
    """Were tokens not reported, or can what was reported hardly be true?"""

    def immediate(self, ctx: RequestContext) -> bool:
        """Is there nothing to count and nothing to wait for?"""
        return self._local and not needs_count(ctx)

    async def settle(self, ctx: RequestContext, ended: float, *, at_once: bool = False) -> None:
        """Runs everything; a step that breaks is counted and the others still run. ``at_once``: ``immediate`` has said yes."""
        asked = bool(ctx.attempts)
        from_cache = not asked and ctx.from_cache
        answered = asked or from_cache
        if from_cache:
            # Another one's answer may have been there.
            ctx.target = maker(ctx)
        elif answered:
            _name_who_answered(ctx)
        if not at_once and needs_count(ctx):
            await self._count(ctx)
        if answered:
            try:
                ctx.settled = self._pricing.settled(ctx)
                if asked and ctx.usage.output and ctx.outcome == "ok":
                    self._forecast.note(ctx.route, ctx.usage.output)
            except Exception as error:  # noqa: BLE001 - an unpriced request still gives back what it holds
                self._telemetry.settler_failed("pricing", error)
        for settler in reversed(ctx.settlers):
            try:
                if self._local:
                    await settler(ctx)
                else:
                    await asyncio.wait_for(settler(ctx), LIMIT)
            except Exception as error:  # noqa: BLE001 - one broken settler must not cost the others their turn
                self._telemetry.settler_failed(getattr(settler, "__qualname__", type(settler).__name__), error)
        if self._room is not None and ctx.reservation is not None:
            self._room.freed(ctx.reservation)
        if ctx.ledger_id and self._ledger is not None:
            try:
                self._enter(self._ledger, ctx, ended)
            except Exception as error:  # noqa: BLE001 - the journal has the hold: recovery will find it
                self._telemetry.settler_failed("ledger", error)
        self._telemetry.record(ctx, ended)
        # They know the request: with them it would stay, its body too, until the collector comes.
        ctx.costing = ctx.retarget = ctx.meter = None

    async def _count(self, ctx: RequestContext) -> None:
        model = ctx.target.model if ctx.target is not None else ""
        try:
            own = await self._counter.usage(
                ctx.endpoint, model, ctx.body, "".join(ctx.output_text), dropped=ctx.output_dropped
            )
            ctx.usage = judged(ctx, own)
        except Exception as error:  # noqa: BLE001 - a count that breaks leaves the estimate, and the others their turn
            self._telemetry.settler_failed("token_count", error)

    def _enter(self, ledger: Ledger, ctx: RequestContext, ended: float) -> None:
        """One entry for a request that reached a provider or that the cache answered, none for another."""
        if ctx.settled is not None:
            # What passed since then, taken from the clock that does not step.
            at = self._wall() - (self._clock() - ctx.started)
            ledger.settle(self._pricing.entry(ctx, ctx.settled, at, at + ended - ctx.started))
        else:
            ledger.release(ctx.ledger_id)


def _name_who_answered(ctx: RequestContext) -> None:
    """A target that was chosen and never asked, because the request ended first, is not the one that books and log are to name."""
    target, attempts = ctx.target, ctx.attempts
    answer = attempts[0] if len(attempts) == 1 else answering(ctx)
    if target is not None and (target.model != answer.model or target.provider != answer.provider):
        ctx.target = structs.replace(target, provider=answer.provider, model=answer.model)
