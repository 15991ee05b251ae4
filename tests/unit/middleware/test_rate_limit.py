"""Admission stands before everything that sends."""

import pytest

from middleware.rate_limit import RateLimitMiddleware
from proxy.context import RequestContext
from proxy.errors import RateLimited
from tests.support.asgi import Client, Inner, scope_of
from tests.support.clock import FakeClock
from tests.support.fakes import FakeAdmission


async def test_who_is_admitted_goes_on_and_the_time_is_noted() -> None:
    admission, inner, client = FakeAdmission(), Inner(), Client()
    ctx = RequestContext(request_id="r")
    await RateLimitMiddleware(inner, admission=admission, clock=FakeClock())(scope_of(ctx), client.receive, client.send)
    assert admission.admitted == [ctx]
    assert inner.reached == 1
    assert [name for name, _ in ctx.timings] == ["rate_limit"]


async def test_who_is_refused_reaches_nobody() -> None:
    inner, client = Inner(), Client()
    link = RateLimitMiddleware(inner, admission=FakeAdmission(RateLimited("no")), clock=FakeClock())
    with pytest.raises(RateLimited):
        await link(scope_of(RequestContext(request_id="r")), client.receive, client.send)
    assert inner.reached == 0
