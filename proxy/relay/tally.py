"""What passes of one try's answer, for those who watch and for the bill: events, the text to count, reported usage, limits."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from ..context import Attempt, StreamMeter, Target
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Provider, Step, Translation, Transport
from ..wire.endpoints import Dialect
from ..wire.stream import StreamDecoder, StreamEvent
from ..wire.usage import NO_USAGE, Usage, excessive, visible_output
from .continuation import Part, Said
from .metered import MeteredExchange

if TYPE_CHECKING:
    from .relay import Relay


class Answer(Protocol):
    """One form of answer."""

    @property
    def decoder(self) -> StreamDecoder | None:
        """What its events came to, where it has some."""

    @property
    def fault(self) -> Fault | None:
        """How it failed while it was delivered."""

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """Reads up to the first real output, which is held. Raises ``UpstreamError``."""

    async def deliver(self) -> None:
        """All of it to the client, from its first byte."""


class Pulse(Protocol):
    """Whoever times a try: the request's watchdog, or in a race a timer of its own. Written by the try; loop seconds."""

    loop: asyncio.AbstractEventLoop
    answered: bool
    touched: float


class Tally(Struct, eq=False):
    """The books of one try. ``after``: what the client was given of an answer that broke off, which this one goes on with."""

    relay: "Relay"
    step: Step
    pulse: Pulse
    target: Target
    provider: Provider
    transport: Transport
    after: Said | None = None
    attempt: Attempt | None = None
    """``None``: nothing was sent."""
    answer: Answer | None = None
    part: Part | None = None
    """Where the answer could be continued: what of it has left."""
    translation: Translation | None = None
    meter: MeteredExchange | None = None
    """What looks at a native answer on its way."""

    def begun(self) -> None:
        """The first real output has come."""
        raise NotImplementedError

    def new_decoder(self, dialect: Dialect) -> StreamDecoder:
        """For a stream of this try."""
        relay = self.relay
        request = relay.ctx.request
        asked = relay.wants_usage or (
            request.stream_options is not None and request.stream_options.include_usage is True
        )
        return StreamDecoder(
            dialect,
            # Are all events looked at as they pass?
            eager=bool(relay.ctx.observers) or relay.course.slow_stream is not None,
            usage_due=asked or dialect == "responses",
            choices=request.n or 1,
        )

    def observe(self, decoder: StreamDecoder, events: Sequence[StreamEvent]) -> None:
        """What has left, for those who watch."""
        ctx = self.relay.ctx
        if decoder.tokens:
            ctx.last_token_at = self.relay.clock()
            if not ctx.first_token_at:
                ctx.first_token_at = ctx.last_token_at
                self.begun()
        for observer in ctx.observers:
            observer(events)

    async def metered(
        self, meter: StreamMeter, data: bytes, plain: bytes | None = None, *, last: bool = False
    ) -> bytes:
        """What of ``data`` may leave. At a limit the granted rest leaves and the limit's error is raised.

        ``plain``: what ``data`` is when decompressed; such a stream leaves read by read and is cut before the read that is too much.
        """
        out = meter.feed(data if plain is None else plain)
        if not last and not meter.waiting and meter.error is None:
            return out if plain is None else data
        return await self.limited(meter, data, out, plain, last=last)

    async def limited(
        self, meter: StreamMeter, data: bytes, out: bytes, plain: bytes | None = None, *, last: bool = False
    ) -> bytes:
        """``metered`` where the meter has let ``out`` pass so far, and the rest waits, or is refused, or was the last."""
        if last:
            out += meter.finish()
        while meter.waiting and meter.error is None:
            out += await meter.more()
        if meter.error is None:
            return out if plain is None else data
        if plain is None and out:
            await self.relay.send({"type": "http.response.body", "body": out, "more_body": True})
            decoder = self.answer.decoder if self.answer is not None else None
            if decoder is not None:
                self.observe(decoder, decoder.feed(out))
        raise meter.error

    def conclude(self) -> None:
        """What the answer came to, however it ended: reported usage, else the text to count. The last thing that is asked of a try."""
        ctx, metered = self.relay.ctx, self.meter
        decoder = self.answer.decoder if self.answer is not None else None
        # No cycle keeps a finished request until the collector runs.
        self.answer = None
        if decoder is not None:
            self._conclude(decoder)
            ctx.token_events += decoder.tokens
        if metered is not None:
            ctx.usage = metered.meter.usage or ctx.usage
            if metered.meter.usage is None:
                ctx.output_text[:] = [metered.meter.text]

    def _conclude(self, decoder: StreamDecoder) -> None:
        ctx, translation = self.relay.ctx, self.translation
        reported = translation.usage if translation is not None else None
        if translation is None or ctx.endpoint.dialect in ("chat", "completions"):
            # Behind a front the figures in the stream are ours: zeros where the provider reported none.
            reported = reported or decoder.usage
        if self.after is not None:
            self._add_part(self.after, decoder, reported)
            return
        if reported is not None:
            ctx.usage = reported
        # The text settles what was not reported, what can hardly be true, and what was cut after an early report.
        whole = reported is not None and decoder.complete and (reported.output > 0 or not decoder.tokens)
        if reported is None or not whole or excessive(visible_output(reported), decoder.tokens):
            ctx.output_text.append(decoder.text())
            ctx.output_dropped += decoder.dropped

    def _add_part(self, after: Said, decoder: StreamDecoder, reported: Usage | None) -> None:
        """Of a continued answer each part is billed for itself, and the client pays for one: for its prompt and all of the text."""
        ctx, attempt = self.relay.ctx, self.attempt
        if attempt is not None:
            attempt.usage = reported or Usage(input=ctx.estimate.likely + after.tokens, output=decoder.tokens)
        ctx.usage = NO_USAGE
        ctx.output_text.append(decoder.text())
        ctx.output_dropped += decoder.dropped

    def hand_over(self) -> None:
        """Another target goes on where this one broke off."""
        attempt, part = self.attempt, self.part
        if attempt is not None and part is not None and self.after is None:
            attempt.usage = Usage(input=self.relay.ctx.estimate.likely, output=part.said.tokens)
        self.conclude()
