"""Reads a shadow's answer to its end, for its figures alone: nothing of it is kept."""

from collections.abc import Callable

from ..context import RequestContext
from ..errors import UpstreamCut
from ..policy.faults import Fault
from ..protocols import Clock, Exchange, Translation
from ..wire.headers import value_of
from ..wire.reply import text_of
from ..wire.stream import TEXT_LIMIT, StreamDecoder
from ..wire.usage import Usage, reported_in

LARGEST = 16 * 1024 * 1024
"""Bytes of a whole answer that are read."""

LARGEST_ERROR = 64 * 1024
"""Bytes of an error answer that are read."""


class Unread(Exception):
    """The answer is compressed though nobody asked for it, or too large: that is not the provider's fault."""


class Failed(Exception):
    """The answer is a failure that was told by its bytes."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


class Reading:
    """One answer, read once. ``heard`` is called with each read, so that whoever waits knows that something came."""

    def __init__(
        self,
        ctx: RequestContext,
        translation: Translation | None,
        *,
        clock: Clock,
        of_success: Callable[[bytes], Fault | None],
        heard: Callable[[], None],
    ) -> None:
        """``of_success``: the error inside a whole 200, if there is one."""
        self._ctx = ctx
        self._translation = translation
        self._clock = clock
        self._of_success = of_success
        self._heard = heard

    async def answer(self, exchange: Exchange, first: Callable[[], None]) -> None:
        """A 2xx answer; ``first`` is called at its first real output. Its figures end up in the context.

        Raises ``UpstreamError``, ``Failed`` or ``Unread``.
        """
        if value_of(exchange.headers, b"content-encoding") not in (None, b"", b"identity"):
            raise Unread
        kind = (value_of(exchange.headers, b"content-type") or b"").lower()
        streamed = kind.startswith(b"text/event-stream") or (
            self._translation is not None
            and self._ctx.request.stream is True
            and not kind.startswith(b"application/json")
        )
        if streamed:
            await self._stream(exchange, first)
        elif kind.startswith(b"application/json") or self._translation is not None:
            self._whole(exchange, await self._body(exchange, LARGEST))
            first()
        else:
            await self._opaque(exchange, first)

    async def error(self, exchange: Exchange) -> bytes:
        """The body of any other answer, as far as it is needed to tell what went wrong."""
        parts, size = [], 0
        while not exchange.ended and size < LARGEST_ERROR:
            parts.append(await self._read(exchange))
            size += len(parts[-1])
        return b"".join(parts)[:LARGEST_ERROR]

    async def _stream(self, exchange: Exchange, first: Callable[[], None]) -> None:
        ctx = self._ctx
        translated = self._translation.stream() if self._translation is not None else None
        decoder = StreamDecoder(ctx.endpoint.dialect, usage_due=True, choices=ctx.request.n or 1)
        try:
            ended = False
            while not ended:
                data = await self._read(exchange)
                ended = exchange.ended
                if translated is not None:
                    data = translated.feed(data)
                    if translated.error is None and (ended or translated.done):
                        data, ended = data + translated.close(), True
                decoder.feed(data)
                self._mark(decoder, first)
                if translated is not None and translated.error is not None:
                    raise translated.error
            decoder.close()
            self._mark(decoder, first)
            if decoder.failed:
                raise Failed(Fault(kind="error_event", status=exchange.status))
            if not decoder.complete:
                raise UpstreamCut("The provider's stream broke off before its end.")
            if not ctx.first_token_at:
                first()
        finally:
            ctx.token_events = decoder.tokens
            self._use(self._translation.usage if self._translation is not None else decoder.usage, decoder.text())

    def _mark(self, decoder: StreamDecoder, first: Callable[[], None]) -> None:
        if decoder.tokens and not self._ctx.first_token_at:
            self._ctx.first_token_at = self._clock()
            first()

    def _whole(self, exchange: Exchange, body: bytes) -> None:
        translation = self._translation
        if translation is None:
            fault = self._of_success(body)
            if fault is not None:
                raise Failed(fault)
            self._use(reported_in(body), text_of(body))
            return
        streamed = self._ctx.request.stream is True
        out = translation.unfold(body) if streamed else translation.reply(exchange.status, body)
        self._use(translation.usage, "" if streamed else text_of(out))

    async def _opaque(self, exchange: Exchange, first: Callable[[], None]) -> None:
        """Sound and the like: its bytes pass by."""
        begun = False
        while not exchange.ended:
            if await self._read(exchange) and not begun:
                begun = True
                first()

    async def _body(self, exchange: Exchange, limit: int) -> bytes:
        parts, size = [], 0
        while not exchange.ended:
            parts.append(await self._read(exchange))
            size += len(parts[-1])
            if size > limit:
                raise Unread
        return b"".join(parts)

    async def _read(self, exchange: Exchange) -> bytes:
        data = await exchange.read()
        self._heard()
        return data

    def _use(self, usage: Usage | None, text: str) -> None:
        if usage is not None:
            self._ctx.usage = usage
        else:
            self._ctx.output_text[:] = [text[:TEXT_LIMIT]]
