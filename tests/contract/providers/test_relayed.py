"""The same answers through the whole relay and its edge, read by read: what leaves, and that nothing is invented when the provider fails."""

import json
from typing import Any

import orjson
import pytest

from middleware.edge import EdgeMiddleware
from proxy.context import Receive as ReceiveCall
from proxy.context import RequestContext, Scope, context_of
from proxy.context import Send as SendCall
from proxy.errors import UpstreamCut
from proxy.relay.relay import Relay, RelaySettings
from tests.support.asgi import Client, http_scope
from tests.support.clock import FakeClock
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import FakeAdmission, FakeExchange, FakeSettlement, FakeTasks, FakeTelemetry, FakeTransport

from . import driver
from .cases import Answer, Case, case
from .test_contract import check_alike
from .test_fronts import question

SETTINGS = RelaySettings(
    keepalive=15.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)

PLAIN = {
    "anthropic": "plain_text",
    "azure": "text",
    "bedrock": "plain_text",
    "cohere": "text",
    "gemini": "text",
    "groq": "plain",
    "mistral": "plain",
    "openai": "plain",
    "vertex": "text",
}
"""A case of each dialect whose answer is whole and right, in both forms."""

MIDWAY = {
    "anthropic": "stream_error_later",
    "bedrock": "stream_error_later",
    "cohere": "error_after_output",
    "gemini": "error_midstream",
    "openrouter": "error_midway",
    "vllm": "error_midway",
}
INSIDE = {
    "anthropic": "error_inside_200",
    "bedrock": "error_inside_200",
    "cohere": "error_inside_200",
    "gemini": "error_in_200",
    "openrouter": "error_inside",
}


class Run:
    """One request through edge and relay to a provider that answers by script."""

    def __init__(
        self,
        case: Case,
        *script: bytes | float | BaseException,
        status: int = 200,
        kind: str,
        stream: bool,
        path: str = "/chat/completions",
    ) -> None:
        self.exchange = FakeExchange(*script, status=status, headers=((b"content-type", kind.encode()),))
        self.transport = FakeTransport(self.exchange)
        self.telemetry = FakeTelemetry()
        self.client = Client()
        self.path = path
        self.case = case
        asked = case.body if path == "/chat/completions" else question(case, path, stream=stream)
        self.body = orjson.dumps(driver.streaming(asked) if stream and path == "/chat/completions" else asked)
        self.ctx: RequestContext | None = None

    async def __call__(self) -> "Run":
        """The whole request. An exception that reaches the server is the cut connection of a stream without an event to say so."""
        clock, tasks = FakeClock(), FakeTasks()

        async def app(scope: Scope, receive: ReceiveCall, send: SendCall) -> None:
            ctx = self.ctx = context_of(scope)
            given = driver.context(self.path, self.body, {})
            ctx.request, ctx.body, ctx.path = given.request, given.body, given.path
            ctx.target = driver.target(self.case)
            await Relay(
                ctx,
                receive,
                send,
                course=FakeCourse(step_to(ctx.target)),
                providers={ctx.target.provider: (driver.account(self.case), self.transport)},
                admission=FakeAdmission(),
                settings=SETTINGS,
                tasks=tasks,
                clock=clock,
                wall=clock,
            ).run()

        edge = EdgeMiddleware(
            app,
            endpoint=driver.endpoint_of(self.path),
            path=self.path,
            clock=clock,
            tasks=tasks,
            telemetry=self.telemetry,
            settlement=FakeSettlement(),
        )
        await edge(http_scope(), self.client.receive, self.client.send)
        assert self.telemetry.bugs == []
        assert self.exchange.closed_once
        return self

    @property
    def status(self) -> int:
        found: int = self.client.starts[0]["status"]
        return found

    @property
    def data(self) -> bytes:
        return b"".join([message.get("body", b"") for message in self.client.sent])

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors among the events, in whatever envelope."""
        found = []
        for _, payload in driver.events(self.data):
            try:
                found.append(json.loads(payload))
            except ValueError:  # ``[DONE]``, or what was cut off where bytes pass.
                continue
        return [event["error"] for event in found if event.get("error") is not None]


def thirds(answer: Answer) -> list[bytes]:
    """The body in uneven reads."""
    data = answer.data
    return [piece for piece in (data[:7], data[7 : len(data) // 2], data[len(data) // 2 :]) if piece]


def of(cases: dict[str, str]) -> list[Any]:
    return [pytest.param(case(provider, name), id=provider) for provider, name in cases.items()]


@pytest.mark.parametrize("case", of(PLAIN))
async def test_a_whole_answer(case: Case) -> None:
    assert case.reply is not None
    run = await Run(case, *thirds(case.reply), kind=case.reply.kind, stream=False)()
    assert run.status == 200
    assert json.loads(run.data)["choices"][0]["message"]["content"] == case.expect["content"]
    assert run.ctx is not None
    assert run.ctx.usage.input_source == "reported"
    assert run.ctx.usage.input == case.expect["usage"]["prompt_tokens"]


@pytest.mark.parametrize("case", of(PLAIN))
async def test_a_stream(case: Case) -> None:
    assert case.stream is not None
    run = await Run(case, *thirds(case.stream), kind=case.stream.kind, stream=True)()
    assert (run.status, run.errors) == (200, [])
    assert run.data.rstrip().endswith(b"data: [DONE]")
    document = driver.read_chat(run.data)
    assert driver.message_of(document)["content"] == case.expect["content"]
    expected = driver.streamed(case.stream, driver.ask(case, body=driver.streaming(case.body))).document
    check_alike(document, expected, translated=False)
    assert run.ctx is not None
    assert run.ctx.usage.input == case.expect["usage"]["prompt_tokens"]


@pytest.mark.parametrize("path", ["/messages", "/responses"])
@pytest.mark.parametrize(
    "case", of({provider: name for provider, name in PLAIN.items() if provider not in ("anthropic", "openai", "azure")})
)
async def test_a_stream_for_another_client(case: Case, path: str) -> None:
    assert case.stream is not None
    if driver.account(case).passes(driver.endpoint_of(path), case.model, path):
        return
    run = await Run(case, *thirds(case.stream), kind=case.stream.kind, stream=True, path=path)()
    assert run.status == 200
    last = driver.events(run.data)[-1]
    assert last[0] in ("message_stop", "response.completed")
    assert run.ctx is not None
    assert run.ctx.usage.input == case.expect["usage"]["prompt_tokens"]


@pytest.mark.parametrize("case", of(MIDWAY))
async def test_an_error_in_the_middle(case: Case) -> None:
    """What was said stays; then one error event, and no end."""
    assert case.stream is not None
    run = await Run(case, *driver.bytewise(case.stream.data), kind=case.stream.kind, stream=True)()
    assert run.status == 200
    assert len(run.errors) == 1
    assert case.expect["error"].get("message_contains", "") in run.errors[0]["message"]
    assert b"[DONE]" not in run.data
    assert run.ctx is not None
    assert run.ctx.error is not None


@pytest.mark.parametrize("case", of(MIDWAY))
async def test_an_error_before_anything_has_left(case: Case) -> None:
    """An error event in the first read is an ordinary error answer, if nothing the client could use came before it."""
    assert case.stream is not None
    for path, wanted in (("/messages", {"type", "error", "request_id"}), ("/chat/completions", {"error"})):
        if driver.account(case).passes(driver.endpoint_of(path), case.model, path):
            continue
        run = await Run(case, case.stream.data, kind=case.stream.kind, stream=True, path=path)()
        if run.status == 200:
            assert b'"error"' in run.data
            continue
        assert run.status >= 400
        assert set(json.loads(run.data)) == wanted


@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("case", of(PLAIN))
async def test_a_stream_that_breaks_off(case: Case, share: float) -> None:
    """One error at the end, never a finish that was not said."""
    assert case.stream is not None
    data = case.stream.data[: int(len(case.stream.data) * share)]
    for script in ([data], [data, UpstreamCut("The connection died.")]):
        run = await Run(case, *script, kind=case.stream.kind, stream=True)()
        if run.status == 200:
            assert len(run.errors) == 1
        else:
            assert run.status == 502
            assert json.loads(run.data)["error"]["code"]
        assert b"[DONE]" not in run.data
        assert b'"finish_reason":"stop"' not in run.data


PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"

REBUILT = {
    provider: name
    for provider, name in PLAIN.items()
    if provider in ("anthropic", "bedrock", "cohere", "gemini", "vertex")
}
REPAIRED = {**REBUILT, "mistral": PLAIN["mistral"], "groq": PLAIN["groq"]}
"""Without those whose bytes pass, whatever they are."""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", of(REPAIRED))
@pytest.mark.parametrize(
    "body", [PAGE, b"", b"[]", b"null", b'"ok"', b"{", b"\xff\xfe\x00", b"{}", b"data: [DONE]\n\n"]
)
@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/event-stream"])
async def test_no_answer_inside_200(case: Case, stream: bool, body: bytes, kind: str) -> None:
    """A page, nothing, or something else: one clear error, never an empty answer that looks whole."""
    run = await Run(case, *([body] if body else []), kind=kind, stream=stream)()
    assert (run.status, len(run.client.starts)) == (502, 1), run.data
    assert set(json.loads(run.data)["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize("case", of(REPAIRED))
async def test_an_error_that_is_a_page(case: Case, status: int, stream: bool) -> None:
    run = await Run(case, PAGE, status=status, kind="text/html", stream=stream)()
    assert run.status == status
    error = json.loads(run.data)["error"]
    assert "<" not in error["message"]
    assert "Bad Gateway" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", of(INSIDE))
async def test_an_error_inside_200(case: Case, stream: bool) -> None:
    assert case.reply is not None
    run = await Run(case, case.reply.data, kind=case.reply.kind, stream=stream)()
    assert run.status == case.expect["error"]["status"]
    assert case.expect["error"].get("message_contains", "") in json.loads(run.data)["error"]["message"]


@pytest.mark.parametrize("case", of(REPAIRED))
async def test_a_whole_answer_where_a_stream_was_asked_for(case: Case) -> None:
    assert case.reply is not None
    run = await Run(case, case.reply.data, kind=case.reply.kind, stream=True)()
    assert run.status == 200
    assert driver.message_of(driver.read_chat(run.data))["content"] == case.expect["content"]
    assert run.data.endswith(b"data: [DONE]\n\n")
