"""A stream under a limit: what the meter lets through leaves, its refusal ends the stream and closes the upstream."""

import pytest

from proxy.context import RequestContext
from proxy.errors import RateLimited, TollwayError
from proxy.relay.relay import Relay, RelaySettings
from proxy.wire.chat import RequestView
from tests.support.asgi import Client
from tests.support.clock import FakeClock
from tests.support.courses import FakeCourse
from tests.support.fakes import SSE, TARGET, FakeAdmission, FakeExchange, FakeProvider, FakeTasks, FakeTransport

SETTINGS = RelaySettings(
    keepalive=0.0, send_timeout=30.0, include_usage="auto", server_timing=False, gateway_headers=False
)
EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"%d "}}]}\n\n' % number for number in range(5)]
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Meter:
    """Lets ``granted`` feeds through; at the next one ``late`` says whether more is granted after a wait, or refused."""

    def __init__(self, granted: int, *, late: bool = False) -> None:
        self.error: TollwayError | None = None
        self.waiting = False
        self.closed = self.finished = 0
        self._granted = granted
        self._late = late
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        if self.error is not None:
            return b""
        if self._granted:
            self._granted -= 1
            return data
        self._held, self.waiting = data, True
        return b""

    def finish(self) -> bytes:
        self.finished += 1
        return b""

    async def more(self) -> bytes:
        self.waiting = False
        if self._late:
            self._granted = 1
            return self._held
        self.error = RateLimited("The limit is reached.")
        return b": rest\n\n"

    def close(self) -> None:
        self.closed += 1


async def relayed(meter: Meter) -> tuple[RequestContext, Client, FakeExchange]:
    exchange, client = FakeExchange(*EVENTS, END, headers=SSE), Client()
    ctx = RequestContext(request_id="r", target=TARGET, body=b"{}", request=RequestView(stream=True))
    ctx.meter = meter
    relay = Relay(
        ctx, client.receive, client.send, course=FakeCourse(), admission=FakeAdmission(),
        providers={TARGET.provider: (FakeProvider(), FakeTransport(exchange))}, settings=SETTINGS, tasks=FakeTasks(), clock=FakeClock(), wall=FakeClock(),
    )  # fmt: skip
    try:
        await relay.run()
    except TollwayError as error:
        ctx.error = error
    return ctx, client, exchange


async def test_what_is_granted_passes_byte_for_byte() -> None:
    meter = Meter(99)
    ctx, client, exchange = await relayed(meter)
    assert client.body == b"".join(EVENTS) + END
    assert ctx.error is None
    assert (meter.finished, meter.closed) == (1, 1)
    assert exchange.closed_once


async def test_a_grant_that_comes_late_loses_nothing() -> None:
    meter = Meter(2, late=True)
    ctx, client, _ = await relayed(meter)
    assert client.body == b"".join(EVENTS) + END
    assert ctx.error is None


async def test_a_refusal_ends_the_stream_with_what_was_granted() -> None:
    meter = Meter(2)
    ctx, client, exchange = await relayed(meter)
    assert isinstance(ctx.error, RateLimited)
    assert client.body == EVENTS[0] + EVENTS[1] + b": rest\n\n"
    assert exchange.aborted == 1
    assert meter.closed == 1
    # What is counted at the end is what was delivered.
    assert "".join(ctx.output_text) == "0 1 "


@pytest.mark.parametrize("granted", range(6))
async def test_wherever_it_is_cut_the_delivered_text_is_what_counts(granted: int) -> None:
    ctx, client, _ = await relayed(Meter(granted))
    assert "".join(ctx.output_text) == "".join(f"{number} " for number in range(min(granted, 5)))
    assert client.body.startswith(b"".join(EVENTS[:granted]))
