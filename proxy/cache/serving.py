"""A whole answer to one client: at once in few sends, or paced as if it were being made."""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from ..context import Message, RequestContext, Send
from ..protocols import Clock
from ..wire.answered import Entity
from .attending import Attendance
from .replay import events_in

EVENTS = b"text/event-stream; charset=utf-8"

AT_ONCE = 256 * 1024
"""Bytes of one send."""

TICK = 0.01
"""Seconds: events of a paced answer that are due within so long leave together."""

Headers = Callable[[RequestContext], list[tuple[bytes, bytes]]]
"""Headers of our own that an answer has."""


class Manner(Struct, frozen=True, kw_only=True):
    """How clients are served. Seconds: ``keepalive`` of silence before a comment, 0: none; ``pace``: events a second."""

    headers: Headers
    keepalive: float
    pace: float
    status_header: bool
    clock: Clock


def head(ctx: RequestContext, kind: bytes, manner: Manner, length: bytes | None = None) -> Message:
    """The head of a good answer. ``kind``: its content type; ``length``: as it is declared, unless its end will tell."""
    ctx.insertion = b"" if kind[:17] == b"text/event-stream" else None
    # What they say was the provider's, and was looked at when it came, or is ours.
    checked = Entity(kind, length)
    headers = manner.headers(ctx)
    headers.append((b"content-type", kind))
    if length is not None:
        headers.append((b"content-length", length))
    return {"type": "http.response.start", "status": 200, "headers": headers, "checked": checked}


async def serve_json(ctx: RequestContext, send: Send, body: bytes, kind: bytes, manner: Manner) -> None:
    """A JSON answer."""
    await send(head(ctx, kind, manner, b"%d" % len(body)))
    ctx.committed = True
    ctx.first_byte_at = manner.clock()
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def serve_events(
    ctx: RequestContext, send: Send, body: bytes, manner: Manner, *, attendance: Attendance | None = None
) -> None:
    """A stream. ``attendance``: who looks after a client that does not get it all in one send."""
    if not ctx.response_started:
        await send(head(ctx, EVENTS, manner))
    ctx.committed = True
    ctx.first_byte_at = ctx.first_token_at = manner.clock()
    if attendance is None:
        await send({"type": "http.response.body", "body": body, "more_body": False})
    elif manner.pace:
        await _paced(ctx, send, events_in(body), manner.pace, attendance)
    else:
        for at in range(0, len(body), AT_ONCE):
            await _out(send, body[at : at + AT_ONCE], attendance, last=at + AT_ONCE >= len(body))
    ctx.last_token_at = manner.clock()


async def _paced(ctx: RequestContext, send: Send, events: list[bytes], pace: float, attendance: Attendance) -> None:
    """``pace`` events a second; ends when the client leaves, since that cancels us."""
    now = asyncio.get_running_loop().time
    begun, sent = now(), 0
    while sent < len(events):
        due = min(len(events), 1 + int((now() - begun + TICK) * pace))
        if due > sent:
            await _out(send, b"".join(events[sent:due]), attendance, last=due == len(events))
            sent = due
        else:
            await asyncio.sleep(max(TICK, begun + sent / pace - now()))


async def _out(send: Send, data: bytes, attendance: Attendance, *, last: bool) -> None:
    attendance.sending = asyncio.get_running_loop().time()
    await send({"type": "http.response.body", "body": data, "more_body": not last})
    attendance.sending = 0.0
