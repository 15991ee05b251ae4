"""Outermost link: opens the context, guards request and response, gives every ending one name, settles once.

Nothing inside wraps ``send`` or catches cancellation; whatever happens there ends here.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from os import urandom

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.context import SCOPE_KEY, Outcome, Receive, RequestContext, Scope, Send
from proxy.errors import (
    ClientError,
    ClientGone,
    DeadlineExceeded,
    GatewayDraining,
    InternalError,
    InvalidRequest,
    KeysUnavailable,
    LedgerUnavailable,
    LimitsUnavailable,
    NoHealthyTarget,
    RateLimited,
    TollwayError,
    UpstreamError,
    UpstreamTimeout,
    answer_headers,
    envelope,
    sse_event,
)
from proxy.protocols import Clock, Settlement, Tasks, Telemetry
from proxy.relay.compat import Guard, guard_for
from proxy.relay.guard import ResponseGuard
from proxy.services import Services
from proxy.wire.endpoints import ANTHROPIC_PREFIXES, MODELS, NATIVE, PASSTHROUGH, PREFIXES, REALTIME, Endpoint
from proxy.wire.paths import carried

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))

CARRIED = frozenset(endpoint.name for endpoint in (PASSTHROUGH, NATIVE, REALTIME, MODELS))
"""Names of the endpoints whose path comes with the request."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
_HOST = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=\[\]:]{1,255}")
_SINGLE = (b"host", b"authorization", b"content-type", b"content-length")
_OURS = re.compile(
    rb"authorization|content[-_]|host|x[-_](?:api|tollway|goog)|api[-_]key|cookie|transfer[-_]|connection"
)


_CONTROL = b"x-tollway-"

_REMEMBERED, _LONGEST = 2048, 128

_hosts: set[bytes] = set()
"""Host headers that were found valid."""

_harmless: set[bytes] = set()
"""Names of request headers that were found to imitate none of ours, and to be none of our controls."""

_AT_ONCE = 64
"""Request ids that are made together: one takes a quarter of the time then."""

_fresh_ids: list[str] = []
"""Those that nobody has yet."""


class EdgeMiddleware:
    """Makes the context of one request and the one definition of its end."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        endpoint: Endpoint,
        path: str | None,
        clock: Clock,
        tasks: Tasks,
        telemetry: Telemetry,
        settlement: Settlement,
        guard: Guard = ResponseGuard,
    ) -> None:
        self.app = app
        self._guard = guard
        self._endpoint = endpoint
        self._path = path
        self._clock = clock
        self._tasks = tasks
        self._telemetry = telemetry
        self._settlement = settlement

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = self._open(scope)
        scope[SCOPE_KEY] = ctx
        socket = scope["type"] == "websocket"
        guarded = send if socket else self._guard(send, ctx, ctx.method)
        self._tasks.enter(ctx)
        try:
            check_request(scope, ctx)
            await self.app(scope, receive, guarded)
            if not ctx.response_started and not socket:
                raise InternalError(detail="no answer")
            if ctx.error is not None:
                ctx.outcome = outcome_of(ctx.error)
            elif ctx.status >= 400:
                ctx.outcome = "upstream_error"
        except asyncio.CancelledError:
            interruption = ctx.interruption
            if interruption is None:
                ctx.outcome = "client_closed"
                raise
            if ctx.task is not None:
                ctx.task.uncancel()
            await self._fail(ctx, interruption, guarded, socket=socket)
        except TollwayError as error:
            await self._absorb_cancellation(ctx)
            await self._fail(ctx, ctx.interruption or error, guarded, socket=socket)
        except Exception as error:  # noqa: BLE001 - the edge is where our own bugs end: 500, logged, process alive
            self._telemetry.unexpected(ctx, error)
            await self._fail(ctx, InternalError(detail=type(error).__name__), guarded, socket=socket)
        finally:
            self._tasks.leave(ctx)
            work = self._settle(ctx)
            if work is not None:
                # Runs to its end without a pause, so no cancellation can come between.
                await work

    def _open(self, scope: Scope) -> RequestContext:
        raw: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(raw)
        given = headers.get(b"x-request-id")
        if given is not None and _SANE_ID.fullmatch(given) is not None:
            request_id = given.decode()
        else:
            request_id = _fresh_ids.pop() if _fresh_ids else _more_ids()
        peer = scope.get("client")
        return RequestContext(
            request_id=request_id,
            endpoint=self._endpoint,
            started=self._clock(),
            raw_headers=raw,
            headers=headers,
            method=scope.get("method", "GET"),
            path=self._path if self._path is not None else surface_path(scope),
            query=scope["query_string"],
            client=peer[0] if peer else "",
            task=asyncio.current_task(),
        )

    async def _fail(self, ctx: RequestContext, error: TollwayError, send: Send, *, socket: bool) -> None:
        """Answers ``error`` as far as the answer can still be changed: JSON, one SSE event, or a visible abort."""
        # Its traceback would keep every frame below, and the bodies in them, for as long as the context lives.
        ctx.error = error.with_traceback(None)
        ctx.outcome = outcome_of(error)
        if isinstance(error, ClientGone) and (ctx.client_gone or ctx.response_started):
            return
        if socket:
            await self._refuse_socket(ctx, error, send)
            return
        if not ctx.response_started:
            headers = [*answer_headers(error, ctx.request_id), *ctx.response_headers]
            if ctx.endpoint.shape == "anthropic":
                headers.append((b"request-id", ctx.request_id.encode()))
            if self._tasks.draining or body_may_follow(ctx, error):
                headers.append((b"connection", b"close"))
            if isinstance(send, ResponseGuard):
                send.restart()
            body = envelope(error, ctx.request_id, ctx.endpoint.shape)
            await send({"type": "http.response.start", "status": error.status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
        elif ctx.insertion is not None:
            event = ctx.insertion + sse_event(error, ctx.request_id, ctx.endpoint.shape)
            # A gateway that leaves on purpose ends its stream properly; a broken answer must look broken.
            final = isinstance(error, GatewayDraining | RateLimited)
            ctx.complete = True
            await send({"type": "http.response.body", "body": event, "more_body": not final})

    async def _absorb_cancellation(self, ctx: RequestContext) -> None:
        """An interruption may still be on its way when its consequence arrives first as an error."""
        if ctx.interruption is not None and ctx.task is not None and ctx.task.cancelling():
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                ctx.task.uncancel()

    async def _refuse_socket(self, ctx: RequestContext, error: TollwayError, send: Send) -> None:
        """An accepted socket is closed with a reason; before that the handshake gets an ordinary error answer."""
        if ctx.response_started:
            code = 1012 if isinstance(error, GatewayDraining) else 1011
            await send({"type": "websocket.close", "code": code, "reason": close_reason(error)})
            return
        ctx.status = error.status
        headers = answer_headers(error, ctx.request_id)
        await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": envelope(error, ctx.request_id)})

    def _settle(self, ctx: RequestContext) -> Awaitable[None] | None:
        """Once, after the end, and never inside the request's own task when there is anything to wait for: what is left to run in it."""
        ended = self._clock()
        if ctx.settlers or ctx.ledger_id or ctx.from_cache or self._settlement.needs_count(ctx) or has_targets(ctx):
            at_once = self._settlement.immediate(ctx)
            work = self._settlement.settle(ctx, ended, at_once=at_once)
            if at_once:
                return work
            self._tasks.spawn(work)
        else:
            self._telemetry.record(ctx, ended)
        return None


def _more_ids() -> str:
    """One more request id, and some for the next requests: random, so that they tell nothing of each other."""
    digits = urandom(16 * _AT_ONCE).hex(",", 16)
    _fresh_ids.extend(("req_" + digits.replace(",", ",req_")).split(","))
    return _fresh_ids.pop()


def has_targets(ctx: RequestContext) -> bool:
    """Is there something, besides its answer, that the request was to reach?"""
    return ctx.plan is not None and ctx.plan.asking.slo is not None


def surface_path(scope: Scope) -> str:
    """The path below the surface's prefix, as the client encoded it."""
    path = raw_path(scope).decode("latin-1")
    if path.startswith("/native/"):
        return path
    for prefix in (*PREFIXES[:-1], *ANTHROPIC_PREFIXES[1:]):
        if path.startswith(prefix + "/"):
            return path[len(prefix) :]
    return path


def raw_path(scope: Scope) -> bytes:
    """The path as the client encoded it, without the query."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


def check_request(scope: Scope, ctx: RequestContext) -> None:
    """The request guard: what two parsers could read differently is refused. Raises ``InvalidRequest`` or ``NotFound``."""
    if ctx.method not in METHODS:
        raise InvalidRequest(f"Method {ctx.method[:20]!r} is not supported here.", code="method_not_supported")
    if ctx.endpoint.name in CARRIED:
        carried(ctx.method, raw_path(scope))
    raw, headers = ctx.raw_headers, ctx.headers
    host = headers.get(b"host")
    if host not in _hosts:
        if host is None or _HOST.fullmatch(host) is None:
            raise InvalidRequest("The request needs one valid Host header.", code="invalid_host")
        _remember(_hosts, host)
    if len(raw) != len(headers):
        names = [name for name, _ in raw]
        for name in _SINGLE:
            if names.count(name) > 1:
                raise InvalidRequest(f"Header {name.decode()!r} is sent more than once.", code="duplicate_header")
    if _harmless.issuperset(headers):
        ctx.uncontrolled = True
        return
    for name in headers:
        if b"_" in name and _OURS.match(name) is not None:
            raise InvalidRequest(
                "A header name with an underscore imitates one that the gateway acts on; write it with hyphens.",
                code="invalid_header",
            )
        if not name.startswith(_CONTROL):
            _remember(_harmless, name)


def _remember(known: set[bytes], text: bytes) -> None:
    """Clients say few different things; what others say is looked at each time."""
    if len(known) < _REMEMBERED and len(text) <= _LONGEST:
        known.add(text)


def body_may_follow(ctx: RequestContext, error: TollwayError) -> bool:
    """Is part of the request still unread behind this answer? Then the connection ends with it."""
    if ctx.method not in ("POST", "PUT", "PATCH"):
        return False
    return not ctx.body or ctx.upload is not None or isinstance(error, ClientGone)


def close_reason(error: TollwayError) -> str:
    """The message, cut to the 123 bytes that a close frame has room for."""
    return error.message.encode()[:123].decode(errors="ignore")


def outcome_of(error: TollwayError) -> Outcome:
    """The one status label of metrics."""
    if isinstance(error, ClientGone):
        return "client_closed"
    if isinstance(error, UpstreamTimeout | DeadlineExceeded):
        return "timeout"
    if isinstance(error, UpstreamError | NoHealthyTarget):
        return "upstream_error"
    if isinstance(error, InternalError):
        return "internal_error"
    refusals = (ClientError, RateLimited, GatewayDraining, LimitsUnavailable, LedgerUnavailable, KeysUnavailable)
    if isinstance(error, refusals):
        return "rejected"
    return "internal_error"


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(
        EdgeMiddleware,
        endpoint=endpoint,
        path=path,
        clock=services.clock,
        tasks=services.tasks,
        telemetry=services.telemetry,
        settlement=services.settlement,
        guard=guard_for(services.config.telemetry.compat_headers, services.clock),
    )


Link = Callable[[Endpoint, str | None, Services], Middleware]
