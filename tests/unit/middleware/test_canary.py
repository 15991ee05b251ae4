"""The link of a trial: each answer says which configuration made it."""

from middleware.canary import CanaryMiddleware
from proxy.context import Receive, RequestContext, Scope, Send
from tests.support.asgi import Client, scope_of


async def test_the_answer_names_its_arm() -> None:
    reached: list[Scope] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    ctx = RequestContext(request_id="r")
    client = Client()
    await CanaryMiddleware(inner, arm="trial")(scope_of(ctx), client.receive, client.send)
    assert ctx.response_headers == [(b"x-tollway-canary", b"trial")]
    assert len(reached) == 1
