"""Answers that are no streams, in the client's own dialect: JSON leaves whole in one send, anything else as it comes."""

import asyncio
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from ..context import RequestContext
from ..errors import UpstreamCut, UpstreamInvalid
from ..failover.classify import of_answer, of_shape, of_success, sound
from ..failover.told import LARGEST
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Exchange
from ..wire.endpoints import Endpoint
from ..wire.reply import text_of
from ..wire.stream import TEXT_LIMIT, StreamDecoder
from ..wire.usage import NO_USAGE, SANE, excessive, reported_in, visible_output
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

JSON_DUE = frozenset((*GENERATED, "embeddings", "moderations", "rerank", "decisions", "count_tokens"))
"""Endpoints (by name) that are answered by JSON, or by a stream where one was asked for: whatever else comes is no answer."""

_EVENTS = re.compile(rb"\s*(?:data|event|id|retry)?:")
"""How a stream of events begins, under whatever name."""

ERROR_PATIENCE = 2.0
"""Seconds that the body of an error answer may take; then its status, and what has come, tell what to do."""

ERROR_HOLD = 64 * 1024
"""Bytes of it that are waited for: all that tells one fault from another."""

BYTES_PER_TOKEN = 12
"""Of a whole JSON answer: an answer has hardly fewer tokens than that, which is all that a doubt needs."""


class PlainAnswer(Struct, eq=False):
    """JSON, or an error of any kind: held until it is whole, or larger than ``HOLD``."""

    _opening: "Opening"
    _exchange: Exchange
    _plain: bytes = b""
    data: bytes | None = None
    decoder: StreamDecoder | None = None
    fault: Fault | None = None

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """Reads it, and says what is wrong with it. Raises ``UpstreamError``."""
        exchange = self._exchange
        if exchange.status >= 400:
            return await self._probe_error()
        data = await exchange.read()
        if not exchange.ended:
            parts = [data]
            await read_on(self._opening, exchange, parts, HOLD)
            data = b"".join(parts)
        self.data = plain = data
        opening = self._opening
        opening.heard = opening.relay.clock()
        ctx = opening.relay.ctx
        encoding = opening.head.encoding
        inflater = Inflater.for_encoding(encoding) if encoding is not None else None
        if inflater is not None:
            plain = inflater.feed(data)
            if inflater.broken and exchange.ended:
                # Of a bomb nothing is kept.
                return Fault(kind="invalid", status=exchange.status, detail="compressed") if json_due(ctx) else None
        self._plain = plain
        if exchange.status >= 300:
            return redirected(exchange.status) if json_due(ctx) else None
        # A job that is looked up may have failed without anything being wrong now.
        if ctx.method != "POST" or ctx.endpoint.model not in MAKING or (data and not plain):
            return None
        return self._judged(ctx.endpoint, plain)

    def _judged(self, endpoint: Endpoint, plain: bytes) -> Fault | None:
        """What is wrong with a 2xx whose body, or the beginning of it, is ``plain``."""
        whole = self._exchange.ended
        if whole and sound(plain):
            return None
        fault = of_success(plain) if whole else None
        if fault is None and endpoint.name in JSON_DUE:
            return of_shape(plain, whole=whole, lists=endpoint.dialect not in GENERATED)
        return fault

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
        if self.fault is None:
            opening.begun()
        if whole:
            await relay.send({"type": "http.response.body", "body": data, "more_body": False})
        else:
            await pump_large(opening, exchange, data)

    async def _probe_error(self) -> Fault | None:
        exchange, opening = self._exchange, self._opening
        self.data = plain = await read_in_time(opening, exchange, [])
        inflater = Inflater.for_encoding(opening.head.encoding)
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


class Refusal(PlainAnswer, eq=False):
    """Our own credentials refused: read to be understood, never shown, because a 401 would blame the client's key."""

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
        """The first read; of what is no answer more, so that it can be shown if nobody answers. Raises ``UpstreamError``."""
        exchange = self._exchange
        self.data = await exchange.read()
        self._opening.heard = self._opening.relay.clock()
        fault = self._judged(self.data)
        if fault is not None:
            self.data = await read_in_time(self._opening, exchange, [self.data])
        return fault

    def _judged(self, data: bytes) -> Fault | None:
        """Where JSON or a stream is due: is it that, under a false name? ``data``: its beginning."""
        opening, exchange = self._opening, self._exchange
        if exchange.status >= 400 or not json_due(opening.relay.ctx):
            return None
        if exchange.status >= 300:
            return redirected(exchange.status)
        inflater = Inflater.for_encoding(opening.head.encoding)
        if inflater is not None:
            inflater.limit(LARGEST)
            data = inflater.feed(data)
            if not data:
                return None
        return None if _EVENTS.match(data) is not None else of_shape(data, whole=exchange.ended)

    async def deliver(self) -> None:
        """All of it, read by read."""
        opening, exchange = self._opening, self._exchange
        relay = opening.relay
        if relay.ctx.response_started:
            raise no_stream(exchange)
        data = self.data
        if data is None:
            data = await exchange.read()
            opening.heard = relay.clock()
            self.fault = self._judged(data)
        if relay.beating is not None:
            await relay.beating
            raise no_stream(exchange)
        await relay.start(exchange, event_stream=False)
        if self.fault is None:
            opening.begun()
        if relay.ctx.endpoint.dialect in GENERATED and exchange.status < 300:
            # An answer under a false name is an answer.
            await pump_large(opening, exchange, data)
        else:
            await pump(opening, exchange, data)


async def read_on(opening: "Opening", exchange: Exchange, parts: list[bytes], most: int) -> None:
    """The body, or the rest of it, into ``parts``, up to its end or about ``most`` bytes."""
    size = sum(map(len, parts))
    pulse = opening.pulse
    now = pulse.loop.time
    while not exchange.ended and size <= most:
        data = await exchange.read()
        parts.append(data)
        size += len(data)
        pulse.touched = now()


async def read_in_time(opening: "Opening", exchange: Exchange, parts: list[bytes]) -> bytes:
    """As much of an answer that is none as tells what it is, within ``ERROR_PATIENCE``; ``parts`` were read before."""
    try:
        async with asyncio.timeout(ERROR_PATIENCE):
            await read_on(opening, exchange, parts, ERROR_HOLD)
    except TimeoutError:
        pass
    opening.heard = opening.relay.clock()
    return b"".join(parts)


def json_due(ctx: RequestContext) -> bool:
    """Is the request answered by JSON, or by a stream, and by nothing else?"""
    return ctx.method == "POST" and ctx.endpoint.name in JSON_DUE


def redirected(status: int) -> Fault:
    """Of a 3xx to a request that is not to be sent anywhere else."""
    return Fault(kind="invalid", status=status, detail="redirect")


async def pump_large(opening: "Opening", exchange: Exchange, data: bytes) -> None:
    """A JSON answer of which only a part, ``data``, was held."""
    ctx = opening.relay.ctx
    answer = LargeAnswer(Inflater.for_encoding(opening.head.encoding))
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
    ctx, send, watchdog = opening.relay.ctx, opening.relay.send, opening.relay.watchdog
    now = watchdog.loop.time
    while not exchange.ended:
        if answer is not None:
            answer.feed(data)
        watchdog.touched = ctx.sending = now()
        await send({"type": "http.response.body", "body": data, "more_body": True})
        ctx.sending = 0.0
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
    doubtful = usage is None or not usage.output
    if usage is not None and usage.output > SANE:
        doubtful = excessive(visible_output(usage), len(body) // BYTES_PER_TOKEN)
    if doubtful and ctx.endpoint.dialect in GENERATED:
        ctx.output_text.append(text_of(body)[:TEXT_LIMIT])


def no_stream(exchange: Exchange) -> UpstreamInvalid:
    """A stream has begun, and this answer is none."""
    return UpstreamInvalid("The provider did not answer with a stream.", detail=f"status {exchange.status}")
