"""Bodies: what is read, what is refused, and that nothing of a body is ever quoted."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from middleware.edge import EdgeMiddleware
from middleware.parse import ParseMiddleware, decode, decode_loosely, has_body, model_in_query, read_body
from proxy.context import Receive, RequestContext, Scope, Send, context_of
from proxy.errors import IncompleteBody, InvalidJson, InvalidRequest, RequestTooLarge, TollwayError, UnsupportedMedia
from proxy.relay.form import FormUpload
from proxy.relay.upload import BodyLimits, BodyUpload
from proxy.wire.chat import EMPTY, RequestView, StreamOptions
from proxy.wire.endpoints import CHAT, IMAGES, MODELS, PASSTHROUGH, REALTIME, TRANSCRIPTIONS, Endpoint
from tests.support.asgi import HOST, Client, Inner, http_scope, scope_of
from tests.support.clock import FakeClock, elapsed, virtual
from tests.support.fakes import FakeSettlement, FakeTasks, FakeTelemetry

LIMITS = BodyLimits(body=100, upload=200, idle=10.0, total=60.0, upload_total=600.0, spool_dir=None)


async def parsed(
    client: Client,
    *,
    endpoint: Endpoint = CHAT,
    headers: dict[bytes, bytes] | None = None,
    query: bytes = b"",
    limits: BodyLimits = LIMITS,
    hands_on: bool = False,
) -> RequestContext:
    ctx = RequestContext(
        request_id="r", endpoint=endpoint, headers=headers or {}, query=query, task=asyncio.current_task()
    )
    inner = Inner()
    link = ParseMiddleware(inner, endpoint=endpoint, limits=limits, clock=FakeClock(), hands_on=hands_on)
    await link(scope_of(ctx), client.receive, client.send)
    assert inner.reached == 1
    assert [name for name, _ in ctx.timings] == ["parse"]
    return ctx


BODY = b'{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}'


async def test_the_body_is_kept_as_it_came_and_viewed_once() -> None:
    ctx = await parsed(Client(BODY))
    assert ctx.body == BODY
    assert ctx.request == RequestView(model="fast", stream=True)


@pytest.mark.parametrize("at", range(0, len(BODY) + 1, 7))
async def test_a_body_in_several_messages_is_one_body(at: int) -> None:
    ctx = await parsed(Client([BODY[:at], b"", BODY[at:]]))
    assert ctx.body == BODY
    assert ctx.request.model == "fast"


@pytest.mark.parametrize(
    ("pieces", "headers", "asked"),
    [
        ([BODY], {b"content-length": b"%d" % len(BODY)}, 1),
        ([BODY[:9], BODY[9:]], {b"content-length": b"%d" % len(BODY)}, 2),
        ([b"", BODY[:9], BODY[9:]], {b"content-length": b"%d" % len(BODY)}, 3),
        ([BODY], {b"transfer-encoding": b"chunked"}, 2),
        ([BODY], {b"transfer-encoding": b"chunked", b"content-length": b"%d" % len(BODY)}, 2),
        ([BODY[:9], BODY[9:]], {b"transfer-encoding": b"chunked", b"content-length": b"9"}, 3),
        ([BODY], {b"content-length": b"%d" % (len(BODY) - 1)}, 2),
        ([BODY], {}, 2),
    ],
    ids=[
        "declared", "in two pieces", "after nothing", "chunked", "both", "both, the length wrong", "longer than declared", "neither",
    ],
)  # fmt: skip
async def test_the_end_is_asked_for_only_where_no_length_tells_it(
    pieces: list[bytes], headers: dict[bytes, bytes], asked: int
) -> None:
    """A server may say that a body has ended in a message of its own, as Granian does after every one."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    begun = len(messages)

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    ctx = RequestContext(request_id="r", endpoint=CHAT, headers=headers, task=asyncio.current_task())
    assert await read_body(ctx, receive, LIMITS) == BODY
    assert begun - len(messages) == asked


@pytest.mark.parametrize(
    ("body", "view"),
    [
        (b"{}", EMPTY),
        (b' {"model" : "a" } ', RequestView(model="a")),
        (b'{"model":null,"stream":null}', EMPTY),
        (b'{"max_tokens":5,"n":2}', RequestView(max_tokens=5, n=2)),
        (
            b'{"stream_options":{"include_usage":true,"x":1}}',
            RequestView(stream_options=StreamOptions(include_usage=True)),
        ),
        (b'{"mod\\u0065l":"a"}', RequestView(model="a")),
        (b'{"model":"a","messages":[{"model":1},{"model":2}]}', RequestView(model="a")),
        ('{"model":"é","x":"日本"}'.encode(), RequestView(model="é")),
    ],
)
def test_bodies_that_are_read(body: bytes, view: RequestView) -> None:
    assert decode(body) == view


some = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
members = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["model", "stream", "n", "max_tokens", "stream_options", "models"]), some),
        st.tuples(st.just("model"), st.just("fast")),
        st.tuples(st.sampled_from(["n", "max_tokens"]), st.sampled_from([0, 1, 1.0, 1.5, 1024, 1025, 10**8, 10**8 + 1])),
        st.tuples(st.just("messages"), st.just([{"role": "user", "content": "hi"}])),
        st.tuples(st.sampled_from(["api_base", "base_url", "tools", "messages", "x"]), some),
        st.tuples(st.just("deep"), st.integers(60, 70).map(lambda depth: [json.loads("[" * depth + "]" * depth)])),
    ),
    max_size=5,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(members=members, separators=st.sampled_from([(",", ":"), (", ", ": ")]), escaped=st.booleans())
async def test_however_it_is_decoded_it_says_the_same(
    members: list[tuple[str, Any]], separators: tuple[str, str], escaped: bool
) -> None:
    """The quick look and the close one agree on every body: fields twice, deep ones, wrong ones, unusual spellings."""
    comma, colon = separators
    texts = [
        json.dumps(key) + colon + json.dumps(value, separators=separators, ensure_ascii=escaped)
        for key, value in members
    ]
    body = ("{" + comma.join(texts) + "}").encode("utf-8", "surrogatepass")
    told: RequestView | str
    found: RequestView | str
    try:
        told = decode(body)
    except TollwayError as error:
        told = repr((type(error), error.message, error.code))
    try:
        found = (await parsed(Client(body), limits=structs.replace(LIMITS, body=10_000))).request
    except TollwayError as error:
        found = repr((type(error), error.message, error.code))
    assert found == told


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (BODY, {"model", "stream", "messages"}),
        (BODY[:-1] + b',"tools":[]}', set()),
        (BODY[:-1] + b',"model":"fast"}', None),
        (b'{"model":"caf\\u00e9"}', set()),
        (b"{}", set()),
    ],
)
async def test_a_body_that_is_settings_and_texts_tells_its_members(body: bytes, plain: set[str] | None) -> None:
    if plain is None:
        with pytest.raises(InvalidRequest):
            await parsed(Client(body))
    else:
        assert (await parsed(Client(body))).plain == plain


async def test_the_document_is_handed_on_only_where_somebody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await parsed(Client(BODY))).decoded is None
    ctx = await parsed(Client(BODY), hands_on=True)
    assert ctx.decoded is not None
    assert ctx.decoded.body is ctx.body
    assert ctx.decoded.document == json.loads(BODY)
    monkeypatch.setattr("middleware.parse.KEPT", len(BODY) - 1)
    assert (await parsed(Client(BODY), hands_on=True)).decoded is None


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "invalid_json", "empty"),
        (b"   ", "invalid_json", "empty"),
        (b"\xef\xbb\xbf{}", "invalid_json", "byte order mark"),
        ('{"model":"a"}'.encode("utf-16"), "invalid_json", "UTF-16"),
        ('{"model":"a"}'.encode("utf-32-le"), "invalid_json", "UTF-16"),
        (b'{"model":"\xff"}', "invalid_json", ""),
        (b'{"x":"\xff","model":"a"}', "invalid_json", ""),
        (b'{"model":"a"', "invalid_json", "not valid JSON"),
        (b'{"model":"a"}}', "invalid_json", "not valid JSON"),
        (b'{"model":"a",}', "invalid_json", "not valid JSON"),
        (b"{'model':'a'}", "invalid_json", "not valid JSON"),
        (b'{"x":NaN}', "invalid_json", "not valid JSON"),
        (b'{"x":01}', "invalid_json", "not valid JSON"),
        (b'{"x":"\\ud800"}', "invalid_json", "not valid JSON"),
        (b'{"x":"a\nb"}', "invalid_json", "not valid JSON"),
        (b"[]", "invalid_type", "JSON object"),
        (b'"text"', "invalid_type", "JSON object"),
        (b"null", "invalid_type", "JSON object"),
        (b'{"model":5}', "invalid_type", "'model'"),
        (b'{"model":["a"]}', "invalid_type", "'model'"),
        (b'{"stream":"true"}', "invalid_type", "'stream'"),
        (b'{"stream":1}', "invalid_type", "'stream'"),
        (b'{"max_tokens":-1}', "invalid_type", "'max_tokens'"),
        (b'{"max_tokens":"5"}', "invalid_type", "'max_tokens'"),
        (b'{"n":0}', "invalid_type", "'n'"),
        (b'{"n":100000}', "invalid_type", "'n'"),
        (b'{"stream_options":[]}', "invalid_type", "'stream_options'"),
        (b'{"stream_options":{"include_usage":"yes"}}', "invalid_type", "'stream_options.include_usage'"),
        (b'{"model":"a","model":"b"}', "duplicate_field", "'model'"),
        (b'{"model":"a","mod\\u0065l":"b"}', "duplicate_field", "'model'"),
        (b'{"n":1,"n":1}', "duplicate_field", "'n'"),
        (b'{"models":["a"],"models":["b"]}', "duplicate_field", "'models'"),
        (b'{"models":"a"}', "invalid_type", "'models'"),
        (b'{"models":[' + b'"a",' * 20 + b'"a"]}', "invalid_type", "'models'"),
        (b'{"stream":false,"x":{},"stream":true}', "duplicate_field", "'stream'"),
        (b'{"api_base":"http://evil.test"}', "unsupported_parameter", "'api_base'"),
        (b'{"base_\\u0075rl":"http://evil.test"}', "unsupported_parameter", "'base_url'"),
        (b'{"x":' + b"[" * 64 + b"]" * 64 + b"}", "invalid_json", "64 levels"),
        (b'{"x":' + b"[" * 100_000, "invalid_json", ""),
    ],
)
@pytest.mark.parametrize("loose", [False, True])
def test_bodies_that_are_refused(body: bytes, code: str, says: str, loose: bool) -> None:
    read = decode_loosely if loose else decode
    if loose and code == "invalid_type":
        assert read(body).model is None
        return
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.code == code
    assert says in caught.value.message
    assert "evil" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"x":"' + b"[" * 500 + b'"}',
        b'{"x":"api_base"}',
        b'{"y":{"api_base":1}}',
        b'{"x":"\\"model\\"","model":"a"}',
    ],
)
def test_shapes_that_only_look_forbidden_pass(body: bytes) -> None:
    assert decode(body)
    assert decode_loosely(body)


def test_the_body_is_never_quoted() -> None:
    secret = "sk-secret-in-a-body"
    for body in (
        f'{{"model":{{"{secret}":1}}}}',
        f'{{"stream":"{secret}"}}',
        f'{{"model":"{secret}"',
        f'{{"x":{secret}}}',
    ):
        with pytest.raises(InvalidRequest) as caught:
            decode(body.encode())
        assert secret not in caught.value.message


def test_loose_views_take_only_what_is_well_typed() -> None:
    assert decode_loosely(b'{"model":5,"stream":"x","n":"many"}') == EMPTY
    assert decode_loosely(b'{"model":"a","stream":true}') == RequestView(model="a", stream=True)


@pytest.mark.parametrize(
    ("client", "headers", "error", "code"),
    [
        (Client(b"x" * 101), {}, RequestTooLarge, "request_too_large"),
        (Client([b"x" * 60, b"x" * 41]), {}, RequestTooLarge, "request_too_large"),
        (Client([b"x" * 60, b"x" * 41, b"x"]), {}, RequestTooLarge, "request_too_large"),
        (Client(b"{}"), {b"content-length": b"101"}, RequestTooLarge, "request_too_large"),
        (Client(b'{"mod', truncated=True), {}, IncompleteBody, "incomplete_body"),
        (Client.saying({"type": "http.disconnect"}), {}, IncompleteBody, "incomplete_body"),
        (Client(b"{}"), {b"content-encoding": b"gzip"}, UnsupportedMedia, "unsupported_content_encoding"),
    ],
)
async def test_bodies_that_cannot_be_read(
    client: Client, headers: dict[bytes, bytes], error: type[TollwayError], code: str
) -> None:
    with pytest.raises(error) as caught:
        await parsed(client, headers=headers)
    assert caught.value.code == code
    assert caught.value.status in (400, 413, 415)


async def test_a_body_of_exactly_the_limit_passes() -> None:
    body = b'{"model":"' + b"a" * 88 + b'"}'
    assert len(body) == 100
    assert (await parsed(Client(body))).body == body
    assert (await parsed(Client([body[:50], body[50:]]), headers={b"content-length": b"100"})).body == body


async def test_a_refusal_by_its_declared_length_reads_nothing() -> None:
    client = Client(b"x")
    with pytest.raises(RequestTooLarge):
        await parsed(client, headers={b"content-length": b"99999999"})
    assert client.received == 0


def slow(pauses: list[float]) -> Client:
    """A body whose parts arrive after ``pauses`` seconds each."""
    client = Client([b" "] * len(pauses) + [b"{}"])
    quick = client.receive

    async def receive() -> dict[str, object]:
        await asyncio.sleep(pauses.pop(0) if pauses else 0)
        return dict(await quick())

    client.receive = receive  # type: ignore[method-assign,assignment]
    return client


async def through_edge(client: Client) -> Client:
    """Parse behind a real edge: an interruption is a cancellation that only the edge turns into an answer."""

    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": context_of(scope).body})

    edge = EdgeMiddleware(
        ParseMiddleware(answers, endpoint=CHAT, limits=LIMITS, clock=FakeClock()),
        endpoint=CHAT,
        path="/chat/completions",
        clock=FakeClock(),
        tasks=FakeTasks(),
        telemetry=FakeTelemetry(),
        settlement=FakeSettlement(),
    )
    await edge(http_scope(headers=[HOST]), client.receive, client.send)
    return client


@virtual
async def test_a_body_that_stops_arriving_is_a_408() -> None:
    client = await through_edge(slow([1.0, 3600.0]))
    assert client.status == 408
    assert client.headers[b"connection"] == b"close"
    assert elapsed() == pytest.approx(11.0)


@virtual
async def test_a_body_that_trickles_is_a_408_in_the_end() -> None:
    client = await through_edge(slow([9.0] * 20))
    assert client.status == 408
    assert elapsed() < 75


@virtual
async def test_a_slow_body_within_the_limits_passes() -> None:
    client = await through_edge(slow([9.0] * 5))
    assert client.status == 200
    assert client.body == b" " * 5 + b"{}"


# ---- bodies that are not JSON ---------------------------------------------------------------------------------------

FORM = (
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n'
)
FORM_TYPE = {b"content-type": b"multipart/form-data; boundary=b", b"transfer-encoding": b"chunked"}


async def test_a_form_is_read_up_to_its_model() -> None:
    client = Client([FORM[:80], FORM[80:150], FORM[150:]])
    ctx = await parsed(client, endpoint=TRANSCRIPTIONS, headers=FORM_TYPE)
    assert ctx.request.model == "whisper"
    assert isinstance(ctx.upload, FormUpload)
    assert client.received < 3
    assert b"".join([chunk async for chunk in ctx.upload.chunks()]) == FORM
    assert ctx.body == b""


async def test_json_on_a_form_endpoint_is_read_as_json() -> None:
    headers = {b"content-type": b"Application/JSON; charset=utf-8", b"content-length": b"15"}
    ctx = await parsed(Client(b'{"model":"dot"}'), endpoint=IMAGES, headers=headers)
    assert ctx.request.model == "dot"
    assert ctx.upload is None


async def test_other_types_on_a_form_endpoint_are_refused() -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        await parsed(Client(b"x"), endpoint=IMAGES, headers={b"content-type": b"text/plain", b"content-length": b"1"})
    assert caught.value.status == 415


@pytest.mark.parametrize("kind", [b"multipart/form-data", b"multipart/form-data; boundary=" + b"b" * 201])
async def test_a_form_without_a_usable_boundary_is_refused(kind: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await parsed(Client(b"x"), endpoint=IMAGES, headers={b"content-type": kind, b"content-length": b"1"})
    assert caught.value.code == "invalid_multipart"


async def test_an_unlisted_path_streams_what_it_does_not_know() -> None:
    headers = {b"content-type": b"application/octet-stream", b"content-length": b"3"}
    ctx = await parsed(Client(b"abc"), endpoint=PASSTHROUGH, headers=headers)
    assert isinstance(ctx.upload, BodyUpload)
    assert ctx.upload.length == 3


async def test_an_unlisted_path_may_carry_json_of_any_shape() -> None:
    headers = {b"content-type": b"application/json", b"content-length": b"2"}
    ctx = await parsed(Client(b"[]"), endpoint=PASSTHROUGH, headers=headers)
    assert (ctx.request, ctx.body) == (EMPTY, b"[]")


@pytest.mark.parametrize("endpoint", [PASSTHROUGH, MODELS])
async def test_no_announced_body_is_not_read(endpoint: Endpoint) -> None:
    client = Client()
    ctx = await parsed(client, endpoint=endpoint)
    assert client.received == 0
    assert ctx.request is EMPTY


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({b"content-length": b"0"}, False),
        ({b"content-length": b"1"}, True),
        ({b"transfer-encoding": b"chunked"}, True),
    ],
)
def test_has_body(headers: dict[bytes, bytes], expected: bool) -> None:
    assert has_body(RequestContext(request_id="r", headers=headers)) is expected


@pytest.mark.parametrize(
    ("query", "model"),
    [(b"", None), (b"model=a", "a"), (b"x=1&model=gpt%2Frt", "gpt/rt"), (b"model=", ""), (b"Model=a", None)],
)
async def test_the_model_of_a_websocket_is_in_its_query(query: bytes, model: str | None) -> None:
    assert (await parsed(Client(), endpoint=REALTIME, query=query)).request.model == model


@pytest.mark.parametrize("query", [b"model=a&model=b", b"model=a&%6dodel=b", b"model=\xff"])
def test_a_query_that_reads_two_ways_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidRequest):
        model_in_query(query)


def test_invalid_json_is_a_kind_of_invalid_request() -> None:
    assert issubclass(InvalidJson, InvalidRequest)
