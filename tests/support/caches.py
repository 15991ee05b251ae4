"""The cache link between a real edge and a real relay: requests that are driven by hand, and an upstream that says what a test lets it say."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import orjson

from middleware.cache import CacheMiddleware
from middleware.edge import EdgeMiddleware
from proxy.cache.asking import CacheRules
from proxy.cache.gathering import LARGEST, Vectors
from proxy.cache.keeping import Answers
from proxy.cache.keys import Keys
from proxy.cache.means import Caching
from proxy.context import Limits, Principal, Receive, RequestContext, Scope, Send, StreamMeter, Target, context_of
from proxy.errors import RawHeaders
from proxy.policy.caching import Cache, ExactCache, SemanticCache
from proxy.policy.targets import Candidate, Plan, Route
from proxy.protocols import CacheEntry, CacheStore, Course, Exchange, Purge, Question, UpstreamRequest, Verdict
from proxy.relay.relay import Relay, RelaySettings
from proxy.wire.chat import RequestView
from proxy.wire.document import Decoded, document_in
from proxy.wire.endpoints import CHAT, EMBEDDINGS, Endpoint
from proxy.wire.usage import Usage
from tests.support.asgi import HOST, Client, http_scope
from tests.support.clock import FakeClock, turns
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import JSON, SSE, TARGET, FakeAdmission, FakeProvider, FakeSettlement, FakeTasks, FakeTelemetry

QUIET = RelaySettings(keepalive=15.0, send_timeout=30.0, include_usage="auto", server_timing=True, gateway_headers=True)
ALICE = Principal(name="alice", tenant="a", account="a", key="k1")

DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"small","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'


def chunk(text: str, finish: str | None = None) -> bytes:
    """One event of a chat stream."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return (
        b"data: "
        + orjson.dumps(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": [choice]}
        )
        + b"\n\n"
    )


STREAM = (chunk("Hel"), chunk("lo"), chunk("", "stop") + USAGE + DONE)
"""Reads of a whole stream whose usage was asked for."""


def answer(text: str = "Hello", finish: str = "stop") -> bytes:
    """A chat answer."""
    return orjson.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "small",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )


class FakeCacheStore:
    """A dictionary. ``broken``: every call raises it."""

    def __init__(self, *, broken: Exception | None = None) -> None:
        self.entries: dict[bytes, CacheEntry] = {}
        self.gets = 0
        self._broken = broken

    async def get(self, key: bytes) -> CacheEntry | None:
        self.gets += 1
        if self._broken is not None:
            raise self._broken
        return self.entries.get(key)

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[CacheEntry | None]:
        return [await self.get(key) for key in keys]

    async def put(self, key: bytes, entry: CacheEntry) -> None:
        if self._broken is not None:
            raise self._broken
        self.entries[key] = entry

    async def purge(self, what: Purge) -> int | None:
        return None

    def figures(self) -> tuple[int, int]:
        return len(self.entries), 0

    async def close(self) -> None:
        return None


class FakeCacheRecords:
    """Notes everything as ``kind result``."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def looked_up(self, kind: Literal["exact", "semantic", "input"], result: str) -> None:
        self.told.append(f"{kind} {result}")

    def bypassed(self, reason: str) -> None:
        self.told.append(f"bypassed {reason}")

    def kept(self, result: str) -> None:
        self.told.append(f"kept {result}")

    def guarded(self, guard: str) -> None:
        self.told.append(f"guarded {guard}")

    def embedded(self, result: str, seconds: float) -> None:
        self.told.append(f"embedded {result}")

    def observed(self, route: str, result: Literal["same", "different"]) -> None:
        self.told.append(f"observed {result}")

    def failed(self, kind: str) -> None:
        self.told.append(f"failed {kind}")

    def evicted(self, count: int) -> None:
        self.told.append(f"evicted {count}")


class FakeSimilar:
    """Gives one verdict, and notes what it is told."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[Question] = []
        self.remembered: list[tuple[str, bytes]] = []
        self.learnt: list[tuple[str, str, str]] = []
        self.forgotten: list[bytes] = []

    async def find(self, question: Question) -> Verdict:
        self.asked.append(question)
        await asyncio.sleep(0)
        return self.verdict

    def remember(self, question: Question, key: bytes, expires: float) -> None:
        self.remembered.append((question.text, key))

    def learn(self, question: Question, verdict: Verdict, cached: str, fresh: str) -> None:
        self.learnt.append((verdict.kind, cached, fresh))

    def forget(self, question: Question, key: bytes) -> None:
        self.forgotten.append(key)

    async def purge(self, what: Purge) -> None:
        return None


class LiveExchange:
    """An answer whose bytes come when the test says so."""

    def __init__(self, *reads: bytes, status: int = 200, headers: RawHeaders = SSE, over: bool = False) -> None:
        self.status = status
        self.headers = headers
        self.aborted = self.released = 0
        self._reads: asyncio.Queue[bytes | BaseException] = asyncio.Queue()
        self._over = False
        for read in reads:
            self._reads.put_nowait(read)
        if over:
            self.end()

    @classmethod
    def whole(cls, body: bytes, *, status: int = 200, headers: RawHeaders = JSON) -> "LiveExchange":
        """All of it is there already."""
        return cls(body, status=status, headers=headers, over=True)

    @property
    def ended(self) -> bool:
        return self._over

    def feed(self, *reads: bytes | BaseException) -> None:
        """More of it; an exception is raised by the read."""
        for read in reads:
            self._reads.put_nowait(read)

    def end(self) -> None:
        """Nothing follows."""
        self._reads.put_nowait(b"")

    async def read(self) -> bytes:
        found = await self._reads.get()
        if isinstance(found, BaseException):
            raise found
        self._over = not found
        return found

    def release(self) -> None:
        self.released += 1

    def abort(self) -> None:
        self.aborted += 1


class Upstream:
    """Gives its exchanges one after the other, or raises; a request waits until there is one."""

    def __init__(self, *script: Exchange | BaseException) -> None:
        self._script: asyncio.Queue[Exchange | BaseException] = asyncio.Queue()
        self.requests: list[UpstreamRequest] = []
        self.arrivals: asyncio.Queue[UpstreamRequest] = asyncio.Queue()
        """The same, for somebody who waits for them."""
        for step in script:
            self._script.put_nowait(step)

    def give(self, step: Exchange | BaseException) -> None:
        """One more."""
        self._script.put_nowait(step)

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        self.requests.append(request)
        self.arrivals.put_nowait(request)
        found = await self._script.get()
        if isinstance(found, BaseException):
            raise found
        return found

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        return None


class Asked:
    """One request under way, or over."""

    def __init__(self, lane: "Lane", client: Client, ctx: RequestContext | None = None) -> None:
        self._lane = lane
        self.client = client
        self.ctx: RequestContext
        self.task: asyncio.Task[None]

    async def done(self) -> "Asked":
        """Waits for its end."""
        await self.task
        return self

    @property
    def said(self) -> str:
        """``status`` or ``status reason`` of the cache."""
        headers = self.client.headers
        return b" ".join(
            [headers[name] for name in (b"x-tollway-cache", b"x-tollway-cache-reason") if name in headers]
        ).decode()


class Lane:
    """A gateway of three links: edge, cache, relay."""

    def __init__(
        self,
        *script: Exchange | BaseException,
        settings: Cache | None = None,
        similar: FakeSimilar | None = None,
        store: CacheStore | None = None,
        relay: RelaySettings = QUIET,
        remote: bool = False,
        courses: Any = None,
    ) -> None:
        self.upstream = Upstream(*script)
        self.provider = FakeProvider()
        self.records = FakeCacheRecords()
        self.store = store or FakeCacheStore()
        self.tasks = FakeTasks()
        self.telemetry = FakeTelemetry()
        self.clock = FakeClock()
        self.wall = FakeClock(1_700_000_000.0)
        self.relay = relay
        settings = settings or Cache(exact=ExactCache(), semantic=SemanticCache(enabled=similar is not None))
        self.caching = Caching(
            settings=settings,
            rules=CacheRules(settings=settings),
            keys=Keys(settings=settings, secret=lambda: b"s" * 32),
            store=self.store,
            records=self.records,
            flights={},
            wall=self.wall,
            similar=similar,
            remote=remote,
        )
        self.route = Route(label="small", candidates=(Candidate(target=TARGET, model="small"),))
        self._courses = courses or (lambda ctx: FakeCourse(step_to(ctx.target)))

    def app(self, endpoint: Endpoint) -> CacheMiddleware:
        """The link, in front of a relay."""

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            ctx = context_of(scope)
            course: Course = self._courses(ctx)
            await Relay(
                ctx,
                receive,
                send,
                course=course,
                providers={"local": (self.provider, self.upstream), "other": (self.provider, self.upstream)},
                admission=FakeAdmission(),
                settings=self.relay,
                tasks=self.tasks,
                clock=self.clock,
                wall=self.wall,
            ).run()

        caching, vectors = self.caching, endpoint is EMBEDDINGS
        return CacheMiddleware(
            inner,
            caching=caching,
            kind=Vectors(caching) if vectors else Answers(caching),
            limit=LARGEST if vectors else caching.exact.max_entry,
            relay=self.relay,
            tasks=self.tasks,
            clock=self.clock,
        )

    def ask(
        self,
        text: str = "Hi",
        *,
        stream: bool = False,
        include_usage: bool = False,
        headers: Sequence[tuple[bytes, bytes]] = (),
        endpoint: Endpoint = CHAT,
        principal: Principal = ALICE,
        client: Client | None = None,
        deadline: float = 0.0,
        meter: StreamMeter | None = None,
        target: Target = TARGET,
        uncapped: bytes = b"",
        costing: Callable[[Usage], int | None] | None = None,
        **fields: object,
    ) -> Asked:
        """Sends a chat request of one turn; ``fields`` of the body."""
        body: dict[str, object] = {"model": "small", "messages": [{"role": "user", "content": text}]}
        if endpoint is EMBEDDINGS:
            del body["messages"]
        body |= fields
        if stream:
            body["stream"] = True
            if include_usage:
                body["stream_options"] = {"include_usage": True}
        asked = Asked(self, client or Client())
        cache = self.app(endpoint)

        async def set_up(scope: Scope, receive: Receive, send: Send) -> None:
            ctx = asked.ctx
            ctx.body = orjson.dumps(body)
            ctx.request = view_of(ctx.body)
            document = document_in(ctx.body)
            ctx.decoded = Decoded(ctx.body, document) if document is not None else None
            ctx.principal, ctx.deadline, ctx.meter, ctx.uncapped = principal, deadline, meter, uncapped
            ctx.costing = costing
            ctx.plan = Plan(route=self.route, candidates=self.route.candidates, chosen=self.route.candidates[0])
            ctx.route, ctx.target = self.route.label, target
            await cache(scope, receive, send)

        edge = EdgeMiddleware(
            set_up,
            endpoint=endpoint,
            path="/x",
            clock=self.clock,
            tasks=self.tasks,
            telemetry=self.telemetry,
            settlement=FakeSettlement(self.telemetry),
        )
        opened = edge._open

        def note(scope: Scope) -> RequestContext:
            asked.ctx = opened(scope)
            return asked.ctx

        edge._open = note  # type: ignore[method-assign]
        scope = http_scope(headers=(HOST, *headers))
        asked.task = asyncio.get_running_loop().create_task(edge(scope, asked.client.receive, asked.client.send))
        return asked

    async def answered(self, text: str = "Hi", **how: Any) -> Asked:
        """The same, to its end."""
        return await self.ask(text, **how).done()

    @property
    def sent(self) -> int:
        """Requests that reached the provider."""
        return len(self.upstream.requests)

    async def settle(self) -> None:
        """Every task that can run has run."""
        await turns(30)


def view_of(body: bytes) -> RequestView:
    """What the parse link makes of a body."""
    return msgspec.json.decode(body, type=RequestView)
