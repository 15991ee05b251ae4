"""What happens once after every request, whatever ended it: settlers in reverse order, exact counts, the record."""

import asyncio

from .context import RequestContext
from .protocols import Counter, Telemetry

LIMIT = 30.0
"""Seconds that one settler may take."""


class Settler:
    """Settles finished requests, outside their own tasks."""

    def __init__(self, *, counter: Counter, telemetry: Telemetry) -> None:
        self._counter = counter
        self._telemetry = telemetry

    def needs_count(self, ctx: RequestContext) -> bool:
        """Did tokens flow that the provider has not reported?"""
        if ctx.usage.input_source == "reported" or not 200 <= upstream_status(ctx) < 300:
            return False
        if ctx.endpoint.name == "embeddings":
            return True
        return ctx.endpoint.dialect in ("chat", "completions", "responses", "messages") and bool(ctx.body)

    async def settle(self, ctx: RequestContext, ended: float) -> None:
        """Runs everything; a settler that breaks is counted and the others still run."""
        if self.needs_count(ctx):
            model = ctx.target.model if ctx.target is not None else ""
            try:
                ctx.usage = await self._counter.usage(
                    ctx.endpoint, model, ctx.body, "".join(ctx.output_text), dropped=ctx.output_dropped
                )
            except Exception as error:  # noqa: BLE001 - a count that breaks leaves the estimate, and the others their turn
                self._telemetry.settler_failed("token_count", error)
        for settler in reversed(ctx.settlers):
            try:
                await asyncio.wait_for(settler(ctx), LIMIT)
            except Exception as error:  # noqa: BLE001 - one broken settler must not cost the others their turn
                self._telemetry.settler_failed(getattr(settler, "__qualname__", type(settler).__name__), error)
        self._telemetry.record(ctx, ended)


def upstream_status(ctx: RequestContext) -> int:
    """Status of the attempt that answered, 0 when none did."""
    return ctx.attempts[-1].status if ctx.attempts else 0
