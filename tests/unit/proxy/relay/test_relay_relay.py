"""One request at its target: what leaves, in how many sends, and that every ending closes the upstream once."""

import asyncio
import gzip
from collections.abc import Coroutine
from typing import Any

import orjson
import pytest

from middleware.edge import EdgeMiddleware
from proxy.context import Message, Principal, Receive, RequestContext, Scope, Send, context_of
from proxy.errors import (
    ClientGone,
    RawHeaders,
    UpstreamAuthFailed,
    UpstreamCut,
    UpstreamDropped,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from proxy.protocols import Exchange
from proxy.relay.plain import HOLD
from proxy.relay.relay import Relay, RelaySettings
from proxy.wire.chat import RequestView, StreamOptions
from proxy.wire.endpoints import CHAT, EMBEDDINGS, IMAGES, RESPONSES, SPEECH, Endpoint
from proxy.wire.sse import COMMENT
from proxy.wire.stream import StreamEvent
from tests.support.asgi import Client, http_scope
from tests.support.clock import FakeClock, elapsed, turns, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import (
    JSON,
    SSE,
    TARGET,
    FakeAdmission,
    FakeExchange,
    FakeProvider,
    FakeSettlement,
    FakeTasks,
    FakeTelemetry,
    FakeTransport,
)

QUIET = RelaySettings(
    keepalive=15.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)


def chunk(text: str, **more: object) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"delta": {"content": text}, **more}]}) + b"\n\n"


END = chunk("", finish_reason="stop")
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
STREAM = RequestView(model="small", stream=True)


class Run:
    """A relay behind a real edge, on a fake transport."""

    def __init__(
        self,
        *script: Exchange | float | BaseException,
        request: RequestView = STREAM,
        endpoint: Endpoint = CHAT,
        settings: RelaySettings = QUIET,
        principal: Principal | None = None,
        forwards: bool = False,
    ) -> None:
        self.client = Client()
        self.transport = FakeTransport(*script)
        self.provider = FakeProvider(forwards=forwards)
        self.telemetry = FakeTelemetry()
        self.tasks = FakeTasks()
        self.ctx: RequestContext | None = None
        self.events: list[StreamEvent] = []
        self.clock = FakeClock()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            ctx = self.ctx = context_of(scope)
            ctx.request, ctx.target, ctx.body = request, TARGET, b'{"model":"small"}'
            if principal is not None:
                ctx.principal = principal
            ctx.observers.append(self.events.extend)
            await Relay(
                ctx,
                receive,
                send,
                course=FakeCourse(step_to()),
                providers={TARGET.provider: (self.provider, self.transport)},
                admission=FakeAdmission(),
                settings=settings,
                tasks=self.tasks,
                clock=self.clock,
                wall=self.clock,
            ).run()

        self._edge = EdgeMiddleware(
            app,
            endpoint=endpoint,
            path="/x",
            clock=self.clock,
            tasks=self.tasks,
            telemetry=self.telemetry,
            settlement=FakeSettlement(),
        )

    def start(self) -> Coroutine[Any, Any, None]:
        return self._edge(http_scope(), self.client.receive, self.client.send)

    async def go(self) -> Client:
        await self.start()
        assert len(self.telemetry.records) == 1
        assert self.telemetry.bugs == []
        return self.client

    @property
    def context(self) -> RequestContext:
        assert self.ctx is not None
        return self.ctx


# ---- plain answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_end", [True, False])
@pytest.mark.parametrize("reads", [[b'{"a":1}'], [b'{"a"', b":1}"], [b"{", b'"a":', b"1}"]])
async def test_a_json_answer_leaves_whole_in_one_send(reads: list[bytes], early_end: bool) -> None:
    headers: RawHeaders = (*JSON, (b"x-request-id", b"up-1"), (b"openai-processing-ms", b"12"), (b"set-cookie", b"a=b"))
    exchange = FakeExchange(*reads, headers=headers, early_end=early_end)
    run = Run(exchange, request=RequestView(model="small"))
    client = await run.go()
    assert client.chunks == [b'{"a":1}']
    assert client.status == 200
    assert client.headers[b"content-length"] == b"7"
    assert client.headers[b"x-request-id"] == b"up-1"
    assert client.headers[b"openai-processing-ms"] == b"12"
    assert b"set-cookie" not in client.headers
    assert client.headers[b"x-tollway-request-id"] == run.context.request_id.encode()
    assert (exchange.released, exchange.aborted) == (1, 0)
    assert run.tasks.spawned == []


async def test_an_answer_larger_than_the_hold_is_passed_on_in_pieces() -> None:
    block = b"x" * (HOLD // 2)
    exchange = FakeExchange(block, block, block, block)
    client = await Run(exchange, request=RequestView(model="small")).go()
    assert client.body == block * 4
    assert len(client.chunks) > 1
    assert client.ended


async def test_a_json_answer_that_breaks_off_is_a_clean_502() -> None:
    exchange = FakeExchange(b'{"a":', UpstreamCut("cut"))
    client = await Run(exchange, request=RequestView(model="small")).go()
    assert client.status == 502
    assert client.error["code"] == "upstream_error"
    assert (exchange.released, exchange.aborted) == (0, 1)


async def test_a_large_answer_that_breaks_off_looks_broken() -> None:
    exchange = FakeExchange(b"x" * (HOLD + 1), b"y", UpstreamCut("cut"))
    client = await Run(exchange, request=RequestView(model="small")).go()
    assert client.status == 200
    assert not client.ended
    assert b"upstream_error" not in client.body


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500, 503, 529, 599])
async def test_upstream_errors_pass_as_they_are(status: int) -> None:
    body = b'{"error":{"message":"no","type":"t","param":null,"code":"c"}}'
    exchange = FakeExchange(body, status=status, headers=(*JSON, (b"retry-after", b"7")))
    run = Run(exchange)
    client = await run.go()
    assert (client.status, client.body) == (status, body)
    assert client.headers[b"retry-after"] == b"7"
    assert client.headers[b"x-tollway-error-source"] == b"upstream"
    assert run.context.outcome == "upstream_error"
    assert exchange.closed_once


@pytest.mark.parametrize("status", [401, 403])
async def test_our_own_credentials_refused_is_not_the_clients_fault(status: int) -> None:
    exchange = FakeExchange(b'{"error":{"message":"key sk-ours is wrong"}}', status=status)
    run = Run(exchange)
    client = await run.go()
    assert client.status == 502
    assert b"sk-ours" not in client.body
    assert isinstance(run.context.error, UpstreamAuthFailed)
    exchange = FakeExchange(b"{}", status=status)
    assert (await Run(exchange, forwards=True).go()).status == status


@pytest.mark.parametrize("status", [0, 42, 100, 199, 600, 999])
async def test_a_status_that_is_none_becomes_a_502(status: int) -> None:
    exchange = FakeExchange(b"{}", status=status)
    client = await Run(exchange).go()
    assert client.status == 502
    assert exchange.aborted == 1


async def test_binary_answers_are_passed_read_by_read() -> None:
    reads = [b"\x00\x01", b"\xff" * 10, b"\x02"]
    exchange = FakeExchange(*reads, headers=((b"content-type", b"audio/mpeg"),))
    client = await Run(exchange, request=RequestView(model="small"), endpoint=SPEECH).go()
    assert client.chunks == reads
    assert client.ended


async def test_usage_of_a_whole_answer_is_read() -> None:
    body = b'{"usage":{"prompt_tokens":5,"completion_tokens":7}}'
    run = Run(FakeExchange(body), request=RequestView(model="small"))
    await run.go()
    assert (run.context.usage.input, run.context.usage.output) == (5, 7)


async def test_usage_of_a_compressed_answer_is_read_and_its_bytes_pass() -> None:
    body = gzip.compress(b'{"usage":{"prompt_tokens":5,"completion_tokens":7}}')
    run = Run(FakeExchange(body, headers=(*JSON, (b"content-encoding", b"gzip"))), request=RequestView(model="small"))
    client = await run.go()
    assert client.body == body
    assert client.headers[b"content-encoding"] == b"gzip"
    assert run.context.usage.output == 7


async def test_the_text_is_kept_where_no_usage_is_reported() -> None:
    run = Run(FakeExchange(b'{"choices":[{"message":{"content":"hello"}}]}'), request=RequestView(model="small"))
    await run.go()
    assert run.context.output_text == ["hello"]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"usage":5}', "ok"),
        (b'\xef\xbb\xbf {"usage":{"prompt_tokens":-1}}\r\n', "ok"),
        (b"[]", "upstream_error"),
        (b"null", "upstream_error"),
        (b"{", "upstream_error"),
        (b"\xff", "upstream_error"),
        (b'{"error":{"message":"no"}}', "upstream_error"),
    ],
)
async def test_answers_of_any_shape_pass_for_want_of_better_ones(body: bytes, outcome: str) -> None:
    run = Run(FakeExchange(body), request=RequestView(model="small"))
    assert (await run.go()).body == body
    assert run.context.outcome == outcome
    assert (run.context.attempts[0].fault is None) == (outcome == "ok")


# ---- streams --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_end", [True, False])
async def test_one_send_for_each_read_and_the_same_bytes(early_end: bool) -> None:
    reads = [chunk("a") + chunk("b"), b"data: {", b'"choices":[]}\n', b"\n" + chunk("c"), END + DONE]
    exchange = FakeExchange(*reads, headers=SSE, early_end=early_end)
    run = Run(exchange)
    client = await run.go()
    assert client.chunks == (reads if early_end else [*reads, b""])
    assert client.ended
    assert client.headers[b"x-accel-buffering"] == b"no"
    assert "".join(event.text for event in run.events) == "abc"
    assert run.context.token_events == 3
    assert "".join(run.context.output_text) == "abc"
    assert run.context.outcome == "ok"
    assert exchange.released == 1


async def test_observers_see_every_event_after_it_left() -> None:
    run = Run(FakeExchange(chunk("a"), USAGE + DONE, headers=SSE))
    await run.go()
    assert [event.text for event in run.events] == ["a", "", ""]
    assert (run.context.usage.input, run.context.usage.output) == (3, 2)


async def test_a_stream_that_breaks_off_becomes_an_error_event() -> None:
    exchange = FakeExchange(chunk("a"), UpstreamCut("Provider 'local' broke off its answer."), headers=SSE)
    run = Run(exchange)
    client = await run.go()
    assert client.chunks[0] == chunk("a")
    assert orjson.loads(client.chunks[1][6:])["error"]["code"] == "upstream_error"
    assert not client.ended
    assert (exchange.released, exchange.aborted) == (0, 1)
    assert run.context.outcome == "upstream_error"


async def test_a_cut_inside_an_event_starts_the_error_on_a_line_of_its_own() -> None:
    client = await Run(FakeExchange(chunk("a"), b'data: {"cho', UpstreamCut("cut"), headers=SSE)).go()
    assert client.chunks[1] == b'data: {"cho'
    assert client.chunks[2].startswith(b"\n\ndata: {")


async def test_a_stream_that_ends_without_its_end_is_cut() -> None:
    client = await Run(FakeExchange(chunk("a"), chunk("b"), headers=SSE)).go()
    assert b"upstream_error" in client.body
    assert not client.ended


async def test_a_finish_reason_is_an_end_too() -> None:
    client = await Run(FakeExchange(chunk("a"), END, headers=SSE)).go()
    assert client.body == chunk("a") + END
    assert client.ended


async def test_a_responses_stream_is_whole_only_with_its_terminal_event() -> None:
    part = b'event: x\ndata: {"type":"response.output_text.delta","delta":"hi"}\n\n'
    text_done = b'data: {"type":"response.output_text.done","text":"hi"}\n\n'
    completed = b'data: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n'
    run = Run(FakeExchange(part, text_done + completed, headers=SSE), endpoint=RESPONSES)
    client = await run.go()
    assert client.ended
    assert run.context.usage.output == 2
    client = await Run(FakeExchange(part, text_done, headers=SSE), endpoint=RESPONSES).go()
    assert not client.ended, "one part was done, the answer was not"


async def test_an_error_event_of_the_provider_passes_and_names_the_outcome() -> None:
    event = b'data: {"error":{"message":"overloaded"}}\n\n'
    run = Run(FakeExchange(chunk("a"), event, headers=SSE))
    client = await run.go()
    assert client.body == chunk("a") + event
    assert client.ended
    assert run.context.outcome == "upstream_error"


async def test_a_stream_with_a_status_of_error_passes() -> None:
    client = await Run(FakeExchange(b"data: {}\n\n", status=500, headers=SSE)).go()
    assert (client.status, client.body, client.ended) == (500, b"data: {}\n\n", True)


async def test_a_failure_before_the_first_byte_of_a_stream_is_a_plain_error() -> None:
    client = await Run(FakeExchange(UpstreamCut("cut"), headers=SSE)).go()
    assert client.status == 502
    assert client.headers[b"content-type"] == b"application/json"


async def test_a_compressed_stream_passes_and_is_read() -> None:
    data = gzip.compress(chunk("a") + USAGE + DONE)
    run = Run(FakeExchange(data[:20], data[20:], headers=(*SSE, (b"content-encoding", b"gzip"))))
    client = await run.go()
    assert client.body == data
    assert client.ended
    assert run.context.usage.input == 3


async def test_no_error_event_is_put_into_compressed_bytes() -> None:
    data = gzip.compress(chunk("a") + chunk("b"))
    run = Run(FakeExchange(data[:20], UpstreamCut("cut"), headers=(*SSE, (b"content-encoding", b"gzip"))))
    client = await run.go()
    assert client.body == data[:20]
    assert not client.ended


async def test_an_unreadable_encoding_passes_unjudged() -> None:
    run = Run(FakeExchange(b"\x01\x02", b"\x03", headers=(*SSE, (b"content-encoding", b"zstd"))))
    client = await run.go()
    assert client.body == b"\x01\x02\x03"
    assert client.ended


# ---- usage on the client's behalf -----------------------------------------------------------------------------------

EXACT = Principal(name="app", tenant="app", exact_usage=True)


@pytest.mark.parametrize("at", range(0, len(chunk("a") + USAGE + DONE), 5))
async def test_withheld_usage_is_read_and_not_sent(at: int) -> None:
    whole = chunk("a") + USAGE + DONE
    reads = [part for part in (whole[:at], whole[at:]) if part]
    exchange = FakeExchange(*reads, headers=(*SSE, (b"content-length", b"%d" % len(whole))), early_end=False)
    run = Run(exchange, principal=EXACT)
    client = await run.go()
    assert client.body == chunk("a") + DONE
    assert client.ended
    assert b"content-length" not in client.headers
    assert run.provider.included == [True]
    assert run.context.usage.input == 3


async def test_usage_that_the_client_asked_for_is_sent() -> None:
    request = RequestView(model="small", stream=True, stream_options=StreamOptions(include_usage=True))
    run = Run(FakeExchange(chunk("a"), USAGE + DONE, headers=SSE), request=request, principal=EXACT)
    assert (await run.go()).body == chunk("a") + USAGE + DONE
    assert run.provider.included == [False]


@pytest.mark.parametrize(
    ("policy", "exact", "endpoint", "request_", "expected"),
    [
        ("auto", False, CHAT, STREAM, False),
        ("auto", True, CHAT, STREAM, True),
        ("always", False, CHAT, STREAM, True),
        ("never", True, CHAT, STREAM, False),
        ("always", True, RESPONSES, STREAM, False),
        ("always", True, CHAT, RequestView(model="small"), False),
    ],
)
async def test_usage_is_asked_for_only_where_it_decides_something(
    policy: str, exact: bool, endpoint: Endpoint, request_: RequestView, expected: bool
) -> None:
    settings = RelaySettings(
        keepalive=0.0, send_timeout=30.0, include_usage=policy, server_timing=False, gateway_headers=False
    )
    principal = Principal(name="app", tenant="app", exact_usage=exact)
    run = Run(FakeExchange(b"{}"), request=request_, endpoint=endpoint, settings=settings, principal=principal)
    await run.go()
    assert run.provider.included == [expected]


# ---- replay ---------------------------------------------------------------------------------------------------------


async def test_a_connection_that_died_unanswered_is_replayed_once_on_a_new_one() -> None:
    run = Run(UpstreamDropped("gone"), FakeExchange(b"{}"), request=RequestView(model="small"))
    client = await run.go()
    assert client.status == 200
    assert run.transport.fresh == [False, True]
    assert [attempt.error for attempt in run.context.attempts] == ["UpstreamDropped", ""]
    assert run.context.attempts[0].maybe_billed


async def test_it_is_not_replayed_twice() -> None:
    run = Run(UpstreamDropped("gone"), UpstreamDropped("gone again"), FakeExchange(b"{}"))
    assert (await run.go()).status == 502
    assert len(run.transport.requests) == 2


@pytest.mark.parametrize("error", [UpstreamUnavailable("down"), UpstreamInvalid("bad"), UpstreamTimeout("slow")])
async def test_other_failures_are_not_replayed(error: Exception) -> None:
    run = Run(error, FakeExchange(b"{}"))
    await run.go()
    assert len(run.transport.requests) == 1


async def test_what_creates_something_is_never_replayed() -> None:
    run = Run(UpstreamDropped("gone"), FakeExchange(b"{}"), endpoint=IMAGES)
    assert (await run.go()).status == 502
    assert len(run.transport.requests) == 1


# ---- time -----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_silent_stream_starts_early_with_a_comment() -> None:
    run = Run(40.0, FakeExchange(chunk("a"), DONE, headers=SSE))
    client = await run.go()
    assert client.status == 200
    assert client.headers[b"content-type"].startswith(b"text/event-stream")
    assert client.chunks == [COMMENT, COMMENT, chunk("a"), DONE]
    assert client.ended
    assert len(client.starts) == 1
    assert run.context.outcome == "ok"


@virtual
async def test_comments_stand_between_events_only() -> None:
    run = Run(FakeExchange(chunk("a"), 20.0, b"data: {", 20.0, b"}\n\n", 20.0, DONE, headers=SSE))
    client = await run.go()
    assert client.chunks == [chunk("a"), COMMENT, b"data: {", b"}\n\n", COMMENT, DONE]


@virtual
async def test_a_comment_does_not_break_a_declared_length() -> None:
    whole = chunk("a") + DONE
    headers = (*SSE, (b"content-length", b"%d" % len(whole)))
    run = Run(FakeExchange(chunk("a"), 20.0, DONE, headers=headers))
    client = await run.go()
    assert client.body == chunk("a") + COMMENT + DONE
    assert run.context.outcome == "ok"


async def test_a_cut_stream_with_a_declared_length_is_still_told() -> None:
    headers = (*SSE, (b"content-length", b"%d" % len(chunk("a") + DONE)))
    run = Run(FakeExchange(chunk("a"), UpstreamCut("cut"), headers=headers))
    client = await run.go()
    assert b"upstream_error" in client.body
    assert run.context.outcome == "upstream_error"


@virtual
async def test_no_comment_in_plain_answers() -> None:
    client = await Run(40.0, FakeExchange(b"{}"), request=RequestView(model="small")).go()
    assert client.chunks == [b"{}"]


@virtual
async def test_an_upstream_error_after_an_early_start_is_an_event() -> None:
    body = b'{"error":\n{"message":"no"}}'
    run = Run(20.0, FakeExchange(body, status=503))
    client = await run.go()
    assert client.status == 200
    assert client.chunks[-1] == b'data: {"error": {"message":"no"}}\n\n'
    assert client.ended
    assert run.context.outcome == "upstream_error"


@virtual
async def test_a_failed_attempt_after_an_early_start_is_an_event() -> None:
    run = Run(20.0, UpstreamUnavailable("down"))
    client = await run.go()
    assert client.status == 200
    assert b'"upstream_unavailable"' in client.chunks[-1]
    assert not client.ended


@virtual
async def test_no_stream_after_an_early_start_is_an_event() -> None:
    client = await Run(20.0, FakeExchange(b'{"choices":[]}')).go()
    assert b'"upstream_invalid_response"' in client.chunks[-1]


@virtual
async def test_a_compressed_stream_after_an_early_start_stays_readable() -> None:
    """The comment has fixed an uncompressed answer: gzip bytes behind it would be garbage."""
    data = gzip.compress(chunk("a") + DONE)
    client = await Run(20.0, FakeExchange(data, headers=(*SSE, (b"content-encoding", b"gzip")))).go()
    assert b"\x1f\x8b" not in client.body
    assert client.body == COMMENT + chunk("a") + DONE or b"upstream_invalid_response" in client.body


@virtual
async def test_a_provider_that_says_nothing_is_a_504() -> None:
    quiet = RelaySettings(
        keepalive=0.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
    )
    run = Run(3600.0, FakeExchange(b"{}"), settings=quiet)
    client = await run.go()
    assert client.status == 504
    assert run.context.outcome == "timeout"
    assert elapsed() == pytest.approx(60, abs=1)


@virtual
async def test_an_idle_stream_ends_with_an_event() -> None:
    exchange = FakeExchange(chunk("a"), 3600.0, headers=SSE)
    run = Run(exchange)
    client = await run.go()
    assert b'"upstream_timeout"' in client.chunks[-1]
    assert not client.ended
    assert exchange.aborted == 1
    assert run.context.outcome == "timeout"


@virtual
async def test_a_client_that_leaves_closes_the_upstream_at_once() -> None:
    exchange = FakeExchange(chunk("a"), 3600.0, headers=SSE)
    run = Run(exchange)
    request = asyncio.create_task(run.start())
    await asyncio.sleep(5)
    run.client.leave()
    await request
    assert elapsed() == pytest.approx(5, abs=0.1)
    assert exchange.aborted == 1
    assert run.context.client_gone
    assert run.context.outcome == "client_closed"
    assert client_sends_nothing_more(run.client)


def client_sends_nothing_more(client: Client) -> bool:
    return client.chunks == [chunk("a")]


@virtual
async def test_a_client_that_leaves_before_the_head_frees_the_upstream() -> None:
    run = Run(3600.0, FakeExchange(b"{}"), request=RequestView(model="small"))
    request = asyncio.create_task(run.start())
    await asyncio.sleep(1)
    run.client.leave()
    await request
    assert run.client.sent == []
    assert run.context.outcome == "client_closed"


@virtual
async def test_a_client_that_stops_reading_ends_the_request() -> None:
    exchange = FakeExchange(chunk("a"), chunk("b"), DONE, headers=SSE)
    run = Run(exchange)
    stalled(run.client, at=2)
    await asyncio.wait_for(run.start(), 3600)
    assert elapsed() < 60
    assert exchange.aborted == 1
    assert isinstance(run.context.error, ClientGone)


@virtual
async def test_a_client_that_stops_reading_at_a_comment_ends_the_request_too() -> None:
    exchange = FakeExchange(chunk("a"), 3600.0, headers=SSE)
    run = Run(exchange)
    stalled(run.client, at=2)
    await asyncio.wait_for(run.start(), 3600)
    assert elapsed() < 300, "the limits hold although a comment blocks"
    assert exchange.aborted == 1


def stalled(client: Client, *, at: int) -> None:
    """The ``at``-th message and all later ones are never taken."""
    quick = client.send

    async def send(message: Message) -> None:
        if len(client.sent) >= at:
            await asyncio.Event().wait()
        await quick(message)

    client.send = send  # type: ignore[method-assign]


@virtual
async def test_no_task_outlives_its_request() -> None:
    run = Run(40.0, FakeExchange(chunk("a"), 20.0, DONE, headers=SSE))
    await run.go()
    await turns()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_quick_request_makes_no_task() -> None:
    loop = asyncio.get_running_loop()
    made = []
    loop.set_task_factory(lambda loop, work, **kw: made.append(work) or asyncio.Task(work, loop=loop, **kw))
    await Run(FakeExchange(b"{}"), request=RequestView(model="small")).go()
    assert made == []
    await Run(FakeExchange(chunk("a"), DONE, headers=SSE)).go()
    assert len(made) == 1, "a stream's pump, and nothing else"


# ---- our headers ----------------------------------------------------------------------------------------------------


async def test_the_gateways_headers() -> None:
    loud = RelaySettings(
        keepalive=0.0, send_timeout=30.0, include_usage="auto", server_timing=True, gateway_headers=True
    )
    run = Run(FakeExchange(b"{}"), request=RequestView(model="small"), settings=loud)
    run.tasks.draining = True
    client = await run.go()
    assert client.headers[b"x-tollway-provider"] == b"local"
    assert client.headers[b"x-tollway-model"] == b"small"
    assert client.headers[b"x-tollway-attempts"] == b"1"
    assert float(client.headers[b"x-tollway-overhead-ms"]) >= 0
    assert client.headers[b"server-timing"].startswith(b"upstream;dur=")
    assert client.headers[b"connection"] == b"close"
    assert client.headers[b"x-request-id"] == client.headers[b"x-tollway-request-id"]


async def test_the_gateways_headers_can_be_turned_off() -> None:
    client = await Run(FakeExchange(b"{}"), request=RequestView(model="small")).go()
    ours = {name for name in client.headers if name.startswith((b"x-tollway", b"server-timing"))}
    assert ours == {b"x-tollway-request-id"}


async def test_embeddings_keep_no_text() -> None:
    run = Run(FakeExchange(b'{"data":[{"embedding":[0.1]}]}'), request=RequestView(model="small"), endpoint=EMBEDDINGS)
    await run.go()
    assert run.context.output_text == []
