"""The innermost link hands the request to its target's provider and transport."""

import pytest

from middleware.streaming import StreamingApp
from proxy.context import RequestContext
from proxy.errors import InternalError
from proxy.relay.relay import RelaySettings
from tests.support.asgi import Client, scope_of
from tests.support.clock import FakeClock
from tests.support.courses import FakeCourses
from tests.support.fakes import TARGET, FakeAdmission, FakeExchange, FakeProvider, FakeTasks, FakeTransport

SETTINGS = RelaySettings(
    keepalive=15.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)


def app(transport: FakeTransport, admission: FakeAdmission | None = None) -> StreamingApp:
    return StreamingApp(
        courses=FakeCourses(),
        providers={"local": (FakeProvider(), transport), "other": (FakeProvider(), FakeTransport())},
        admission=admission or FakeAdmission(),
        settings=SETTINGS,
        tasks=FakeTasks(),
        clock=FakeClock(),
        wall=FakeClock(),
    )


async def test_the_answer_of_the_target_reaches_the_client() -> None:
    exchange = FakeExchange(b'{"a":1}')
    transport, client = FakeTransport(exchange), Client()
    ctx = RequestContext(request_id="r", target=TARGET, body=b'{"model":"small"}')
    await app(transport)(scope_of(ctx), client.receive, client.send)
    assert client.body == b'{"a":1}'
    assert transport.bodies == [b'{"model":"small"}']
    assert exchange.closed_once
    assert [(attempt.provider, attempt.status) for attempt in ctx.attempts] == [("local", 200)]


async def test_each_try_is_admitted_by_the_providers_limits() -> None:
    admission, client = FakeAdmission(), Client()
    ctx = RequestContext(request_id="r", target=TARGET, body=b'{"model":"small"}')
    await app(FakeTransport(FakeExchange(b"{}")), admission)(scope_of(ctx), client.receive, client.send)
    assert admission.attempts == [TARGET]


async def test_a_request_without_a_target_is_our_bug() -> None:
    with pytest.raises(InternalError):
        await app(FakeTransport())(scope_of(RequestContext(request_id="r")), Client().receive, Client().send)


async def test_nothing_is_kept_on_the_instance() -> None:
    streaming = app(FakeTransport(FakeExchange(b"{}"), FakeExchange(b"{}")))
    before = dict(vars(streaming))
    client = Client()
    await streaming(scope_of(RequestContext(request_id="r", target=TARGET)), client.receive, client.send)
    assert vars(streaming) == before
