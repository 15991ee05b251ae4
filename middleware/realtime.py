"""Innermost for WebSockets: frames pass both ways unmodified, close codes included.

The upstream is dialled before the client is accepted, at another target where the first refuses, so a refusal still has a status. Granian forgets accepted sockets on
SIGTERM; the registry of requests is what lets shutdown wait for their settlement.
"""

import asyncio
import re

from starlette.types import ASGIApp

from proxy.context import Receive, RequestContext, Scope, Send, context_of
from proxy.errors import (
    AuthenticationFailed,
    ClientGone,
    InternalError,
    InvalidRequest,
    PermissionDenied,
    UpstreamAuthFailed,
    UpstreamError,
)
from proxy.protocols import Admission, Clock, Courses, Providers, Tasks, UpstreamSocket
from proxy.relay.dialling import Line, dialled
from proxy.services import Services
from proxy.wire.endpoints import Endpoint
from proxy.wire.stream import read_realtime_usage
from proxy.wire.values import obj, object_in

from .auth import SUBPROTOCOL

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_ACCOUNT_SUBPROTOCOLS = (SUBPROTOCOL, b"openai-organization.", b"openai-project.")


class RealtimeApp:
    """Relays one WebSocket to the first of its targets that takes it."""

    def __init__(
        self,
        *,
        courses: Courses,
        providers: Providers,
        admission: Admission,
        origins: tuple[str, ...],
        tasks: Tasks,
        clock: Clock,
        wall: Clock,
    ) -> None:
        self._courses = courses
        self._providers = providers
        self._admission = admission
        self._origins = origins
        self._tasks = tasks
        self._clock = clock
        self._wall = wall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        self._check_origin(ctx)
        if ctx.target is None:
            raise InternalError(detail="no target")
        offered = offered_subprotocols(ctx.headers.get(b"sec-websocket-protocol", b""))
        message = await receive()
        if message["type"] != "websocket.connect":
            raise ClientGone("The client left.")
        line = await self._dialled(ctx, offered)
        upstream, error = line.socket, None
        assert upstream is not None
        try:
            chosen = upstream.subprotocol if upstream.subprotocol in offered else None
            await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
            ctx.status, ctx.response_started, ctx.committed = 101, True, True
            ctx.first_byte_at = self._clock()
            await self._relay(ctx, receive, send, upstream)
        except UpstreamError as failure:
            error = failure
            raise
        finally:
            line.end(self._clock(), error)
            await asyncio.shield(upstream.close(1001, ""))

    async def _dialled(self, ctx: RequestContext, offered: list[str]) -> Line:
        try:
            return await dialled(
                ctx,
                self._courses.course(ctx),
                providers=self._providers,
                admission=self._admission,
                clock=self._clock,
                wall=self._wall,
                offered=offered,
            )
        except UpstreamAuthFailed as error:
            if ctx.target is not None and self._providers[ctx.target.provider][0].forwards:
                raise AuthenticationFailed("The provider refused the key.", detail=error.detail) from error
            raise

    def _check_origin(self, ctx: RequestContext) -> None:
        """A page of another site must not use a key its visitor's browser holds."""
        origin = ctx.headers.get(b"origin")
        if origin is None or "*" in self._origins or origin.decode("latin-1") in self._origins:
            return
        raise PermissionDenied("This origin may not open WebSockets here; list it under server.cors.origins.")

    async def _relay(self, ctx: RequestContext, receive: Receive, send: Send, upstream: UpstreamSocket) -> None:
        """Until either side closes; the other is closed with the same code."""
        loop = asyncio.get_running_loop()
        up = loop.create_task(_to_upstream(ctx, receive, upstream))
        down = loop.create_task(_to_client(ctx, upstream, send))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                code, reason = up.result()
                await upstream.close(code, reason)
            else:
                down.result()
                code = upstream.close_code or 1000
                ctx.complete = True
                # Granian does not send a close while a receive is pending.
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)
                await send({"type": "websocket.close", "code": sendable(code), "reason": upstream.close_reason})
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)


async def _to_upstream(ctx: RequestContext, receive: Receive, upstream: UpstreamSocket) -> tuple[int, str]:
    """Client frames, until it closes; its code and reason."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return sendable(message.get("code") or 1000), message.get("reason") or ""
        text = message.get("text")
        frame = text if text is not None else message["bytes"]
        check_model(ctx, frame)
        if ctx.frames is not None:
            await ctx.frames.sent(frame)
        await upstream.send(frame)


async def _to_client(ctx: RequestContext, upstream: UpstreamSocket, send: Send) -> None:
    """Provider frames, until it closes; usage in them is added up."""
    while (message := await upstream.receive()) is not None:
        if ctx.frames is not None:
            await ctx.frames.received(message)
        if isinstance(message, str):
            await send({"type": "websocket.send", "text": message})
            if '"usage"' in message:
                await _note(ctx, message.encode("utf-8", "surrogatepass"))
        else:
            await send({"type": "websocket.send", "bytes": message})


async def _note(ctx: RequestContext, frame: bytes) -> None:
    """Adds a response's usage. Raises the error of the limit that it has reached, which ends the socket."""
    ctx.usage = read_realtime_usage(frame, ctx.usage)
    meter = ctx.meter
    if meter is None:
        return
    meter.feed(frame)
    while meter.waiting:
        await meter.more()
    if meter.error is not None:
        raise meter.error


def check_model(ctx: RequestContext, frame: str | bytes) -> None:
    """A frame must not name another model than the one that the socket was opened, and is paid, for. Raises ``InvalidRequest``."""
    opened, target = ctx.request.model, ctx.target
    if opened is None or target is None:
        return
    data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    if b'"model' not in data and b"\\u00" not in data:
        return
    document = object_in(data) or {}
    for place in (document, obj(document.get("response")), obj(document.get("session"))):
        named = place.get("model", opened)
        if named not in (opened, target.model):
            raise InvalidRequest(
                "A WebSocket keeps the model that its URL names; open another one for another model.", param="model"
            )


def sendable(code: int) -> int:
    """A close code that may be put on the wire: 1005, 1006 and the like only describe what was seen."""
    return code if 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999 else 1000


def offered_subprotocols(header: bytes) -> list[str]:
    """What the client offered, without the ones that carry credentials; anything malformed is dropped, never echoed."""
    offers = [offer.strip() for offer in header.split(b",")]
    return [
        offer.decode() for offer in offers if _TOKEN.fullmatch(offer) and not offer.startswith(_ACCOUNT_SUBPROTOCOLS)
    ]


def app(endpoint: Endpoint, services: Services) -> ASGIApp:
    """The innermost application of the WebSocket chain."""
    return RealtimeApp(
        courses=services.courses,
        providers=services.providers,
        admission=services.admission,
        origins=services.config.server.cors.origins,
        tasks=services.tasks,
        clock=services.clock,
        wall=services.wall,
    )
