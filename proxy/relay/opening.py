"""One try at one target: sent, answered, and led to its commit point, the first real output. What came before that is held.

A try that fails before says how (its ``Fault``) and leaves nothing behind; what it would have told the client is kept until it is
known whether another try follows.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..context import Attempt, Role
from ..errors import (
    EndpointUnsupported,
    RateLimited,
    RawHeaders,
    TollwayError,
    UpstreamAuthFailed,
    UpstreamCut,
    UpstreamDropped,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from ..failover.classify import of_answer, of_error
from ..policy.accounts import account_name
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Exchange, Meter, Step, UpstreamRequest
from ..wire.answered import NO_HEAD, Head, head_of
from ..wire.headers import TIME_LEFT
from ..wire.stream import Withholder
from ..wire.usage import Usage
from .continuation import Part, Said
from .events import EventStream
from .metered import MeteredExchange
from .plain import OpaqueAnswer, PlainAnswer, Refusal, json_due
from .preparing import new_part, prepared_as_part, with_time_left
from .replayed import Kept, Replayed
from .tally import Answer, Pulse, Tally
from .translated import TranslatedAnswer, TranslatedError, TranslatedStream

if TYPE_CHECKING:
    from .relay import Relay


class Opening(Tally, eq=False):
    """A try. ``open`` once, then either ``deliver`` or ``leave``."""

    exchange: Exchange | None = None
    head: Head = NO_HEAD
    checked: bool = False
    """Is the head known to be sound?"""
    error: TollwayError | None = None
    """What the client is told of it, unless there is an answer."""
    fault: Fault | None = None
    """How it failed before any output."""
    withholder: Withholder | Part | None = None
    request: UpstreamRequest | None = None
    task: asyncio.Task[Fault | None] | None = None
    """The one it runs in, if that is not the request's own."""
    _make_meter: Callable[[RawHeaders], Meter | None] | None = None
    _noted: tuple[Sequence[str], Sequence[str]] = ((), ())
    """Fields of the request that do not travel to this target, and those that travel changed."""
    heard: float = 0.0
    """When the last part came that was waited for before our head left, on the relay's clock; 0: none was."""
    _headed: float = 0.0
    _timed: int = 0
    """Where its time stands among the request's."""
    _begun: bool = False
    _over: bool = False
    _settled: bool = False
    _late: UpstreamTimeout | None = None

    # ---- up to the commit point -------------------------------------------------------------------------------------

    async def open(self, *, hold: bool, slow: SlowStream | None = None) -> Fault | None:
        """Up to the answer's head, or with ``hold`` up to its first real output. ``None``: it may be delivered.

        Raises what ends the whole request: a ``ClientError``, a cancellation.
        """
        relay, done = self.relay, False
        try:
            request = self._prepared()
            await relay.admission.attempt(relay.ctx, self.target, self.step.candidate.model)
            attempt = self._begin(self.step.role)
            try:
                sent = await self.transport.send(request, self.target.limits)
            except UpstreamDropped as error:
                sent = await self._sent_anew(request, attempt, error)
            except Exception as error:
                attempt.error = type(error).__name__
                raise
            exchange = self._headed_by(sent)
            if hold:
                self.head.check()
                self.checked = True
                if relay.ctx.answers:
                    # What is read is rebuilt, perhaps: those who look at the answer later see it as it came.
                    exchange = self.exchange = Kept(exchange)
            self.answer = self._form(exchange, hold=hold)
            if hold:
                self.fault = await self.answer.probe(slow)
            done = True
        except asyncio.CancelledError:
            late, task = self._late, asyncio.current_task()
            # Cancelled by this try's own limit, and by nobody else?
            if late is None or task is None or task.uncancel() > 0 or relay.ctx.interruption is not None:
                raise
            self._failed(late)
            done = True
        except TollwayError as error:
            self._failed(error)
            done = True
        finally:
            if not done:
                self.abandon()
        if self.fault is not None:
            self._settle(self.fault)
        return self.fault

    def expire(self, error: UpstreamTimeout) -> None:
        """A limit of this try has passed: it ends, the request does not."""
        task = self.task or self.relay.ctx.task
        if task is not None:
            self._late = error
            task.cancel()

    def _failed(self, error: TollwayError) -> None:
        """Notes how the try failed. Raises ``error`` where it is the request's fault and not the target's."""
        relay, attempt = self.relay, self.attempt
        if attempt is not None:
            if not isinstance(error, UpstreamError):
                self.abandon()
                raise error
            attempt.error = attempt.error or type(error).__name__
            self.fault = self._fault_in(error)
        else:
            # What the first target cannot be given is wrong with the request; what only another cannot, with that other.
            if not isinstance(error, RateLimited | EndpointUnsupported) and not relay.ctx.attempts:
                self.abandon()
                raise error
            self._unsent(error)
        # Its traceback would keep every frame below for as long as this try is kept.
        self.error = error.with_traceback(None)
        self.abort()

    def _fault_in(self, error: TollwayError) -> Fault:
        """A limit that the client itself has set says nothing of the target: such a try is slow for it, and nothing counts."""
        fault = of_error(error, now=self.relay.wall())
        if fault.kind == "timeout" and self.exchange is None and self.relay.ctx.controls.first_byte is not None:
            return Fault(kind="slow", detail="first_byte_timeout")
        return fault

    def _unsent(self, error: TollwayError) -> None:
        """Nothing was sent: the target cannot take such a request, or limits of ours forbid it."""
        clock, lacks = self.relay.clock, self.request is None and not isinstance(error, RateLimited)
        self.fault = Fault(kind="model_missing" if lacks else "limited_here", detail=type(error).__name__)
        self.relay.unsent.append(
            Attempt(
                provider=self.target.provider,
                model=self.target.model,
                started=clock(),
                ended=clock(),
                error=type(error).__name__,
                key=self.step.lease.key,
                role=self.step.role,
                fault=self.fault,
            )
        )

    async def _sent_anew(self, request: UpstreamRequest, attempt: Attempt, error: UpstreamDropped) -> Exchange:
        """A connection that died unanswered is tried once more on a new one where that creates nothing. Raises ``UpstreamError``."""
        attempt.error = type(error).__name__
        if not self._renewed(request):
            raise error
        attempt.maybe_billed, attempt.fault, attempt.ended = True, of_error(error), self.relay.clock()
        again = self._begin("retry")
        try:
            return await self.transport.send(request, self.target.limits, fresh=True)
        except Exception as failure:
            again.error = type(failure).__name__
            raise

    def _renewed(self, request: UpstreamRequest) -> bool:
        """May it be sent once more on a new connection?"""
        relay = self.relay
        return relay.ctx.endpoint.replay and isinstance(request.body, bytes) and relay.course.anew()

    def _prepared(self) -> UpstreamRequest:
        relay = self.relay
        ctx = relay.ctx
        if ctx.dropped or ctx.rewritten:
            dropped, rewritten = relay.notes
            del ctx.dropped[dropped:], ctx.rewritten[rewritten:]
        if relay.wants_usage:
            self.withholder = Withholder()
        if relay.continues:
            self.withholder = self.part = new_part(self.withholder, self.after, self.step.candidate.place)
            prepared = prepared_as_part(self.provider, ctx, self.target, self.after, relay)
        else:
            prepared = self.provider.prepare(ctx, self.target, include_usage=relay.wants_usage, now=int(relay.wall()))
        request, self.translation, self._make_meter = prepared.request, prepared.translation, prepared.meter
        if TIME_LEFT in ctx.headers:
            request = with_time_left(request, ctx, relay.clock())
        self.request = request
        if ctx.dropped or ctx.rewritten:
            dropped, rewritten = relay.notes
            self._noted = ctx.dropped[dropped:], ctx.rewritten[rewritten:]
        return request

    def _begin(self, role: Role) -> Attempt:
        """The request is about to be sent."""
        relay, target = self.relay, self.target
        ctx = relay.ctx
        if ctx.on_dispatch is not None:
            ctx.on_dispatch()
        if relay.unsent:
            ctx.attempts += relay.unsent
            relay.unsent.clear()
        attempt = self.attempt = Attempt(
            provider=target.provider,
            model=target.model,
            started=relay.clock(),
            key=self.step.lease.key,
            role=role,
            public=self.step.candidate.model,
        )
        ctx.attempts.append(attempt)
        return attempt

    def _headed_by(self, exchange: Exchange) -> Exchange:
        """The head is there: what it says is noted. The answer, perhaps with what looks at it. Raises ``UpstreamError``."""
        relay, attempt, pulse, status = self.relay, self.attempt, self.pulse, exchange.status
        assert attempt is not None
        self.exchange = exchange
        ctx, attempt.status = relay.ctx, status
        head = self.head = head_of(exchange.headers)
        if ctx.ledger_id:
            attempt.upstream_id = head.ident[:128].decode("latin-1")
        pulse.answered = True
        pulse.touched = pulse.loop.time()
        headed = self._headed = relay.clock()
        self._timed = len(ctx.timings)
        ctx.timings.append(("upstream", headed - attempt.started))
        self.step.lease.answered(status, exchange.headers)
        if self._make_meter is not None and status < 300:
            meter = self._make_meter(exchange.headers)
            if meter is not None:
                exchange = self.exchange = self.meter = MeteredExchange(exchange, meter)
        if not 200 <= status <= 599:
            raise UpstreamInvalid("The provider answered with a status that is not HTTP's.", detail=f"status {status}")
        if status == 407:
            raise UpstreamUnavailable(
                f"The proxy in front of provider {self.target.provider!r} wants credentials; check the provider's proxy."
            )
        return exchange

    def _form(self, exchange: Exchange, *, hold: bool) -> Answer:
        """How this answer is read and passed on."""
        translation, status = self.translation, exchange.status
        kind = self.head.kind
        if translation is not None:
            if status >= 300:
                return TranslatedError(self, exchange, translation)
            if self.relay.ctx.request.stream and not kind.startswith(b"application/json"):
                return TranslatedStream(self, exchange, translation)
            return TranslatedAnswer(self, exchange, translation)
        if status >= 400:
            if status in (401, 403) and not self.provider.forwards:
                return Refusal(self, exchange)
            if hold:
                return PlainAnswer(self, exchange)
        if kind.startswith(b"application/json"):
            return PlainAnswer(self, exchange)
        ctx = self.relay.ctx
        # Whatever a whole answer is called, it is judged as JSON while somebody else could be asked.
        judged = hold and json_due(ctx) and (status >= 300 or not ctx.request.stream)
        if kind.startswith(b"text/event-stream") and not (judged and status >= 300):
            return EventStream(self, exchange)
        return PlainAnswer(self, exchange) if judged or ctx.response_started else OpaqueAnswer(self, exchange)

    # ---- after it ---------------------------------------------------------------------------------------------------

    def note_wait(self) -> None:
        """Our head is about to leave: until the last part that was waited for, the provider took its time."""
        if self.heard:
            attempt = self.attempt
            assert attempt is not None
            self.relay.ctx.timings[self._timed] = ("upstream", self.heard - attempt.started)

    async def deliver(self) -> None:
        """Gives the client what came of this try: its answer, or the error in its place. Raises as the request ends."""
        relay = self.relay
        ctx = relay.ctx
        try:
            if self.error is not None:
                raise self.error
            if relay.beating is not None:
                await relay.beating
            if ctx.answers:
                await self._filter()
            answer = self.answer
            assert answer is not None
            ctx.first_byte_at = self._headed
            await answer.deliver()
        except BaseException as error:
            self.abort()
            self._settle(self._fault_of(error))
            raise
        else:
            self._end(abort=False)
            fault = answer.fault or self.fault
            if fault is None:
                exchange = self.exchange
                assert exchange is not None
                if exchange.status >= 400:
                    fault = of_answer(exchange.status, exchange.headers, b"", now=relay.wall())
                elif not self._begun:
                    self.begun()
            elif fault.kind != "slow":
                # Under a 200, too, for want of anything better.
                ctx.outcome = "upstream_error"
            self._settle(fault)

    async def _filter(self) -> None:
        """Those who look at the answer see it from its first byte, and may put another in its place."""
        exchange, answer, request = self.exchange, self.answer, self.request
        assert exchange is not None
        assert answer is not None
        assert request is not None
        if isinstance(exchange, Kept):
            exchange = Replayed(exchange.inner, b"".join(exchange.parts)) if exchange.parts else exchange.inner
        for look in self.relay.ctx.answers:
            exchange = await look(request, exchange, self._again)
        self.head, self.checked = head_of(exchange.headers), False
        self.exchange = exchange
        self.answer = self._form(exchange, hold=False)

    async def _again(self, request: UpstreamRequest) -> Exchange:
        return await self.transport.send(request, self.target.limits)

    def _fault_of(self, error: BaseException) -> Fault | None:
        """What an ending says about the target. A client that left, a limit of ours or a deadline says nothing."""
        if isinstance(error, asyncio.CancelledError):
            interruption = self.relay.ctx.interruption
            return self._fault_in(interruption) if isinstance(interruption, UpstreamTimeout) else None
        if self.answer is not None and self.answer.fault is not None:
            return self.answer.fault
        return of_error(error, now=self.relay.wall()) if isinstance(error, UpstreamError) else None

    def adopt(self) -> None:
        """This is the try whose answer the client gets: the context says so."""
        ctx, attempt, (dropped, rewritten) = self.relay.ctx, self.attempt, self.relay.notes
        ctx.target = self.target
        ctx.dropped[dropped:], ctx.rewritten[rewritten:] = self._noted
        if attempt is not None and ctx.attempts[-1] is not attempt:
            ctx.attempts.remove(attempt)
            ctx.attempts.append(attempt)

    # ---- its end ----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Another try follows: the connection is closed, and what this one may have cost is noted."""
        attempt, fault, exchange = self.attempt, self.fault, self.exchange
        if attempt is not None and fault is not None:
            attempt.maybe_billed = fault.action.billed
        if self._headed:
            self.relay.ctx.timings.append(("upstream", self.relay.clock() - self._headed))
        whole = exchange is None or exchange.ended
        if not whole and self.error is None:
            self.error = UpstreamCut("The provider's answer failed before it began.")
        self._end(abort=not whole)

    def lost(self) -> None:
        """A race was won by another: closed at once. What it had used is noted."""
        attempt, answer = self.attempt, self.answer
        if attempt is not None and self.fault is None:
            output = answer.decoder.tokens if answer is not None and answer.decoder is not None else 0
            attempt.maybe_billed = True
            attempt.usage = Usage(input=self.relay.ctx.estimate.likely, output=output)
        self.abandon()
        self.forget()

    def forget(self) -> None:
        """Its answer is nobody's: no cycle keeps the request, and its body, until the collector runs."""
        self.answer = None

    def abandon(self) -> None:
        """Ends the try, without a word about the target unless the request ends because of it."""
        self.abort()
        self._settle(self._fault_of(asyncio.CancelledError()))

    def abort(self) -> None:
        """Closes the connection, so that the provider stops generating."""
        self._end(abort=True)

    def _end(self, *, abort: bool) -> None:
        exchange = self.exchange
        if exchange is None or self._over:
            return
        self._over = True
        if abort:
            exchange.abort()
        else:
            exchange.release()

    def _settle(self, fault: Fault | None) -> None:
        """The target's health is told how the try ended, and its place is free. Once."""
        if self._settled:
            return
        self._settled = True
        attempt, lease = self.attempt, self.step.lease
        if attempt is not None:
            attempt.ended = self.relay.clock()
            attempt.fault = fault
        if fault is not None:
            lease.failed(fault)
        lease.close()

    def begun(self) -> None:
        """The first real output has come. The target's health is told, once."""
        if not self._begun and not self._settled and self.attempt is not None:
            self._begun = True
            self.step.lease.first_output(self.relay.clock() - self.attempt.started)

    def credentials_refused(self, detail: str) -> UpstreamAuthFailed:
        """Our own credentials: a 502, because a 401 would blame the client's key."""
        return UpstreamAuthFailed(
            f"Provider {self.target.provider!r} refused the gateway's credentials; check its api_key.", detail=detail
        )


def opening_at(relay: "Relay", step: Step, pulse: Pulse, *, after: Said | None = None) -> Opening:
    """A try that is due. ``after``: what the client was given of an answer that broke off, which this one goes on with."""
    target, key = step.candidate.target, step.lease.key
    name = target.provider
    provider, transport = relay.providers[account_name(name, key) if key else name]
    return Opening(relay, step, pulse, target, provider, transport, after)
