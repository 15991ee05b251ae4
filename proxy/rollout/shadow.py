"""Shadows: after a request has been answered, a copy of some goes to another model, whose answer is compared and thrown away.

The client has its answer before anything of this begins, and neither its limits nor its money know of it.
"""

from ..context import RequestContext
from ..policy.routes import Shadow
from .comparison import Comparison, ShadowRecords, Side
from .copied import LARGEST, comparable, copy_of, stateless
from .places import Places
from .sample import sampled
from .trying import Means, Skipped, Try

SALT = b"shadow"


class Shadows:
    """Copies requests whose route has a shadow. One per generation; ``places`` outlives it."""

    def __init__(self, places: Places, means: Means, records: ShadowRecords) -> None:
        self._places = places
        self._means = means
        self._records = records

    async def after(self, ctx: RequestContext) -> None:
        """A settler: the request has ended and its money is known. What is due is begun; nothing is waited for."""
        route = ctx.plan.route if ctx.plan is not None else None
        if route is None or route.shadow is None or not comparable(ctx):
            return
        shadow = route.shadow
        if not sampled(ctx.request_id, shadow.share, salt=SALT):
            return
        if len(ctx.body) > LARGEST:
            self._records.skipped(route.label, shadow.model, "oversize")
        elif not self._places.take(route.label, shadow.concurrency, begun=ctx.started):
            self._records.skipped(route.label, shadow.model, "busy")
        else:
            self._places.spawn(self._compare(ctx, route.label, shadow))

    async def _compare(self, ctx: RequestContext, route: str, shadow: Shadow) -> None:
        """The copy's whole life. The original is let go of as soon as it has been copied."""
        records, model, begun = self._records, shadow.model, ctx.started
        request_id, stream = ctx.request_id, ctx.request.stream is True
        answer = answer_of(ctx, self._means.clock())
        try:
            if not stateless(ctx):
                raise Skipped("stateful")
            attempt = Try(self._means, copy_of(ctx, model, started=self._means.clock()))
            del ctx
            try:
                await attempt.run()
            finally:
                side = attempt.side()
                if side is not None:
                    records.compared(
                        Comparison(
                            request_id=request_id, route=route, model=model, stream=stream, answer=answer, shadow=side
                        )
                    )
        except Skipped as skipped:
            records.skipped(route, model, str(skipped))
        finally:
            self._places.give_back(route, begun=begun)


def answer_of(ctx: RequestContext, now: float) -> Side:
    """The client's side of a request that has ended: its last attempt, which is the one that answered."""
    attempt = ctx.attempts[-1]
    failed = attempt.fault.kind if attempt.fault is not None else ctx.outcome
    return Side(
        provider=attempt.provider,
        model=attempt.model,
        outcome="ok" if ctx.outcome == "ok" else failed,
        status=ctx.status,
        duration=max(0.0, (attempt.ended or now) - attempt.started),
        first=max(0.0, ctx.first_token_at - attempt.started) if ctx.first_token_at else 0.0,
        output=ctx.usage.output,
        cost=ctx.settled.cost if ctx.settled is not None else None,
    )
