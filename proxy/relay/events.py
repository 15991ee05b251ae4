"""A stream in the client's own dialect: bytes leave first, one ``send`` for each socket read; the decoder looks at them afterwards."""

from typing import TYPE_CHECKING

from ..errors import UpstreamCut, UpstreamInvalid
from ..policy.faults import Fault
from ..protocols import Exchange
from .held import HeldStream
from .inflate import Inflater

if TYPE_CHECKING:
    from .opening import Opening


class EventStream(HeldStream):
    """An answer of events that passes byte for byte, but for a usage chunk that the client did not ask for."""

    __slots__ = ("_inflater",)

    def __init__(self, opening: "Opening", exchange: Exchange) -> None:
        super().__init__(opening, exchange, opening.relay.ctx.endpoint.dialect if exchange.status < 300 else "opaque")
        self._inflater = Inflater.for_encoding(opening.head.encoding)

    async def read(self) -> None:
        """Whatever one socket read brought."""
        exchange = self.exchange
        self.data = self.seen = await exchange.read()
        pulse = self.opening.pulse
        pulse.touched = pulse.loop.time()
        self.opening.heard = self.opening.relay.clock()
        if self._inflater is not None:
            self.seen = self._inflater.feed(self.data)
            self.blind = self._inflater.blind
        self.ended = exchange.ended

    async def deliver(self) -> None:
        """Everything, to its end."""
        # In a task of its own: resuming costs a step through every coroutine above, and here nothing is above.
        await self.opening.pulse.loop.create_task(self._pump())

    async def _pump(self) -> None:
        opening, exchange, inflater = self.opening, self.exchange, self._inflater
        relay = opening.relay
        ctx, send, watchdog = relay.ctx, relay.send, relay.watchdog
        now = watchdog.loop.time
        withholder = opening.withholder if inflater is None else None
        # An answer that began with a comment has promised plain text.
        plain_only = ctx.response_started and inflater is not None
        meter = ctx.meter
        if self.data is None:
            await self.read()
        data, seen, events = self.taken()
        decoder = self.decoder
        eager, watched = decoder.eager, True
        if relay.beating is not None:
            await relay.beating
        ctx.committed = True
        if not ctx.response_started:
            ctx.insertion = b"" if inflater is None else None
            await relay.start(exchange, event_stream=True)
        # Nobody sends it again, and a prompt may be long.
        opening.request = None
        while True:
            out = data
            if inflater is not None:
                if plain_only:
                    out = seen
                    if inflater.blind:
                        raise UpstreamInvalid(
                            "The provider's stream is compressed in a way that cannot be undone here."
                        )
            elif withholder is not None:
                out = withholder.feed(data)
            ended = exchange.ended
            if meter is not None:
                plain = None if inflater is None or plain_only else seen
                passing = meter.feed(out if plain is None else plain)
                if ended or meter.waiting or meter.error is not None:
                    if events is not None:
                        # A limit may let less of it pass than was read, so that what was held is looked at anew.
                        events, decoder = None, self.again()
                    last = ended and withholder is None
                    out = await opening.limited(meter, out, passing, plain, last=last)
                elif plain is None:
                    out = passing
            if ended:
                break
            if out:
                ctx.sending = watchdog.touched
                await send({"type": "http.response.body", "body": out, "more_body": True})
                ctx.sending = 0.0
            if events is None:
                events = decoder.feed(seen)
            if watched:
                opening.observe(decoder, events)
                watched = eager or not ctx.first_token_at
            events = None
            data = seen = await exchange.read()
            watchdog.touched = now()
            if inflater is not None:
                seen = inflater.feed(data)
            if relay.beating is not None:
                await relay.beating
        opening.observe(decoder, decoder.feed(seen) if events is None else events)
        opening.observe(decoder, decoder.close())
        if withholder is not None:
            rest = withholder.close()
            out += rest if meter is None else await opening.metered(meter, rest, last=True)
        if decoder.failed and not (decoder.complete and decoder.tokens):
            self.fault = Fault(kind="error_event", status=200)
            ctx.error = UpstreamCut("The provider ended its stream with an error.")
        elif not decoder.complete and (inflater is None or not inflater.blind):
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
            raise UpstreamCut("The provider's stream broke off before its end.")
        await send({"type": "http.response.body", "body": out, "more_body": False})
