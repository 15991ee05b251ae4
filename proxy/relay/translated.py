"""An answer on its way to a client that speaks another dialect, or from a provider that deviates from the client's.

Bytes are read as in the relay, but what leaves is rebuilt: nothing before the first real event, whole events from then on.
"""

import asyncio
from typing import TYPE_CHECKING

from ..errors import TollwayError, UpstreamAuthFailed, UpstreamCut, UpstreamInvalid, UpstreamRejected
from ..protocols import Exchange, StreamTranslation, Translation
from ..wire.headers import moved_aside, value_of
from ..wire.reply import text_of
from ..wire.stream import TEXT_LIMIT
from .inflate import Inflater

if TYPE_CHECKING:
    from .relay import Relay

EVENTS = b"text/event-stream; charset=utf-8"

LARGEST = 64 * 1024 * 1024
"""Bytes of a whole answer that can be translated (images in base64 are the large ones)."""

LARGEST_ERROR = 1024 * 1024
"""Bytes of an error answer that are read."""


class TranslatedAnswer:
    """The half of a relay that knows a ``Translation``."""

    def __init__(self, relay: "Relay", translation: Translation) -> None:
        self._relay = relay
        self._translation = translation

    async def events(self, exchange: Exchange) -> None:
        """A stream that is rebuilt: what one read completes leaves in one send; nothing leaves before the first real event."""
        ctx, watchdog = self._relay.ctx, self._relay.watchdog
        now = asyncio.get_running_loop().time
        inflater = Inflater.for_encoding(value_of(exchange.headers, b"content-encoding"))
        stream = self._translation.stream()
        decoder = self._relay.decoder = self._relay.decoder or self._relay.new_decoder(ctx.endpoint.dialect)
        withholder = self._relay.withholder
        ended = False
        while not ended:
            data = await exchange.read()
            watchdog.touched = now()
            ended = exchange.ended
            if inflater is not None:
                data = inflater.feed(data)
                if inflater.blind:
                    raise _unreadable()
            out = stream.feed(data)
            if stream.error is None and (ended or stream.done):
                out, ended = out + stream.close(), True
            if withholder is not None:
                out = withholder.feed(out) + (withholder.close() if ended else b"")
            ctx.usage = self._translation.usage or ctx.usage
            if self._relay.beating is not None:
                await self._relay.beating
            if ctx.meter is not None and (out or ended):
                if out and not ctx.response_started:
                    await self._send_events(exchange, b"")
                out = await self._relay.metered(ctx.meter, out, last=ended)
            if out:
                await self._send_events(exchange, out)
                self._relay.observe(decoder, decoder.feed(out))
            if stream.error is not None:
                await self._broken(stream, stream.error)
                return
        decoder.trusted = self._translation.usage is not None
        self._relay.observe(decoder, decoder.close())
        if not ctx.response_started:
            raise UpstreamInvalid("The provider's stream was empty.")
        await self._relay.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, exchange: Exchange, out: bytes) -> None:
        ctx, watchdog = self._relay.ctx, self._relay.watchdog
        ctx.committed = True
        if not ctx.response_started:
            ctx.insertion = b""
            await self._start(exchange, EVENTS)
        watchdog.sending = watchdog.touched
        await self._relay.send({"type": "http.response.body", "body": out, "more_body": True})
        watchdog.sending = 0.0

    async def _broken(self, stream: StreamTranslation, error: TollwayError) -> None:
        """The provider's stream failed: before anything left as an ordinary error, afterwards as the last event.

        A provider that said so has ended its stream; one that broke off leaves an answer that must look broken.
        """
        ctx = self._relay.ctx
        if isinstance(error, UpstreamAuthFailed):
            error = self._relay.credentials_refused(error.detail)
        if not ctx.response_started:
            raise error
        cut = isinstance(error, UpstreamCut)
        event = stream.fail(error, ctx.request_id)
        ctx.error, ctx.insertion = error, None
        await self._relay.send({"type": "http.response.body", "body": event, "more_body": cut})
        if cut:
            raise error

    async def whole(self, exchange: Exchange) -> None:
        """A whole answer, rebuilt; where a stream was asked for, as all of its events."""
        ctx = self._relay.ctx
        body = await self._body_of(exchange, LARGEST)
        if self._relay.beating is not None:
            await self._relay.beating
        try:
            out = (
                self._translation.unfold(body) if ctx.request.stream else self._translation.reply(exchange.status, body)
            )
        except UpstreamRejected as error:
            raise _with_wait(error, exchange) from None
        if ctx.request.stream:
            ctx.usage = self._translation.usage or ctx.usage
            decoder = self._relay.decoder = self._relay.decoder or self._relay.new_decoder(ctx.endpoint.dialect)
            if ctx.meter is not None:
                await self._send_events(exchange, b"")
                out = await self._relay.metered(ctx.meter, out, last=True)
            await self._send_events(exchange, out)
            self._relay.observe(decoder, decoder.feed(out))
            decoder.trusted = self._translation.usage is not None
            self._relay.observe(decoder, decoder.close())
            await self._relay.send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if self._translation.usage is not None:
            ctx.usage = self._translation.usage
        elif ctx.endpoint.dialect in ("chat", "completions", "responses", "messages"):
            ctx.output_text.append(text_of(out)[:TEXT_LIMIT])
        await self._start(exchange, b"application/json", size=len(out))
        await self._relay.send({"type": "http.response.body", "body": out, "more_body": False})

    async def failed(self, exchange: Exchange) -> None:
        """An error answer: in the client's words, or as it came where the dialect is the client's own."""
        body = await self._body_of(exchange, LARGEST_ERROR)
        if self._relay.beating is not None:
            await self._relay.beating
        error = self._translation.error(exchange.status, exchange.headers, body)
        if isinstance(error, UpstreamAuthFailed):
            raise self._relay.credentials_refused(error.detail)
        if error is None and exchange.status in (401, 403) and not self._relay.forwards:
            raise self._relay.credentials_refused(f"status {exchange.status}")
        if error is not None:
            told = {name for name, _ in error.headers}
            error.headers += tuple(
                pair
                for pair in self._translation.headers(exchange.headers)
                if pair[0] not in told and pair[0] not in (b"retry-after", b"content-type")
            )
            raise error
        if self._relay.ctx.response_started:
            raise UpstreamInvalid("The provider did not answer with a stream.", detail=f"status {exchange.status}")
        await self._relay.start(exchange, event_stream=False)
        await self._relay.send({"type": "http.response.body", "body": body, "more_body": False})

    async def _body_of(self, exchange: Exchange, limit: int) -> bytes:
        """The whole body, decompressed. Raises ``UpstreamInvalid`` beyond ``limit`` bytes."""
        parts, size = [], 0
        while not exchange.ended:
            data = await exchange.read()
            parts.append(data)
            size += len(data)
            self._relay.watchdog.touched = asyncio.get_running_loop().time()
            if size > limit:
                parts.clear()
                raise UpstreamInvalid("The provider's answer is larger than can be translated.", detail=f"{size} bytes")
        body = b"".join(parts)
        inflater = Inflater.for_encoding(value_of(exchange.headers, b"content-encoding"))
        if inflater is None:
            return body
        plain = inflater.feed(body)
        if inflater.blind:
            raise _unreadable()
        return plain

    async def _start(self, exchange: Exchange, kind: bytes, *, size: int | None = None) -> None:
        """``kind`` is the content type of what is rebuilt; a translation in the client's own dialect may keep the provider's."""
        self._relay.ctx.committed = True
        theirs = moved_aside(self._translation.headers(exchange.headers), self._relay.ctx.response_headers)
        if kind is EVENTS:
            theirs = [pair for pair in theirs if pair[0] != b"content-type" or pair[1].lower().startswith(EVENTS[:17])]
        headers = [*theirs, *self._relay.own_headers(theirs)]
        if all(name != b"content-type" for name, _ in theirs):
            headers.append((b"content-type", kind))
        if size is not None:
            headers.append((b"content-length", b"%d" % size))
        await self._relay.send({"type": "http.response.start", "status": exchange.status, "headers": headers})


def _unreadable() -> UpstreamInvalid:
    return UpstreamInvalid("The provider's answer is compressed in a way that cannot be undone here.")


def _with_wait(error: UpstreamRejected, exchange: Exchange) -> UpstreamRejected:
    """An error inside a 200 whose headers say when to come back."""
    if error.status in (429, 503) and all(name != b"retry-after" for name, _ in error.headers):
        error.headers += tuple(pair for pair in exchange.headers if pair[0] in (b"retry-after", b"retry-after-ms"))
    return error
