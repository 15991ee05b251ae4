"""Writes an answer's bytes straight onto the transport: head, framing, pauses, and the ways of breaking off.

aiohttp parses requests; the answer's bytes are ours, so that every fault is only another way of writing them.
"""

import asyncio
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from itertools import chain, islice
from time import monotonic_ns

from aiohttp import web

from . import eventstream
from .controls import Controls
from .plan import Plan
from .reply import EVENT_STREAM, SSE, STAMP, Reply

_BATCH = 16 * 1024
_SLICE = 16
_HIGH_WATER = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)
_LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Wire:
    """Sends one answer on the connection of `request`."""

    def __init__(self, request: web.BaseRequest, controls: Controls, seed: int) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client left")
        self._request = request
        self._transport: asyncio.Transport = transport
        self._controls = controls
        self._seed = seed
        self._random = random.Random(seed) if controls.jitter else None
        self._loop = asyncio.get_running_loop()
        self._drip: float | None = None
        self.keep = request.keep_alive and request.version >= (1, 1)

    async def send(self, plan: Plan) -> None:
        """Send the answer as planned; afterwards `keep` says whether the connection may serve another request."""
        reply = plan.reply
        self._drip = plan.drip
        delay = self._controls.head_delay + (self._controls.first_token if reply.frames is None else 0)
        await self._pause(delay)
        if plan.early:
            self._transport.write(b"HTTP/1.1 %d Early\r\nlink: </style.css>; rel=preload\r\n\r\n" % plan.early)
        if plan.before:
            await self._break_off(plan)
        elif reply.frames is None or plan.length_error or plan.both_framings:
            await self._send_whole(plan)
        else:
            await self._send_frames(plan, reply.frames)

    async def _break_off(self, plan: Plan) -> None:
        if plan.before == "hang":
            await self._silence()
        if plan.before == "reset-head":
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-req")
        if plan.before == "close":
            self.keep = False
            return
        await self._reset()

    async def _send_whole(self, plan: Plan) -> None:
        reply = plan.reply
        body = reply.body if reply.frames is None else b"".join(reply.frames)
        extra = b""
        if self._controls.encoding == "gzip" and body:
            squeeze = zlib.compressobj(wbits=31)
            body = squeeze.compress(body) + squeeze.flush()
            extra = b"content-encoding: gzip\r\n"
        if plan.until_eof:
            self.keep = False
        elif plan.both_framings:
            extra += b"content-length: %d\r\ntransfer-encoding: chunked\r\n" % len(body)
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif plan.bad_chunk is not None:
            extra += b"transfer-encoding: chunked\r\n"
            body = b"%x\r\n%b\r\nzz\r\n" % (len(body), body)
            self.keep = False
        elif plan.reply.status not in (204, 304):
            extra += b"content-length: %d\r\n" % max(len(body) + plan.length_error, 0)
            self.keep = self.keep and not plan.length_error
        if self._request.method == "HEAD" or plan.reply.status in (204, 304):
            body = b""
        if plan.stop_after is not None and plan.ending:
            end = plan.stop_after * _SLICE + (_SLICE // 2 if plan.half_event else 0)
            body = body[: min(end, max(len(body) - 1, 0))]
            self.keep = False
        await self._write(self._head(plan, extra) + body)
        if plan.stop_after is not None:
            await self._end(plan)

    async def _send_frames(self, plan: Plan, frames: Iterator[bytes]) -> None:
        chunked = not plan.until_eof and self._request.version >= (1, 1)
        extra = b"transfer-encoding: chunked\r\n" if chunked else b""
        if not chunked:
            self.keep = False
        squeeze = None
        if self._controls.encoding == "gzip":
            squeeze = zlib.compressobj(wbits=31)
            extra += b"content-encoding: gzip\r\n"
        if plan.stop_after is not None or plan.bad_chunk is not None:
            self.keep = self.keep and not plan.ending and plan.bad_chunk is None
        await self._write(self._head(plan, extra))
        if self._request.method == "HEAD":
            return
        await self._pause(self._controls.first_token)
        if plan.reply.is_stream:
            frames = self._broken(plan, frames)
        elif plan.stop_after is not None:
            frames = islice(frames, plan.stop_after)
        if plan.bad_chunk is not None:
            frames = islice(frames, plan.bad_chunk)
        framer = _Framer(self._controls, squeeze, chunked=chunked, reply=plan.reply)
        if self._controls.pace or self._controls.jitter:
            await self._paced(frames, framer, plan.reply.prelude)
        else:
            await self._burst(frames, framer)
        for part in framer.rest():
            await self._write(part, flush=True)
        if plan.bad_chunk is not None:
            await self._write(b"zz\r\n")
        elif plan.stop_after is not None and plan.ending:
            await self._end(plan)
        else:
            tail = squeeze.flush() if squeeze else b""
            await self._write((_chunk(tail) + b"0\r\n\r\n") if chunked else tail)

    def _broken(self, plan: Plan, frames: Iterator[bytes]) -> Iterator[bytes]:
        """Return the events as the fault wants them."""
        if plan.twice is not None:
            frames = _with_repeat(frames, plan.twice)
        if plan.insert:
            frames = _with_insert(frames, plan.insert_at, plan.insert)
        if plan.stop_after is not None:
            rest = frames
            frames = islice(rest, plan.stop_after)
            if plan.half_event:
                frames = chain(frames, (frame[: len(frame) // 2] for frame in islice(rest, 1)))
            if plan.last_words:
                frames = chain(frames, (plan.last_words,))
        if plan.reply.content_type != SSE:
            return frames
        if not plan.blank_line:
            frames = _without_last_line(frames)
        end = _LINE_ENDS[self._controls.framing or ("crlf" if plan.reply.crlf else "lf")]
        return frames if end == b"\n" else (frame.replace(b"\n", end) for frame in frames)

    async def _paced(self, frames: Iterator[bytes], framer: "_Framer", prelude: int) -> None:
        """Write one event after another on a fixed schedule, so that a late wake-up does not delay the rest."""
        due = self._loop.time()
        step = self._controls.pace / 1000
        index = 0
        frame = next(frames, None)
        while frame is not None:
            parts = framer.parts(frame)
            for part in parts:
                await self._write(part, flush=len(parts) > 1)
            index += 1
            frame = next(frames, None)
            if frame is not None and index > prelude:
                due += step
                wake = due + (self._random.random() * self._controls.jitter / 1000 if self._random else 0)
                now = self._loop.time()
                if wake > now:
                    await asyncio.sleep(wake - now)

    async def _burst(self, frames: Iterator[bytes], framer: "_Framer") -> None:
        """Write all events at once, in writes of about 16 KiB; or of the size that `split` demands."""
        batch: list[bytes] = []
        size = 0
        for frame in frames:
            parts = framer.parts(frame)
            if framer.size:
                for part in parts:
                    await self._write(part, flush=True)
                continue
            batch += parts
            size += len(frame)
            if size >= _BATCH:
                await self._write(b"".join(batch), flush=True)
                batch, size = [], 0
        if batch:
            await self._write(b"".join(batch))

    async def _write(self, data: bytes, *, flush: bool = False) -> None:
        if self._drip is not None:
            for at in range(len(data)):
                self._transport.write(data[at : at + 1])
                await asyncio.sleep(self._drip / 1000)
            return
        self._transport.write(data)
        if flush:
            await asyncio.sleep(0)
        if self._transport.get_write_buffer_size() > _HIGH_WATER:
            await self._request.writer.drain()

    async def _pause(self, milliseconds: float) -> None:
        if milliseconds:
            jitter = self._random.random() * self._controls.jitter if self._random else 0
            await asyncio.sleep((milliseconds + jitter) / 1000)

    async def _end(self, plan: Plan) -> None:
        if plan.ending == "hang":
            await self._silence()
        if plan.ending == "rst":
            await self._reset()
        if plan.ending:
            self.keep = False

    async def _silence(self) -> None:
        """Wait until the client leaves, which cancels the handler."""
        await self._loop.create_future()

    async def _reset(self) -> None:
        self.keep = False
        for _ in range(200):
            if not self._transport.get_write_buffer_size():
                break
            await asyncio.sleep(0.005)
        link = self._transport.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()

    def _head(self, plan: Plan, framing: bytes) -> bytes:
        reply = plan.reply
        if plan.status:
            line = f"{plan.status} {_REASONS.get(int(plan.status), '') if plan.status.isdigit() else 'Text'}".rstrip()
        else:
            line = f"{reply.status} {_REASONS.get(reply.status, 'Unknown')}"
        given = [(name.lower(), value) for name, value in (*reply.headers, *self._controls.reply_headers)]
        names = {name.encode() for name, _ in given}
        parts = [b"HTTP/1.1 ", line.encode(), b"\r\ncontent-type: ", reply.content_type.encode(), b"\r\n"]
        parts += [b"%b: %b\r\n" % pair for pair in plan.dialect.headers if pair[0] not in names]
        parts.append(plan.dialect.identity(self._seed))
        parts += [f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in given]
        parts += plan.raw_headers
        parts.append(framing)
        if not self.keep:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class _Framer:
    """Turns an event into the socket writes that carry it: stamped, squeezed, split and chunked."""

    __slots__ = ("_binary", "_carry", "_chunked", "_keep_whole", "_squeeze", "_stamp", "size")

    def __init__(self, controls: Controls, squeeze: "zlib._Compress | None", *, chunked: bool, reply: Reply) -> None:
        self.size = controls.split if reply.is_stream else 0
        self._keep_whole = bool(controls.pace)
        self._stamp = controls.stamp and reply.is_stream
        self._binary = reply.content_type == EVENT_STREAM
        self._squeeze = squeeze
        self._chunked = chunked
        self._carry = b""

    def parts(self, frame: bytes) -> list[bytes]:
        """Return the writes for `frame`; what is short of the split's size waits for the next one, unless paced."""
        if self._stamp:
            now = b"@%d" % monotonic_ns()
            frame = eventstream.replaced(frame, STAMP, now) if self._binary else frame.replace(STAMP, now)
        if self._squeeze is not None:
            frame = self._squeeze.compress(frame) + self._squeeze.flush(zlib.Z_SYNC_FLUSH)
        size = self.size
        if not size:
            return [_chunk(frame) if self._chunked else frame]
        data = self._carry + frame
        whole = len(data) if self._keep_whole else len(data) - len(data) % size
        self._carry = data[whole:]
        parts = [data[at : min(at + size, whole)] for at in range(0, whole, size)]
        return [_chunk(part) for part in parts] if self._chunked else parts

    def rest(self) -> list[bytes]:
        """Return the write of what is left at the end of a stream."""
        data, self._carry = self._carry, b""
        return [_chunk(data) if self._chunked else data] if data else []


def _with_insert(frames: Iterator[bytes], at: int, insert: bytes) -> Iterator[bytes]:
    yield from islice(frames, at)
    yield insert
    yield from frames


def _with_repeat(frames: Iterator[bytes], number: int) -> Iterator[bytes]:
    for index, frame in enumerate(frames, 1):
        yield frame
        if index == number:
            yield frame


def _without_last_line(frames: Iterator[bytes]) -> Iterator[bytes]:
    held = next(frames, None)
    for frame in frames:
        if held is not None:
            yield held
        held = frame
    if held is not None:
        yield held.removesuffix(b"\n")
