"""The whole chain in one process, without a network or limits: microseconds of CPU a request, a streamed event, a link.

``python -m tests.bench.chain [--json] [--profile]``. Targets: 60 us a plain 1 KB chat request, 1 us an extra event.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import orjson
from msgspec import structs
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

import middleware
from middleware import cache
from proxy import accounts, generation
from proxy.admission.limiter import Limiter, Shared
from proxy.app import COLLECT, METER_STEP
from proxy.cache.means import Caching
from proxy.config import Config, Secret
from proxy.config.catalogue import Catalogue, CatalogueModel, Prices
from proxy.config.traffic import Key, Model, Provider, Target
from proxy.context import Limits as TimeLimits
from proxy.context import Message, RequestContext, Scope, StreamMeter
from proxy.counting import ChainCounter
from proxy.errors import RawHeaders
from proxy.identity.authorisation import authorise
from proxy.inflight import InFlight
from proxy.limits.far import Ample, stream_meter
from proxy.limits.forecast import OutputForecast
from proxy.limits.memory import MemoryLimitStore
from proxy.limits.meter import Extend
from proxy.ownership.memory import MemoryOwners
from proxy.policy.terms import NO_LIMITS, Budget, Limits
from proxy.protocols import Entry, Exchange, Ledger, LimitStore, UpstreamRequest, UpstreamSocket
from proxy.services import Services
from proxy.settlement import Settler
from proxy.steering import Steering
from proxy.storage.records import Transaction
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import Recorder
from proxy.telemetry.spending import Spending
from proxy.tokens.counter import TokenCounter
from proxy.wire.endpoints import CHAT

KEY = "sk-tw-bench"
PRICED = CatalogueModel(max_output=4096, prices=Prices(input=0.15, output=0.6))
BODY = orjson.dumps({"model": "fast", "messages": [{"role": "user", "content": "How long is the road? " * 43}]})
STREAM_BODY = orjson.dumps({**orjson.loads(BODY), "stream": True})
USAGE = {"prompt_tokens": 300, "completion_tokens": 200, "total_tokens": 500}
REPLY = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "A mile. " * 100}, "finish_reason": "stop"}
        ],
        "usage": USAGE,
    }
)
EVENT = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":" mile"},"finish_reason":null}]}\n\n'
LAST = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: " + orjson.dumps({"choices": [], "usage": USAGE}) + b"\n\ndata: [DONE]\n\n"
)
COMMON: RawHeaders = (
    (b"date", b"Mon, 02 Nov 2026 10:00:00 GMT"),
    (b"x-request-id", b"req_upstream"),
    (b"openai-processing-ms", b"12"),
    (b"openai-version", b"2020-10-01"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
)


class MemoryExchange:
    """An answer that is already there, read by read; ``paced``: each read is waited for, one turn of the loop."""

    __slots__ = ("_at", "_paced", "_reads", "headers", "status")

    def __init__(self, reads: Sequence[bytes], headers: RawHeaders, *, paced: bool = False) -> None:
        self.status = 200
        self.headers = headers
        self._reads = reads
        self._at = 0
        self._paced = paced

    @property
    def ended(self) -> bool:
        return self._at == len(self._reads)

    async def read(self) -> bytes:
        if self._paced:
            await asyncio.sleep(0)
        data = self._reads[self._at]
        self._at += 1
        return data

    def release(self) -> None:
        return None

    def abort(self) -> None:
        return None


class MemoryTransport:
    """Answers every request with ``reads``."""

    def __init__(self) -> None:
        self.reads: Sequence[bytes] = (REPLY,)
        self.headers: RawHeaders = ()
        self.paced = False

    def plain(self) -> None:
        """A JSON answer of about 1 KB."""
        self.paced = False
        self.reads = (REPLY,)
        self.headers = (*COMMON, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(REPLY)))

    def stream(self, events: int, *, together: int = 1, paced: bool = False) -> None:
        """``events`` events, ``together`` in each read, then the end."""
        self.paced = paced
        self.reads = (*([EVENT * together] * (events // together)), LAST)
        self.headers = (*COMMON, (b"content-type", b"text/event-stream; charset=utf-8"))

    async def send(self, request: UpstreamRequest, limits: TimeLimits, *, fresh: bool = False) -> Exchange:
        if self.paced:
            await asyncio.sleep(0)
        return MemoryExchange(self.reads, self.headers, paced=self.paced)

    async def connect(
        self, request: UpstreamRequest, limits: TimeLimits, subprotocols: Sequence[str]
    ) -> UpstreamSocket:
        raise NotImplementedError

    async def close(self) -> None:
        return None


class Nowhere:
    """A database that takes everything and keeps nothing."""

    async def record(self, entries: Sequence[Entry], transactions: Sequence[Transaction]) -> list[bool]:
        return [True] * len(entries)

    async def held(self, requests: Iterable[str]) -> dict[str, int]:
        return {}

    async def included_of_month(self, account: str, month: str) -> int:
        return 0


class Bench:
    """The services of a usual configuration on a transport in memory. Make it inside a running loop."""

    def __init__(
        self,
        *,
        limits: Limits = NO_LIMITS,
        budget: Budget | None = None,
        ledger: Ledger | None = None,
        store: LimitStore | None = None,
    ) -> None:
        """``store``: one that is waited for, in place of this process's memory."""
        self.config = Config(
            keys=(Key(name="app", key=Secret(KEY), limits=limits, budget=budget),),
            catalogue=Catalogue(models={"openai/gpt-4o-mini": PRICED}),
            providers={"local": Provider(use="openai", base_url="http://127.0.0.1:1/v1", api_key=Secret("none"))},
            models={"fast": Model(targets=(Target(provider="local", model="gpt-4o-mini"),))},
        )
        clock = time.perf_counter
        self.transport = MemoryTransport()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, known_models=lambda model: model == "gpt-4o-mini")
        self._log = AccessLog("/dev/null", dropped=metrics.log_dropped.inc)
        self._tokens = TokenCounter()
        self._clock = clock
        counter = ChainCounter(self._tokens)
        recorder = Recorder(metrics=metrics, access_log=self._log, wall=time.time)
        built = accounts.providers(self.config, {"local": self.transport}, {})  # type: ignore[dict-item]
        tasks, forecast, pricing = InFlight(), OutputForecast(), generation.pricing(self.config)
        directory = generation.directory(self.config)
        gateway, models, providers = generation.shared_rules(self.config)
        shared = Shared(
            store=store or MemoryLimitStore(time.monotonic, time.time),
            ledger=ledger,
            forecast=forecast,
            room=None,
            decisions=Spending(metrics),
            wall=time.time,
            tasks=tasks,
        )
        steered = Steering(self.config, metrics, clock=clock, wall=time.time).made(self.config, directory)
        self.services = Services(
            config=self.config,
            authenticator=generation.authenticator(self.config, clock, terms=generation.terms_of(self.config)),
            authorise=authorise,
            directory=directory,
            router=steered.router,
            courses=steered.courses,
            explain=steered.explainer,
            providers=built,
            counter=counter,
            telemetry=recorder,
            settlement=Settler(
                counter=counter,
                telemetry=recorder,
                pricing=pricing,
                ledger=ledger,
                forecast=forecast,
                room=None,
                local=store is None,
                clock=clock,
                wall=time.time,
            ),
            admission=Limiter(
                shared,
                gateway=gateway,
                models=models,
                providers=providers,
                directory=directory,
                pricing=pricing,
                counter=counter,
                meter=self._meter,
            ),
            owners=MemoryOwners(enforced=lambda: True, wall=time.time),
            tasks=tasks,
            relay=generation.relay_settings(self.config),
            body_limits=generation.body_limits(self.config),
            clock=clock,
            wall=clock,
        )

    def close(self) -> None:
        """Stops the threads."""
        self._log.close()
        self._tokens.close()

    def _meter(
        self,
        ctx: RequestContext,
        *,
        reserved: int | None,
        extend: Extend,
        ample: Ample,
        checkpoint: Callable[[int], None] | None,
        spend: Callable[[int], None] | None,
    ) -> StreamMeter:
        """The meter that the application gives a stream."""
        return stream_meter(
            dialect=ctx.endpoint.dialect,
            counted=partial(self._tokens.inline_count, ctx.request.model or ""),
            reserved=reserved,
            extend=extend,
            ample=ample,
            step=METER_STEP,
            checkpoint=checkpoint,
            spend=spend,
            clock=self._clock,
        )

    def chain(self, cache: Caching | None = None) -> ASGIApp:
        """The chain as it is served."""
        services = self.services if cache is None else structs.replace(self.services, cache=cache)
        return middleware.build_chain(CHAT, "/chat/completions", services)

    def prefix(self, count: int, inner: ASGIApp) -> ASGIApp:
        """The first ``count`` links around ``inner``."""
        for link in reversed(middleware.CHAIN[:count]):
            cls, args, kwargs = link(CHAT, "/chat/completions", self.services)
            inner = cls(inner, *args, **kwargs)
        return inner


def scope_for(body: bytes) -> Scope:
    """What an OpenAI SDK's request looks like at the application."""
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "client": ("127.0.0.1", "5000"),
        "headers": [
            (b"host", b"127.0.0.1:8080"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"connection", b"keep-alive"),
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + KEY.encode()),
            (b"user-agent", b"OpenAI/Python 3.54.0"),
            (b"x-stainless-lang", b"python"),
            (b"x-stainless-package-version", b"3.54.0"),
            (b"x-stainless-os", b"Linux"),
            (b"x-stainless-arch", b"x64"),
            (b"x-stainless-runtime", b"CPython"),
            (b"x-stainless-runtime-version", b"3.11.7"),
            (b"x-stainless-async", b"async:asyncio"),
            (b"x-stainless-retry-count", b"0"),
            (b"x-stainless-read-timeout", b"600"),
        ],
    }


async def drop(message: Message) -> None:
    """A server that takes everything at once."""


async def stub(scope: Scope, receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
    """The cheapest answer."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": REPLY, "more_body": False})


async def requests(app: ASGIApp, body: bytes, count: int) -> None:
    """``count`` requests, one after the other."""
    scope = scope_for(body)
    message = {"type": "http.request", "body": body, "more_body": False}

    async def receive() -> Message:
        return message

    for _ in range(count):
        await app({**scope}, receive, drop)


async def best(app: ASGIApp, body: bytes, *, count: int, rounds: int) -> float:
    """Microseconds of this thread's CPU a request: the best of ``rounds`` rounds."""
    await requests(app, body, count // 4 + 1)
    found = float("inf")
    for _ in range(rounds):
        gc.collect()
        began = time.thread_time()
        await requests(app, body, count)
        found = min(found, (time.thread_time() - began) / count * 1e6)
    return found


async def floor(*, rounds: int) -> float:
    """Microseconds to read one event from the fake and send it to the fake, and nothing else."""
    found = float("inf")
    for _ in range(rounds):
        exchange = MemoryExchange([EVENT] * 20_000, ())
        began = time.thread_time()
        while not exchange.ended:
            data = await exchange.read()
            await drop({"type": "http.response.body", "body": data, "more_body": True})
        found = min(found, (time.thread_time() - began) / 20_000 * 1e6)
    return found


async def measure(*, count: int = 2000, rounds: int = 7) -> dict[str, float]:
    """Every figure, in microseconds."""
    bench = Bench()
    try:
        figures = {}
        bench.transport.plain()
        figures["request"] = await best(bench.chain(), BODY, count=count, rounds=rounds)
        asked = orjson.dumps({**orjson.loads(STREAM_BODY), "stream_options": {"include_usage": True}})
        for name, body, together in (
            ("event", STREAM_BODY, 1),
            ("event (8 a read)", STREAM_BODY, 8),
            ("event (usage due)", asked, 1),
        ):
            times = []
            for events in (16, 416):
                bench.transport.stream(events, together=together)
                per = max(count // 20, 1)
                times.append(await best(bench.chain(), body, count=per, rounds=rounds))
            figures[f"stream of 16, {name}"] = times[0]
            figures[name] = (times[1] - times[0]) / 400
        figures["event floor"] = await floor(rounds=rounds)
        bench.transport.plain()
        before = await best(stub, BODY, count=count, rounds=rounds)
        figures["harness"] = before
        for index, link in enumerate(middleware.CHAIN):
            if link is cache.link:
                continue  # not in the chain where nothing is cached
            cost = await best(bench.prefix(index + 1, stub), BODY, count=count, rounds=rounds)
            figures[f"link {link.__module__.rsplit('.', 1)[1]}"] = cost - before
            before = cost
        figures["link streaming"] = figures["request"] - before
        return figures
    finally:
        bench.close()


async def profile(count: int) -> None:
    """Where the time of plain requests and of streams goes."""
    bench = Bench()
    try:
        for body, events in ((BODY, 0), (STREAM_BODY, 400)):
            if events:
                bench.transport.stream(events)
            else:
                bench.transport.plain()
            app, number = bench.chain(), count if not events else max(count // 50, 1)
            await requests(app, body, number)
            profiler = cProfile.Profile()
            profiler.enable()
            await requests(app, body, number)
            profiler.disable()
            print(f"--- {number} requests, {events} events each")
            pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    finally:
        bench.close()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's loops, as in production, where it is installed."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def collect_as_served() -> None:
    """The collector as ``app.py`` sets it: what is there stays, and little is looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--profile", action="store_true", help="the functions that cost most")
    options.add_argument("--count", type=int, default=2000, help="requests a round")
    options.add_argument("--rounds", type=int, default=7, help="rounds, of which the best counts")
    chosen = options.parse_args()
    collect_as_served()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if chosen.profile:
            runner.run(profile(chosen.count))
            return
        figures = runner.run(measure(count=chosen.count, rounds=chosen.rounds))
    if chosen.json:
        # The dearest event (one a read, its text decoded), less the plainest loop over the same fakes in the same run.
        summary = {"us_per_request": figures["request"], "us_per_event": figures["event"] - figures["event floor"]}
        print(json.dumps({name: round(value, 3) for name, value in {**summary, **figures}.items()}))
        return
    for name, value in figures.items():
        print(f"{name:32s} {value:8.2f} us")


if __name__ == "__main__":
    main()
