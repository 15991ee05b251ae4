"""One request to one side: sent, read, stamped. What goes wrong becomes a class of errors on its timeline, never an exception."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from time import perf_counter

from ..context import Limits
from ..errors import (
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamError,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)
from ..protocols import Exchange, UpstreamRequest
from ..upstream.late import LateSession
from ..upstream.lean import LeanTransport
from ..wire.sse import DONE, Framer
from .answers import Answer, decode, told
from .timeline import Timeline

CONNECT = 10.0
"""Seconds for a connection, within the limit of the whole request."""

_LARGEST_ERROR = 64 * 1024
_TAIL = 1.0
"""Seconds in which an answer has to end after its last event; else its connection is not used again."""

_KINDS: tuple[tuple[type[UpstreamError], str], ...] = (
    (UpstreamConnectTimeout, "connect_timeout"),
    (UpstreamTlsFailed, "tls"),
    (UpstreamDropped, "dropped"),
    (UpstreamUnavailable, "unreachable"),
    (UpstreamCut, "cut"),
)
INTERRUPTED = "interrupted"
"""The class of what was under way when the run was ended. It is no failure of the server."""

DESCRIPTORS = "no_descriptors"
"""The class of requests that this process had no file descriptor for: the generator's fault."""

Clock = Callable[[], float]


class Failed(Exception):
    """The class of errors that an answer belongs to, and what was said."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Side:
    """A URL under load, and the connections to it."""

    def __init__(
        self, url: str, headers: Sequence[tuple[str, str]], *, stream: bool, timeout: float, clock: Clock = perf_counter
    ) -> None:
        """``url``: of chat completions, complete. ``timeout``: seconds for one request."""
        self.url = url
        self.clock = clock
        self._stream = stream
        self._timeout = timeout
        connect = min(CONNECT, timeout)
        self._limits = Limits(connect=connect, first_byte=None, idle=timeout, total=timeout)
        self._headers = [("content-type", "application/json"), ("user-agent", "tollway-bench"), *headers]
        self._transport = LeanTransport(url, session=LateSession(url))

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def ask(self, body: bytes, at: Timeline) -> None:
        """Sends and reads to the end; ``at`` is filled. A cancellation is noted on it and passed on."""
        at.sent = self.clock()
        try:
            async with asyncio.timeout(self._timeout):
                await self._exchange(body, at)
        except TimeoutError:
            at.error, at.message = "timeout", f"no whole answer within {self._timeout:g} s"
        except Failed as failed:
            at.error, at.message = failed.kind, failed.message
        except UpstreamError as error:
            at.error, at.message = _kind(error), error.detail
        except asyncio.CancelledError:
            at.error = INTERRUPTED
            raise
        finally:
            if not at.ended:
                at.ended = self.clock()

    async def _exchange(self, body: bytes, at: Timeline) -> None:
        request = UpstreamRequest(method="POST", url=self.url, headers=self._headers, body=body)
        exchange = await self._transport.send(request, self._limits)
        whole = False
        try:
            at.status = exchange.status
            streamed = _note(exchange, at)
            if exchange.status != 200:
                raise await _refusal(exchange)
            if streamed:
                await self._read_stream(exchange, at)
            else:
                await self._read_whole(exchange, at)
            whole = True
        finally:
            (exchange.release if whole else exchange.abort)()

    async def _read_stream(self, exchange: Exchange, at: Timeline) -> None:
        framer, clock = Framer(), self.clock
        while data := await exchange.read():
            now = clock()
            for payload in framer.feed(data):
                if payload == DONE:
                    at.ended = now
                    break
                if payload:
                    _take(payload, at, now)
            if at.ended:
                break
        else:
            for payload in framer.close():
                if payload != DONE:
                    _take(payload, at, clock())
        if not at.ended:
            at.ended = clock()
            if not at.finished:
                raise Failed("cut", "the stream ended without [DONE] and without a finish reason")
        if not at.chunks:
            raise Failed("no_output", "the stream ended without any output")
        await _tail(exchange)

    async def _read_whole(self, exchange: Exchange, at: Timeline) -> None:
        parts = []
        while data := await exchange.read():
            parts.append(data)
        at.ended = self.clock()
        try:
            answer = decode(b"".join(parts))
        except (ValueError, UnicodeDecodeError):
            raise Failed("not_a_completion", "status 200, and no JSON of a chat completion") from None
        if answer.failed:
            raise _error_inside(b"".join(parts))
        _count(answer, at)
        if not answer.choices:
            raise Failed("not_a_completion", "status 200, and an answer without choices")
        if self._stream:
            raise Failed("not_streamed", "a stream was asked for, and the answer came whole")
        if not answer.output:
            raise Failed("no_output", "the answer is empty")


def _note(exchange: Exchange, at: Timeline) -> bool:
    """What the head says. Is it a stream?"""
    streamed = False
    for name, value in exchange.headers:
        if name == b"content-type":
            streamed = value.startswith(b"text/event-stream")
        elif name == b"x-tollway-cache":
            at.cached = value in (b"hit", b"semantic-hit")
        elif name == b"x-tollway-overhead-ms":
            try:
                at.overhead = float(value) / 1000.0
            except ValueError:
                at.overhead = None
    return streamed


def _take(payload: bytes, at: Timeline, now: float) -> None:
    """One event of a stream."""
    try:
        chunk = decode(payload)
    except (ValueError, UnicodeDecodeError):
        raise Failed("malformed_stream", "an event of the stream is no JSON of a chat completion") from None
    if chunk.failed:
        raise _error_inside(payload, "stream_error")
    if chunk.output:
        at.chunks.append(now)
    at.finished = at.finished or chunk.finished
    _count(chunk, at)


def _count(answer: Answer, at: Timeline) -> None:
    if answer.usage is not None:
        at.input_tokens = answer.usage.prompt_tokens
        at.output_tokens = answer.usage.completion_tokens


async def _refusal(exchange: Exchange) -> Failed:
    """The status, and the code of the error body."""
    body = bytearray()
    while len(body) < _LARGEST_ERROR and (data := await exchange.read()):
        body += data
    found = told(bytes(body))
    return Failed(f"{exchange.status} {found.code}".strip(), found.message)


def _error_inside(body: bytes, kind: str = "error_in_200") -> Failed:
    found = told(body)
    return Failed(f"{kind} {found.code}".strip(), found.message)


async def _tail(exchange: Exchange) -> None:
    """Reads what is behind the last event, usually the end of the framing, so that the connection serves again."""
    try:
        async with asyncio.timeout(_TAIL):
            while not exchange.ended and await exchange.read():
                pass
    except (TimeoutError, UpstreamError):
        # The answer was whole: ``release`` closes the connection, as it is not at its end.
        return


def _kind(error: UpstreamError) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
        return DESCRIPTORS
    return next((kind for of, kind in _KINDS if isinstance(error, of)), "invalid_http")
