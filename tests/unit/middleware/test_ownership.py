"""The link: admits or refuses before anything else sees the request, and says how long that took."""

from typing import Any

import pytest

from middleware.ownership import OwnershipMiddleware
from proxy.context import Principal, Receive, RequestContext, Scope, Send, Target, context_of
from proxy.errors import ModelNotFound, ObjectNotFound
from proxy.ownership import requests
from proxy.ownership.guarding import Guard
from proxy.ownership.memory import MemoryOwners
from proxy.ownership.reach import Reach
from proxy.policy.targets import Route
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, PASSTHROUGH, Endpoint
from tests.support.asgi import Client, Inner, scope_of
from tests.support.clock import FakeClock

APP = Principal(name="app", tenant="app", account="app")


class Nowhere:
    """A directory of no names."""

    def route(self, model: str) -> Route | None:
        return None

    def passthrough(self) -> Target | None:
        return None


class Watching(Inner):
    """Counts who watches the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        self.watches = len(context_of(scope).answers)


async def passed(
    endpoint: Endpoint, path: str, *, fixed: bool = False, body: bytes = b"", several: bool = False, **fields: Any
) -> int:
    """How many watched its answer. Afterwards nobody does: they hold the request, and with it a body, until the collector runs."""
    owners = MemoryOwners(enforced=lambda: True, wall=FakeClock())
    await owners.claim("app", ["file-mine1"])
    await owners.claim("other", ["file-theirs1"])
    inner, client = Watching(), Client()
    guard = Guard(
        endpoint,
        path if fixed else None,
        owners=owners,
        reach=Reach({"up": 2 if several else 1}, Nowhere()),
        shared=frozenset(),
        inflate=lambda encoding: None,
    )
    ctx = RequestContext(request_id="r", endpoint=endpoint, path=path, method="GET", principal=APP, body=body, **fields)
    try:
        await OwnershipMiddleware(inner, guard=guard, clock=FakeClock())(scope_of(ctx), client.receive, client.send)
    except ObjectNotFound:
        assert inner.reached == 0
        raise
    assert inner.reached == 1
    assert ctx.timings[-1][0] == "ownership"
    assert client.received == 0
    assert client.sent == []
    assert ctx.answers == []
    return inner.watches


async def test_an_own_object_is_let_through() -> None:
    assert await passed(PASSTHROUGH, "/files/file-mine1") == 0


@pytest.mark.parametrize("ident", ["file-theirs1", "file-nobodys1"])
async def test_any_other_is_not_found(ident: str) -> None:
    with pytest.raises(ObjectNotFound, match=ident):
        await passed(PASSTHROUGH, f"/files/{ident}")


async def test_a_plain_chat_is_not_looked_at_again() -> None:
    assert await passed(CHAT, "/chat/completions", fixed=True, body=b'{"model":"small","messages":[]}') == 0


async def test_a_stored_chat_has_its_answer_watched() -> None:
    body = b'{"model":"small","messages":[],"store":true}'
    assert await passed(CHAT, "/chat/completions", fixed=True, body=body) == 1


async def test_where_there_are_several_places_sealed_texts_are_watched_for() -> None:
    body = b'{"model":"small","messages":[]}'
    assert await passed(CHAT, "/chat/completions", fixed=True, body=body, several=True) == 1
    assert await passed(CHAT, "/chat/completions", fixed=True, body=body, several=True, plain=True) == 1


async def test_a_body_known_to_be_plain_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "escapes", None)
    monkeypatch.setattr(requests, "concerns_nobody", None)
    body = b'{"model":"small","messages":[]}'
    assert await passed(CHAT, "/chat/completions", fixed=True, body=body, plain=True) == 0


@pytest.mark.parametrize("fields", [{"request": RequestView(model="ft:a:b::c")}, {"query": b"file_id=file-theirs1"}])
async def test_a_plain_body_does_not_vouch_for_model_and_query(fields: dict[str, Any]) -> None:
    with pytest.raises((ObjectNotFound, ModelNotFound)):
        await passed(CHAT, "/chat/completions", fixed=True, body=b'{"messages":[]}', plain=True, **fields)
