"""Smuggling, odd targets and ten thousands of random requests: never a 500, never an upstream call that was not asked for."""

import asyncio
import random
import re
from collections.abc import Iterator

import pytest

from tests.support.observed import metric, workers
from tests.support.processes import KEY, Gateway, Mock, config_for, running
from tests.support.rawhttp import Answer, Client, ask, chat, request

from .corpus import AUTH, JSON, PATHS, SMUGGLED, VALID, post

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def strict() -> Iterator[Mock]:
    """An upstream of this module's own."""
    upstream = Mock()
    try:
        yield upstream
    finally:
        upstream.close()


@pytest.fixture(scope="module")
def guarded(strict: Mock) -> Iterator[Gateway]:
    """With one model and with pass-through, so that odd paths could travel."""
    config = config_for(
        strict.url,
        models={"gpt-4o": {"targets": [{"provider": "mock", "model": "gpt-4o"}]}},
        passthrough={"provider": "mock"},
        telemetry={"access_log": "off"},
        auth={"mode": "keys", "failures_per_minute": 10**6, "failures_total_per_minute": 10**6},
    )
    with running(config) as found:
        yield found


@pytest.mark.parametrize("name", SMUGGLED)
async def test_smuggling(guarded: Gateway, strict: Mock, name: str) -> None:
    data, allowed = SMUGGLED[name]
    (worker,) = workers(guarded)
    before = strict.stats()["requests"]
    served = False
    async with await Client.open(guarded.port) as client:
        await client.send(data)
        if 200 not in allowed and "chunk" in name:
            # Nothing more comes, so that a body which looks unfinished ends too.
            client.half_close()
        try:
            answer = await client.answer()
        except ConnectionError:
            # Closed without a word: for what is not HTTP at all.
            assert name in ("TLS hello", "HTTP/2 preface", "HTTP/0.9") or "chunk" in name
        else:
            assert answer.status in allowed, answer
            served = answer.status == 200
            if answer.body.startswith(b"{") and not served:
                assert answer.error["type"] == "invalid_request_error"
    assert strict.stats()["requests"] == before + served
    assert workers(guarded) == [worker]
    assert metric(guarded, "tollway_unexpected_errors_total") == 0


async def test_both_lengths_mean_chunked_and_nothing_is_left_behind(guarded: Gateway, strict: Mock) -> None:
    """Content-Length beside Transfer-Encoding: read as chunked, then closed, so that no second request hides in the rest."""
    hidden = request("POST", "/v1/chat/completions", VALID, headers={"x-hidden": "1"})
    for order in (
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ):
        before = strict.stats()["requests"]
        async with await Client.open(guarded.port) as client:
            await client.send(post(order, b"%x\r\n%b\r\n0\r\n\r\n" % (len(VALID), VALID)) + hidden)
            answer = await client.answer()
            assert answer.status in (200, 400)
            assert await client.closed()
        assert strict.stats()["requests"] - before == (answer.status == 200)
        if answer.status == 200:
            sent = [name.lower() for name, _ in strict.requests()[-1]["headers"]]
            assert sent.count("content-length") + sent.count("transfer-encoding") == 1


async def test_the_declared_length_alone_ends_a_body(guarded: Gateway, strict: Mock) -> None:
    """A request behind the body is one of its own, with a key of its own."""
    behind = request("POST", "/v1/chat/completions", VALID, key=None)
    before = strict.stats()["requests"]
    async with await Client.open(guarded.port) as client:
        await client.send(chat() + behind + chat())
        first, second = await client.answer(), await client.answer()
        assert (first.status, second.status) == (200, 401)
        # The refused request's body was not read, so the connection ends with its answer.
        assert second.header("connection") == "close"
        assert await client.closed()
    assert strict.stats()["requests"] == before + 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_target_that_is_nobodys(guarded: Gateway, strict: Mock, method: str, path: str) -> None:
    before = strict.stats()["requests"]
    answer = await ask(guarded.port, request(method, path, b"{}" if method == "POST" else None))
    if path.startswith("/admin/"):
        # A door of its own, which is shut.
        assert (answer.status, answer.error["type"]) == (403, "permission_error")
    else:
        assert answer.status in (400, 404)
        assert answer.error["type"] == "invalid_request_error"
    assert strict.stats()["requests"] == before


async def test_hop_by_hop_and_account_headers_stop_here(guarded: Gateway, strict: Mock) -> None:
    headers = {
        "connection": "keep-alive, x-drop", "x-drop": "1", "te": "trailers", "proxy-authorization": "Basic eA==",
        "cookie": "a=b", "x-api-key": KEY, "api-key": KEY, "openai-organization": "org-x", "expect": "",
        "x-forwarded-for": "10.0.0.1", "x-tollway-anything": "1", "x-keep": "kept",
    }  # fmt: skip
    del headers["expect"]
    assert (await ask(guarded.port, chat(headers=headers))).status == 200
    sent = {name.lower(): value for name, value in strict.requests()[-1]["headers"]}
    assert sent["x-keep"] == "kept"
    assert sent["authorization"] == "Bearer sk-upstream-credential"
    for name in headers.keys() - {"x-keep", "connection"}:
        assert name not in sent, name
    assert KEY not in str(sent)


# ---- random requests ----------------------------------------------------------------------------------------------------------

TOKENS = [
    b"chat",
    b"completions",
    b"..",
    b".",
    b"",
    b"%2e%2e",
    b"%2f",
    b"%00",
    b"v1",
    b"files",
    b"admin",
    b"\xff",
    b"%ff",
    b"a" * 300,
    b"%",
    b"*",
    b"~",
    b";x=1",
    b"@",
    b"models",
    b"\xe2\x82\xac",
]
NAMES = [
    b"host",
    b"content-length",
    b"authorization",
    b"x-api-key",
    b"content-type",
    b"accept",
    b"x",
    b"X_Y",
    b"content_length",
    b"connection",
    b"x-tollway-a",
    b"origin",
    b"range",
    b"cookie",
    b"expect-x",
    b"x-request-id",
    b"traceparent",
    b"openai-beta",
    b"x-mock-nothing",
]
VALUES = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"close-not",
    b"a,b",
    b"\xff\xfe",
    b"'; drop",
    b"{}",
    b"x" * 2000,
    b"%00",
    b"../",
    b"\t",
    b"keep-alive",
    b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
    b"\xe2\x82\xac",
]
METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"BREW", b"get", b"TRACE"]


def random_request(rng: random.Random) -> tuple[bytes, bytes]:
    """(method, bytes) of a request whose framing is sound and whose rest is not. It has no valid key."""
    method = rng.choice(METHODS)
    prefix = rng.choice((b"/v1/", b"/openai/v1/", b"/", b"/openai/", b"//", b"/v1", b""))
    path = prefix + b"/".join(rng.choice(TOKENS) for _ in range(rng.randrange(5)))
    if rng.random() < 0.3:
        path += b"?" + rng.choice(VALUES).replace(b"\t", b"")
    lines = [method + b" " + (path.replace(b"\t", b"") or b"/") + b" HTTP/1.1"]
    if rng.random() < 0.9:
        lines.append(b"host: 127.0.0.1")
    for _ in range(rng.randrange(6)):
        name = rng.choice(NAMES)
        if name not in (b"content-length", b"connection"):
            lines.append(name + b": " + rng.choice(VALUES))
    body = b""
    if method in (b"POST", b"PUT", b"PATCH"):
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
        lines.append(b"content-length: %d" % len(body))
    return method, b"\r\n".join(lines) + b"\r\n\r\n" + body


async def fuzz(port: int, seed: int, count: int) -> dict[int, int]:
    """Sends ``count`` random requests, 40 pipelined on a connection; statuses and how often."""
    rng = random.Random(seed)
    seen: dict[int, int] = {}
    done = 0
    while done < count:
        batch = [random_request(rng) for _ in range(min(40, count - done))]
        async with await Client.open(port) as client:
            await client.send(b"".join(data for _, data in batch))
            answered = 0
            for method, _ in batch:
                try:
                    answer: Answer = await client.answer(method=method.decode())
                except ConnectionError:
                    break
                answered += 1
                seen[answer.status] = seen.get(answer.status, 0) + 1
                assert 200 <= answer.status < 500, answer
                if answer.header("connection") == "close":
                    break
        # A connection may end early, but only with an answer that says why.
        done += max(answered, 1)
        assert answered, batch[0]
    return seen


async def _random_requests(gateway: Gateway, upstream: Mock, count: int) -> None:
    (worker,) = workers(gateway)
    before = upstream.stats()["requests"]
    seen: dict[int, int] = {}
    for found in await asyncio.gather(*(fuzz(gateway.port, seed, count // 4) for seed in range(4))):
        for status, times in found.items():
            seen[status] = seen.get(status, 0) + times
    assert upstream.stats()["requests"] == before, "a request without a key reached a provider"
    assert workers(gateway) == [worker]
    assert metric(gateway, "tollway_unexpected_errors_total") == 0
    assert set(seen) <= {200, 400, 403, 401, 404, 405, 414, 431}, seen
    assert (await ask(gateway.port, chat())).status == 200


async def test_ten_thousand_random_requests(guarded: Gateway, strict: Mock) -> None:
    await _random_requests(guarded, strict, 10_000)


@pytest.mark.slow
async def test_a_hundred_thousand_random_requests(guarded: Gateway, strict: Mock) -> None:
    await _random_requests(guarded, strict, 100_000)


async def test_random_paths_with_a_valid_key_reach_a_provider_only_below_its_base_url(
    guarded: Gateway, strict: Mock
) -> None:
    rng = random.Random(11)
    allowed = re.compile(r"/v1/[^?#\\\x00-\x20]*(\?.*)?")
    client = await Client.open(guarded.port)
    try:
        for _ in range(1500):
            prefix = rng.choice((b"/v1/", b"/openai/v1/", b"/", b"/openai/"))
            path = prefix + b"/".join(rng.choice(TOKENS) for _ in range(rng.randrange(5)))
            await client.send(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n" + AUTH + JSON + b"\r\n")
            answer = await client.answer(method="GET")
            assert answer.status < 500, (path, answer)
            if answer.header("connection") == "close":
                client.close()
                client = await Client.open(guarded.port)
    finally:
        client.close()
    for entry in strict.requests():
        path = entry["path"].partition("?")[0]
        assert allowed.fullmatch(entry["path"]), entry["path"]
        assert not {"..", ".", ""} & set(re.sub("(?i)%2e", ".", re.sub("(?i)%2f", "/", path)).split("/")[1:]), entry[
            "path"
        ]


async def test_random_bytes_are_no_request(guarded: Gateway, strict: Mock) -> None:
    rng = random.Random(3)
    (worker,) = workers(guarded)
    before = strict.stats()["requests"]

    async def one(data: bytes) -> None:
        async with await Client.open(guarded.port) as client:
            await client.send(data)
            client.half_close()
            while await client.fill():
                pass

    for _ in range(10):
        await asyncio.gather(*(one(rng.randbytes(rng.randrange(1, 500))) for _ in range(40)))
    assert workers(guarded) == [worker]
    assert strict.stats()["requests"] == before
    assert guarded.get("/livez")[0] == 200
