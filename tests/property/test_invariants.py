"""What holds whatever happens: bounds on guessing, one settlement a request, a configuration that nobody changes."""

import asyncio

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from middleware.edge import EdgeMiddleware
from proxy.config import Config
from proxy.context import Receive, Scope, Send, context_of
from proxy.errors import ClientGone, GatewayDraining, InvalidRequest, RateLimited, UpstreamCut
from proxy.identity.failures import FailureLimiter
from proxy.wire.endpoints import CHAT
from tests.bench.chain import BODY, Bench, requests
from tests.support.asgi import Client, http_scope
from tests.support.clock import FakeClock, turns
from tests.support.fakes import FakeSettlement, FakeTasks, FakeTelemetry

steps = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 1.0, 20.0, 61.0])), max_size=60)


@given(steps=steps, per_address=st.integers(1, 5), total=st.integers(1, 12))
def test_no_minute_lets_more_guesses_pass_than_its_bounds(
    steps: list[tuple[str, float]], per_address: int, total: int
) -> None:
    clock = FakeClock(0.0)
    limiter = FailureLimiter(per_address=per_address, total=total, clock=clock)
    passed: dict[int, list[str]] = {}
    for address, pause in steps:
        clock.advance(pause)
        try:
            limiter.failed(address)
        except RateLimited as error:
            wait = int(dict(error.headers)[b"retry-after"])
            assert 1 <= wait <= 60
        else:
            passed.setdefault(int(clock.now // 60), []).append(address)
    for addresses in passed.values():
        assert len(addresses) <= total
        assert all(addresses.count(address) <= per_address for address in addresses)


ERRORS = st.sampled_from(
    [None, InvalidRequest("a"), UpstreamCut("b"), ValueError("c"), GatewayDraining(), RateLimited("d")]
)


@settings(deadline=None, max_examples=150)
@given(
    before=ERRORS,
    after=ERRORS,
    event=st.booleans(),
    insertable=st.booleans(),
    interruption=st.sampled_from([None, "drain", "gone", "foreign"]),
    pause=st.integers(0, 3),
)
async def test_every_ending_is_settled_once_and_valid(
    before: Exception | None,
    after: Exception | None,
    event: bool,
    insertable: bool,
    interruption: str | None,
    pause: int,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await turns(1)
        if before is not None:
            raise before
        context_of(scope).insertion = b"" if insertable and event else None
        kind = b"text/event-stream" if event else b"text/plain"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await turns(1)
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await turns(1)
        if after is not None:
            raise after
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    telemetry, tasks, client = FakeTelemetry(), FakeTasks(), Client()
    edge = EdgeMiddleware(
        app,
        endpoint=CHAT,
        path="/x",
        clock=FakeClock(),
        tasks=tasks,
        telemetry=telemetry,
        settlement=FakeSettlement(),
    )
    request = asyncio.create_task(edge(http_scope(), client.receive, client.send))
    await turns(pause + 1)
    if interruption is not None and tasks.inside:
        ctx = tasks.inside[0]
        if interruption == "foreign":
            request.cancel()
        elif interruption == "gone":
            ctx.client_gone = True
            ctx.interrupt(ClientGone("The client left."))
        else:
            ctx.interrupt(GatewayDraining())
    await asyncio.gather(request, return_exceptions=True)
    assert request.cancelled() or request.exception() is None
    assert request.cancelled() <= (interruption == "foreign")
    assert len(telemetry.records) == 1
    assert tasks.inside == []
    assert len(client.starts) <= 1
    finals = [message for message in client.sent if message.get("more_body") is False]
    assert len(finals) <= 1
    assert not finals or client.sent[-1] is finals[0]


async def test_requests_leave_the_configuration_as_it_was() -> None:
    bench = Bench()
    bench.transport.plain()
    before = msgspec.structs.asdict(bench.config)
    await requests(bench.chain(), BODY, 20)
    assert msgspec.structs.asdict(bench.config) == before
    assert isinstance(bench.config, Config)
    bench.close()
