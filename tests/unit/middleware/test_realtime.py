"""WebSockets: dialled before they are accepted, frames unchanged, close codes carried over."""

import asyncio

import orjson
import pytest

from middleware.realtime import RealtimeApp, offered_subprotocols, sendable
from proxy.context import Message, RequestContext
from proxy.errors import (
    ClientGone,
    InternalError,
    PermissionDenied,
    RateLimited,
    TollwayError,
    UpstreamAuthFailed,
    UpstreamCut,
    UpstreamRefused,
    UpstreamUnavailable,
)
from proxy.wire.endpoints import REALTIME
from tests.support.asgi import Client, scope_of
from tests.support.clock import FakeClock, turns, virtual
from tests.support.courses import FakeCourse, FakeCourses, step_to
from tests.support.fakes import TARGET, FakeAdmission, FakeProvider, FakeSocket, FakeTasks, FakeTransport
from tests.support.journeys import Admitting, target

CONNECT: Message = {"type": "websocket.connect"}


class Caller(Client):
    """Says its messages, then waits."""

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


def caller(*messages: Message) -> Caller:
    found = Caller()
    found._messages = [CONNECT, *messages]
    return found


async def relayed(
    client: Client,
    socket: FakeSocket | BaseException,
    *,
    headers: dict[bytes, bytes] | None = None,
    origins: tuple[str, ...] = (),
) -> tuple[RequestContext, FakeTransport]:
    transport = FakeTransport(socket=socket)
    ctx = RequestContext(request_id="r", endpoint=REALTIME, target=TARGET, headers=headers or {})
    app = RealtimeApp(
        providers={"local": (FakeProvider(), transport)},
        courses=FakeCourses(),
        admission=FakeAdmission(),
        origins=origins,
        tasks=FakeTasks(),
        clock=FakeClock(),
        wall=FakeClock(),
    )
    await app(scope_of(ctx), client.receive, client.send)
    return ctx, transport


async def test_frames_pass_both_ways_unchanged() -> None:
    socket = FakeSocket("text", b"\x00bytes", 0.01, code=1000)
    client = caller({"type": "websocket.receive", "text": "a"}, {"type": "websocket.receive", "bytes": b"b"})
    ctx, _ = await relayed(client, socket)
    assert socket.sent == ["a", b"b"]
    assert client.sent == [
        {"type": "websocket.accept", "subprotocol": None, "headers": []},
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": b"\x00bytes"},
        {"type": "websocket.close", "code": 1000, "reason": "bye"},
    ]
    assert (ctx.status, ctx.complete, ctx.committed) == (101, True, True)
    assert len(socket.closed) == 1


async def test_the_clients_close_reaches_the_provider() -> None:
    socket = FakeSocket(3600.0)
    client = caller({"type": "websocket.disconnect", "code": 3001, "reason": "done"})
    await relayed(client, socket)
    assert socket.closed[0] == (3001, "done")
    assert [message["type"] for message in client.sent] == ["websocket.accept"]


async def test_a_refused_dial_is_never_accepted() -> None:
    client = caller()
    with pytest.raises(UpstreamUnavailable):
        await relayed(client, UpstreamUnavailable("down"))
    assert client.sent == []


async def test_a_client_that_leaves_before_the_dial_costs_none() -> None:
    client = Caller.saying({"type": "websocket.disconnect", "code": 1005})
    transport = FakeTransport(socket=FakeSocket())
    app = RealtimeApp(
        providers={"local": (FakeProvider(), transport)},
        courses=FakeCourses(),
        admission=FakeAdmission(),
        origins=(),
        tasks=FakeTasks(),
        clock=FakeClock(),
        wall=FakeClock(),
    )
    with pytest.raises(ClientGone):
        await app(
            scope_of(RequestContext(request_id="r", endpoint=REALTIME, target=TARGET)), client.receive, client.send
        )
    assert transport.requests == []


async def test_a_broken_provider_is_told_to_the_edge_and_closed() -> None:
    socket = FakeSocket("one", UpstreamCut("cut"))
    with pytest.raises(UpstreamCut):
        await relayed(caller(), socket)
    assert len(socket.closed) == 1


@virtual
async def test_a_cancellation_closes_the_provider() -> None:
    socket = FakeSocket(3600.0)
    request = asyncio.create_task(relayed(caller(), socket))
    await turns()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert socket.closed == [(1001, "")]


async def test_usage_is_added_up() -> None:
    done = orjson.dumps({"type": "response.done", "response": {"usage": {"input_tokens": 3, "output_tokens": 4}}})
    ctx, _ = await relayed(caller(), FakeSocket(done.decode(), '{"type":"other"}', done.decode()))
    assert (ctx.usage.input, ctx.usage.output, ctx.usage.input_source) == (6, 8, "reported")


@pytest.mark.parametrize(
    ("origin", "origins", "passes"),
    [
        (None, (), True),
        (b"https://app.test", (), False),
        (b"https://app.test", ("https://app.test",), True),
        (b"https://evil.test", ("https://app.test",), False),
        (b"https://evil.test", ("*",), True),
        (b"null", ("https://app.test",), False),
    ],
)
async def test_pages_of_other_sites_may_not_connect(
    origin: bytes | None, origins: tuple[str, ...], passes: bool
) -> None:
    headers = {b"origin": origin} if origin is not None else {}
    if passes:
        await relayed(caller(), FakeSocket(), headers=headers, origins=origins)
    else:
        with pytest.raises(PermissionDenied):
            await relayed(caller(), FakeSocket(), headers=headers, origins=origins)


@pytest.mark.parametrize(
    ("header", "offers"),
    [
        (b"", []),
        (b"realtime", ["realtime"]),
        (b"realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1", ["realtime", "openai-beta.realtime-v1"]),
        (b"openai-organization.org, openai-project.p", []),
        (b"a b, c\x01d, \xff, ok", ["ok"]),
        (b"x" * 129, []),
    ],
)
def test_offers_without_credentials_and_nonsense(header: bytes, offers: list[str]) -> None:
    assert offered_subprotocols(header) == offers


@pytest.mark.parametrize(("chosen", "accepted"), [("realtime", "realtime"), ("made-up", None), (None, None)])
async def test_only_an_offered_subprotocol_is_accepted(chosen: str | None, accepted: str | None) -> None:
    client = caller()
    headers = {b"sec-websocket-protocol": b"realtime"}
    _, transport = await relayed(client, FakeSocket(subprotocol=chosen), headers=headers)
    assert client.sent[0]["subprotocol"] == accepted
    assert transport.offered == [["realtime"]]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1000, 1000), (1001, 1001), (1005, 1000), (1006, 1000), (1015, 1000), (1011, 1011), (3000, 3000), (0, 1000), (5000, 1000)],
)  # fmt: skip
def test_only_codes_that_may_be_sent_are(code: int, expected: int) -> None:
    assert sendable(code) == expected


async def test_a_request_without_a_target_is_our_bug() -> None:
    app = RealtimeApp(
        courses=FakeCourses(),
        providers={},
        admission=FakeAdmission(),
        origins=(),
        tasks=FakeTasks(),
        clock=FakeClock(),
        wall=FakeClock(),
    )
    with pytest.raises(InternalError):
        await app(scope_of(RequestContext(request_id="r", endpoint=REALTIME)), caller().receive, caller().send)


# ---- several targets ------------------------------------------------------------------------------------------------


class Switchboard:
    """``a`` and ``b``, in this order; ``dialled`` says who was."""

    def __init__(
        self,
        a: FakeSocket | BaseException,
        b: FakeSocket | BaseException,
        refused: dict[str, TollwayError] | None = None,
    ) -> None:
        self.transports = {"a": FakeTransport(socket=a), "b": FakeTransport(socket=b)}
        self.course = FakeCourse(*[step_to(target(name), role="failover" if name == "b" else "first") for name in "ab"])
        self.client = caller()
        self.ctx = RequestContext(request_id="r", endpoint=REALTIME, target=target("a"))
        self.app = RealtimeApp(
            courses=FakeCourses(self.course),
            providers={name: (FakeProvider(), transport) for name, transport in self.transports.items()},
            admission=Admitting(refused),
            origins=(),
            tasks=FakeTasks(),
            clock=FakeClock(),
            wall=FakeClock(),
        )

    async def go(self) -> None:
        try:
            await self.app(scope_of(self.ctx), self.client.receive, self.client.send)
        finally:
            assert all(lease.closed_once for lease in self.course.leases)

    @property
    def dialled(self) -> list[str]:
        return [name for name, transport in self.transports.items() if transport.requests]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamUnavailable("down"), "connect"),
        (UpstreamRefused("no", status=503), "overloaded"),
        (UpstreamAuthFailed("no", detail="status 401"), "credentials"),
    ],
)
async def test_a_failed_dial_goes_to_the_next_target(error: TollwayError, kind: str) -> None:
    run = Switchboard(error, FakeSocket("hello"))
    await run.go()
    assert [message["type"] for message in run.client.sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    attempts = run.ctx.attempts
    assert [attempt.provider for attempt in attempts] == ["a", "b"]
    assert [attempt.fault.kind if attempt.fault else "" for attempt in attempts] == [kind, ""]
    assert run.course.leases[0].told == [f"failed {kind}", "closed"]
    assert run.course.leases[1].told == ["answered 101", "output", "closed"]
    assert run.ctx.target == target("b")


async def test_when_no_target_takes_it_the_last_refusal_is_told() -> None:
    run = Switchboard(UpstreamUnavailable("down"), UpstreamRefused("no", status=429))
    with pytest.raises(UpstreamRefused):
        await run.go()
    assert run.client.sent == []
    assert run.dialled == ["a", "b"]


async def test_a_limit_of_ours_on_one_provider_leads_to_the_next() -> None:
    run = Switchboard(FakeSocket(), FakeSocket("hello"), {"a": RateLimited("full")})
    await run.go()
    assert run.dialled == ["b"]
    assert len(run.ctx.attempts) == 1


async def test_an_earlier_refusal_is_told_before_a_limit_of_ours() -> None:
    run = Switchboard(UpstreamUnavailable("a is down"), FakeSocket(), {"b": RateLimited("full")})
    with pytest.raises(UpstreamUnavailable):
        await run.go()


async def test_an_accepted_socket_stays_where_it_is() -> None:
    run = Switchboard(FakeSocket("one", UpstreamCut("cut")), FakeSocket("two"))
    with pytest.raises(UpstreamCut):
        await run.go()
    assert run.dialled == ["a"]
    assert run.course.leases[0].told == ["answered 101", "output", "failed cut", "closed"]
