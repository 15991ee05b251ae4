"""The estimate: from bytes, with the client's own output cap."""

import pytest

from middleware.token_count import TokenCountMiddleware
from proxy.context import NO_ESTIMATE, RequestContext, TokenEstimate
from proxy.wire.chat import RequestView
from tests.support.asgi import Client, Inner, scope_of
from tests.support.clock import FakeClock
from tests.support.fakes import FakeCounter


async def counted(body: bytes, request: RequestView) -> tuple[RequestContext, FakeCounter]:
    counter, inner, client = FakeCounter(), Inner(), Client()
    ctx = RequestContext(request_id="r", body=body, request=request)
    await TokenCountMiddleware(inner, counter=counter, clock=FakeClock())(scope_of(ctx), client.receive, client.send)
    assert inner.reached == 1
    return ctx, counter


@pytest.mark.parametrize(
    ("request_", "output"),
    [
        (RequestView(), 0),
        (RequestView(max_tokens=5), 5),
        (RequestView(max_tokens=5, max_completion_tokens=9), 9),
        (RequestView(max_output_tokens=7), 0),
        (RequestView(max_tokens=5, max_output_tokens=7), 5),
        (RequestView(max_tokens=5, n=3), 15),
        (RequestView(n=3), 0),
    ],
)
async def test_the_cap_of_the_client_is_noted(request_: RequestView, output: int) -> None:
    ctx, counter = await counted(b"12345", request_)
    assert ctx.estimate == TokenEstimate(5, 10, output)
    assert counter.counted == [], "no tokeniser on the request path"
    assert [name for name, _ in ctx.timings] == ["token_count"]


async def test_without_a_body_nothing_is_estimated() -> None:
    ctx, counter = await counted(b"", RequestView())
    assert ctx.estimate is NO_ESTIMATE
    assert counter.estimated == []
    assert ctx.timings == []
