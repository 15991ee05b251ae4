"""Stand-ins for every Protocol of ``proxy/protocols.py`` that a link or the relay depends on."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from proxy.context import Limits, Principal, Quote, RequestContext, Settled, Target, TokenEstimate
from proxy.errors import ModelNotFound, RawHeaders, TollwayError
from proxy.policy.targets import Candidate, Route
from proxy.protocols import (
    Entry,
    Exchange,
    Hold,
    ModelEntry,
    Prepared,
    Standing,
    Translation,
    UpstreamRequest,
    UpstreamSocket,
)
from proxy.wire.endpoints import Endpoint
from proxy.wire.usage import Usage

LIMITS = Limits(connect=1.0, first_byte=None, idle=120.0, total=1800.0)
TARGET = Target(provider="local", model="small", limits=LIMITS)
SSE = ((b"content-type", b"text/event-stream"),)
JSON = ((b"content-type", b"application/json"),)


class FakeTasks:
    """Notes who entered and left; runs spawned work in tasks that ``finish`` waits for."""

    def __init__(self) -> None:
        self.draining = False
        self.inside: list[RequestContext] = []
        self.entered = 0
        self.spawned: list[asyncio.Task[None]] = []

    def enter(self, ctx: RequestContext) -> None:
        self.entered += 1
        self.inside.append(ctx)

    def leave(self, ctx: RequestContext) -> None:
        self.inside.remove(ctx)

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.get_running_loop().create_task(work)
        self.spawned.append(task)
        return task

    async def finish(self) -> None:
        """Every spawned task ends."""
        await asyncio.gather(*self.spawned)


class FakeTelemetry:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[tuple[RequestContext, float]] = []
        self.failures: list[str] = []
        self.bugs: list[BaseException] = []

    def record(self, ctx: RequestContext, ended: float) -> None:
        self.records.append((ctx, ended))

    def settler_failed(self, name: str, error: BaseException) -> None:
        self.failures.append(name)

    def unexpected(self, ctx: RequestContext, error: BaseException) -> None:
        self.bugs.append(error)


class FakeSettlement:
    """Counts settlements, and tells ``telemetry`` of each."""

    def __init__(self, telemetry: FakeTelemetry | None = None, *, counts: bool = False) -> None:
        self.counts = counts
        self.settled: list[RequestContext] = []
        self._telemetry = telemetry

    def needs_count(self, ctx: RequestContext) -> bool:
        return self.counts

    def immediate(self, ctx: RequestContext) -> bool:
        return False

    async def settle(self, ctx: RequestContext, ended: float, *, at_once: bool = False) -> None:
        self.settled.append(ctx)
        if self._telemetry is not None:
            self._telemetry.record(ctx, ended)


class FakeAdmission:
    """Admits everybody, or raises."""

    def __init__(self, error: TollwayError | None = None) -> None:
        self.error = error
        self.admitted: list[RequestContext] = []
        self.attempts: list[Target] = []

    async def admit(self, ctx: RequestContext) -> None:
        if self.error is not None:
            raise self.error
        self.admitted.append(ctx)

    async def attempt(self, ctx: RequestContext, target: Target, model: str = "") -> None:
        self.attempts.append(target)


class FakePricing:
    """Everything costs ``price`` micro-dollars."""

    def __init__(self, price: int | None = 0) -> None:
        self.price = price

    def quote(self, principal: Principal, model: str, target: Target | None) -> Quote:
        return Quote(known=self.price is not None)

    def hold(self, ctx: RequestContext, *, target: Target, route: str, held: int, at: float) -> Hold:
        return Hold(
            ident=ctx.ledger_id, request_id=ctx.request_id, account=ctx.principal.account, key=ctx.principal.key, key_name="",
            endpoint=ctx.endpoint.name, route=route, provider=target.provider, model=target.model, held=held,
            input_tokens=ctx.estimate.likely, input_price=0, output_price=0, price_version="v1", at=at,
        )  # fmt: skip

    def charge(self, principal: Principal, model: str, target: Target, usage: Usage) -> int | None:
        return self.price

    def charge_at(self, quote: Quote, usage: Usage) -> int | None:
        return self.price

    def cached(self, ctx: RequestContext) -> int | None:
        return 0

    def version(self, principal: Principal) -> str:
        return "test"

    def settled(self, ctx: RequestContext) -> Settled:
        return Settled(charge=self.price, cost=self.price, ending="complete", count="reported")

    def entry(self, ctx: RequestContext, settled: Settled, at: float, ended: float) -> Entry:
        return Entry(
            ident=ctx.ledger_id, request_id=ctx.request_id, upstream_id="", account=ctx.principal.account, key="", key_name="",
            endpoint=ctx.endpoint.name, route=ctx.route, provider="", model="", outcome=ctx.outcome, ending=settled.ending,
            count=settled.count, charge=settled.charge or 0, at=at, ended=ended,
        )  # fmt: skip


class FakeForecast:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, int]] = []

    def p95(self, route: str) -> int | None:
        return None

    def note(self, route: str, tokens: int) -> None:
        self.noted.append((route, tokens))


class FakeAuthenticator:
    """Knows everybody, or raises."""

    def __init__(self, principal: Principal | TollwayError) -> None:
        self.principal = principal
        self.asked: list[tuple[list[bytes], str]] = []

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        self.asked.append((list(presented), client))
        if isinstance(self.principal, TollwayError):
            raise self.principal
        return self.principal


class FakeCounter:
    """One token a byte; counts with a source of its own, or fails."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.estimated: list[tuple[bytes, int]] = []
        self.counted: list[tuple[str, str, bytes, str]] = []

    def estimate(
        self, body: bytes, output: int, *, plain: bool = False, words: frozenset[str] = frozenset()
    ) -> TokenEstimate:
        self.estimated.append((body, output))
        return TokenEstimate(len(body), 2 * len(body), output)

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str, *, dropped: int = 0) -> Usage:
        if self.error is not None:
            raise self.error
        self.counted.append((endpoint.name, model, body, output))
        return Usage(input=len(body), output=len(output), input_source="counted", output_source="counted")

    async def ready(self, model: str) -> None:
        return None

    async def breakdown(self, model: str, body: bytes) -> dict[str, int | str]:
        return {"total": 7, "messages": 4, "tools": 3, "source": "counted", "encoding": "o200k_base"}


class FakeDirectory:
    """Names in a dictionary; ``allowed`` globs are names."""

    def __init__(
        self,
        names: dict[str, tuple[str, Target]] | None = None,
        *,
        allowed: set[str] | None = None,
        passthrough: Target | None = None,
        transparent: bool = False,
        entries: Sequence[ModelEntry] = (),
        standings: dict[str, Standing] | None = None,
        successors: dict[str, str] | None = None,
    ) -> None:
        self._names = names or {}
        self._routes: dict[str, Route] = {}
        self._allowed = allowed
        self._passthrough = passthrough
        self._entries = entries
        self._standings = standings or {}
        self._successors = successors or {}
        self.transparent = transparent

    def resolve(self, model: str) -> tuple[str, Target] | None:
        return self._names.get(model)

    def route(self, model: str) -> Route | None:
        found = self._names.get(model)
        if found is None:
            return None
        label, target = found
        if model not in self._routes:
            self._routes[model] = Route(label=label, candidates=(Candidate(target=target, model=model),))
        return self._routes[model]

    def candidate(self, target: Target) -> Candidate:
        return Candidate(target=target, model=target.model)

    def provider(self, name: str) -> Target | None:
        return TARGET if name == TARGET.provider else None

    def passthrough(self) -> Target | None:
        return self._passthrough

    def allows(self, principal: Principal, model: str) -> bool:
        return self._allowed is None or model in self._allowed

    def entries(self, principal: Principal) -> Sequence[ModelEntry]:
        return self._entries

    def not_found(self, principal: Principal, model: str) -> ModelNotFound:
        return ModelNotFound(f"no {model}", param="model")

    def standing(self, target: Target) -> Standing | None:
        return self._standings.get(target.model)

    def successor(self, model: str, target: Target) -> tuple[str, str, Target] | None:
        name = self._successors.get(model)
        return (name, *self._names[name]) if name is not None else None

    def retired(self, model: str, standing: Standing) -> ModelNotFound:
        return ModelNotFound(f"{model} is gone", param="model")


class FakeExchange:
    """An answer by script: bytes are reads, numbers are seconds of silence, exceptions are raised.

    ``early_end``: the last bytes and the end of the body are known together, as for a body with content-length.
    """

    def __init__(
        self,
        *script: bytes | float | BaseException,
        status: int = 200,
        headers: RawHeaders = JSON,
        early_end: bool = True,
    ) -> None:
        self.status = status
        self.headers = headers
        self._script = list(script)
        self._early_end = early_end
        self._drained = False
        self.reads = 0
        self.released = 0
        self.aborted = 0

    @property
    def ended(self) -> bool:
        return self._drained or (self._early_end and not self._script)

    async def read(self) -> bytes:
        self.reads += 1
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, bytes):
                return step
            if isinstance(step, BaseException):
                raise step
            await asyncio.sleep(step)
        self._drained = True
        return b""

    def release(self) -> None:
        self.released += 1

    def abort(self) -> None:
        self.aborted += 1

    @property
    def closed_once(self) -> bool:
        """Ended by exactly one of ``release`` and ``abort``."""
        return self.released + self.aborted == 1


class FakeSocket:
    """A provider's WebSocket by script; ``None`` or the end of the script closes it."""

    def __init__(
        self, *script: str | bytes | float | BaseException | None, code: int = 1000, subprotocol: str | None = None
    ) -> None:
        self._script = list(script)
        self._code = code
        self.subprotocol = subprotocol
        self.close_code: int | None = None
        self.close_reason = "bye"
        self.sent: list[str | bytes] = []
        self.closed: list[tuple[int, str]] = []

    async def receive(self) -> str | bytes | None:
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            if step is not None:
                return step
            break
        self.close_code = self._code
        return None

    async def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


class FakeTransport:
    """Answers in order: exchanges, exceptions, and seconds of waiting before the next of them."""

    def __init__(self, *script: Exchange | float | BaseException, socket: UpstreamSocket | BaseException | None = None):
        self._script = list(script)
        self._socket = socket
        self.requests: list[UpstreamRequest] = []
        self.fresh: list[bool] = []
        self.bodies: list[bytes] = []
        self.offered: list[list[str]] = []
        self.closed = False

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        self.requests.append(request)
        self.fresh.append(fresh)
        body = request.body
        if body is None or isinstance(body, bytes):
            self.bodies.append(body or b"")
        else:
            self.bodies.append(b"".join([chunk async for chunk in body]))
        while True:
            step = self._script.pop(0)
            if isinstance(step, BaseException):
                raise step
            if not isinstance(step, float | int):
                return step
            await asyncio.sleep(step)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        self.requests.append(request)
        self.offered.append(list(subprotocols))
        assert self._socket is not None
        if isinstance(self._socket, BaseException):
            raise self._socket
        return self._socket

    async def close(self) -> None:
        self.closed = True


class FakeProvider:
    """Sends the client's bytes on to a fixed address."""

    def __init__(self, *, forwards: bool = False, translation: Translation | None = None) -> None:
        self.name = "local"
        self.forwards = forwards
        self.translation = translation
        self.included: list[bool] = []

    def passes(self, endpoint: Endpoint, model: str, path: str) -> bool:
        return True

    def prepare(self, ctx: RequestContext, target: Target, *, include_usage: bool, now: int) -> Prepared:
        self.included.append(include_usage)
        body, length = (ctx.upload.chunks(), ctx.upload.length) if ctx.upload is not None else (ctx.body or None, None)
        request = UpstreamRequest(
            method=ctx.method, url="http://upstream.test/v1", headers=[], body=body, length=length
        )
        return Prepared(request, self.translation)
