"""One request over several targets: what moves it on, what the client sees of it, and that every try is ended and told once."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from proxy.context import Controls, Principal
from proxy.errors import (
    EndpointUnsupported,
    InvalidRequest,
    NoHealthyTarget,
    RateLimited,
    TollwayError,
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamInvalid,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)
from proxy.policy.targets import Limits
from proxy.relay.plain import ERROR_PATIENCE
from proxy.wire.endpoints import (
    CHAT,
    COMPLETIONS,
    IMAGES,
    MESSAGES,
    PASSTHROUGH,
    RESPONSES,
    SPEECH,
    Endpoint,
)
from proxy.wire.headers import upstream_headers
from proxy.wire.sse import COMMENT
from tests.support.clock import elapsed, turns, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import JSON, SSE, FakeExchange, FakeProvider
from tests.support.journeys import (
    ANSWER,
    BEATING,
    DONE,
    END,
    GOOD,
    LOUD,
    PLAIN,
    ROLE,
    STREAM,
    Journey,
    chunk,
    good,
    target,
)

ERROR = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'

# ---- what moves a request on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamUnavailable("down"), "connect"),
        (UpstreamConnectTimeout("slow"), "connect_timeout"),
        (UpstreamTlsFailed("expired"), "tls"),
        (UpstreamInvalid("nonsense"), "invalid"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_target_without_an_answer_is_left(error: TollwayError, kind: str, stream: bool) -> None:
    run = Journey(error, good() if stream else FakeExchange(ANSWER), request=STREAM if stream else PLAIN)
    client = await run.go()
    assert client.status == 200
    assert client.body == (GOOD if stream else ANSWER)
    assert (run.tried, run.kinds) == (["a", "b"], [kind, ""])
    assert next(lease.told for lease in run.leases) == [f"failed {kind}", "closed"]
    assert run.leases[1].told == ["answered 200", "output", "closed"]
    assert run.context.outcome == "ok"
    assert run.context.target is not None
    assert run.context.target.provider == "b"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"{}", "server_error"),
        (502, b"<html>", "server_error"),
        (503, b"{}", "overloaded"),
        (529, b"{}", "overloaded"),
        (429, b"{}", "rate_limited"),
        (408, b"{}", "conflict"),
        (401, b'{"error":{"message":"key sk-ours"}}', "credentials"),
        (402, b"{}", "quota"),
        (403, b"{}", "forbidden"),
        (404, b'{"error":{"code":"model_not_found"}}', "model_missing"),
        (42, b"{}", "invalid"),
        (407, b"{}", "connect"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_answer_moves_on(status: int, body: bytes, kind: str, stream: bool) -> None:
    first = FakeExchange(body, status=status)
    run = Journey(first, good() if stream else FakeExchange(ANSWER), request=STREAM if stream else PLAIN)
    client = await run.go()
    assert client.body == (GOOD if stream else ANSWER)
    assert (run.tried, run.kinds) == (["a", "b"], [kind, ""])
    assert run.course.faults[0].kind == kind
    assert run.leases[0].told == [f"answered {status}", f"failed {kind}", "closed"]


async def test_an_answer_with_a_header_that_no_client_could_read_is_none() -> None:
    bad = FakeExchange(ANSWER, headers=(*JSON, (b"x-odd", b"a\x01b")))
    run = Journey(bad, FakeExchange(ANSWER), request=PLAIN)
    assert (await run.go()).body == ANSWER
    assert run.kinds == ["invalid", ""]


async def test_a_429_says_how_long() -> None:
    run = Journey(FakeExchange(b"{}", status=429, headers=(*JSON, (b"retry-after", b"7"))), good())
    await run.go()
    assert run.course.faults[0].wait == 7.0
    assert run.leases[0].faults == run.course.faults


@pytest.mark.parametrize(("status", "body"), [(400, b'{"error":{"message":"no"}}'), (422, b"{}"), (413, b"{}")])
async def test_a_request_that_is_at_fault_goes_back_at_once(status: int, body: bytes) -> None:
    course = FakeCourse(
        step_to(target("a")), step_to(target("b")), allow=lambda fault: fault.kind != "client" and status != 413
    )
    run = Journey(FakeExchange(body, status=status), good(), course=course)
    client = await run.go()
    assert (client.status, client.body) == (status, body)
    assert run.tried == ["a"]
    assert run.transports["b"].requests == []


async def test_an_error_inside_a_200_moves_on() -> None:
    run = Journey(
        FakeExchange(b'{"error":{"message":"no","code":"server_error"}}'), FakeExchange(ANSWER), request=PLAIN
    )
    assert (await run.go()).body == ANSWER
    assert run.kinds == ["error_event", ""]
    assert run.context.attempts[0].maybe_billed
    assert run.context.usage.output == 1


@pytest.mark.parametrize(
    "reads", [(ROLE, ERROR), (ROLE + ERROR,), (ERROR,), (b": hi\n\n", b"event: ping\ndata: {}\n\n", ERROR)]
)
async def test_an_error_event_before_any_output_moves_on(reads: tuple[bytes, ...]) -> None:
    run = Journey(FakeExchange(*reads, headers=SSE), good())
    client = await run.go()
    assert client.body == GOOD, "nothing of the first, all of the second"
    assert run.tried == ["a", "b"]
    assert run.context.attempts[0].maybe_billed in (True, False)
    assert run.context.token_events == 1
    assert "".join(run.context.output_text) == "yes"


@pytest.mark.parametrize("last", [(), (UpstreamCut("cut"),), (DONE,)])
async def test_a_stream_without_output_moves_on(last: tuple[bytes | BaseException, ...]) -> None:
    """It ends, breaks off, or says that it is over, and has said nothing."""
    run = Journey(FakeExchange(ROLE, *last, headers=SSE), good())
    assert (await run.go()).body == GOOD
    assert run.kinds == ["cut", ""]
    assert run.context.attempts[0].maybe_billed


async def test_a_plain_answer_that_breaks_off_moves_on() -> None:
    run = Journey(FakeExchange(b'{"cho', UpstreamCut("cut")), FakeExchange(ANSWER), request=PLAIN)
    assert (await run.go()).body == ANSWER
    assert run.kinds == ["cut", ""]


async def test_an_empty_answer_that_says_so_is_an_answer() -> None:
    whole = (ROLE, END + DONE)
    run = Journey(FakeExchange(*whole, headers=SSE), good())
    assert (await run.go()).body == b"".join(whole)
    assert run.tried == ["a"]


# ---- the commit point, in every dialect -----------------------------------------------------------------------------

MESSAGE_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
)
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
BLOCK = (
    b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"text","text":""}}\n\n'
)
TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"yes"}}\n\n'
)
STOP = b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"id":"r","error":null}}\n\n'
ADDED = b'event: response.output_item.added\ndata: {"type":"response.output_item.added","item":{}}\n\n'
DELTA = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"yes"}\n\n'
COMPLETED = b'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n'
FAILED = b'event: response.failed\ndata: {"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}\n\n'
WORD = b'data: {"choices":[{"index":0,"text":"yes","finish_reason":null}]}\n\n'
WORDS_END = b'data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}]}\n\n' + DONE

DIALECTS: list[tuple[Endpoint, tuple[bytes, ...], bytes, tuple[bytes, ...]]] = [
    (CHAT, (ROLE,), ERROR, (ROLE, chunk("yes"), END + DONE)),
    (COMPLETIONS, (b'data: {"choices":[]}\n\n',), ERROR, (WORD, WORDS_END)),
    (MESSAGES, (MESSAGE_START, PING, BLOCK), OVERLOADED, (MESSAGE_START, BLOCK, TEXT, STOP)),
    (RESPONSES, (CREATED, ADDED), FAILED, (CREATED, ADDED, DELTA, COMPLETED)),
]


@pytest.mark.parametrize(
    ("endpoint", "harmless", "error", "answer"), DIALECTS, ids=lambda value: getattr(value, "name", "")
)
async def test_harmless_events_are_no_output(
    endpoint: Endpoint, harmless: tuple[bytes, ...], error: bytes, answer: tuple[bytes, ...]
) -> None:
    run = Journey(FakeExchange(*harmless, error, headers=SSE), FakeExchange(*answer, headers=SSE), endpoint=endpoint)
    client = await run.go()
    assert client.body == b"".join(answer)
    assert client.ended
    assert run.tried == ["a", "b"]
    assert run.context.outcome == "ok"


@pytest.mark.parametrize(
    ("endpoint", "harmless", "error", "answer"), DIALECTS, ids=lambda value: getattr(value, "name", "")
)
async def test_nothing_is_tried_again_after_the_first_output(
    endpoint: Endpoint, harmless: tuple[bytes, ...], error: bytes, answer: tuple[bytes, ...]
) -> None:
    output = answer[:-1]
    run = Journey(
        FakeExchange(*output, UpstreamCut("cut"), headers=SSE), FakeExchange(*answer, headers=SSE), endpoint=endpoint
    )
    client = await run.go()
    assert client.body.startswith(b"".join(output))
    assert client.body.count(b"error") == b"".join(output).count(b"error") + client.body[len(b"".join(output)) :].count(
        b"error"
    )
    assert not client.ended
    assert run.tried == ["a"]
    assert run.transports["b"].requests == []
    assert run.leases[0].told == ["answered 200", "output", "failed cut", "closed"]


@pytest.mark.parametrize(
    ("endpoint", "harmless", "error", "answer"), DIALECTS, ids=lambda value: getattr(value, "name", "")
)
@pytest.mark.parametrize("size", [1, 7, 64])
async def test_however_the_bytes_are_split_the_client_gets_the_winners(
    endpoint: Endpoint, harmless: tuple[bytes, ...], error: bytes, answer: tuple[bytes, ...], size: int
) -> None:
    def split(data: bytes) -> list[bytes]:
        return [data[at : at + size] for at in range(0, len(data), size)]

    failing, whole = b"".join((*harmless, error)), b"".join(answer)
    run = Journey(
        FakeExchange(*split(failing), headers=SSE),
        FakeExchange(*split(whole), headers=SSE, early_end=False),
        endpoint=endpoint,
    )
    client = await run.go()
    assert client.body == whole
    assert run.tried == ["a", "b"]


async def test_what_was_held_leaves_in_one_send() -> None:
    run = Journey(good(ROLE, b": comment\n\n", chunk("a") + chunk("b"), chunk("c"), END + DONE), good())
    client = await run.go()
    assert client.chunks == [ROLE + b": comment\n\n" + chunk("a") + chunk("b"), chunk("c"), END + DONE]
    assert run.tried == ["a"]


async def test_nothing_is_held_where_nothing_else_can_be_tried() -> None:
    run = Journey(good(ROLE, chunk("a"), END + DONE), attempts=1)
    assert (await run.go()).chunks == [ROLE, chunk("a"), END + DONE]


async def test_a_stream_that_says_much_and_no_text_is_let_go() -> None:
    blob = b'data: {"choices":[{"index":0,"delta":{"x":"' + b"y" * 70_000 + b'"}}]}\n\n'
    run = Journey(FakeExchange(ROLE, blob, UpstreamCut("cut"), headers=SSE), good())
    client = await run.go()
    assert client.body.startswith(ROLE + blob)
    assert run.tried == ["a"]


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[{"index":0,"delta":{"audio":{"id":"a","data":"AAAA"}}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"images":[{"image_url":{"url":"data:"}}]}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}\n\n',
    ],
)
async def test_output_need_not_be_text(event: bytes) -> None:
    run = Journey(FakeExchange(ROLE, event, UpstreamCut("cut"), headers=SSE), good())
    client = await run.go()
    assert client.body.startswith(ROLE + event)
    assert run.tried == ["a"]


@pytest.mark.parametrize("endpoint", [SPEECH])
async def test_binary_answers_begin_with_their_first_byte(endpoint: Endpoint) -> None:
    audio = ((b"content-type", b"audio/mpeg"),)
    run = Journey(
        FakeExchange(UpstreamCut("cut"), headers=audio),
        FakeExchange(b"\x00", b"\x01", UpstreamCut("cut"), headers=audio),
        FakeExchange(b"\x02", headers=audio),
        endpoint=endpoint,
        request=PLAIN,
    )
    client = await run.go()
    assert client.body == b"\x00\x01"
    assert run.tried == ["a", "b"]
    assert run.kinds == ["cut", "cut"]


async def test_a_compressed_stream_is_held_and_passes_as_it_came() -> None:
    data = gzip.compress(GOOD)
    zipped = (*SSE, (b"content-encoding", b"gzip"))
    run = Journey(
        FakeExchange(gzip.compress(ROLE + ERROR), headers=zipped), FakeExchange(data[:30], data[30:], headers=zipped)
    )
    client = await run.go()
    assert client.body == data
    assert run.tried == ["a", "b"]


async def test_an_unreadable_stream_is_not_held() -> None:
    run = Journey(FakeExchange(b"\x01", b"\x02", headers=(*SSE, (b"content-encoding", b"zstd"))), good())
    assert (await run.go()).chunks == [b"\x01", b"\x02"]


async def test_withheld_usage_is_one_trys_own() -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    exact = Principal(name="app", tenant="app", exact_usage=True)
    run = Journey(
        FakeExchange(ROLE, b'data: {"cho', UpstreamCut("cut"), headers=SSE),
        FakeExchange(ROLE, chunk("yes"), END + usage + DONE, headers=SSE),
        principal=exact,
    )
    assert (await run.go()).body == GOOD
    assert run.context.usage.input == 3


# ---- when all have failed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
async def test_the_last_answer_passes_as_it_came(stream: bool) -> None:
    body = b'{"error":{"message":"b is down","type":"server_error"}}'
    last = FakeExchange(
        body[:9], body[9:], status=503, headers=(*JSON, (b"retry-after", b"3"), (b"x-request-id", b"up-b"))
    )
    run = Journey(FakeExchange(b"{}", status=500), last, request=STREAM if stream else PLAIN)
    client = await run.go()
    assert (client.status, client.body) == (503, body)
    assert client.headers[b"retry-after"] == b"3"
    assert client.headers[b"x-request-id"] == b"up-b"
    assert client.headers[b"x-tollway-error-source"] == b"upstream"
    assert run.kinds == ["server_error", "overloaded"]
    assert run.context.outcome == "upstream_error"


@pytest.mark.parametrize("allow", [True, False])
async def test_an_answer_passes_as_it_came_though_more_could_have_been_tried(allow: bool) -> None:
    """The course says no: because of its budget, or because only one target is left."""
    body = b"<html>bad gateway</html>"
    course = FakeCourse(step_to(target("a")), allow=lambda fault: allow)
    run = Journey(FakeExchange(body, status=502, headers=((b"content-type", b"text/html"),)), course=course, attempts=3)
    client = await run.go()
    assert (client.status, client.body, client.headers[b"content-type"]) == (502, body, b"text/html")


async def test_a_stream_that_only_carried_an_error_passes_as_it_came() -> None:
    run = Journey(FakeExchange(ROLE, ERROR, headers=SSE), FakeExchange(ROLE, ERROR, DONE, headers=SSE), attempts=3)
    client = await run.go()
    assert client.status == 200
    assert client.body == ROLE + ERROR + DONE
    assert run.context.outcome == "upstream_error"


async def test_the_last_error_is_told_where_there_is_no_answer() -> None:
    run = Journey(FakeExchange(b"{}", status=500), UpstreamUnavailable("b is down"))
    client = await run.go()
    assert client.status == 502
    assert client.error["code"] == "upstream_unavailable"
    assert "b is down" in client.error["message"]


async def test_refused_credentials_of_ours_are_never_shown() -> None:
    body = b'{"error":{"message":"key sk-ours is wrong"}}'
    run = Journey(FakeExchange(body, status=401), FakeExchange(body, status=403), attempts=3)
    client = await run.go()
    assert client.status == 502
    assert b"sk-ours" not in client.body
    assert run.kinds == ["credentials", "forbidden"]


async def test_no_target_at_all() -> None:
    error = NoHealthyTarget("all rest", headers=((b"retry-after", b"9"),))
    run = Journey(good(), course=FakeCourse(error), attempts=3)
    client = await run.go()
    assert client.status == 503
    assert client.headers[b"retry-after"] == b"9"
    assert run.context.attempts == []


async def test_a_stream_that_breaks_before_any_output_is_a_clean_error() -> None:
    run = Journey(FakeExchange(ROLE, UpstreamCut("cut"), headers=SSE), attempts=2)
    client = await run.go()
    assert client.status == 502
    assert client.headers[b"content-type"] == b"application/json"


# ---- what a target cannot be given ----------------------------------------------------------------------------------


class Choosy(FakeProvider):
    """Refuses to prepare anything."""

    def __init__(self, error: TollwayError) -> None:
        super().__init__()
        self.error = error

    def prepare(self, *args: object, **more: object) -> object:  # type: ignore[override]
        raise self.error


async def test_a_limit_of_ours_on_one_provider_leads_to_the_next() -> None:
    run = Journey(good(), good(), refused={"a": RateLimited("provider a is full")})
    assert (await run.go()).body == GOOD
    assert (run.tried, run.kinds) == (["a", "b"], ["limited_here", ""])
    assert run.transports["a"].requests == []
    assert not run.context.attempts[0].maybe_billed


async def test_nothing_was_sent_where_all_limits_are_reached() -> None:
    refused: dict[str, TollwayError] = {name: RateLimited(f"provider {name} is full") for name in "ab"}
    run = Journey(good(), good(), refused=refused, attempts=2)
    client = await run.go()
    assert client.status == 429
    assert run.context.attempts == []
    assert run.context.outcome == "rejected"


async def test_an_earlier_answer_is_shown_before_a_limit_of_ours() -> None:
    run = Journey(FakeExchange(b'{"a":1}', status=500), good(), refused={"b": RateLimited("full")}, attempts=3)
    client = await run.go()
    assert (client.status, client.body) == (500, b'{"a":1}')
    assert (run.tried, run.kinds) == (["b", "a"], ["limited_here", "server_error"])


async def test_the_first_targets_refusal_of_the_request_is_the_clients() -> None:
    run = Journey(good(), good(), providers={"a": Choosy(InvalidRequest("bad field"))})
    client = await run.go()
    assert client.status == 400
    assert run.transports["b"].requests == []


async def test_a_later_target_that_cannot_take_the_request_is_passed_over() -> None:
    run = Journey(FakeExchange(b"{}", status=500), good(), good(), providers={"b": Choosy(InvalidRequest("not here"))})
    assert (await run.go()).body == GOOD
    assert (run.tried, run.kinds) == (["a", "b", "c"], ["server_error", "model_missing", ""])


async def test_a_limit_of_ours_uses_up_no_try() -> None:
    run = Journey(
        good(), FakeExchange(b"{}", status=500), good(), refused={"a": RateLimited("provider a is full")}, attempts=2
    )
    assert (await run.go()).body == GOOD
    assert run.kinds == ["limited_here", "server_error", ""]


async def test_an_operation_that_a_target_lacks_leads_to_the_next() -> None:
    run = Journey(good(), good(), providers={"a": Choosy(EndpointUnsupported("no such thing"))})
    assert (await run.go()).body == GOOD


async def test_a_fallbacks_own_limits_are_asked() -> None:
    course = FakeCourse(step_to(target("a")), step_to(target("b"), role="fallback"))
    run = Journey(FakeExchange(b"{}", status=500), good(), course=course)
    await run.go()
    assert run.admission.attempts == [("a", "public"), ("b", "public")]
    assert [attempt.role for attempt in run.context.attempts] == ["first", "fallback"]


# ---- what creates something -----------------------------------------------------------------------------------------


async def test_a_body_that_is_streamed_through_is_there_once() -> None:
    run = Journey(FakeExchange(b'{"a":1}', status=500), good(), endpoint=IMAGES, request=PLAIN)
    run.upload = Upload()
    assert (await run.go()).body == b'{"a":1}'
    assert run.transports["b"].requests == []
    assert run.course.faults == []


class Upload:
    """Three bytes."""

    length = None
    finished = True

    def rename(self, model: str) -> None: ...

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"abc"

    def close(self) -> None: ...


async def test_a_job_that_failed_long_ago_is_no_fault_of_now() -> None:
    """What is looked up or passed through is not judged by its content."""
    job = b'{"id":"job","status":"failed","error":{"code":"server_error","message":"no"}}'
    run = Journey(FakeExchange(job), FakeExchange(ANSWER), endpoint=PASSTHROUGH, request=PLAIN)
    assert (await run.go()).body == job
    assert run.leases[0].told == ["answered 200", "output", "closed"]


async def test_a_dropped_pooled_connection_is_replayed_before_anything_else() -> None:
    run = Journey((UpstreamDropped("gone"), good()), good())
    assert (await run.go()).body == GOOD
    assert run.transports["a"].fresh == [False, True]
    assert (run.tried, run.kinds) == (["a", "a"], ["dropped", ""])
    assert [attempt.role for attempt in run.context.attempts] == ["first", "retry"]
    assert run.context.attempts[0].maybe_billed
    assert run.leases[0].told == ["answered 200", "output", "closed"], "a pool's dead connection is nobody's fault"


async def test_a_second_drop_is_a_fault() -> None:
    run = Journey((UpstreamDropped("gone"), UpstreamDropped("gone")), good())
    assert (await run.go()).body == GOOD
    assert run.kinds == ["dropped", "dropped", ""]
    assert run.leases[0].told == ["failed dropped", "closed"]
    assert all(attempt.maybe_billed for attempt in run.context.attempts[:2])


# ---- time -----------------------------------------------------------------------------------------------------------

QUICK = Limits(connect=1.0, first_byte=2.0, idle=4.0, total=60.0)


@virtual
async def test_a_silent_target_is_left_at_its_first_byte_limit() -> None:
    run = Journey((3600.0, good()), good(), limits=QUICK)
    assert (await run.go()).body == GOOD
    assert elapsed() == pytest.approx(2, abs=0.25)
    assert run.kinds == ["timeout", ""]
    assert run.context.attempts[0].maybe_billed
    assert run.context.interruption is None
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@virtual
async def test_a_stream_that_says_nothing_after_its_head_is_left_too() -> None:
    silent = FakeExchange(ROLE, 3600.0, headers=SSE)
    run = Journey(silent, good(), limits=QUICK)
    assert (await run.go()).body == GOOD
    assert elapsed() == pytest.approx(4, abs=0.25)
    assert run.kinds == ["timeout", ""]
    assert silent.aborted == 1


@virtual
async def test_the_last_target_that_is_silent_is_a_504() -> None:
    run = Journey((3600.0, good()), (3600.0, good()), limits=QUICK)
    client = await run.go()
    assert client.status == 504
    assert client.error["code"] == "upstream_timeout"
    assert elapsed() == pytest.approx(4, abs=0.5)
    assert run.kinds == ["timeout", "timeout"]
    assert run.leases[1].told == ["failed timeout", "closed"]
    assert run.context.outcome == "timeout"


@virtual
async def test_each_try_has_its_own_first_byte_limit() -> None:
    run = Journey((1.9, UpstreamUnavailable("down")), (1.9, good()), limits=QUICK)
    assert (await run.go()).body == GOOD
    assert elapsed() == pytest.approx(3.8, abs=0.1)


@virtual
async def test_the_pause_before_a_try_is_nobodys_silence() -> None:
    course = FakeCourse(step_to(target("a", QUICK)), step_to(target("a", QUICK), wait=30.0, role="retry"))
    run = Journey((UpstreamUnavailable("down"), good()), course=course, settings=LOUD)
    client = await run.go()
    assert client.body == GOOD
    assert elapsed() == pytest.approx(30, abs=0.1)
    assert float(client.headers[b"x-tollway-overhead-ms"]) < 100, "waiting for a provider is no overhead of ours"
    assert b"backoff;dur=" in client.headers[b"server-timing"]


@virtual
async def test_the_total_limit_bounds_all_tries() -> None:
    course = FakeCourse(*[step_to(target("a", QUICK), wait=25.0) for _ in range(9)])
    run = Journey([UpstreamUnavailable("down")] * 9, course=course, attempts=9, limits=QUICK)
    client = await run.go()
    assert client.status == 504
    assert elapsed() == pytest.approx(60, abs=0.5)
    assert run.context.outcome == "timeout"


@virtual
async def test_the_deadline_bounds_all_tries() -> None:
    now = asyncio.get_running_loop().time()
    run = Journey((1.5, FakeExchange(b"{}", status=500)), (3600.0, good()), deadline=now + 3, limits=QUICK)
    client = await run.go()
    assert client.status == 504
    assert client.error["code"] == "deadline_exceeded"
    assert elapsed() == pytest.approx(3, abs=0.1)
    assert run.context.outcome == "timeout"
    assert run.leases[1].told == ["closed"], "the client's deadline says nothing about the target"


@virtual
async def test_a_deadline_after_the_first_output_is_an_event() -> None:
    now = asyncio.get_running_loop().time()
    stream = FakeExchange(ROLE, chunk("a"), 100.0, headers=SSE)
    run = Journey(stream, good(), deadline=now + 3)
    client = await run.go()
    assert client.body.startswith(ROLE + chunk("a"))
    assert b'"deadline_exceeded"' in client.chunks[-1]
    assert stream.aborted == 1


@virtual
async def test_a_clients_own_limit_travels_with_what_is_left_of_it() -> None:
    """Only where the client set one that it may set."""

    class Asking(FakeProvider):
        def prepare(self, ctx, target, *, include_usage, now):  # type: ignore[no-untyped-def]
            ctx.controls = Controls(timeout=10.0) if permitted else Controls()
            found = super().prepare(ctx, target, include_usage=include_usage, now=now)
            found.request.headers.append(("x-tollway-timeout-ms", "10000"))
            return found

    for permitted in (True, False):
        now = asyncio.get_running_loop().time()
        run = Journey(
            (4.0, FakeExchange(b"{}", status=500)),
            good(),
            providers={"a": Asking(), "b": Asking()},
            headers={b"x-tollway-timeout-ms": b"10000"},
            deadline=now + 10,
        )
        await run.go()
        sent = [dict(run.transports[name].requests[0].headers).get("x-tollway-timeout-ms") for name in "ab"]
        assert sent == (["10000", "6000"] if permitted else [None, None])


def test_it_is_the_one_header_of_ours_that_travels() -> None:
    ours = [(b"x-tollway-timeout-ms", b"10000"), (b"x-tollway-retries", b"1"), (b"accept", b"*/*")]
    assert upstream_headers(ours, forwards=False) == [("x-tollway-timeout-ms", "10000"), ("accept", "*/*")]


# ---- keepalive ------------------------------------------------------------------------------------------------------


@virtual
async def test_a_stream_that_began_with_a_comment_is_answered_by_another_target() -> None:
    run = Journey((12.0, FakeExchange(b"{}", status=500)), (12.0, good()), settings=BEATING)
    client = await run.go()
    assert client.status == 200
    assert client.body == COMMENT * 4 + GOOD
    assert client.ended
    assert run.context.outcome == "ok"


@virtual
async def test_comments_go_on_while_the_request_pauses() -> None:
    course = FakeCourse(step_to(target("a")), step_to(target("a"), wait=12.0, role="retry"))
    run = Journey((UpstreamUnavailable("down"), good()), course=course, settings=BEATING)
    assert (await run.go()).body == COMMENT * 2 + GOOD


@virtual
async def test_comments_go_on_while_output_is_held() -> None:
    run = Journey(FakeExchange(ROLE, 12.0, chunk("a"), END + DONE, headers=SSE), good(), settings=BEATING)
    assert (await run.go()).chunks == [COMMENT, COMMENT, ROLE + chunk("a"), END + DONE]


@virtual
async def test_when_all_fail_after_a_comment_the_error_is_an_event() -> None:
    body = b'{"error":{"message":"no"}}'
    run = Journey((6.0, UpstreamUnavailable("down")), (6.0, FakeExchange(body, status=503)), settings=BEATING)
    client = await run.go()
    assert client.status == 200
    assert client.chunks[-1] == b"data: " + body + b"\n\n"
    assert run.context.outcome == "upstream_error"
    run = Journey((6.0, FakeExchange(body, status=503)), (6.0, UpstreamUnavailable("down")), settings=BEATING)
    client = await run.go()
    assert b'"upstream_unavailable"' in client.chunks[-1]
    assert b'"no"' not in client.body


# ---- the client leaves ----------------------------------------------------------------------------------------------


@virtual
async def test_an_error_whose_body_drips_is_left_in_time() -> None:
    """Its status says enough: no upstream holds up a request by telling slowly that it cannot answer."""
    drips = FakeExchange(*[b"x", 1.0] * 100, status=503)
    run = Journey(drips, good())
    assert (await run.go()).body == GOOD
    assert elapsed() == pytest.approx(ERROR_PATIENCE, abs=0.1)
    assert run.kinds == ["overloaded", ""]
    assert drips.aborted == 1


def hanging(phase: str) -> Journey:
    """A request that waits for ever, at one place or another."""
    if phase == "before the head":
        return Journey((3600.0, good()), good())
    if phase == "while output is held":
        return Journey(FakeExchange(ROLE, 3600.0, headers=SSE), good())
    if phase == "in an error's body":
        return Journey(FakeExchange(b"{", 3600.0, status=500), (3600.0, good()))
    if phase == "before the second head":
        return Journey(FakeExchange(b"{}", status=500), (3600.0, good()))
    return Journey(FakeExchange(b"{}", status=500), FakeExchange(ROLE, chunk("a"), 3600.0, headers=SSE))


@pytest.mark.parametrize(
    "phase",
    [
        "before the head",
        "while output is held",
        "in an error's body",
        "before the second head",
        "in the second's output",
    ],
)
def test_a_client_that_leaves_ends_everything(phase: str) -> None:
    @virtual
    async def test() -> None:
        run = hanging(phase)
        request = asyncio.create_task(run.start())
        await asyncio.sleep(5)
        run.client.leave()
        await request
        assert elapsed() == pytest.approx(5, abs=0.25)
        run.check()
        assert run.context.outcome == "client_closed"
        assert not any(told.startswith("failed timeout") for lease in run.leases for told in lease.told)
        await turns()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    test()


@virtual
async def test_a_client_that_leaves_in_a_pause_ends_it() -> None:
    course = FakeCourse(step_to(target("a")), step_to(target("a"), wait=3600.0))
    run = Journey((UpstreamUnavailable("down"), good()), course=course)
    request = asyncio.create_task(run.start())
    await asyncio.sleep(5)
    run.client.leave()
    await request
    run.check()
    assert run.leases[1].told == ["closed"]
    assert run.context.outcome == "client_closed"


# ---- what is written down -------------------------------------------------------------------------------------------


async def test_headers_name_the_way() -> None:
    run = Journey(FakeExchange(b"{}", status=500), good(), settings=LOUD)
    client = await run.go()
    assert client.headers[b"x-tollway-provider"] == b"b"
    assert client.headers[b"x-tollway-model"] == b"model-b"
    assert client.headers[b"x-tollway-attempts"] == b"2"
    assert client.headers[b"x-tollway-fallbacks"] == b"0"
    assert b"a/model-a: server_error 500" in client.headers[b"x-tollway-reason"]


async def test_an_error_of_ours_names_the_way_too() -> None:
    run = Journey(UpstreamUnavailable("down"), UpstreamUnavailable("down"), settings=LOUD)
    client = await run.go()
    assert client.headers[b"x-tollway-attempts"] == b"2"
    assert b"a/model-a: connect" in client.headers[b"x-tollway-reason"]


async def test_notes_about_the_request_are_those_of_the_target_that_answers() -> None:
    class Noting(FakeProvider):
        def __init__(self, note: str) -> None:
            super().__init__()
            self.note = note

        def prepare(self, ctx, target, *, include_usage, now):  # type: ignore[no-untyped-def]
            ctx.dropped.append(self.note)
            ctx.rewritten.append(self.note)
            return super().prepare(ctx, target, include_usage=include_usage, now=now)

    run = Journey(FakeExchange(b"{}", status=500), good(), providers={"a": Noting("of a"), "b": Noting("of b")})
    client = await run.go()
    assert client.headers[b"x-tollway-dropped"] == b"of b"
    assert (run.context.dropped, run.context.rewritten) == (["of b"], ["of b"])


async def test_filters_see_only_the_answer_that_leaves() -> None:
    seen: list[bytes] = []

    async def look(request: object, exchange: object, again: object) -> object:
        data = b""
        while not exchange.ended:  # type: ignore[attr-defined]
            data += await exchange.read()  # type: ignore[attr-defined]
        seen.append(data)
        return Rewound(exchange, data)

    class Rewound:
        def __init__(self, inner: object, data: bytes) -> None:
            self.status, self.headers, self._inner, self._data = inner.status, inner.headers, inner, data  # type: ignore[attr-defined]

        @property
        def ended(self) -> bool:
            return not self._data

        async def read(self) -> bytes:
            data, self._data = self._data, b""
            return data

        def release(self) -> None:
            self._inner.release()  # type: ignore[attr-defined]

        def abort(self) -> None:
            self._inner.abort()  # type: ignore[attr-defined]

    for stream in (True, False):
        seen.clear()
        whole = GOOD if stream else ANSWER
        run = Journey(
            FakeExchange(b'{"id":"lost"}', status=500),
            good() if stream else FakeExchange(ANSWER),
            request=STREAM if stream else PLAIN,
            filters=[look],  # type: ignore[list-item]
        )
        assert (await run.go()).body == whole
        assert seen == [whole]
