"""Where keys are looked for, and what the authenticator is told."""

import pytest

from middleware.auth import AuthMiddleware, presented_in
from proxy.context import Principal, RequestContext
from proxy.errors import AuthenticationFailed, PermissionDenied
from proxy.wire.endpoints import CHAT
from tests.support.asgi import Client, Inner, scope_of
from tests.support.clock import FakeClock
from tests.support.fakes import FakeAuthenticator


def authorise(principal: Principal, endpoint: str, client: str) -> None:
    if principal.name == "elsewhere":
        raise PermissionDenied(f"{endpoint} from {client}")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, []),
        ({b"authorization": b"Bearer sk-1"}, [b"sk-1"]),
        ({b"authorization": b"bearer   sk-1  "}, [b"sk-1"]),
        ({b"authorization": b"BEARER sk with spaces"}, [b"sk with spaces"]),
        ({b"authorization": b"Bearer "}, []),
        ({b"authorization": b"Bearer"}, []),
        ({b"authorization": b"sk-plain"}, [b"sk-plain"]),
        ({b"authorization": b"Basic abc"}, [b"Basic abc"]),
        ({b"authorization": b""}, []),
        ({b"x-api-key": b"a b"}, [b"a b"]),
        ({b"api-key": b"k"}, [b"k"]),
        ({b"x-goog-api-key": b"k"}, [b"k"]),
        ({b"x-goog-api-key": b"4", b"api-key": b"3", b"x-api-key": b"2", b"authorization": b"Bearer 1"}, [b"1", b"2", b"3", b"4"]),
        ({b"sec-websocket-protocol": b"realtime, openai-insecure-api-key.sk-9, x"}, [b"sk-9"]),
        ({b"sec-websocket-protocol": b"realtime", b"x-api-key": b"k"}, [b"k"]),
        ({b"x-key": b"k"}, []),
    ],
)  # fmt: skip
def test_credentials_in_the_order_they_are_tried(headers: dict[bytes, bytes], expected: list[bytes]) -> None:
    assert presented_in(headers) == expected


async def test_the_principal_is_put_on_the_context() -> None:
    principal = Principal(name="app", tenant="app")
    authenticator, inner = FakeAuthenticator(principal), Inner()
    ctx = RequestContext(request_id="r", headers={b"x-api-key": b"k"}, client="192.0.2.9", started=999.0)
    client = Client()
    link = AuthMiddleware(inner, authenticator=authenticator, authorise=authorise, endpoint=CHAT, clock=FakeClock())
    await link(scope_of(ctx), client.receive, client.send)
    assert ctx.principal is principal
    assert authenticator.asked == [([b"k"], "192.0.2.9")]
    assert ctx.timings == [("auth", 1.0)]
    assert inner.reached == 1


async def test_a_refusal_ends_the_chain() -> None:
    inner, client = Inner(), Client()
    link = AuthMiddleware(
        inner,
        authenticator=FakeAuthenticator(AuthenticationFailed("no")),
        authorise=authorise,
        endpoint=CHAT,
        clock=FakeClock(),
    )
    with pytest.raises(AuthenticationFailed):
        await link(scope_of(RequestContext(request_id="r")), client.receive, client.send)
    assert inner.reached == 0
    assert client.received == 0, "a body is not read for somebody unknown"


async def test_a_known_key_may_still_be_in_the_wrong_place() -> None:
    inner, client = Inner(), Client()
    authenticator = FakeAuthenticator(Principal(name="elsewhere", tenant="t"))
    link = AuthMiddleware(inner, authenticator=authenticator, authorise=authorise, endpoint=CHAT, clock=FakeClock())
    with pytest.raises(PermissionDenied, match=r"chat from 192\.0\.2\.9"):
        await link(scope_of(RequestContext(request_id="r", client="192.0.2.9")), client.receive, client.send)
    assert inner.reached == 0
