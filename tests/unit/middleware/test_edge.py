"""The edge: every ending gets one name, one answer and one settlement."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import orjson
import pytest

from middleware import edge as edge_module
from middleware.edge import EdgeMiddleware, body_may_follow, check_request, outcome_of, surface_path
from proxy.context import Outcome, Receive, RequestContext, Scope, Send, context_of
from proxy.errors import (
    AuthenticationFailed,
    ClientGone,
    DeadlineExceeded,
    GatewayDraining,
    IncompleteBody,
    InternalError,
    InvalidRequest,
    NoHealthyTarget,
    NotFound,
    RateLimited,
    RequestTimeout,
    SpoolFailed,
    TollwayError,
    UpstreamCut,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from proxy.wire.endpoints import CHAT, PASSTHROUGH, REALTIME, Endpoint
from tests.support.asgi import HOST, Client, http_scope, ok_app, socket_scope
from tests.support.clock import FakeClock, turns
from tests.support.fakes import FakeSettlement, FakeTasks, FakeTelemetry

App = Callable[[Scope, Receive, Send], Awaitable[None]]
SECRET = "sk-live-never-show-this"


class Bench:
    """An edge around ``app`` and everything it reports to."""

    def __init__(
        self, app: App, *, endpoint: Endpoint = CHAT, path: str | None = "/chat/completions", counts: bool = False
    ) -> None:
        self.tasks = FakeTasks()
        self.telemetry = FakeTelemetry()
        self.settlement = FakeSettlement(counts=counts)
        self.clock = FakeClock()
        self.client = Client()
        self.ctx: RequestContext | None = None

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            self.ctx = context_of(scope)
            await app(scope, receive, send)

        self.edge = EdgeMiddleware(
            noting,
            endpoint=endpoint,
            path=path,
            clock=self.clock,
            tasks=self.tasks,
            telemetry=self.telemetry,
            settlement=self.settlement,
        )

    async def run(self, scope: Scope | None = None) -> Client:
        await self.edge(scope if scope is not None else http_scope(), self.client.receive, self.client.send)
        await self.tasks.finish()
        return self.client

    @property
    def outcome(self) -> Outcome:
        (ctx,) = self.settled
        return ctx.outcome

    @property
    def settled(self) -> list[RequestContext]:
        return [ctx for ctx, _ in self.telemetry.records] + self.settlement.settled


def raising(error: BaseException) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def after_event(error: BaseException, *, insertion: bytes | None = b"") -> App:
    """One SSE event leaves, then ``error``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).insertion = insertion
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        raise error

    return app


async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def test_a_good_answer_passes_and_is_settled_once() -> None:
    bench = Bench(ok_app)
    client = await bench.run()
    assert (client.status, client.body, client.ended) == (200, b"ok", True)
    assert client.headers[b"content-length"] == b"2"
    assert bench.outcome == "ok"
    assert bench.tasks.entered == 1
    assert bench.tasks.inside == []
    assert bench.tasks.spawned == [], "nothing to wait for: no task"


async def test_the_context_is_opened_from_the_scope() -> None:
    bench = Bench(ok_app)
    scope = http_scope(headers=[HOST, (b"x-request-id", b"abc-1.2_3"), (b"x-a", b"b")], query=b"a=1")
    await bench.run(scope)
    ctx = bench.ctx
    assert ctx is not None
    assert (ctx.request_id, ctx.path, ctx.query, ctx.client) == ("abc-1.2_3", "/chat/completions", b"a=1", "192.0.2.7")
    assert ctx.raw_headers == scope["headers"]
    assert ctx.headers[b"x-a"] == b"b"
    assert ctx.started == bench.clock.now
    assert ctx.task is asyncio.current_task()


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"\xff", b'a"b', b"a\x7f"])
async def test_a_request_id_that_is_not_sane_is_replaced(given: bytes) -> None:
    bench = Bench(ok_app)
    await bench.run(http_scope(headers=[HOST, (b"x-request-id", given)]))
    assert bench.ctx is not None
    assert bench.ctx.request_id.startswith("req_")
    assert len(bench.ctx.request_id) == 36


async def test_request_ids_differ() -> None:
    """More of them than are made at once."""
    ids = set()
    for _ in range(3 * edge_module._AT_ONCE):
        bench = Bench(ok_app)
        await bench.run()
        assert bench.ctx is not None
        assert re.fullmatch("req_[0-9a-f]{32}", bench.ctx.request_id)
        ids.add(bench.ctx.request_id)
    assert len(ids) == 3 * edge_module._AT_ONCE


@pytest.mark.parametrize(
    ("error", "status", "outcome", "retry"),
    [
        (InvalidRequest("bad", param="n", code="c"), 400, "rejected", b"false"),
        (AuthenticationFailed("who"), 401, "rejected", b"false"),
        (RateLimited("slow", headers=((b"retry-after", b"3"),)), 429, "rejected", None),
        (RequestTimeout("late"), 408, "rejected", None),
        (UpstreamUnavailable("down"), 502, "upstream_error", None),
        (UpstreamTimeout("slow"), 504, "timeout", None),
        (GatewayDraining(), 503, "rejected", None),
        (SpoolFailed("full"), 503, "internal_error", None),
        (InternalError(), 500, "internal_error", None),
        (IncompleteBody("cut"), 400, "client_closed", b"false"),
    ],
)
async def test_an_error_before_the_start_becomes_an_envelope(
    error: TollwayError, status: int, outcome: Outcome, retry: bytes | None
) -> None:
    bench = Bench(raising(error))
    client = await bench.run()
    assert client.status == status
    assert set(client.error) == {"message", "type", "param", "code"}
    assert client.error["message"].startswith(error.message)
    assert bench.ctx is not None
    assert bench.ctx.request_id in client.error["message"]
    assert client.error["code"] == error.code
    assert client.headers[b"content-type"] == b"application/json"
    assert client.headers[b"x-request-id"] == bench.ctx.request_id.encode()
    assert client.headers[b"x-tollway-error-source"] == b"gateway"
    assert client.headers.get(b"x-should-retry") == retry
    assert int(client.headers[b"content-length"]) == len(client.body)
    for pair in error.headers:
        assert pair in client.headers.items()
    assert (bench.outcome, bench.ctx.status, bench.ctx.error) == (outcome, status, error)
    assert client.ended


async def test_headers_that_links_added_are_on_error_answers_too() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).response_headers.append((b"x-tollway-note", b"1"))
        raise InvalidRequest("bad")

    client = await Bench(app).run()
    assert client.headers[b"x-tollway-note"] == b"1"


async def test_an_error_after_a_held_back_head_replaces_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"99")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise UpstreamCut("cut")

    client = await Bench(app).run()
    assert client.status == 502
    assert int(client.headers[b"content-length"]) == len(client.body)


async def test_an_error_after_an_event_becomes_one_event_and_a_broken_end() -> None:
    bench = Bench(after_event(UpstreamCut("it broke")))
    client = await bench.run()
    assert client.status == 200
    assert len(client.chunks) == 2
    assert client.chunks[1].startswith(b"data: {")
    assert client.chunks[1].endswith(b"\n\n")
    assert orjson.loads(client.chunks[1][6:])["error"]["code"] == "upstream_error"
    assert b"[DONE]" not in client.body
    assert not client.ended, "an answer that broke must look broken"
    assert bench.outcome == "upstream_error"


async def test_what_must_precede_the_event_does() -> None:
    client = await Bench(after_event(UpstreamCut("it broke"), insertion=b"\n\n")).run()
    assert client.chunks[1].startswith(b"\n\ndata: {")


async def test_no_event_is_put_into_an_answer_that_cannot_take_one() -> None:
    bench = Bench(after_event(UpstreamCut("it broke"), insertion=None))
    client = await bench.run()
    assert client.chunks == [b"data: 1\n\n"]
    assert not client.ended
    assert bench.outcome == "upstream_error"


async def test_a_bug_is_a_500_without_its_text_and_is_reported() -> None:
    bug = ValueError(SECRET)
    bench = Bench(raising(bug))
    client = await bench.run()
    assert client.status == 500
    assert SECRET.encode() not in client.body + b"".join(b"".join(pair) for pair in client.headers.items())
    assert client.error["code"] == "internal_error"
    assert bench.telemetry.bugs == [bug]
    assert bench.outcome == "internal_error"
    assert bench.ctx is not None
    assert SECRET not in str(bench.ctx.error)


async def test_a_bug_after_the_first_event_is_an_event_without_its_text() -> None:
    client = await Bench(after_event(KeyError(SECRET))).run()
    assert SECRET.encode() not in client.body
    assert orjson.loads(client.chunks[1][6:])["error"]["type"] == "server_error"
    assert not client.ended


async def test_an_error_that_a_link_left_on_the_context_names_the_outcome() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ok_app(scope, receive, send)
        context_of(scope).error = UpstreamCut("an error event passed through")

    bench = Bench(app)
    assert (await bench.run()).body == b"ok"
    assert bench.outcome == "upstream_error"


async def test_an_upstream_status_of_400_or_more_is_an_upstream_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 422, "headers": []})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    bench = Bench(app)
    await bench.run()
    assert bench.outcome == "upstream_error"


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (UpstreamTimeout("total"), 504, "timeout"),
        (GatewayDraining(), 503, "rejected"),
        (RequestTimeout("slow body"), 408, "rejected"),
    ],
)
async def test_an_interruption_before_the_start_is_answered(error: TollwayError, status: int, outcome: Outcome) -> None:
    bench = Bench(waiting)
    request = asyncio.create_task(bench.run())
    await turns()
    assert bench.ctx is not None
    bench.ctx.interrupt(error)
    bench.ctx.interrupt(InternalError())
    client = await request
    assert not request.cancelled()
    assert (client.status, bench.outcome, bench.ctx.error) == (status, outcome, error)
    assert len(bench.settled) == 1


async def test_an_interruption_leaves_no_cancellation_behind() -> None:
    bench = Bench(waiting)

    async def request() -> int:
        await bench.run()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    task = asyncio.create_task(request())
    await turns()
    assert bench.ctx is not None
    bench.ctx.interrupt(UpstreamTimeout("total"))
    assert await task == 0


async def test_a_client_that_left_gets_no_answer_and_is_settled() -> None:
    bench = Bench(waiting)
    request = asyncio.create_task(bench.run())
    await turns()
    assert bench.ctx is not None
    bench.ctx.client_gone = True
    bench.ctx.interrupt(ClientGone("The client left."))
    client = await request
    assert client.sent == []
    assert bench.outcome == "client_closed"


async def test_the_drain_ends_a_stream_with_an_event_and_a_proper_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).insertion = b""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await waiting(scope, receive, send)

    bench = Bench(app)
    request = asyncio.create_task(bench.run())
    await turns()
    assert bench.ctx is not None
    bench.ctx.interrupt(GatewayDraining())
    client = await request
    assert orjson.loads(client.body[6:])["error"]["code"] == "gateway_draining"
    assert client.ended
    assert bench.outcome == "rejected"


async def test_a_foreign_cancellation_is_settled_and_passed_on() -> None:
    bench = Bench(waiting)
    request = asyncio.create_task(bench.run())
    await turns()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert bench.client.sent == []
    assert bench.outcome == "client_closed"
    assert bench.tasks.inside == []


async def test_an_interruption_that_arrives_as_its_consequence_wins() -> None:
    """A cancelled upload surfaces as an error of the client library before the cancellation itself is delivered."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).interrupt(RequestTimeout("The upload stopped arriving."))
        raise UpstreamUnavailable("a consequence")

    bench = Bench(app)

    async def request() -> Client:
        client = await bench.run()
        await asyncio.sleep(0)
        return client

    client = await asyncio.create_task(request())
    assert client.status == 408
    assert bench.outcome == "rejected"


async def test_an_interruption_after_the_last_send_changes_nothing() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ok_app(scope, receive, send)
        context_of(scope).interrupt(GatewayDraining())
        await asyncio.sleep(0)

    bench = Bench(app)
    assert (await bench.run()).body == b"ok"
    assert bench.outcome == "ok"


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("settlers", [0, 2])
async def test_settlement_is_spawned_only_when_there_is_something_to_wait_for(counts: bool, settlers: int) -> None:
    async def settler(ctx: RequestContext) -> None:
        return None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).settlers.extend([settler] * settlers)
        await ok_app(scope, receive, send)

    bench = Bench(app, counts=counts)
    await bench.run()
    assert len(bench.settled) == 1
    assert len(bench.tasks.spawned) == (1 if counts or settlers else 0)


async def test_an_application_that_answers_nothing_gets_an_answer() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return None

    bench = Bench(silent)
    client = await bench.run()
    assert client.status == 500, "Granian would answer with a text of its own"
    assert bench.outcome == "internal_error"


async def test_error_answers_close_the_connection_while_draining_or_with_unread_body() -> None:
    bench = Bench(raising(InvalidRequest("bad")))
    assert (await bench.run()).headers[b"connection"] == b"close"
    bench = Bench(raising(InvalidRequest("bad")))
    assert b"connection" not in (await bench.run(http_scope("GET"))).headers
    bench = Bench(raising(InvalidRequest("bad")))
    bench.tasks.draining = True
    assert (await bench.run(http_scope("GET"))).headers[b"connection"] == b"close"


@pytest.mark.parametrize(
    ("method", "body", "expected"), [("GET", b"", False), ("POST", b"", True), ("POST", b"{}", False)]
)
def test_body_may_follow(method: str, body: bytes, expected: bool) -> None:
    ctx = RequestContext(request_id="r", method=method, body=body)
    assert body_may_follow(ctx, InvalidRequest("bad")) is expected


async def test_a_refused_handshake_gets_an_ordinary_error_answer() -> None:
    bench = Bench(raising(AuthenticationFailed("who are you?")), endpoint=REALTIME, path=None)
    client = await bench.run(socket_scope())
    start, body = client.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"content-type", b"application/json") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert orjson.loads(body["body"])["error"]["code"] == "invalid_api_key"
    assert bench.ctx is not None
    assert (bench.outcome, bench.ctx.status) == ("rejected", 401)


async def test_the_reason_of_a_close_fits_its_frame() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).response_started = True
        raise UpstreamCut("é" * 300)

    client = await Bench(app, endpoint=REALTIME, path=None).run(socket_scope())
    assert len(client.sent[0]["reason"].encode()) <= 123


@pytest.mark.parametrize(("error", "code"), [(UpstreamCut("cut"), 1011), (GatewayDraining(), 1012)])
async def test_an_open_websocket_is_closed_with_a_code_that_says_why(error: TollwayError, code: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).response_started = True
        raise error

    client = await Bench(app, endpoint=REALTIME, path=None).run(socket_scope())
    assert [message["code"] for message in client.sent] == [code]


# ---- the request guard ----------------------------------------------------------------------------------------------


def ctx_with(headers: list[tuple[bytes, bytes]], method: str = "POST", endpoint: Endpoint = CHAT) -> RequestContext:
    return RequestContext(
        request_id="r", method=method, raw_headers=headers, headers=dict(headers), endpoint=endpoint, path="/x"
    )


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "invalid_host"),
        ([(b"host", b"")], "invalid_host"),
        ([(b"host", b"a/b?c#d")], "invalid_host"),
        ([(b"host", b"x@y")], "invalid_host"),
        ([(b"host", b"\xff")], "invalid_host"),
        ([(b"host", b"a b")], "invalid_host"),
        ([HOST, HOST], "duplicate_header"),
        ([HOST, (b"authorization", b"a"), (b"authorization", b"b")], "duplicate_header"),
        ([HOST, (b"content-type", b"a"), (b"content-type", b"b")], "duplicate_header"),
        ([HOST, (b"content-length", b"1"), (b"content-length", b"1")], "duplicate_header"),
        ([HOST, (b"x_api_key", b"k")], "invalid_header"),
        ([HOST, (b"content_length", b"1")], "invalid_header"),
        ([HOST, (b"transfer_encoding", b"chunked")], "invalid_header"),
        ([HOST, (b"x_tollway_strict", b"1")], "invalid_header"),
    ],
)
def test_the_request_guard_refuses(headers: list[tuple[bytes, bytes]], code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_request(http_scope(), ctx_with(headers))
    assert caught.value.code == code


def test_what_was_refused_is_refused_again_and_what_passed_is_remembered_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts, names = set[bytes](), set[bytes]()
    monkeypatch.setattr(edge_module, "_hosts", hosts)
    monkeypatch.setattr(edge_module, "_harmless", names)
    monkeypatch.setattr(edge_module, "_REMEMBERED", 3)
    for _ in range(2):
        for headers in ([(b"host", b"a b")], [HOST, (b"x-fine", b"1"), (b"x_api_key", b"k")]):
            with pytest.raises(InvalidRequest):
                check_request(http_scope(), ctx_with(headers))
    assert hosts == {HOST[1]}
    assert names == {b"host", b"x-fine"}
    for number in range(9):
        check_request(http_scope(), ctx_with([(b"host", b"h%d" % number), (b"x-%d" % number, b"")]))
    check_request(http_scope(), ctx_with([(b"host", b"h" * 200)]))
    assert len(hosts) == len(names) == 3


def test_a_request_with_a_control_is_never_taken_for_one_without() -> None:
    for _ in range(2):
        ordinary, controlled = ctx_with([HOST, (b"x-seen", b"1")]), ctx_with([HOST, (b"x-tollway-dry-run", b"true")])
        check_request(http_scope(), ordinary)
        check_request(http_scope(), controlled)
        assert not controlled.uncontrolled
    assert ordinary.uncontrolled, "its names were seen before"


@pytest.mark.parametrize(
    "headers",
    [
        [HOST],
        [(b"host", b"[2001:db8::1]:8080")],
        [(b"host", b"gw.example:443")],
        [HOST, (b"accept", b"a"), (b"accept", b"b")],
        [HOST, (b"my_own_header", b"1")],
        [HOST, (b"x-api-key", b"with_underscore")],
    ],
)
def test_the_request_guard_lets_pass(headers: list[tuple[bytes, bytes]]) -> None:
    check_request(http_scope(), ctx_with(headers))


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "BREW", "get", "X" * 500])
def test_unknown_methods_are_refused_in_few_words(method: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_request(http_scope(), ctx_with([HOST], method))
    assert caught.value.code == "method_not_supported"
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("raw", [b"/v1/../admin", b"/v1/%2e%2e/x", b"/v1//x", b"/unknown", b"/v1/v1/x", b"/v1/x/"])
def test_paths_that_parsers_read_differently_are_refused(raw: bytes) -> None:
    with pytest.raises(NotFound):
        check_request(http_scope(raw_path=raw), ctx_with([HOST], endpoint=PASSTHROUGH))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/files/a%20b", "/files/a%20b"),
        (b"/openai/v1/files", "/files"),
        (b"/openai/files?x=1", "/files"),
        (b"/files", "/files"),
        (b"/v1x/files", "/v1x/files"),
    ],
)
def test_surface_path_keeps_the_encoding(raw: bytes, path: str) -> None:
    assert surface_path(http_scope(raw_path=raw)) == path


def test_every_error_class_has_an_outcome() -> None:
    def classes(base: type[TollwayError]) -> list[type[TollwayError]]:
        return [base, *(found for sub in base.__subclasses__() for found in classes(sub))]

    for cls in [each for each in classes(TollwayError) if each.__module__ == "proxy.errors"]:
        error = cls() if cls is GatewayDraining else cls("x")
        expected = {"client": ("rejected", "client_closed"), "upstream": ("upstream_error", "timeout")}.get(
            error.source, ("internal_error", "rejected")
        )
        if cls in (NoHealthyTarget, DeadlineExceeded):
            # Ours to say, theirs to answer for.
            expected = ("upstream_error", "timeout")
        assert outcome_of(error) in expected
