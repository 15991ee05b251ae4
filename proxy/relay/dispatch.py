"""A request's way through its targets: one try after the other, until one gives output or nothing more is to be tried.

What comes next the course decides; here it happens. The answer that is left when nothing more is tried is the client's.
"""

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Course, Step
from .announcing import renotice
from .continuation import continued, resumable
from .opening import Opening, opening_at
from .race import Race

if TYPE_CHECKING:
    from .relay import Relay


class Dispatch(Struct, eq=False):
    """One request's tries. Nothing of one that failed has left."""

    _relay: "Relay"
    _course: Course
    _left: int
    """Tries that may still be made."""

    async def opening(self) -> Opening:
        """The try whose answer is the client's, at its commit point, or the last of those that failed."""
        relay, course = self._relay, self._course
        ctx, watchdog = relay.ctx, relay.watchdog
        watchdog.paused = True
        step: Step | None = course.at_once() or await course.first()
        shown: Opening | None = None
        several = False
        while step is not None:
            target = ctx.target = step.candidate.target
            left = self._left = self._left - 1
            after = course.hedge_after(step) if course.hedge is not None and left > 0 else None
            if after is None:
                watchdog.begin(target.limits)
                opening = opening_at(relay, step, watchdog)
                if left > 0:
                    watchdog.expire = opening.expire
                    fault = await opening.open(hold=True, slow=course.slow_stream and self._slow())
                    watchdog.expire = None
                else:
                    fault = await opening.open(hold=False)
            else:
                opening, fault = await self._raced(step, after)
            if opening.attempt is None:
                self._left += 1
            if shown is None or opening.attempt is not None:
                if shown is not None:
                    shown.forget()
                shown = opening
            if fault is None:
                break
            watchdog.paused = True
            step = await course.after(opening.step, fault)
            if step is not None:
                several = True
                shown.leave()
                await self._pause(step)
        assert shown is not None
        if relay.unsent and ctx.attempts:
            ctx.attempts[-1:-1] = relay.unsent
            relay.unsent.clear()
        if several or course.hedge is not None or shown.attempt is None:
            shown.adopt()
        planned = ctx.plan.chosen.target if ctx.plan is not None else shown.target
        if shown.target is not planned and shown.target != planned:
            renotice(ctx, course.notices(shown.target))
        return shown

    async def continued(self, opening: Opening) -> Opening | None:
        """``opening`` broke off in its middle: a try that goes on with its answer, at its own first output; ``None``: there is none."""
        relay, part = self._relay, opening.part
        ctx, watchdog = relay.ctx, relay.watchdog
        if part is None or not resumable(ctx, part.said) or continued(ctx.body, part.said) is None:
            return None
        while (step := self._course.continuation(opening.step)) is not None:
            watchdog.begin(step.candidate.target.limits)
            following = opening_at(relay, step, watchdog, after=part.said)
            watchdog.expire = following.expire
            fault = await following.open(hold=True)
            watchdog.expire = None
            if fault is None:
                opening.hand_over()
                following.adopt()
                following.begun()
                return following
            following.leave()
        opening.adopt()
        return None

    async def _raced(self, step: Step, after: float) -> tuple[Opening, Fault | None]:
        """One that is late, against another."""
        self._relay.watchdog.paused = True
        race = Race(self._relay, self._course, self._slow())
        opening, fault = await race.run(step, after)
        self._left -= race.tries - 1
        return opening, fault

    def _slow(self) -> SlowStream | None:
        return self._course.slow_stream if self._relay.ctx.request.stream else None

    async def _pause(self, step: Step) -> None:
        """What the course wants to pass before the next try. Nobody's limit but the request's runs meanwhile."""
        if step.wait <= 0:
            return
        relay = self._relay
        begun, done = relay.clock(), False
        try:
            await asyncio.sleep(step.wait)
            done = True
        finally:
            if not done:
                step.lease.close()
        relay.ctx.timings.append(("backoff", relay.clock() - begun))
