"""A WebSocket's way to a provider: dialled at one target after the other before its client is accepted, so that a refusal has a status."""

import asyncio
from collections.abc import Sequence

from ..context import Attempt, RequestContext
from ..errors import EndpointUnsupported, RateLimited, TollwayError, UpstreamError
from ..failover.classify import of_error
from ..policy.accounts import account_name
from ..policy.faults import Fault
from ..protocols import Admission, Clock, Course, Provider, Providers, Step, Transport, UpstreamSocket
from .preparing import with_time_left


class Line:
    """A try at one target; once ``socket`` is there, the line to it."""

    def __init__(self, step: Step, provider: Provider) -> None:
        self.step = step
        self.provider = provider
        self.socket: UpstreamSocket | None = None
        self._attempt: Attempt | None = None
        self._ended = False

    @property
    def sent(self) -> bool:
        """Did anything reach the provider?"""
        return self._attempt is not None

    async def dial(
        self,
        ctx: RequestContext,
        transport: Transport,
        admission: Admission,
        clock: Clock,
        wall: Clock,
        offered: Sequence[str],
    ) -> None:
        """Raises ``UpstreamError``, or what forbids a try at this target."""
        target = ctx.target = self.step.candidate.target
        lease = self.step.lease
        request = self.provider.prepare(ctx, target, include_usage=False, now=int(wall())).request
        public = self.step.candidate.model
        await admission.attempt(ctx, target, public)
        if ctx.on_dispatch is not None:
            ctx.on_dispatch()
        attempt = self._attempt = Attempt(
            provider=target.provider,
            model=target.model,
            started=clock(),
            key=lease.key,
            role=self.step.role,
            public=public,
        )
        ctx.attempts.append(attempt)
        self.socket = await transport.connect(with_time_left(request, ctx, clock()), target.limits, offered)
        attempt.status = 101
        lease.answered(101, ())
        lease.first_output(clock() - attempt.started)

    def end(self, now: float, error: BaseException | None) -> Fault | None:
        """The line is closed, or never came to be; its place is free. Once. What that says about the target."""
        fault = of_error(error) if isinstance(error, UpstreamError | RateLimited | EndpointUnsupported) else None
        if self._ended:
            return fault
        self._ended = True
        attempt, lease = self._attempt, self.step.lease
        if attempt is not None:
            attempt.ended, attempt.fault = now, fault
            attempt.error = type(error).__name__ if fault is not None else ""
        if fault is not None:
            lease.failed(fault)
        lease.close()
        return fault


async def dialled(
    ctx: RequestContext,
    course: Course,
    *,
    providers: Providers,
    admission: Admission,
    clock: Clock,
    wall: Clock,
    offered: Sequence[str],
) -> Line:
    """A line to the first target that takes it. Raises the last error of those that did not, that of one which was asked before others."""
    told: TollwayError | None = None
    notes = len(ctx.dropped), len(ctx.rewritten)
    step: Step | None = await course.first()
    while True:
        assert step is not None
        del ctx.dropped[notes[0] :], ctx.rewritten[notes[1] :]
        provider, transport = providers[account_name(step.candidate.target.provider, step.lease.key)]
        line, error = Line(step, provider), None
        try:
            await line.dial(ctx, transport, admission, clock, wall, offered)
            return line
        except TollwayError as failure:
            error = failure
        finally:
            if line.socket is None:
                fault = line.end(clock(), error)
        if line.sent or told is None:
            told = error
        step = await course.after(step, fault) if fault is not None else None
        if step is None:
            raise told
        if step.wait > 0:
            try:
                await asyncio.sleep(step.wait)
            except asyncio.CancelledError:
                step.lease.close()
                raise
