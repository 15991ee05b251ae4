"""Answers that are no streams, in the client's own dialect: JSON leaves whole in one send, anything else as it comes."""

import asyncio
from typing import TYPE_CHECKING

from ..context import RequestContext
from ..errors import UpstreamCut, UpstreamInvalid
from ..failover.classify import of_answer, of_success
from ..failover.told import LARGEST
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Exchange
from ..wire.reply import text_of
from ..wire.stream import TEXT_LIMIT, StreamDecoder
from ..wire.usage import NO_USAGE, excessive, reported_in, visible_output
from .held import CHARACTERS_PER_TOKEN
from .inflate import Inflater
from .large import LargeAnswer

if TYPE_CHECKING:
    from .opening import Opening

HOLD = 1024 * 1024
"""Bytes of a JSON answer that are held back so that a cut one becomes a clean 502 and a whole one leaves in one send."""

MAKING = ("required", "optional")
"""Where a request names a model, its answer is its own result."""

GENERATED = ("chat", "completions", "responses", "messages")
"""Dialects whose answers are text that can be counted."""

ERROR_PATIENCE = 2.0
"""Seconds that the body of an error answer may take; then its status, and what has come, tell what to do."""

ERROR_HOLD = 64 * 1024
"""Bytes of it that are waited for: all that tells one fault from another."""

BYTES_PER_TOKEN = 12
"""Of a whole JSON answer: an answer has hardly fewer tokens than that, which is all that a doubt needs."""


class PlainAnswer:
    """JSON, or an error of any kind: held until it is whole, or larger than ``HOLD``."""

    __slots__ = ("_exchange", "_opening", "_plain", "data", "decoder", "fault")

    def __init__(self, opening: "Opening", exchange: Exchange) -> None:
        self._opening = opening
        self._exchange = exchange
        self._plain = b""
        self.data: bytes | None = None
        self.decoder: StreamDecoder | None = None
        self.fault: Fault | None = None

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """Reads it, and says what is wrong with it. Raises ``UpstreamError``."""
        exchange = self._exchange
        if exchange.status >= 400:
            return await self._probe_error()
        data = await exchange.read()
        if not exchange.ended:
            parts = [data]
            await self._read(parts, HOLD)
            data = b"".join(parts)
        self.data = data
        opening, plain = self._opening, data
        encoding = opening.head.get(b"content-encoding")
        if encoding is not None:
            inflater = Inflater.for_encoding(encoding)
            plain = data if inflater is None else inflater.feed(data)
        self._plain = plain
        if not exchange.ended or exchange.status >= 300 or (data and not plain):
            return None
        # A job that is looked up may have failed without anything being wrong now.
        ctx = opening.relay.ctx
        return of_success(plain) if ctx.method == "POST" and ctx.endpoint.model in MAKING else None

    async def deliver(self) -> None:
        """All of it."""
        opening, exchange = self._opening, self._exchange
        relay = opening.relay
        if relay.ctx.response_started:
            await self._late()
            return
        data = self.data
        if data is None:
            self.fault = await self.probe(None)
            data = self.data or b""
        whole = exchange.ended
        if whole:
            read_reply(relay.ctx, self._plain, exchange.status)
        if relay.beating is not None:
            await relay.beating
            raise no_stream(exchange)
        await relay.start(exchange, event_stream=False)
        opening.begun()
        if whole:
            await relay.send({"type": "http.response.body", "body": data, "more_body": False})
        else:
            await pump_large(opening, exchange, data)

    async def _read(self, parts: list[bytes], most: int) -> None:
        """The body, or the rest of it, into ``parts``, up to its end or about ``most`` bytes."""
        exchange, size = self._exchange, sum(map(len, parts))
        pulse, now = self._opening.pulse, asyncio.get_running_loop().time
        while not exchange.ended and size <= most:
            data = await exchange.read()
            parts.append(data)
            size += len(data)
            pulse.touched = now()

    async def _probe_error(self) -> Fault | None:
        exchange, opening, parts = self._exchange, self._opening, list[bytes]()
        try:
            async with asyncio.timeout(ERROR_PATIENCE):
                await self._read(parts, ERROR_HOLD)
        except TimeoutError:
            pass
        self.data = plain = b"".join(parts)
        inflater = Inflater.for_encoding(opening.head.get(b"content-encoding"))
        if inflater is not None:
            # No error is told in more, and a bomb would hold up everybody.
            inflater.limit(LARGEST)
            plain = inflater.feed(plain)
        self._plain = plain
        return of_answer(exchange.status, exchange.headers, plain, now=opening.relay.wall())

    async def _late(self) -> None:
        """No stream came, but ours has begun: the upstream's error becomes an event, anything else an error of ours."""
        exchange, relay = self._exchange, self._opening.relay
        if self.data is None:
            self.fault = await self.probe(None)
        body = self.data or b""
        if exchange.status < 400 or not body.lstrip().startswith(b"{"):
            raise no_stream(exchange)
        relay.ctx.error = UpstreamCut("The provider answered with an error.", detail=f"status {exchange.status}")
        event = b"data: " + body.replace(b"\r", b"").replace(b"\n", b" ") + b"\n\n"
        await relay.send({"type": "http.response.body", "body": event, "more_body": False})


class Refusal(PlainAnswer):
    """Our own credentials refused: read to be understood, never shown, because a 401 would blame the client's key."""

    __slots__ = ()

    async def deliver(self) -> None:
        """Raises ``UpstreamAuthFailed``."""
        raise self._opening.credentials_refused(f"status {self._exchange.status}")


class OpaqueAnswer:
    """Anything else: binary, text. Begins with the first byte."""

    __slots__ = ("_exchange", "_opening", "data", "decoder", "fault")

    def __init__(self, opening: "Opening", exchange: Exchange) -> None:
        self._opening = opening
        self._exchange = exchange
        self.data: bytes | None = None
        self.decoder: StreamDecoder | None = None
        self.fault: Fault | None = None

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """The first read. Raises ``UpstreamError``."""
        self.data = await self._exchange.read()
        return None

    async def deliver(self) -> None:
        """All of it, read by read."""
        opening, exchange = self._opening, self._exchange
        relay = opening.relay
        if relay.ctx.response_started:
            raise no_stream(exchange)
        data = self.data if self.data is not None else await exchange.read()
        if relay.beating is not None:
            await relay.beating
            raise no_stream(exchange)
        await relay.start(exchange, event_stream=False)
        opening.begun()
        if relay.ctx.endpoint.dialect in GENERATED and exchange.status < 300:
            # An answer under a false name is an answer.
            await pump_large(opening, exchange, data)
        else:
            await pump(opening, exchange, data)


async def pump_large(opening: "Opening", exchange: Exchange, data: bytes) -> None:
    """A JSON answer of which only a part, ``data``, was held."""
    ctx = opening.relay.ctx
    answer = LargeAnswer(Inflater.for_encoding(opening.head.get(b"content-encoding")))
    try:
        await pump(opening, exchange, data, answer)
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


async def pump(opening: "Opening", exchange: Exchange, data: bytes, answer: LargeAnswer | None = None) -> None:
    """``data`` and the rest, read by read, to the end of the answer."""
    send, watchdog = opening.relay.send, opening.relay.watchdog
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


def read_reply(ctx: RequestContext, body: bytes, status: int) -> None:
    """Usage of a whole answer, decompressed; its text when it reports none."""
    if status >= 300 or ctx.endpoint.model == "never":
        return
    usage = reported_in(body)
    if usage is not None:
        ctx.usage = usage
    doubtful = usage is None or not usage.output or excessive(visible_output(usage), len(body) // BYTES_PER_TOKEN)
    if doubtful and ctx.endpoint.dialect in GENERATED:
        ctx.output_text.append(text_of(body)[:TEXT_LIMIT])


def no_stream(exchange: Exchange) -> UpstreamInvalid:
    """A stream has begun, and this answer is none."""
    return UpstreamInvalid("The provider did not answer with a stream.", detail=f"status {exchange.status}")
