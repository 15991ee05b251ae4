"""The mock as a server: reads a request, lets a handler answer it, plans the faults and writes the answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic
from urllib.parse import parse_qs, unquote

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from msgspec import Struct

from . import doors, faults
from .controls import PREFIX, BadControl, Controls, read
from .dialects import spoken
from .journal import Entry, Journal, Outcome
from .plan import Plan
from .realtime import converse
from .reply import Call, Refused, Reply, json_reply
from .routes import find
from .store import Store
from .text import digest
from .wire import Wire

MAX_BODY = 128 * 1024 * 1024
_MAX_FAULT_IDS = 10_000


class Settings(Struct, frozen=True, kw_only=True):
    """How a mock runs: the defaults of every control, the key it demands (none: any), and the log of requests."""

    controls: Controls = Controls()
    key: str = ""
    access_log: Callable[[str], None] | None = None


@dataclass(slots=True)
class Running:
    """A mock that listens; stop it with `await stop()`."""

    host: str
    port: int
    _listener: asyncio.Server | None
    _server: "_Server | None"
    _held: doors.Held = ()

    @property
    def url(self) -> str:
        """The base URL for clients, with /v1."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    async def stop(self) -> None:
        """Close the listener and every connection at once, whatever they wait for."""
        doors.close(self._held)
        if self._listener is None or self._server is None:
            return
        self._listener.close()
        await self._server.drop_all()
        await self._listener.wait_closed()

    def received(self) -> tuple[Entry, ...]:
        """The requests that it received lately, oldest first: what GET /mock/requests shows."""
        return self._server.mock.journal.entries() if self._server is not None else ()


async def start(host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None) -> Running:
    """Listen on `host` and `port` (0: a free one) in the running loop."""
    settings = settings or Settings()
    if settings.controls.fault:
        chosen = faults.choose(settings.controls.fault)
        if chosen.fault.door is not None:
            return _without_a_listener(host, port, chosen.fault.door)
        faults.apply(chosen, Plan(Reply()))
    server = _Server(Mock(settings))
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, host, port, backlog=4096)
    return Running(host, int(listener.sockets[0].getsockname()[1]), listener, server)


def _without_a_listener(host: str, port: int, door: doors.Door) -> Running:
    """A mock that nobody reaches."""
    held = (doors.shut if door == "shut" else doors.stuck)(host, port)
    return Running(host, int(held[0].getsockname()[1]), None, None, held)


class _Sent(web.StreamResponse):
    """Tells aiohttp that the answer is on the wire already, and whether the connection lives on."""

    def __init__(self, keep: bool) -> None:
        super().__init__()
        self._keep = keep

    @property
    def keep_alive(self) -> bool | None:
        return self._keep

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        return None


class _Server(web.Server):
    """aiohttp's low-level server, counting the connections."""

    def __init__(self, mock: "Mock") -> None:
        super().__init__(
            mock.handle,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            max_line_size=1_048_576,
            max_field_size=1_048_576,
            max_headers=1000,
            lingering_time=0,
        )
        self.mock = mock
        mock.count_open = lambda: len(self._connections)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.mock.accepted += 1
        self.mock.numbers[handler] = self.mock.accepted

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.mock.numbers.pop(handler, None)

    async def drop_all(self) -> None:
        for transport in list(self._connections.values()):
            transport.abort()
        for _ in range(100):
            if not self._connections:
                break
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Mock:
    """What one mock knows: its settings, the objects it keeps, what it received, how often faults struck."""

    settings: Settings
    store: Store = field(default_factory=Store)
    journal: Journal = field(default_factory=Journal)
    accepted: int = 0
    numbers: dict[RequestHandler, int] = field(default_factory=dict)
    count_open: Callable[[], int] = lambda: 0
    _drawn: int = 0
    _struck: dict[str, int] = field(default_factory=dict)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        target = request.raw_path
        path, _, query = target.partition("?")
        if "://" in path and not path.startswith("/"):
            path = "/" + path.partition("://")[2].partition("/")[2]
        if path.startswith("/mock/"):
            return await self._write(request, Plan(self._inspect(request.method, path, query)), Controls(), 0)
        version = f"{request.version.major}.{request.version.minor}"
        connection = self.numbers.get(request.protocol, 0)
        entry = self.journal.begin(request.method, target, version, request.raw_headers, connection)
        outcome: Outcome = "complete"
        try:
            return await self._serve(request, entry, path, query)
        except ConnectionError:
            outcome = "client_closed"
            return SENT_CLOSE
        except asyncio.CancelledError:
            outcome = "client_closed"
            raise
        finally:
            outcome = "fault" if entry.outcome == "fault" else outcome
            self.journal.end(entry, outcome)
            if self.settings.access_log is not None:
                took = (monotonic() - entry.began) * 1000
                self.settings.access_log(f"{request.method} {target} {entry.status or '-'} {outcome} {took:.1f}ms")

    async def _serve(self, request: web.BaseRequest, entry: Entry, path: str, query: str) -> web.StreamResponse:
        body = await self._read(request, entry)
        controls = self.settings.controls
        dialect, path = spoken(path, request.headers, controls.flavour)
        seed = digest(str(controls.seed).encode(), path.encode("utf-8", "surrogateescape"), body)
        socket = _is_websocket(request)
        try:
            asked = self._controls(request)
            if asked.flavour != controls.flavour:
                dialect, path = spoken(path, request.headers, asked.flavour)
            controls = asked
            call = Call(
                method=request.method,
                path=path,
                query_string=query,
                headers=request.headers,
                body=body,
                length=entry.length,
                controls=controls,
                store=self.store,
            )
            if self.settings.key:
                dialect.authorize(call, self.settings.key)
            dialect.enter(call)
            reply = Reply(status=101) if socket else dialect.leave(call, self._answer(call, dialect.table))
        except Refused as refused:
            reply, socket = dialect.envelope(refused), False
        plan = Plan(reply, dialect)
        try:
            struck = self._strike(controls, plan)
        except faults.BadFault as problem:
            refusal = dialect.envelope(Refused(str(problem), code="invalid_fault"))
            plan, struck, socket = Plan(refusal, dialect), False, False
        if socket and not struck:
            entry.status = 101
            try:
                return await converse(request, call)
            except Refused as refused:
                plan = Plan(dialect.envelope(refused), dialect)
        entry.status = plan.reply.status
        return await self._write(request, plan, controls, seed, entry)

    async def _read(self, request: web.BaseRequest, entry: Entry) -> bytes:
        """Read the body whole: all of it is hashed, its first 128 MiB are kept."""
        if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not request.body_exists:
            self.journal.received(entry, b"", 0, _EMPTY)
            return b""
        hashed, kept, length = sha256(), bytearray(), 0
        try:
            while data := await request.content.readany():
                hashed.update(data)
                length += len(data)
                entry.length = length
                if len(kept) < MAX_BODY:
                    kept += data[: MAX_BODY - len(kept)]
        except web.RequestPayloadError as broken:
            raise ConnectionResetError("the request body broke off") from broken
        body = bytes(kept)
        self.journal.received(entry, body, length, hashed.hexdigest())
        return body

    def _controls(self, request: web.BaseRequest) -> Controls:
        found = {
            lowered[len(PREFIX) :]: value
            for name, value in request.headers.items()
            if (lowered := name.lower()).startswith(PREFIX)
        }
        if not found:
            return self.settings.controls
        try:
            return read(self.settings.controls, found)
        except BadControl as problem:
            raise Refused(str(problem), code="invalid_control") from None

    def _answer(self, call: Call, table: str) -> Reply:
        route, params = find(call.method, call.path, table)
        call.params = tuple(unquote(part) for part in params)
        return route.answer(call)

    def _strike(self, controls: Controls, plan: Plan) -> bool:
        """Change the plan if a fault is asked for and due; say whether it was."""
        if not controls.fault:
            return False
        chosen = faults.choose(controls.fault)
        if controls.fault_times is not None:
            struck = self._struck.pop(controls.fault_id, 0)
            self._struck[controls.fault_id] = struck + 1
            if len(self._struck) > _MAX_FAULT_IDS:
                del self._struck[next(iter(self._struck))]
            if struck >= controls.fault_times:
                return False
        if chosen.share != 1:
            self._drawn += 1
            number = digest(b"fault", str(controls.seed).encode(), self._drawn.to_bytes(8, "little"))
            due = self._drawn % chosen.share < 1 if chosen.share > 1 else number / 2**64 < chosen.share
            if not due:
                return False
        faults.apply(chosen, plan)
        return True

    async def _write(
        self, request: web.BaseRequest, plan: Plan, controls: Controls, seed: int, entry: Entry | None = None
    ) -> web.StreamResponse:
        wire = Wire(request, controls, seed)
        if entry is not None and (plan.before in ("reset", "reset-head", "close") or plan.ending in ("fin", "rst")):
            entry.outcome = "fault"
        await wire.send(plan)
        return SENT_KEEP if wire.keep else SENT_CLOSE

    def _inspect(self, method: str, path: str, query: str) -> Reply:
        """Answer /mock/requests and /mock/stats."""
        if path == "/mock/stats" and method == "GET":
            journal = self.journal
            return json_reply(
                {
                    "requests": journal.requests,
                    "open": journal.open,
                    "aborted": journal.aborted,
                    "connections": self.count_open(),
                    "accepted": self.accepted,
                }
            )
        if path == "/mock/requests" and method == "GET":
            last = parse_qs(query).get("last", [""])[-1]
            return json_reply({"object": "list", "data": self.journal.shown(int(last) if last.isdigit() else None)})
        if path == "/mock/requests" and method == "DELETE":
            self.journal.clear()
            return json_reply({"deleted": True})
        return Refused(f"Invalid URL ({method} {path})", status=404).reply()


def _is_websocket(request: web.BaseRequest) -> bool:
    return request.method == "GET" and request.headers.get("upgrade", "").lower() == "websocket"


_EMPTY = sha256().hexdigest()
SENT_KEEP = _Sent(True)
SENT_CLOSE = _Sent(False)
