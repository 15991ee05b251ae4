"""The guard that adds other gateways' names: what stands in each case, and that a provider's own of that name make way."""

import pytest

from proxy.context import Message, RequestContext
from proxy.errors import UpstreamInvalid
from proxy.relay.compat import DIALECTS, CompatGuard, guard_for
from proxy.relay.guard import ResponseGuard
from proxy.wire.endpoints import CHAT

ID = (b"x-tollway-request-id", b"req_1")


def context() -> RequestContext:
    return RequestContext(
        request_id="req_1",
        endpoint=CHAT,
        started=10.0,
        raw_headers=[],
        headers={},
        method="POST",
        path="/chat/completions",
        query=b"",
        client="",
        task=None,
    )


async def answered(headers: list[tuple[bytes, bytes]], *dialects: str) -> list[tuple[bytes, bytes]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    guard = guard_for(dialects, lambda: 10.25)(send, context(), "POST")
    await guard({"type": "http.response.start", "status": 200, "headers": headers})
    await guard({"type": "http.response.body", "body": b"{}", "more_body": False})
    found: list[tuple[bytes, bytes]] = sent[0]["headers"]
    return found


def test_without_a_dialect_it_is_the_guard_that_there_always_was() -> None:
    assert guard_for((), lambda: 0.0) is ResponseGuard


def test_every_name_of_the_setting_is_known() -> None:
    assert set(DIALECTS) == {"litellm", "portkey", "helicone", "cloudflare"}


@pytest.mark.parametrize(
    ("ours", "portkey", "helicone"),
    [
        ([(b"x-tollway-cache", b"hit")], b"HIT", b"HIT"),
        ([(b"x-tollway-cache", b"semantic-hit")], b"SEMANTIC HIT", b"HIT"),
        ([(b"x-tollway-cache", b"miss")], b"MISS", b"MISS"),
        ([(b"x-tollway-cache", b"miss"), (b"x-tollway-cache-similarity", b"0.5")], b"SEMANTIC MISS", b"MISS"),
        ([(b"x-tollway-cache", b"refresh")], b"REFRESH", b"MISS"),
        ([(b"x-tollway-cache", b"bypass")], b"DISABLED", b"MISS"),
        ([], b"DISABLED", None),
    ],
)
async def test_the_cache(ours: list[tuple[bytes, bytes]], portkey: bytes, helicone: bytes | None) -> None:
    found = dict(await answered([ID, *ours], "portkey", "helicone"))
    assert (found[b"x-portkey-cache-status"], found.get(b"helicone-cache")) == (portkey, helicone)


async def test_a_providers_own_of_the_same_name_make_way() -> None:
    theirs = [(b"x-litellm-call-id", b"theirs"), (b"x-litellm-call-id", b"again"), (b"x-litellm-version", b"1")]
    found = await answered([*theirs, ID], "litellm")
    assert [value for name, value in found if name == b"x-litellm-call-id"] == [b"req_1"]
    assert (b"x-litellm-version", b"1") in found
    assert dict(found)[b"x-litellm-response-duration-ms"] == b"250.000"


async def test_an_answer_without_an_id_of_ours_stays_as_it_is() -> None:
    found = await answered([(b"content-type", b"text/plain")], *DIALECTS)
    assert found == [(b"content-type", b"text/plain"), (b"content-length", b"2")]


async def test_numbers_that_are_none_count_as_nothing() -> None:
    odd = [ID, (b"x-tollway-attempts", b"x"), (b"x-tollway-fallbacks", b"-1")]
    found = dict(await answered(odd, "litellm", "cloudflare"))
    assert (found[b"x-litellm-attempted-retries"], found[b"cf-aig-step"]) == (b"0", b"0")


async def test_a_malformed_answer_is_still_refused() -> None:
    async def send(_: Message) -> None:
        pytest.fail("it left")

    guard = CompatGuard(send, context(), "POST", dialects=("litellm",), clock=lambda: 0.0)
    with pytest.raises(UpstreamInvalid):
        await guard({"type": "http.response.start", "status": 99, "headers": [ID]})
