"""One request at its target: send, wait for the head, commit, pump the answer, whatever ends it.

Bytes leave first, one ``send`` for each socket read; the decoder looks at them afterwards. Cancellation (the client left,
a limit passed, the gateway drains) closes the upstream on its way out, so that the provider stops generating.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from msgspec import Struct

from ..context import Attempt, Message, Receive, RequestContext, Send, StreamMeter, Target
from ..errors import (
    ClientGone,
    RawHeaders,
    UpstreamAuthFailed,
    UpstreamCut,
    UpstreamDropped,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from ..protocols import Clock, Exchange, Meter, Provider, Tasks, Translation, Transport, UpstreamRequest
from ..wire.endpoints import Dialect
from ..wire.headers import client_headers, moved_aside, value_of
from ..wire.reply import text_of
from ..wire.sse import COMMENT
from ..wire.stream import TEXT_LIMIT, StreamDecoder, StreamEvent, Withholder
from ..wire.usage import NO_USAGE, excessive, reported_in, visible_output
from .inflate import Inflater
from .large import LargeAnswer
from .metered import MeteredExchange
from .translated import TranslatedAnswer
from .watchdog import Watchdog

HOLD = 1024 * 1024
"""Bytes of a JSON answer that are held back so that a cut one becomes a clean 502 and a whole one leaves in one send."""


GENERATED = ("chat", "completions", "responses", "messages")
"""Dialects whose answers are text that can be counted."""

CHARACTERS_PER_TOKEN = 4
"""Of text, roughly."""

BYTES_PER_TOKEN = 12
"""Of a whole JSON answer: an answer has hardly fewer tokens than that, which is all that a doubt needs."""


class RelaySettings(Struct, frozen=True, kw_only=True):
    """What the configuration says about relaying. Seconds, 0 turns keepalive off."""

    keepalive: float
    send_timeout: float
    include_usage: str
    server_timing: bool
    gateway_headers: bool


class Relay:
    """Carries one request; made for it and thrown away with it."""

    __slots__ = (
        "_attempt",
        "_clock",
        "_meter",
        "_provider",
        "_receive",
        "_settings",
        "_target",
        "_tasks",
        "_translation",
        "_transport",
        "_wall",
        "_watcher",
        "beating",
        "ctx",
        "decoder",
        "send",
        "watchdog",
        "withholder",
    )

    def __init__(
        self,
        ctx: RequestContext,
        receive: Receive,
        send: Send,
        *,
        target: Target,
        provider: Provider,
        transport: Transport,
        settings: RelaySettings,
        tasks: Tasks,
        clock: Clock,
        wall: Clock,
    ) -> None:
        self.ctx = ctx
        self._receive = receive
        self.send = send
        self._target = target
        self._provider = provider
        self._transport = transport
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        self._wall = wall
        self._watcher: asyncio.Task[None] | None = None
        self.beating: asyncio.Task[None] | None = None
        self.decoder: StreamDecoder | None = None
        self.withholder: Withholder | None = None
        self._translation: Translation | None = None
        self._meter: Callable[[RawHeaders], Meter | None] | None = None

    @property
    def forwards(self) -> bool:
        """Are the credentials the client's own?"""
        return self._provider.forwards

    async def run(self) -> None:
        """Relays the request. Raises ``UpstreamError`` or ``ClientError``; before the response start nothing has left."""
        ctx, settings = self.ctx, self._settings
        streaming = ctx.request.stream is True
        prepared = self._provider.prepare(ctx, self._target, include_usage=self._wants_usage(), now=int(self._wall()))
        request, self._translation, self._meter = prepared.request, prepared.translation, prepared.meter
        self.watchdog = Watchdog(
            ctx,
            self._target.limits,
            send_limit=settings.send_timeout,
            keepalive=settings.keepalive if streaming else 0.0,
            watch=self._watch,
            beat=self._beat,
        )
        exchange: Exchange | None = None
        try:
            exchange = await self._exchange(request)
            for look in ctx.answers:
                exchange = await look(request, exchange, self._again)
            meter = self._meter(exchange.headers) if self._meter is not None and exchange.status < 300 else None
            if meter is not None:
                exchange = MeteredExchange(exchange, meter)
            await self._answer(exchange)
        except BaseException:
            if exchange is not None:
                exchange.abort()
            if ctx.insertion is not None and self.decoder is not None and not self.decoder.at_boundary:
                ctx.insertion = b"\n\n"
            raise
        else:
            exchange.release()
        finally:
            self.watchdog.stop()
            if self.decoder is not None:
                self._conclude(self.decoder)
            if ctx.meter is not None:
                ctx.meter.close()
            if isinstance(exchange, MeteredExchange):
                ctx.usage = exchange.meter.usage or ctx.usage
                if exchange.meter.usage is None:
                    ctx.output_text[:] = [exchange.meter.text]
            if self._watcher is not None:
                self._watcher.cancel()
            if ctx.upload is not None:
                ctx.upload.close()
            if self.beating is not None and not self.beating.done():
                await self._end_comment(self.beating)

    # ---- before the answer ------------------------------------------------------------------------------------------

    def _wants_usage(self) -> bool:
        """Is the usage chunk to be asked for on the client's behalf, and withheld from it again?"""
        ctx, policy = self.ctx, self._settings.include_usage
        if ctx.request.stream is not True or policy == "never" or ctx.endpoint.dialect not in ("chat", "completions"):
            return False
        if ctx.request.stream_options is not None and ctx.request.stream_options.include_usage:
            return False
        if policy == "always" or ctx.principal.exact_usage:
            self.withholder = Withholder()
            return True
        return False

    def new_decoder(self, dialect: Dialect) -> StreamDecoder:
        request = self.ctx.request
        asked = self.withholder is not None or (
            request.stream_options is not None and request.stream_options.include_usage is True
        )
        return StreamDecoder(
            dialect,
            eager=bool(self.ctx.observers),
            usage_due=asked or dialect == "responses",
            choices=request.n or 1,
        )

    async def _exchange(self, request: UpstreamRequest) -> Exchange:
        """The answer's head; a connection that died unanswered is tried once more on a new one where that creates nothing."""
        try:
            return await self._try(request, fresh=False)
        except UpstreamDropped:
            if not self.ctx.endpoint.replay or not isinstance(request.body, bytes):
                raise
            self._attempt.maybe_billed = True
            return await self._try(request, fresh=True)

    async def _again(self, request: UpstreamRequest) -> Exchange:
        return await self._transport.send(request, self._target.limits)

    async def _try(self, request: UpstreamRequest, *, fresh: bool) -> Exchange:
        target = self._target
        if self.ctx.on_dispatch is not None:
            self.ctx.on_dispatch()
        attempt = self._attempt = Attempt(provider=target.provider, model=target.model, started=self._clock())
        self.ctx.attempts.append(attempt)
        try:
            exchange = await self._transport.send(request, target.limits, fresh=fresh)
        except Exception as error:
            attempt.error = type(error).__name__
            raise
        attempt.status = exchange.status
        if self.ctx.ledger_id:
            attempt.upstream_id = _request_id(exchange.headers)
        watchdog = self.watchdog
        watchdog.answered = True
        watchdog.touched = asyncio.get_running_loop().time()
        self.ctx.timings.append(("upstream", self._clock() - attempt.started))
        return exchange

    def _watch(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._until_gone())

    async def _until_gone(self) -> None:
        """Waits for the client to leave. Granian reports that only here; a finished answer looks the same."""
        ctx = self.ctx
        while True:
            message: Message = await self._receive()
            if message["type"] == "http.disconnect":
                if not ctx.complete:
                    ctx.client_gone = True
                    ctx.interrupt(ClientGone("The client left."))
                return

    def _beat(self) -> None:
        """Called in silence: puts a comment between two events, starting the answer if need be."""
        ctx = self.ctx
        if self.beating is not None and not self.beating.done():
            return
        if ctx.response_started and (ctx.insertion is None or self.decoder is None or not self.decoder.at_boundary):
            return
        self.beating = asyncio.get_running_loop().create_task(self._comment())

    async def _comment(self) -> None:
        ctx = self.ctx
        if not ctx.response_started:
            ctx.insertion = b""
            self.decoder = self.decoder or self.new_decoder(ctx.endpoint.dialect)
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
            await self.send({"type": "http.response.start", "status": 200, "headers": headers + self.own_headers(())})
        self.watchdog.sending = asyncio.get_running_loop().time()
        await self.send({"type": "http.response.body", "body": COMMENT, "more_body": True})
        self.watchdog.sending = 0.0

    async def _end_comment(self, beating: asyncio.Task[None]) -> None:
        """Whoever speaks next must not cut in on a comment; one that a client does not read is given up."""
        if not isinstance(self.ctx.interruption, ClientGone):
            await asyncio.wait((beating,), timeout=self._settings.send_timeout)
        beating.cancel()

    # ---- the answer -------------------------------------------------------------------------------------------------

    async def _answer(self, exchange: Exchange) -> None:
        ctx, status = self.ctx, exchange.status
        if self.beating is not None:
            await self.beating
        if not 200 <= status <= 599:
            raise UpstreamInvalid("The provider answered with a status that is not HTTP's.", detail=f"status {status}")
        translated = TranslatedAnswer(self, self._translation) if self._translation is not None else None
        if translated is not None and status >= 300:
            await translated.failed(exchange)
            return
        if status in (401, 403) and not self._provider.forwards:
            raise self.credentials_refused(f"status {status}")
        if status == 407:
            raise UpstreamUnavailable(
                f"The proxy in front of provider {self._target.provider!r} wants credentials; check the provider's proxy."
            )
        ctx.first_byte_at = self._clock()
        kind = (value_of(exchange.headers, b"content-type") or b"").lower()
        if translated is not None:
            if ctx.request.stream and not kind.startswith(b"application/json"):
                await asyncio.get_running_loop().create_task(translated.events(exchange))
            else:
                await translated.whole(exchange)
        elif kind.startswith(b"text/event-stream"):
            # In a task of its own: resuming costs a step through every coroutine above, and here nothing is above.
            await asyncio.get_running_loop().create_task(self._events(exchange))
        elif ctx.response_started:
            await self._late_answer(exchange)
        elif kind.startswith(b"application/json"):
            await self._whole(exchange)
        else:
            await self._opaque(exchange)

    async def _events(self, exchange: Exchange) -> None:
        ctx, send, watchdog = self.ctx, self.send, self.watchdog
        now = asyncio.get_running_loop().time
        inflater = Inflater.for_encoding(value_of(exchange.headers, b"content-encoding"))
        dialect = ctx.endpoint.dialect if exchange.status < 300 else "opaque"
        decoder = self.decoder = self.decoder or self.new_decoder(dialect)
        withholder = self.withholder if inflater is None else None
        # An answer that began with a comment has promised plain text.
        plain_only = ctx.response_started and inflater is not None
        meter = ctx.meter
        eager = decoder.eager
        data = await exchange.read()
        watchdog.touched = now()
        if self.beating is not None:
            await self.beating
        ctx.committed = True
        if not ctx.response_started:
            ctx.insertion = b"" if inflater is None else None
            await self.start(exchange, event_stream=True)
        while True:
            seen = out = data
            if inflater is not None:
                seen = inflater.feed(data)
                if plain_only:
                    out = seen
                    if inflater.blind:
                        raise UpstreamInvalid(
                            "The provider's stream is compressed in a way that cannot be undone here."
                        )
            elif withholder is not None:
                out = withholder.feed(data)
            if meter is not None:
                ended = exchange.ended and withholder is None
                plain = None if inflater is None or plain_only else seen
                out = await self.metered(meter, out, plain, last=ended)
            if exchange.ended:
                break
            if out:
                watchdog.sending = watchdog.touched
                await send({"type": "http.response.body", "body": out, "more_body": True})
                watchdog.sending = 0.0
            events = decoder.feed(seen)
            if eager or not ctx.first_token_at:
                self.observe(decoder, events)
            data = await exchange.read()
            watchdog.touched = now()
            if self.beating is not None:
                await self.beating
        self.observe(decoder, decoder.feed(seen))
        self.observe(decoder, decoder.close())
        if withholder is not None:
            rest = withholder.close()
            out += rest if meter is None else await self.metered(meter, rest, last=True)
        if decoder.failed and not decoder.complete:
            ctx.error = UpstreamCut("The provider ended its stream with an error.")
        elif not decoder.complete and (inflater is None or not inflater.blind):
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
            raise UpstreamCut("The provider's stream broke off before its end.")
        await send({"type": "http.response.body", "body": out, "more_body": False})

    async def metered(
        self, meter: StreamMeter, data: bytes, plain: bytes | None = None, *, last: bool = False
    ) -> bytes:
        """What of ``data`` may leave. At a limit the granted rest leaves and the limit's error is raised.

        ``plain``: what ``data`` is when decompressed; such a stream leaves read by read and is cut before the read that is too much.
        """
        out = meter.feed(data if plain is None else plain)
        if last:
            out += meter.finish()
        while meter.waiting and meter.error is None:
            out += await meter.more()
        if meter.error is None:
            return out if plain is None else data
        if plain is None and out:
            await self.send({"type": "http.response.body", "body": out, "more_body": True})
            if self.decoder is not None:
                self.observe(self.decoder, self.decoder.feed(out))
        raise meter.error

    def credentials_refused(self, detail: str) -> UpstreamAuthFailed:
        return UpstreamAuthFailed(
            f"Provider {self._target.provider!r} refused the gateway's credentials; check its api_key.", detail=detail
        )

    async def _late_answer(self, exchange: Exchange) -> None:
        """No stream came, but ours has begun: the upstream's error becomes an event, anything else an error of ours."""
        body = bytearray()
        while data := await exchange.read():
            body += data
            if len(body) > HOLD:
                break
        if exchange.status < 400 or not body.lstrip().startswith(b"{"):
            raise UpstreamInvalid("The provider did not answer with a stream.", detail=f"status {exchange.status}")
        self.ctx.error = UpstreamCut("The provider answered with an error.", detail=f"status {exchange.status}")
        event = b"data: " + bytes(body).replace(b"\r", b"").replace(b"\n", b" ") + b"\n\n"
        await self.send({"type": "http.response.body", "body": event, "more_body": False})

    async def _whole(self, exchange: Exchange) -> None:
        """A JSON answer: held until it is whole (or larger than ``HOLD``), then one send."""
        data = await exchange.read()
        if not exchange.ended:
            parts, size = [data], len(data)
            while not exchange.ended and size <= HOLD:
                data = await exchange.read()
                parts.append(data)
                size += len(data)
                self.watchdog.touched = asyncio.get_running_loop().time()
            data = b"".join(parts)
        if exchange.ended:
            self._read_reply(data, exchange)
        if self.beating is not None:
            await self.beating
            raise UpstreamInvalid("The provider did not answer with a stream.", detail=f"status {exchange.status}")
        await self.start(exchange, event_stream=False)
        if exchange.ended:
            await self.send({"type": "http.response.body", "body": data, "more_body": False})
        else:
            await self._large(exchange, data)

    async def _large(self, exchange: Exchange, data: bytes) -> None:
        """A JSON answer of which only a part was held."""
        ctx = self.ctx
        answer = LargeAnswer(Inflater.for_encoding(value_of(exchange.headers, b"content-encoding")))
        try:
            await self._pump(exchange, data, answer)
        finally:
            usage = answer.usage() if exchange.status < 300 and ctx.endpoint.model != "never" else NO_USAGE
            if usage is not None:
                ctx.usage = usage
            elif ctx.endpoint.dialect in GENERATED:
                # No answer has more than its cap; what else is there (log probabilities) is not paid for by the byte.
                most = ctx.estimate.output or ctx.quote.max_output or answer.size
                text = answer.text[: most * CHARACTERS_PER_TOKEN]
                ctx.output_text.append(text)
                ctx.output_dropped = min(answer.size, most * CHARACTERS_PER_TOKEN) - len(text)

    async def _opaque(self, exchange: Exchange) -> None:
        """Anything else: binary, text. Begins with the first byte."""
        data = await exchange.read()
        if self.beating is not None:
            await self.beating
            raise UpstreamInvalid("The provider did not answer with a stream.", detail=f"status {exchange.status}")
        await self.start(exchange, event_stream=False)
        if self.ctx.endpoint.dialect in GENERATED and exchange.status < 300:
            # An answer under a false name is an answer.
            await self._large(exchange, data)
        else:
            await self._pump(exchange, data)

    async def _pump(self, exchange: Exchange, data: bytes, answer: LargeAnswer | None = None) -> None:
        send, watchdog = self.send, self.watchdog
        now = asyncio.get_running_loop().time
        while not exchange.ended:
            if answer is not None:
                answer.feed(data)
            watchdog.touched = watchdog.sending = now()
            await send({"type": "http.response.body", "body": data, "more_body": True})
            watchdog.sending = 0.0
            data = await exchange.read()
        if answer is not None:
            answer.feed(data)
        await send({"type": "http.response.body", "body": data, "more_body": False})

    # ---- what passed ------------------------------------------------------------------------------------------------

    def observe(self, decoder: StreamDecoder, events: Sequence[StreamEvent]) -> None:
        ctx = self.ctx
        if decoder.tokens:
            ctx.last_token_at = self._clock()
            if not ctx.first_token_at:
                ctx.first_token_at = ctx.last_token_at
        for observer in ctx.observers:
            observer(events)

    def _conclude(self, decoder: StreamDecoder) -> None:
        """What the stream came to, however it ended: reported usage, else the text to count."""
        ctx = self.ctx
        ctx.token_events = decoder.tokens
        reported = self._translation.usage if self._translation is not None else None
        if self._translation is None or ctx.endpoint.dialect in ("chat", "completions"):
            # Behind a front the figures in the stream are ours: zeros where the provider reported none.
            reported = reported or decoder.usage
        if reported is not None:
            ctx.usage = reported
        # The text settles what was not reported, what can hardly be true, and what was cut after an early report.
        whole = reported is not None and decoder.complete and (reported.output > 0 or not decoder.tokens)
        if reported is None or not whole or excessive(visible_output(reported), decoder.tokens):
            ctx.output_text.append(decoder.text())
            ctx.output_dropped = decoder.dropped

    def _read_reply(self, body: bytes, exchange: Exchange) -> None:
        """Usage of a whole answer; its text when it reports none."""
        ctx = self.ctx
        if exchange.status >= 300 or ctx.endpoint.model == "never":
            return
        inflater = Inflater.for_encoding(value_of(exchange.headers, b"content-encoding"))
        if inflater is not None:
            try:
                body = inflater.feed(body)
            except zlib.error:
                return
        usage = reported_in(body)
        if usage is not None:
            ctx.usage = usage
        doubtful = usage is None or not usage.output or excessive(visible_output(usage), len(body) // BYTES_PER_TOKEN)
        if doubtful and ctx.endpoint.dialect in GENERATED:
            ctx.output_text.append(text_of(body)[:TEXT_LIMIT])

    # ---- our headers ------------------------------------------------------------------------------------------------

    async def start(self, exchange: Exchange, *, event_stream: bool) -> None:
        self.ctx.committed = True
        headers = moved_aside(client_headers(exchange.headers), self.ctx.response_headers)
        headers += self.own_headers(exchange.headers)
        if exchange.status >= 400:
            headers.append((b"x-tollway-error-source", b"upstream"))
        if event_stream:
            # Comments, an error event or a withheld chunk change the length; a stream ends by its framing.
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        await self.send({"type": "http.response.start", "status": exchange.status, "headers": headers})

    def own_headers(self, upstream: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        ctx, settings = self.ctx, self._settings
        raw_id = ctx.request_id.encode()
        headers = [(b"x-tollway-request-id", raw_id), *ctx.response_headers]
        if ctx.costing is not None and ctx.usage.input_source == "reported":
            charge = ctx.costing(ctx.usage)
            if charge is not None:
                headers.append((b"x-tollway-cost-usd", b"%d.%06d" % divmod(charge, 1_000_000)))
        if ctx.dropped:
            headers.append((b"x-tollway-dropped", _list_text(ctx.dropped)))
        if ctx.rewritten:
            headers.append((b"x-tollway-rewritten", _list_text(ctx.rewritten)))
        names = [name for name, _ in upstream]
        if b"x-request-id" not in names:
            headers.append((b"x-request-id", raw_id))
        if ctx.request.stream and b"x-accel-buffering" not in names:
            headers.append((b"x-accel-buffering", b"no"))
        if self._tasks.draining:
            headers.append((b"connection", b"close"))
        if settings.gateway_headers:
            elapsed = self._clock() - ctx.started
            waited = sum([seconds for name, seconds in ctx.timings if name == "upstream"])
            headers += _of_target(ctx.route, self._target)
            headers.append((b"x-tollway-attempts", b"%d" % len(ctx.attempts)))
            headers.append((b"x-tollway-overhead-ms", b"%.3f" % max(0.0, (elapsed - waited) * 1000)))
        if settings.server_timing:
            marks = b", ".join([b"%s;dur=%.3f" % (name.encode(), seconds * 1000) for name, seconds in ctx.timings])
            headers.append((b"server-timing", marks))
        return headers


@lru_cache(maxsize=1024)
def _of_target(route: str, target: Target) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that say who answered."""
    pairs = [(b"x-tollway-route", _header_text(route)), (b"x-tollway-provider", _header_text(target.provider))]
    if target.model:
        pairs.append((b"x-tollway-model", _header_text(target.model)))
    return tuple(pairs)


_REQUEST_IDS = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"x-goog-request-id")
"""Where providers name a request."""


def _request_id(headers: RawHeaders) -> str:
    """The provider's own id of the request, bounded; "" where it gives none."""
    for name in _REQUEST_IDS:
        value = value_of(headers, name)
        if value:
            return value[:128].decode("latin-1")
    return ""


def _list_text(names: list[str]) -> bytes:
    """Field names as a header value, bounded."""
    return b", ".join([_header_text(name) for name in names[:64]])[:4096]


def _header_text(value: str) -> bytes:
    """A model name as a header value: printable ASCII, the rest replaced, bounded."""
    if value.isascii() and value.isprintable() and len(value) <= 256:
        return value.encode()
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in value[:256]).encode()
