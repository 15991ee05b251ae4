"""An answer on its way to a client that speaks another dialect, or from a provider that deviates from the client's.

Bytes are read as in the relay, but what leaves is rebuilt: nothing before the first real event, whole events from then on.
"""

import asyncio
from typing import TYPE_CHECKING

from ..errors import TollwayError, UpstreamAuthFailed, UpstreamCut, UpstreamInvalid, UpstreamRejected
from ..failover.classify import of_answer, of_error
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Exchange, Translation
from ..wire.headers import moved_aside
from ..wire.reply import text_of
from ..wire.stream import TEXT_LIMIT, StreamDecoder
from .held import HeldStream
from .inflate import Inflater
from .plain import ERROR_PATIENCE, GENERATED, no_stream, redirected

if TYPE_CHECKING:
    from .opening import Opening

EVENTS = b"text/event-stream; charset=utf-8"

LARGEST = 64 * 1024 * 1024
"""Bytes of a whole answer that can be translated (images in base64 are the large ones)."""

LARGEST_ERROR = 1024 * 1024
"""Bytes of an error answer that are read."""


class TranslatedStream(HeldStream):
    """A stream that is rebuilt: what one read completes leaves in one send; nothing leaves before the first real event."""

    __slots__ = ("_inflater", "_last", "_stream", "_translation")

    def __init__(self, opening: "Opening", exchange: Exchange, translation: Translation) -> None:
        super().__init__(opening, exchange, opening.relay.ctx.endpoint.dialect)
        self._inflater = Inflater.for_encoding(opening.head.encoding)
        self._translation = translation
        self._stream = translation.stream()
        self._last = False

    async def read(self) -> None:
        """Whatever one socket read completes. Raises ``UpstreamError``, that of the provider's stream among them, before any output."""
        exchange, stream, withholder = self.exchange, self._stream, self.opening.withholder
        data = await exchange.read()
        pulse = self.opening.pulse
        pulse.touched = pulse.loop.time()
        self.opening.heard = self.opening.relay.clock()
        ended = exchange.ended
        if self._inflater is not None:
            data = self._inflater.feed(data)
            if self._inflater.blind:
                raise _unreadable()
        out = stream.feed(data)
        if stream.error is None and (ended or stream.done):
            out, ended = out + stream.close(), True
        if withholder is not None:
            out = withholder.feed(out) + (withholder.close() if ended else b"")
        self.data = self.seen = out
        self._last = ended
        self.ended = ended or stream.error is not None

    def _verdict(self) -> Fault | None:
        """An error of the provider's stream says more than the event that it would become."""
        error = self._stream.error
        if error is None:
            return super()._verdict()
        raise self._told(error)

    async def deliver(self) -> None:
        """Everything, to its end."""
        await self.opening.pulse.loop.create_task(self._pump())

    async def _pump(self) -> None:
        relay, opening, exchange = self.opening.relay, self.opening, self.exchange
        ctx = relay.ctx
        if self.data is None:
            await self.read()
        elif ctx.meter is not None:
            self.again()
        decoder = self.decoder
        while True:
            out, _, events = self.taken()
            ctx.usage = self._translation.usage or ctx.usage
            if relay.beating is not None:
                await relay.beating
            if ctx.meter is not None and (out or self._last):
                if out and not ctx.response_started:
                    await send_events(opening, exchange, self._translation, b"")
                out = await opening.metered(ctx.meter, out, last=self._last)
            if out:
                await send_events(opening, exchange, self._translation, out)
                opening.observe(decoder, decoder.feed(out) if events is None else events)
            if self._stream.error is not None:
                await self._broken(self._told(self._stream.error))
                return
            if self.ended:
                break
            await self.read()
        decoder.trusted = self._translation.usage is not None
        opening.observe(decoder, decoder.close())
        if not ctx.response_started:
            raise UpstreamInvalid("The provider's stream was empty.")
        await relay.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _told(self, error: TollwayError) -> TollwayError:
        return self.opening.credentials_refused(error.detail) if isinstance(error, UpstreamAuthFailed) else error

    async def _broken(self, error: TollwayError) -> None:
        """The provider's stream failed: before anything left as an ordinary error, afterwards as the last event.

        A provider that said so has ended its stream; one that broke off leaves an answer that must look broken.
        """
        relay = self.opening.relay
        ctx = relay.ctx
        if not ctx.response_started:
            raise error
        cut = isinstance(error, UpstreamCut)
        if cut and relay.continues:
            # Perhaps another target goes on; else the same event follows.
            raise error
        event = self._stream.fail(error, ctx.request_id)
        ctx.error, ctx.insertion = error, None
        await relay.send({"type": "http.response.body", "body": event, "more_body": cut})
        if cut:
            raise error
        self.fault = of_error(error, now=relay.wall())


class TranslatedAnswer:
    """A whole answer, rebuilt; where a stream was asked for, as all of its events."""

    __slots__ = ("_exchange", "_opening", "_out", "_translation", "data", "decoder", "fault")

    def __init__(self, opening: "Opening", exchange: Exchange, translation: Translation) -> None:
        self._opening = opening
        self._exchange = exchange
        self._translation = translation
        self._out: bytes | None = None
        self.data: bytes | None = None
        """As it came."""
        self.decoder: StreamDecoder | None = None
        self.fault: Fault | None = None

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """Reads and rebuilds it. Raises ``UpstreamError``, also for an error inside a 200."""
        self.data = await body_of(self._opening, self._exchange, LARGEST)
        self._out = self._rebuilt(self.data)
        return None

    def _rebuilt(self, body: bytes) -> bytes:
        translation, status = self._translation, self._exchange.status
        try:
            return (
                translation.unfold(body) if self._opening.relay.ctx.request.stream else translation.reply(status, body)
            )
        except UpstreamRejected as error:
            raise _with_wait(error, self._exchange) from None

    async def deliver(self) -> None:
        """All of it."""
        opening, exchange, translation = self._opening, self._exchange, self._translation
        relay = opening.relay
        ctx = relay.ctx
        body = b"" if self._out is not None else await body_of(opening, exchange, LARGEST)
        if relay.beating is not None:
            await relay.beating
        out = self._rebuilt(body) if self._out is None else self._out
        if ctx.request.stream:
            await self._unfolded(out)
            return
        if translation.usage is not None:
            ctx.usage = translation.usage
        elif ctx.endpoint.dialect in GENERATED:
            ctx.output_text.append(text_of(out)[:TEXT_LIMIT])
        await start(opening, exchange, translation, b"application/json", size=len(out))
        opening.begun()
        await relay.send({"type": "http.response.body", "body": out, "more_body": False})

    async def _unfolded(self, out: bytes) -> None:
        opening, exchange, translation = self._opening, self._exchange, self._translation
        relay = opening.relay
        ctx = relay.ctx
        ctx.usage = translation.usage or ctx.usage
        decoder = self.decoder = opening.new_decoder(ctx.endpoint.dialect)
        if ctx.meter is not None:
            await send_events(opening, exchange, translation, b"")
            out = await opening.metered(ctx.meter, out, last=True)
        await send_events(opening, exchange, translation, out)
        opening.observe(decoder, decoder.feed(out))
        decoder.trusted = translation.usage is not None
        opening.observe(decoder, decoder.close())
        await relay.send({"type": "http.response.body", "body": b"", "more_body": False})


class TranslatedError:
    """An error answer: in the client's words, or as it came where the dialect is the client's own."""

    __slots__ = ("_exchange", "_opening", "_translation", "data", "decoder", "fault")

    def __init__(self, opening: "Opening", exchange: Exchange, translation: Translation) -> None:
        self._opening = opening
        self._exchange = exchange
        self._translation = translation
        self.data: bytes | None = None
        """Decompressed."""
        self.decoder: StreamDecoder | None = None
        self.fault: Fault | None = None

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """Reads it, and says what is wrong."""
        exchange = self._exchange
        try:
            async with asyncio.timeout(ERROR_PATIENCE):
                self.data = await body_of(self._opening, exchange, LARGEST_ERROR)
        except TimeoutError:
            self.data = b""
        if exchange.status < 400:
            return redirected(exchange.status)
        return of_answer(exchange.status, exchange.headers, self.data, now=self._opening.relay.wall())

    async def deliver(self) -> None:
        """Raises it in the client's words, or passes it on."""
        opening, exchange = self._opening, self._exchange
        relay = opening.relay
        if self.data is None:
            self.fault = await self.probe(None)
        body = self.data or b""
        if relay.beating is not None:
            await relay.beating
        error = self._translation.error(exchange.status, exchange.headers, body)
        if isinstance(error, UpstreamAuthFailed):
            raise opening.credentials_refused(error.detail)
        if error is not None:
            told = {name for name, _ in error.headers}
            error.headers += tuple(
                pair
                for pair in self._translation.headers(exchange.headers)
                if pair[0] not in told and pair[0] not in (b"retry-after", b"content-type")
            )
            raise error
        if relay.ctx.response_started:
            raise no_stream(exchange)
        await relay.start(exchange, event_stream=False)
        await relay.send({"type": "http.response.body", "body": body, "more_body": False})


async def send_events(opening: "Opening", exchange: Exchange, translation: Translation, out: bytes) -> None:
    """``out`` to the client, behind the head if that has not left."""
    relay = opening.relay
    ctx, watchdog = relay.ctx, relay.watchdog
    ctx.committed = True
    if not ctx.response_started:
        ctx.insertion = b""
        await start(opening, exchange, translation, EVENTS)
    ctx.sending = watchdog.touched
    await relay.send({"type": "http.response.body", "body": out, "more_body": True})
    ctx.sending = 0.0


async def start(
    opening: "Opening", exchange: Exchange, translation: Translation, kind: bytes, *, size: int | None = None
) -> None:
    """The head. ``kind``: of what is rebuilt; a translation in the client's own dialect may keep the provider's content type."""
    relay = opening.relay
    relay.ctx.committed = True
    opening.note_wait()
    theirs = moved_aside(translation.headers(exchange.headers), relay.ctx.response_headers)
    if kind is EVENTS:
        theirs = [pair for pair in theirs if pair[0] != b"content-type" or pair[1].lower().startswith(EVENTS[:17])]
    headers = [*theirs, *relay.own_headers(dict(theirs))]
    if all(name != b"content-type" for name, _ in theirs):
        headers.append((b"content-type", kind))
    if size is not None:
        headers.append((b"content-length", b"%d" % size))
    await relay.send({"type": "http.response.start", "status": exchange.status, "headers": headers})


async def body_of(opening: "Opening", exchange: Exchange, limit: int) -> bytes:
    """The whole body, decompressed. Raises ``UpstreamInvalid`` beyond ``limit`` bytes."""
    parts, size = [], 0
    while not exchange.ended:
        data = await exchange.read()
        parts.append(data)
        size += len(data)
        opening.pulse.touched = opening.pulse.loop.time()
        if size > limit:
            parts.clear()
            raise UpstreamInvalid("The provider's answer is larger than can be translated.", detail=f"{size} bytes")
    opening.heard = opening.relay.clock()
    body = b"".join(parts)
    inflater = Inflater.for_encoding(opening.head.encoding)
    if inflater is None:
        return body
    plain = inflater.feed(body)
    if inflater.blind:
        raise _unreadable()
    return plain


def _unreadable() -> UpstreamInvalid:
    return UpstreamInvalid("The provider's answer is compressed in a way that cannot be undone here.")


def _with_wait(error: UpstreamRejected, exchange: Exchange) -> UpstreamRejected:
    """An error inside a 200 whose headers say when to come back."""
    if error.status in (429, 503) and all(name != b"retry-after" for name, _ in error.headers):
        error.headers += tuple(pair for pair in exchange.headers if pair[0] in (b"retry-after", b"retry-after-ms"))
    return error
