"""Answers that are rebuilt on their way: when the upstream is left, and what cannot be read."""

import asyncio

import orjson
import pytest

from proxy.context import RequestContext
from proxy.errors import UpstreamInvalid
from proxy.providers.openai import OPENAI
from proxy.providers.openai_dialect.chat import CompatibleChat
from proxy.relay.guard import ResponseGuard
from proxy.relay.relay import Relay, RelaySettings
from proxy.translation.ask import Ask
from proxy.translation.composed import Composed
from proxy.wire.chat import RequestView
from tests.support.asgi import Client
from tests.support.clock import FakeClock
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import JSON, SSE, TARGET, FakeAdmission, FakeExchange, FakeProvider, FakeTasks, FakeTransport

SETTINGS = RelaySettings(
    keepalive=0.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)


def event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "1", "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"


async def relayed(exchange: FakeExchange, *, stream: bool, stop: tuple[str, ...] = ()) -> tuple[RequestContext, Client]:
    """One request through the relay; what it raises has not been answered yet."""
    client, clock = Client(), FakeClock()
    ctx = RequestContext(request_id="r" * 32, target=TARGET, body=b"{}", request=RequestView(stream=stream))
    ask = Ask(model="small", request_id=ctx.request_id, stream=stream, stop=stop)
    provider = FakeProvider(translation=Composed(ask, CompatibleChat(OPENAI), None, forwards=False))
    relay = Relay(
        ctx,
        client.receive,
        ResponseGuard(client.send, ctx, "POST"),
        course=FakeCourse(step_to()),
        providers={TARGET.provider: (provider, FakeTransport(exchange))},
        admission=FakeAdmission(),
        settings=SETTINGS,
        tasks=FakeTasks(),
        clock=clock,
        wall=clock,
    )
    async with asyncio.timeout(5):
        await relay.run()
    return ctx, client


async def test_a_stop_sequence_ends_the_answer_and_the_upstream() -> None:
    """What the model would still say is not waited for, nor paid for."""
    exchange = FakeExchange(
        event({"role": "assistant", "content": "a E"}), event({"content": "ND b"}), 3600.0, headers=SSE
    )
    ctx, client = await relayed(exchange, stream=True, stop=("END",))
    assert exchange.reads == 2
    assert exchange.closed_once
    events = [line[6:] for line in client.body.split(b"\n\n") if line]
    assert events[-1] == b"[DONE]"
    choices = [orjson.loads(text)["choices"][0] for text in events[:-1]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "a "
    assert [choice["finish_reason"] for choice in choices][-1] == "stop"
    assert ctx.error is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("encoding", [b"zstd", b"gzip"])
async def test_an_answer_compressed_beyond_reading_is_an_error(stream: bool, encoding: bytes) -> None:
    kind = SSE if stream else JSON
    exchange = FakeExchange(b"\x1f\x8bnot really", headers=(*kind, (b"content-encoding", encoding)))
    with pytest.raises(UpstreamInvalid, match="compressed"):
        await relayed(exchange, stream=stream)
    assert exchange.closed_once
