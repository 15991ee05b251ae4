"""Tenants with limited keys, upstreams that lie, and words from a stranger on the store: nobody gets more than they may, sees what is not
theirs, or takes anything from anybody else."""

import asyncio
import contextlib
import gzip
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.health.sharing import CHANNEL, ENDS, SUBJECTS
from tests.support.gateways import ADMIN, wait_up
from tests.support.processes import KEY, Gateway, config_for
from tests.support.valkey import Server, server

from .scripted import STREAM, Scripted, answer, do, said, scripted

pytestmark = pytest.mark.e2e

EVERYBODYS = ("m", "lone", "claude-x", "emb", "")

THIEF, LIMITED, NARROW, HIDDEN = "key of a thief", "key of one model", "key of one provider", "hidden-upstream-name"


def configuration(upstream: str, store: str) -> dict[str, Any]:
    """Everything leads to one scripted upstream, under several names."""
    a, b = ({"use": "openai", "base_url": upstream, "api_key": f"sk-{name}-credential"} for name in "ab")
    claude = {"use": "anthropic", "base_url": upstream.removesuffix("/v1"), "api_key": "sk-claude-credential"}
    both = [{"provider": "a", "model": "m"}, {"provider": "b", "model": "m"}]
    models: dict[str, Any] = {
        "fast": {"targets": both},
        "thin": {
            "targets": [{"provider": "a", "model": "n"}, {"provider": "b", "model": "n"}],
            "fallbacks": ["hidden"],
            "fallbacks_for": {"context_length": ["hidden"], "content_policy": ["hidden"]},
        },
        "lone": {"targets": [{"provider": "a", "model": "lone"}]},
        "mixed": {"targets": [{"provider": "claude", "model": "claude-x"}, {"provider": "b", "model": "emb"}]},
        "hidden": {"targets": [{"provider": "b", "model": HIDDEN}]},
        "*": {"targets": [{"provider": "a", "model": "*"}, {"provider": "b", "model": "*"}]},
    }
    return config_for(
        upstream,
        providers={"a": a, "b": b, "claude": claude},
        models=models,
        keys=[
            {"name": "app", "key": KEY},
            {"name": "thief", "key": THIEF},
            {"name": "limited", "key": LIMITED, "models": ["thin"]},
            {"name": "narrow", "key": NARROW, "models": ["thin", "hidden"], "providers": ["a"]},
        ],
        admin={"key": ADMIN},
        health={},
        retry={"attempts": 3, "base": 0.01, "longest": 0.02},
        passthrough={"provider": "a"},
        state={"type": "redis", "url": store},
        telemetry={"access_log": "off"},
    )


@pytest.fixture(scope="module")
def store() -> Iterator[Server]:
    with server() as found:
        yield found


@pytest.fixture(scope="module")
def scene(store: Server) -> Iterator[tuple[Gateway, Scripted]]:
    with (
        scripted() as upstream,
        contextlib.closing(Gateway(configuration(upstream.url, store.unix), wait=False)) as gateway,
    ):
        wait_up(gateway)
        yield gateway, upstream


Answer = tuple[int, dict[str, str], bytes]


class Stand:
    """The gateway as thieves, others and the operator see it."""

    def __init__(self, gateway: Gateway, upstream: Scripted, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self._session = session

    async def ask(
        self, path: str, body: Any = None, *, key: str = THIEF, method: str = "POST", **headers: str
    ) -> Answer:
        """One request, read to its end."""
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        url = aiohttp.client.URL(self.gateway.origin + path, encoded=True)
        async with self._session.request(method, url, data=data, headers=sent) as found:
            parts = []
            with contextlib.suppress(aiohttp.ClientPayloadError):
                async for part in found.content.iter_any():
                    parts.append(part)
            return found.status, {name.lower(): value for name, value in found.headers.items()}, b"".join(parts)

    async def chat(self, model: str = "fast", *, key: str = THIEF, headers: Any = None, **fields: Any) -> Answer:
        """A chat request."""
        body = {"model": model, "messages": [{"role": "user", "content": "x"}], **fields}
        return await self.ask("/v1/chat/completions", body, key=key, **(headers or {}))

    async def unwell(self) -> dict[str, Any]:
        """Targets that everybody uses and that are not ready, as the operator sees them."""
        status, _, body = await self.ask("/admin/v1/health", key=ADMIN, method="GET")
        assert status == 200
        found = json.loads(body)["targets"]
        return {
            f"{each['provider']}/{each['model']}": each
            for each in found
            if each["state"] != "ready" and each["model"] in EVERYBODYS
        }

    async def assert_others_well(self) -> None:
        """Others are answered by who always answers them."""
        for model in ("fast", "lone"):
            status, headers, body = await self.chat(model, key=KEY)
            assert (status, headers.get("x-tollway-provider")) == (200, "a"), body


@pytest.fixture
async def stand(scene: tuple[Gateway, Scripted]) -> AsyncIterator[Stand]:
    """With a client. Nothing may have been met that was not foreseen."""
    timeout, before = aiohttp.ClientTimeout(total=15), len(scene[0].log())
    async with aiohttp.ClientSession(
        timeout=timeout, auto_decompress=False, max_field_size=1 << 20, max_line_size=1 << 20
    ) as session:
        yield Stand(*scene, session)
    log = scene[0].log()[before:]
    assert "Traceback" not in log, log[-4000:]
    assert '"level":"error"' not in log, log[-4000:]


# ---- one tenant's mistakes are nobody else's --------------------------------------------------------------------------


def told(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


PROVOKED: dict[str, tuple[int, object]] = {
    "flagged": (403, told("openai/x requires moderation. Your input was flagged.", code=403)),
    "firewall": (403, "<html><h1>Sorry, you have been blocked</h1></html>"),
    "unverified": (403, told("Your organization must be verified to use the model `x`.")),
    "unscoped": (403, told("You have insufficient permissions for this operation. Missing scopes: x.")),
    "unscoped too": (401, told("You have insufficient permissions for this operation. Missing scopes: x.")),
    "their file": (403, told("You do not have permission to access the File x or it may not exist.")),
    "too much": (402, told("This request requires more credits, or fewer max_tokens.", code=402)),
    "their server": (424, told("Error retrieving tool list from MCP server", type="external_connector_error")),
    "bad": (400, told("messages: required")),
    "gone": (404, told("No such thing", type="not_found_error")),
    "conflict": (409, told("locked")),
    "large": (413, told("Request body too large")),
    "odd": (418, "bare words"),
    "long": (400, told("too long", code="context_length_exceeded")),
    "unwelcome": (400, told("no", code="content_policy_violation")),
}


async def test_no_request_of_one_rests_a_key_or_a_target_of_all(stand: Stand) -> None:
    for status, body in PROVOKED.values():
        for _ in range(2):
            await stand.chat(headers=do(answer(status, body)))
        assert await stand.unwell() == {}
        await stand.assert_others_well()
    for _ in range(6):
        await stand.ask("/v1/files", method="GET", **do(answer(*PROVOKED["unscoped"])))
    assert await stand.unwell() == {}


@pytest.mark.parametrize("kind", ["bad", "flagged", "their server", "gone", "too much", "their file"])
async def test_not_even_many(stand: Stand, kind: str) -> None:
    await asyncio.gather(*(stand.chat(headers=do(answer(*PROVOKED[kind]))) for _ in range(12)))
    assert await stand.unwell() == {}
    await stand.assert_others_well()


async def test_nor_errors_of_theirs_inside_a_stream(stand: Stand) -> None:
    failed = {"type": "response.failed", "response": {"error": {"code": "invalid_image_url", "message": "x"}}}
    events = f"{STREAM}event: response.failed\ndata: {json.dumps(failed)}\n\n"
    for _ in range(7):
        await stand.ask("/v1/responses", {"model": "fast", "input": "x", "stream": True}, **do(events, end="close"))
    assert await stand.unwell() == {}
    await stand.assert_others_well()


async def test_nor_deadlines_of_theirs_and_leaving(stand: Stand) -> None:
    hangs = do("", gap=0.3)
    found = await asyncio.gather(*(stand.chat(headers={**hangs, "x-tollway-timeout-ms": "20"}) for _ in range(12)))
    assert {status for status, _, _ in found} == {504}
    leaving = [asyncio.create_task(stand.chat(headers=hangs)) for _ in range(12)]
    await asyncio.sleep(0.15)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert await stand.unwell() == {}
    await stand.assert_others_well()


async def test_nor_limits_of_theirs(stand: Stand) -> None:
    hasty = {**do("", gap=0.2), "x-tollway-first-byte-timeout-ms": "1", "x-tollway-retries": "9"}
    found = await asyncio.gather(*(stand.chat(headers=hasty) for _ in range(12)))
    assert {status for status, _, _ in found} == {504}
    assert await stand.unwell() == {}
    await stand.assert_others_well()


async def test_nor_what_a_target_does_not_have(stand: Stand) -> None:
    """Anthropic has no embeddings: that says nothing of its model."""
    embedded = {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    for _ in range(40):
        status, _, body = await stand.ask(
            "/v1/embeddings", {"model": "mixed", "input": "x"}, **do(answer(200, embedded))
        )
        assert status == 200, body
    assert await stand.unwell() == {}


# ---- names and places beyond a key ------------------------------------------------------------------------------------


async def test_a_limited_key_reaches_and_learns_nothing_else(stand: Stand) -> None:
    before = len(stand.upstream.asked)
    fails = [do(answer(500, {})), *(do(answer(*PROVOKED[kind])) for kind in ("long", "unwelcome", "firewall"))]
    found = [await stand.chat("thin", key=LIMITED, headers=headers) for headers in fails]
    for models in (["hidden"], ["thin", "hidden"], ["thin", "auto"], ["auto:cheapest"], ["thin"] * 20):
        found.append(await stand.chat("thin", key=LIMITED, models=models, headers=fails[0]))
    for model in ("hidden", "hidde", "auto", "a/m", f"b/{HIDDEN}"[:-1], HIDDEN[1:], "ft:gpt-4o:other::1", "*", "thi"):
        found.append(await stand.chat(model, key=LIMITED, headers=fails[0]))
    for header in ({"x-tollway-providers": "b"}, {"x-tollway-policy": "least_busy"}, {"x-tollway-regions": "!eu"}):
        found.append(await stand.chat("thin", key=LIMITED, headers={**header, **fails[0], "x-tollway-retries": "9"}))
    for path in ("/native/b/v1/chat/completions", "/native/b/v1/files", "/v1/files", "/v1/evals"):
        found.append(await stand.ask(path, {"model": "hidden", "x": 1}, key=LIMITED, x_tollway_dry_run="true"))
        assert found[-1][0] in (403, 404), path
    found.append(await stand.chat("thin", key=LIMITED, headers={"x-tollway-dry-run": "true"}))
    assert b'"hidden"' not in found[-1][2]
    for _, headers, body in found:
        assert HIDDEN not in f"{headers}{body!r}"
    asked = [json.loads(body)["model"] for _, _, body in stand.upstream.asked[before:]]
    assert set(asked) == {"n"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"thin","models":["hidden"],"models":["thin"],"messages":[]}',
        b'{"model":"thin","mod\\u0065ls":["hidden"],"models":["thin"],"messages":[]}',
        b'{"mod\\u0065l":"hidden","messages":[]}',
        b'{"models":["hidden"],"messages":[]}',
        json.dumps({"model": "thin", "models": [f"m{number}" for number in range(10_000)]}).encode(),
        b'{"model":"thin","models":"hidden","messages":[]}',
        b'{"model":"thin","models":[["hidden"]],"messages":[]}',
    ],
)
async def test_no_spelling_of_a_list_gets_round_a_key(stand: Stand, body: bytes) -> None:
    before = len(stand.upstream.asked)
    begun = time.monotonic()
    status, _, _ = await stand.ask("/v1/chat/completions", body, key=LIMITED)
    assert status in (400, 404)
    assert time.monotonic() - begun < 1
    assert len(stand.upstream.asked) == before


async def test_an_escaped_list_that_is_heeded_does_not_travel(stand: Stand) -> None:
    body = (
        b'{"model":"fast","mod\\u0065ls":["lone"],"messages":[{"role":"user","content":"x"}],"rout\\u0065":"fallback"}'
    )
    assert (await stand.ask("/v1/chat/completions", body))[0] == 200
    assert set(json.loads(stand.upstream.asked[-1][2])) == {"model", "messages"}


async def test_a_key_of_one_provider_stays_there(stand: Stand) -> None:
    before = len(stand.upstream.asked)
    for model, headers in (
        ("thin", {}),
        ("thin", {"x-tollway-providers": "b,a"}),
        ("thin", {"x-tollway-hedge": "true"}),
        ("hidden", {}),
    ):
        await stand.chat(model, key=NARROW, headers={**headers, **do(answer(500, {})), "x-tollway-retries": "9"})
    asked = stand.upstream.asked[before:]
    assert asked
    assert {head["authorization"] for _, head, _ in asked} == {"Bearer sk-a-credential"}


async def test_traces_and_health_are_the_operators(stand: Stand) -> None:
    _, headers, _ = await stand.chat(key=KEY, headers={"x-request-id": "of-somebody-else"})
    assert headers["x-tollway-request-id"] == "of-somebody-else"
    for key in (THIEF, KEY, "", "Bearer"):
        for path in ("/traces/of-somebody-else", "/health", "/traces/%2e%2e", "/traces/"):
            status, _, body = await stand.ask(f"/admin/v1{path}", key=key, method="GET")
            assert status in (401, 403, 404), path
            assert b"a/m" not in body
    for ident in ("%00", "%ff%fe", "..%2f..", "x" * 1500, "%0d%0ax:y", "{tollway}:health"):
        status, _, _ = await stand.ask(f"/admin/v1/traces/{ident}", key=ADMIN, method="GET")
        assert status in (400, 404), ident


# ---- what clients invent is bounded -----------------------------------------------------------------------------------


def memory(gateway: Gateway) -> int:
    """MiB of the gateway's processes."""
    pids = [gateway.pid]
    for pid in pids:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            pids += [int(child) for child in children.read_text().split()]
    sizes = (re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in pids)
    return sum(int(size[1]) for size in sizes if size is not None) // 1024


async def test_names_as_long_as_bodies_are_not_kept(stand: Stand) -> None:
    long = "x" * 1_000_000

    async def round_of(number: int) -> None:
        for path in ("/v1/chat/completions", "/native/a/v1/chat/completions", "/v1/evals", "/v1/moderations"):
            await stand.ask(path, {"model": f"{number}{long}", "input": "x", "messages": []})

    for number in range(3):
        await round_of(number)
    before = memory(stand.gateway)
    for number in range(3, 28):
        await round_of(number)
    grown = memory(stand.gateway) - before
    assert grown < 50, f"{grown} MiB of 100 are still there"
    assert len((await stand.ask("/admin/v1/health", key=ADMIN, method="GET"))[2]) < 100_000


async def test_invented_names_make_no_labels(stand: Stand) -> None:
    for number in range(0, 300, 30):
        await asyncio.gather(*(stand.chat(f"invented-{each}") for each in range(number, number + 30)))
    await asyncio.gather(*(stand.chat("invented-bad", headers=do(answer(500, {}))) for _ in range(6)))
    status, _, page = await stand.ask("/metrics", method="GET")
    assert status == 200
    assert b"invented" not in page
    assert stand.gateway.log().count("invented") < 30


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-tollway-max-input-price", "1e308"), ("x-tollway-max-output-price", "1e400"), ("x-tollway-slo-cost-usd", "1e308"),
        ("x-tollway-deadline", "-1e308"), ("x-tollway-deadline", "nan"), ("x-tollway-timeout-ms", "9" * 400), ("x-tollway-retries", "99"),
        ("x-tollway-providers", "[" * 600), ("x-tollway-providers", ",".join("*a" * 9 for _ in range(32))), ("x-tollway-policy", "best"),
    ],
)  # fmt: skip
async def test_absurd_wishes_are_refused(stand: Stand, header: str, value: str) -> None:
    status, _, body = await stand.chat(headers={header: value})
    assert status in (400, 504), body
    assert b"internal" not in body


# ---- upstreams that mean harm ------------------------------------------------------------------------------------------


def streamed(*events: str) -> str:
    return STREAM + "".join(f"data: {event}\n\n" for event in events)


def headed(status: int, *lines: str, body: bytes = b"{}") -> bytes:
    """An answer with headers that no library would write."""
    return (
        f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n".encode()
        + "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        + b"\r\n"
        + body
    )


ROLE = '{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}'

HOSTILE: dict[str, tuple[bool, dict[str, str]]] = {
    "deep": (False, do(answer(500, "[" * 60_000))),
    "nested errors": (False, do(answer(400, '{"error":' * 7_000 + "1" + "}" * 7_000))),
    "huge number": (False, do(answer(500, '{"error":{"code":' + "9" * 6_000 + "}}"))),
    "bomb": (False, do(headed(500, "content-encoding: gzip", body=gzip.compress(b"0" * 8_000_000)[:20_000]))),
    "no gzip": (False, do(headed(503, "content-encoding: gzip", body=b"\x1f\x8bnothing"))),
    "control": (False, do(headed(503, "retry-after: 1\x0b", "x-a: \x1b[2J"))),
    "long header": (False, do(headed(429, "retry-after: " + "9" * 20_000))),
    "many resets": (False, do(headed(429, *(f"x-ratelimit-reset-{number}: 1s" for number in range(400))))),
    "strange limits": (False, do(headed(200, *(f"x-ratelimit-{name}: {value}" for name in ("remaining-x", "limit-x", "reset-x") for value in ("-1", "nan", "1e308", ""))))),
    "early hints": (False, do("HTTP/1.1 103 X\r\nlink: x\r\n\r\n" * 300, end="close")),
    "twice": (False, do(answer(200, said()) + answer(200, said("poison")))),
    "nothing said": (True, do(streamed(ROLE, "{}", '{"choices":[]}') + ": ping\n\n" * 200, end="close")),
    "roles": (True, do(streamed(*[ROLE] * 300), end="close")),
    "bytes": (True, do(STREAM, *(": \n\n" for _ in range(200)), end="close")),
    "bad utf-8": (True, do(STREAM.encode() + b'data: {"error":{"message":"\xff\xfe"}}\n\n', end="close")),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
async def test_no_answer_harms_the_next(stand: Stand, kind: str) -> None:
    """Each at a target of its own; others are answered meanwhile, without waiting, and with what is theirs."""
    stream, headers = HOSTILE[kind]
    name = f"hostile-{kind.replace(' ', '-')}"
    harm = asyncio.create_task(stand.chat(name, stream=stream, headers=headers))
    slowest = 0.0
    while not harm.done():
        begun = time.monotonic()
        status, _, _ = await stand.chat("lone", key=KEY)
        slowest = max(slowest, time.monotonic() - begun)
        assert status == 200
    _, told_headers, body = await harm
    assert slowest < 0.5
    assert "\x1b" not in str(told_headers)
    assert (await stand.chat(name, key=KEY))[0] in (200, 503)
    for _ in range(3):
        assert b"poison" not in (await stand.chat("lone", key=KEY))[2]
    assert "\x1b" not in stand.gateway.log()
    assert b"credential" not in body.replace(b"refused the gateway's credentials", b"")


@pytest.mark.parametrize("value", ["1e308", "-5", "9" * 60, "Mon, 01 Jan 9999 00:00:00 GMT", "", "nan", "5 s", "\x7f"])
async def test_no_upstream_asks_for_for_ever(stand: Stand, value: str) -> None:
    name = f"asks-{value.encode().hex()[:20]}"
    await stand.chat(name, headers=do(headed(429, f"retry-after: {value}")))
    _, _, body = await stand.ask("/admin/v1/health", key=ADMIN, method="GET")
    rests = [each["back_in_seconds"] for each in json.loads(body)["targets"] if each["model"] == name]
    assert rests
    assert all(0 <= seconds <= 301 for seconds in rests)


# ---- a stranger on the store -------------------------------------------------------------------------------------------


async def test_words_of_a_stranger_are_read_without_trust(stand: Stand, store: Server) -> None:
    word = {"sender": "x", "kind": "opened", "provider": "a", "model": "lone", "seconds": 300.0, "times": 9}
    for changes in (
        {"seconds": 1e308}, {"seconds": -1}, {"times": -1}, {"provider": "nobody"}, {"provider": "x" * 5000}, {"model": "\ud800"},
        {"key": 10**9}, {"kind": "rested", "key": 99}, {"kind": "drop table"}, {"reason": "\x1b[2J"}, {"model": ["x"]},
    ):  # fmt: skip
        store.ask("PUBLISH", CHANNEL, json.dumps({**word, **changes}))
    for text in ("", "null", "[" * 5000, "\x00", "{}", '{"sender":' * 300):
        store.ask("PUBLISH", CHANNEL, text)
        store.ask("PUBLISH", "{tollway}:canary", text)
        store.ask("HSET", SUBJECTS, text or "-", text)
        store.ask("ZADD", ENDS, "+inf", text or "-")
    store.ask("PUBLISH", CHANNEL, json.dumps(word))
    deadline = time.monotonic() + 3
    while "a/lone" not in await stand.unwell():
        assert time.monotonic() < deadline, "not even the one that is sound was heard"
        await asyncio.sleep(0.02)
    found = await stand.unwell()
    assert 0 < found["a/lone"]["back_in_seconds"] <= 331
    assert (await stand.chat("lone", key=KEY))[0] == 200, "the last target of a route is never given up"
    await stand.assert_others_well()


async def test_without_the_store_failover_goes_on(stand: Stand, store: Server) -> None:
    """The last test of the file: the store is gone after it."""
    store.kill()
    begun = time.monotonic()
    for number in range(5):
        status, headers, _ = await stand.chat(f"late-{number}", headers=do(answer(500, {})))
        assert status == 500
        assert f"b/late-{number}: server_error" in headers["x-tollway-reason"]
    assert (await stand.chat("lone", key=KEY))[0] == 200
    assert time.monotonic() - begun < 3
