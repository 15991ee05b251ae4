"""One request through a real edge and relay over several scripted targets, and what came of it."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import orjson
from msgspec import structs

from middleware.edge import EdgeMiddleware
from proxy.context import (
    AnswerFilter,
    Principal,
    Receive,
    RequestContext,
    Scope,
    Send,
    StreamMeter,
    Target,
    Upload,
    context_of,
)
from proxy.errors import TollwayError
from proxy.policy.targets import Limits
from proxy.protocols import Exchange, Provider, Step
from proxy.relay.announcing import RelaySettings
from proxy.relay.relay import Relay
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, Endpoint
from tests.support.asgi import Client, http_scope
from tests.support.clock import FakeClock
from tests.support.courses import FakeCourse, FakeLease, plan_of, step_to
from tests.support.fakes import SSE, FakeExchange, FakeProvider, FakeSettlement, FakeTasks, FakeTelemetry, FakeTransport

LIMITS = Limits(connect=1.0, first_byte=None, idle=120.0, total=1800.0)
QUIET = RelaySettings(
    keepalive=0.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)
STREAM = RequestView(model="public", stream=True)
PLAIN = RequestView(model="public")

BEATING = RelaySettings(
    keepalive=5.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)
LOUD = RelaySettings(keepalive=0.0, send_timeout=30.0, include_usage="auto", server_timing=True, gateway_headers=True)

ANSWER = b'{"choices":[{"message":{"content":"yes"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def chunk(text: str, **more: object) -> bytes:
    """One chunk of a chat stream."""
    return b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": {"content": text}, **more}]}) + b"\n\n"


END = chunk("", finish_reason="stop")
GOOD = ROLE + chunk("yes") + END + DONE


def good(*reads: bytes) -> FakeExchange:
    """A whole stream."""
    return FakeExchange(*(reads or (ROLE, chunk("yes"), END, DONE)), headers=SSE)


Script = Exchange | float | BaseException


def target(name: str, limits: Limits = LIMITS) -> Target:
    """``a``: model ``model-a`` at provider ``a``."""
    return Target(provider=name, model=f"model-{name}", limits=limits)


class LoopClock:
    """The running loop's own time, for a request on a virtual loop."""

    def __call__(self) -> float:
        return asyncio.get_running_loop().time()


class Admitting:
    """Admits every try, but those at the providers in ``refused``."""

    def __init__(self, refused: dict[str, TollwayError] | None = None) -> None:
        self.refused = refused or {}
        self.attempts: list[tuple[str, str]] = []

    async def admit(self, ctx: RequestContext) -> None:
        return None

    async def attempt(self, ctx: RequestContext, target: Target, model: str = "") -> None:
        self.attempts.append((target.provider, model))
        if target.provider in self.refused:
            raise self.refused[target.provider]


class Journey:
    """``a``, ``b``, ``c`` answer by script, tried in this order unless ``course`` says otherwise."""

    def __init__(
        self,
        a: Sequence[Script] | Script,
        b: Sequence[Script] | Script = (),
        c: Sequence[Script] | Script = (),
        *,
        course: FakeCourse | None = None,
        attempts: int | None = None,
        request: RequestView = STREAM,
        endpoint: Endpoint = CHAT,
        settings: RelaySettings = QUIET,
        providers: dict[str, Provider] | None = None,
        refused: dict[str, TollwayError] | None = None,
        principal: Principal | None = None,
        headers: dict[bytes, bytes] | None = None,
        filters: Sequence[AnswerFilter] = (),
        deadline: float = 0.0,
        limits: Limits = LIMITS,
        body: bytes = b'{"model":"public"}',
    ) -> None:
        scripts = {"a": a, "b": b, "c": c}
        self.transports = {
            name: FakeTransport(*(script if isinstance(script, tuple | list) else (script,)))
            for name, script in scripts.items()
            if script != ()
        }
        steps: list[Step | TollwayError] = [
            step_to(target(name, limits), role="first" if not index else "failover")
            for index, name in enumerate(self.transports)
        ]
        self.course = course or FakeCourse(*steps)
        self.providers = {name: (providers or {}).get(name) or FakeProvider() for name in self.transports}
        self.exchanges = {
            name: [
                step
                for step in (script if isinstance(script, tuple | list) else (script,))
                if isinstance(step, FakeExchange)
            ]
            for name, script in scripts.items()
        }
        self.client = Client()
        self.telemetry, self.tasks = FakeTelemetry(), FakeTasks()
        self.admission = Admitting(refused)
        self.clock = FakeClock()
        self.ctx: RequestContext | None = None
        self.meter: StreamMeter | None = None
        self.upload: Upload | None = None
        self.continues = False
        plan = plan_of(
            *[target(name, limits) for name in self.transports], attempts=attempts or max(len(self.course.steps), 1)
        )

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            ctx = self.ctx = context_of(scope)
            ctx.request, ctx.target, ctx.plan, ctx.route = request, plan.chosen.target, plan, "public"
            ctx.body, ctx.deadline = body, deadline
            ctx.headers.update(headers or {})
            ctx.principal = principal or ctx.principal
            ctx.answers.extend(filters)
            ctx.meter, ctx.upload = self.meter, self.upload
            plan.route = structs.replace(plan.route, continues=self.continues)
            await Relay(
                ctx,
                receive,
                send,
                course=self.course,
                providers={name: (self.providers[name], self.transports[name]) for name in self.transports},
                admission=self.admission,
                settings=settings,
                tasks=self.tasks,
                clock=LoopClock(),
                wall=self.clock,
            ).run()

        self._edge = EdgeMiddleware(
            app,
            endpoint=endpoint,
            path="/x",
            clock=LoopClock(),
            tasks=self.tasks,
            telemetry=self.telemetry,
            settlement=FakeSettlement(),
        )

    def start(self) -> Coroutine[Any, Any, None]:
        """The request, to be awaited."""
        return self._edge(http_scope(), self.client.receive, self.client.send)

    async def go(self) -> Client:
        """To its end. Whatever happened: settled once, no bug, nothing left open."""
        async with asyncio.timeout(10_000):
            await self.start()
        self.check()
        return self.client

    def check(self) -> None:
        """What holds however a request ends."""
        assert len(self.telemetry.records) == 1
        assert self.telemetry.bugs == []
        assert len(self.client.starts) <= 1
        for exchanges, transport in zip(
            self.exchanges.values(), (self.transports.get(name) for name in self.exchanges), strict=True
        ):
            if transport is not None:
                handed_out = [each for each in exchanges if each not in transport._script]
                assert all(each.closed_once for each in handed_out), "an upstream was left open, or closed twice"
        assert all(lease.closed_once for lease in self.course.leases), [lease.told for lease in self.course.leases]

    @property
    def context(self) -> RequestContext:
        assert self.ctx is not None
        return self.ctx

    @property
    def leases(self) -> list[FakeLease]:
        """In the order in which they were taken."""
        return self.course.leases

    @property
    def tried(self) -> list[str]:
        """Providers in the order of the context's attempts."""
        return [attempt.provider for attempt in self.context.attempts]

    @property
    def kinds(self) -> list[str]:
        """The faults of the context's attempts; "" for the one that answered."""
        return [attempt.fault.kind if attempt.fault is not None else "" for attempt in self.context.attempts]
