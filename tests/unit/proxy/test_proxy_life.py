"""Context, errors, registry of requests, settlement and lifespan."""

import asyncio
import logging
from math import inf

import orjson
import pytest

from proxy import settlement as settlement_module
from proxy.context import Attempt, Message, RequestContext, Target, context_of
from proxy.errors import (
    GatewayDraining,
    InternalError,
    InvalidRequest,
    UpstreamTimeout,
    answer_headers,
    envelope,
    retry_after,
    sse_event,
)
from proxy.inflight import InFlight
from proxy.lifespan import Lifespan
from proxy.settlement import Settler
from proxy.wire.endpoints import CHAT, EMBEDDINGS, IMAGES, Endpoint
from proxy.wire.usage import Usage
from tests.support.asgi import Client, scope_of
from tests.support.clock import FakeClock, turns, virtual
from tests.support.fakes import TARGET, FakeCounter, FakeForecast, FakePricing, FakeTelemetry

# ---- context and errors ---------------------------------------------------------------------------------------------


def test_the_context_is_found_in_the_scope() -> None:
    ctx = RequestContext(request_id="r")
    assert context_of(scope_of(ctx)) is ctx


def test_contexts_share_nothing() -> None:
    one, other = RequestContext(request_id="1"), RequestContext(request_id="2")
    for name in ("attempts", "response_headers", "timings", "tags", "observers", "settlers", "output_text", "headers"):
        assert getattr(one, name) is not getattr(other, name)


async def test_the_first_interruption_holds() -> None:
    ctx = RequestContext(request_id="r", task=asyncio.ensure_future(asyncio.Event().wait()))
    first = UpstreamTimeout("first")
    ctx.interrupt(first)
    ctx.interrupt(GatewayDraining())
    assert ctx.interruption is first
    assert ctx.task is not None
    with pytest.raises(asyncio.CancelledError):
        await ctx.task
    assert ctx.task.cancelling() == 1


@pytest.mark.parametrize("ctx", [RequestContext(request_id="r"), RequestContext(request_id="r", complete=True)])
def test_what_cannot_be_interrupted(ctx: RequestContext) -> None:
    ctx.interrupt(InternalError())
    assert ctx.interruption is None


def test_the_envelope_has_openais_four_keys() -> None:
    error = InvalidRequest('quote " and \u2028', param="n", code="c")
    found = orjson.loads(envelope(error, "req_1"))
    assert found == {"error": {"message": 'quote " and \u2028 (request id: req_1)', "type": "invalid_request_error", "param": "n", "code": "c"}}  # fmt: skip
    event = sse_event(error, "req_1")
    assert event == b"data: " + envelope(error, "req_1") + b"\n\n"
    assert event.count(b"\n") == 2


@pytest.mark.parametrize(("error", "value"), [(InvalidRequest("x"), b"false"), (InternalError(), None)])
def test_should_retry(error: InvalidRequest, value: bytes | None) -> None:
    assert dict(answer_headers(error, "r")).get(b"x-should-retry") == value


@pytest.mark.parametrize(
    ("seconds", "whole", "milliseconds"), [(0, b"1", b"1"), (0.0001, b"1", b"1"), (1.0, b"1", b"1000"), (1.001, b"2", b"1001"), (59.5, b"60", b"59500")]
)  # fmt: skip
def test_retry_after(seconds: float, whole: bytes, milliseconds: bytes) -> None:
    assert dict(retry_after(seconds)) == {b"retry-after": whole, b"retry-after-ms": milliseconds}


# ---- requests under way ---------------------------------------------------------------------------------------------


def test_requests_enter_and_leave() -> None:
    found = InFlight()
    early, late = RequestContext(request_id="r", started=5.0), RequestContext(request_id="s", started=7.0)
    assert (len(found), found.oldest()) == (0, inf)
    found.enter(late)
    found.enter(early)
    assert (len(found), found.oldest()) == (2, 5.0)
    found.leave(early)
    assert (len(found), found.oldest()) == (1, 7.0)
    found.leave(early)
    found.leave(late)
    assert (len(found), found.oldest()) == (0, inf)


async def test_the_drain_interrupts_everything_open() -> None:
    found = InFlight()
    contexts = [RequestContext(request_id=str(n), task=asyncio.ensure_future(asyncio.Event().wait())) for n in range(3)]
    for ctx in contexts:
        found.enter(ctx)
    assert found.end_all() == 3
    for ctx in contexts:
        assert isinstance(ctx.interruption, GatewayDraining)
    await asyncio.gather(*(ctx.task for ctx in contexts if ctx.task), return_exceptions=True)


@virtual
async def test_settle_waits_for_requests_and_tasks() -> None:
    found, ctx = InFlight(), RequestContext(request_id="r")
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(2)
        done.append("work")

    found.enter(ctx)
    found.spawn(work())
    asyncio.get_running_loop().call_later(3, found.leave, ctx)
    assert await found.settle(5.0)
    assert done == ["work"]


@virtual
async def test_settle_gives_up_in_time() -> None:
    found = InFlight()
    found.enter(RequestContext(request_id="r"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert not await found.settle(5.0)
    assert loop.time() - began == pytest.approx(5, abs=0.1)


async def test_a_task_that_fails_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ValueError("sk-secret")

    found = InFlight()
    found.spawn(broken())
    assert await found.settle(1.0)
    assert "ValueError" in caplog.text
    assert "sk-secret" not in caplog.text


# ---- settlement -----------------------------------------------------------------------------------------------------


def ended(
    endpoint: Endpoint = CHAT, *, status: int = 200, body: bytes = b"{}", usage: Usage | None = None
) -> RequestContext:
    ctx = RequestContext(request_id="r", endpoint=endpoint, body=body, target=TARGET)
    if status:
        ctx.attempts.append(Attempt(provider="local", model="small", started=0.0, status=status))
    if usage is not None:
        ctx.usage = usage
    return ctx


def settler_of(counter: FakeCounter, telemetry: FakeTelemetry) -> Settler:
    return Settler(
        counter=counter,
        telemetry=telemetry,
        pricing=FakePricing(),
        ledger=None,
        forecast=FakeForecast(),
        room=None,
        local=False,
        clock=FakeClock(),
        wall=FakeClock(),
    )


@pytest.mark.parametrize(
    ("ctx", "expected"),
    [
        (ended(), True),
        (ended(usage=Usage(input=1, input_source="reported")), False),
        (ended(status=0), False),
        (ended(status=400), False),
        (ended(status=500), False),
        (ended(body=b""), False),
        (ended(EMBEDDINGS), True),
        (ended(IMAGES), False),
    ],
)
def test_what_needs_a_count(ctx: RequestContext, expected: bool) -> None:
    assert settler_of(FakeCounter(), FakeTelemetry()).needs_count(ctx) is expected


async def test_a_target_that_was_never_asked_is_not_named_in_the_end() -> None:
    """The client left while limits of the second target were looked at."""
    ctx = ended(status=500)
    ctx.target = Target(provider="second", model="large", limits=TARGET.limits)
    await settler_of(FakeCounter(), FakeTelemetry()).settle(ctx, 5.0)
    assert ctx.target == TARGET
    ctx = ended(status=0)
    await settler_of(FakeCounter(), FakeTelemetry()).settle(ctx, 5.0)
    assert ctx.target is TARGET


async def test_settlers_run_in_reverse_and_the_record_comes_last() -> None:
    telemetry, order = FakeTelemetry(), list[str]()
    ctx = ended()
    ctx.output_text = ["he", "llo"]

    def settler(name: str, *, fails: bool = False) -> object:
        async def settle(ctx: RequestContext) -> None:
            order.append(name)
            assert telemetry.records == []
            if fails:
                raise ValueError(name)

        return settle

    ctx.settlers = [settler("a"), settler("b", fails=True), settler("c")]  # type: ignore[list-item]
    counter = FakeCounter()
    await settler_of(counter, telemetry).settle(ctx, 5.0)
    assert order == ["c", "b", "a"]
    assert len(telemetry.failures) == 1
    assert telemetry.records == [(ctx, 5.0)]
    assert counter.counted == [("chat", "small", b"{}", "hello")]
    assert ctx.usage.output == 5


@virtual
async def test_a_settler_that_hangs_is_given_up() -> None:
    async def hangs(ctx: RequestContext) -> None:
        await asyncio.Event().wait()

    telemetry, ctx = FakeTelemetry(), ended()
    ctx.settlers = [hangs]
    began = asyncio.get_running_loop().time()
    await settler_of(FakeCounter(), telemetry).settle(ctx, 5.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(settlement_module.LIMIT)
    assert (len(telemetry.failures), len(telemetry.records)) == (1, 1)


async def test_a_counter_that_breaks_costs_no_record_and_no_settler() -> None:
    telemetry, ctx, ran = FakeTelemetry(), ended(), list[int]()

    async def settler(ctx: RequestContext) -> None:
        ran.append(1)

    ctx.settlers = [settler]
    broken = FakeCounter(error=RuntimeError("no vocabulary"))
    await asyncio.gather(settler_of(broken, telemetry).settle(ctx, 5.0), return_exceptions=True)
    assert ran == [1]
    assert telemetry.records == [(ctx, 5.0)]


# ---- lifespan -------------------------------------------------------------------------------------------------------


async def lived(
    start: BaseException | None = None, stop: BaseException | None = None
) -> tuple[list[Message], list[str]]:
    calls: list[str] = []

    async def starts() -> None:
        calls.append("start")
        if start is not None:
            raise start

    async def stops() -> None:
        calls.append("stop")
        if stop is not None:
            raise stop

    client = Client.saying({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    try:
        await Lifespan(start=starts, stop=stops)(client.receive, client.send)
    except RuntimeError:
        calls.append("raised")
    return client.sent, calls


async def test_start_and_stop() -> None:
    sent, calls = await lived()
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert calls == ["start", "stop"]


@pytest.mark.parametrize(("error", "reason"), [(ValueError("sk-secret"), "ValueError"), (OSError(98, "Address already in use"), "Address already in use")])  # fmt: skip
async def test_a_start_that_fails_says_so_without_secrets(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, calls = await lived(start=error)
    assert sent == [{"type": "lifespan.startup.failed", "message": f"tollway: start failed: {reason}"}]
    assert calls == ["start"]
    assert "sk-secret" not in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_stop_that_fails_is_complete_nevertheless() -> None:
    sent, calls = await lived(stop=RuntimeError("x"))
    assert sent[-1]["type"] == "lifespan.shutdown.complete"
    assert calls == ["start", "stop", "raised"]
    await turns(1)
