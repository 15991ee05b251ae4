"""Doors beside the main one: prices that nobody knows, paths that name no model, other keys, other people's things."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.gateways import ADMIN, Books, wait_up
from tests.support.processes import Gateway

from .liar import completion, lie
from .stand import MODEL, Stand, configuration

pytestmark = pytest.mark.e2e

MESSAGES = [{"role": "user", "content": "x"}]


@contextlib.asynccontextmanager
async def abroad(scene: Any, folder: Path, **changes: Any) -> AsyncIterator[Stand]:
    """A gateway whose provider is not in one's own network, so that what has no price is not free: the liar, as its proxy."""
    _, mock, lying, _ = scene
    provider = {
        "use": "openai",
        "base_url": "http://far.example/v1",
        "proxy": lying.url.removesuffix("/v1"),
        "api_key": "sk-upstream-credential",
    }
    config = configuration(mock, lying, folder)
    config["providers"] = {"far": provider}
    config["models"] = {"*": {"targets": [{"provider": "far", "model": "*"}]}}
    config["passthrough"] = {"provider": "far"}
    config.update(changes)
    with contextlib.closing(Gateway(config, wait=False)) as gateway:
        await asyncio.to_thread(wait_up, gateway)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            yield Stand(gateway, mock, lying, Books(folder / "tollway.db"), session)


COSTLY: dict[str, tuple[str, Any]] = {
    "unknown model": ("/v1/chat/completions", {"model": "nobody-knows", "messages": MESSAGES}),
    "unknown snapshot": ("/v1/chat/completions", {"model": "gpt-4o-2199-01-01", "messages": MESSAGES}),
    "unknown, by provider": ("/v1/chat/completions", {"model": "far/nobody-knows", "messages": MESSAGES}),
    "batch": ("/v1/batches", {"endpoint": "/v1/chat/completions", "completion_window": "24h"}),
    "tuning": ("/v1/fine_tuning/jobs", {"training_data": "x"}),
    "run": ("/v1/threads/runs", {"thread": {}}),
    "run of a thread": ("/v1/threads/thread_1/runs", {}),
    "secret": ("/v1/realtime/client_secrets", {"session": {"type": "realtime", "model": "gpt-realtime"}}),
    "session": ("/v1/realtime/sessions", {}),
    "chatkit": ("/v1/chatkit/sessions", {"workflow": {}, "user": "x"}),
    "image": ("/v1/images/generations", {"prompt": "x"}),
    "video": ("/v1/videos", {"prompt": "x"}),
    "container": ("/v1/containers", {"name": "x"}),
    "batch of messages": ("/v1/messages/batches", {"requests": []}),
    "unheard of": ("/v1/something/new", {}),
    "native": ("/native/far/v1/something", {}),
    "native batch": ("/native/far/v1/batches", {}),
    "native chat without a model": ("/native/far/v1/chat/completions", {"messages": MESSAGES}),
    "search": ("/v1/vector_stores/vs_1/search", {"query": "x"}),
}


async def test_what_has_no_price_is_not_free(scene: Any, tmp_path: Path) -> None:
    """Refused for whoever has a budget or pays beforehand, and sent nowhere; marked for the others."""
    async with abroad(scene, tmp_path) as stand:
        paying = [
            await stand.thief(usd=5),
            await stand.thief(budgets=[{"usd": 5, "per": "total"}]),
            await stand.thief(account={"budgets": [{"usd": 5, "per": "day"}]}),
        ]
        before = len(stand.lying.asked)
        for thief in paying:
            for name, (path, body) in COSTLY.items():
                answer = await thief.ask(path, body, headers=lie({"id": "x"}))
                assert answer.status in (400, 403, 404, 429), name
            assert await thief.entries(0) == []
        assert len(stand.lying.asked) == before
        kept = await paying[0].ask("/v1/conversations", {}, headers=lie({"id": "conv_1", "object": "conversation"}))
        assert kept.status == 200, kept.body
        postpaid = await stand.thief()
        answer = await postpaid.ask("/v1/batches", COSTLY["batch"][1], headers=lie({"id": "batch_1"}))
        assert answer.status == 200
        (entry,) = await postpaid.entries(1)
        assert entry["unpriced"]
        await stand.books.check()


async def test_a_socket_without_a_price_is_not_opened(scene: Any, tmp_path: Path) -> None:
    async with abroad(scene, tmp_path) as stand:
        thief = await stand.thief(usd=5)
        for path in ("/v1/realtime", "/v1/responses", "/v1/live", "/v1/realtime?model=nobody-knows"):
            url = stand.gateway.origin.replace("http", "ws") + path
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await stand.session.ws_connect(url, headers={"authorization": f"Bearer {thief.key}"})
            assert 400 <= refused.value.status < 500


ODD_PATHS = (
    "/v1/chat/completions/", "/v1//chat/completions", "/V1/chat/completions", "/v1/Chat/Completions", "/v1/chat/completions;x",
    "/v1/./chat/completions", "/v1/x/../chat/completions", "/v1/x/%2e%2e/chat/completions", "/v1/chat%2fcompletions",
    "/v1/chat/completions%20", "/v1/chat/completions%00", "/v1/chat\\completions", "/openai/v1/v1/chat/completions",
    "/native/mock/v1/x/%2e%2e/chat/completions", "/native/MOCK/v1/chat/completions", "/native/mock%2fv1/chat/completions",
)  # fmt: skip


@pytest.mark.parametrize("path", ODD_PATHS)
async def test_no_path_leads_round_the_till(stand: Stand, path: str) -> None:
    """Where it is carried at all, it costs what it costs."""
    thief = await stand.thief(usd=5)
    answer = await thief.ask(path, {"model": MODEL, "messages": MESSAGES}, headers={"x-mock-tokens": "50"})
    if answer.status == 200:
        assert await thief.spent(1) >= 50 * 20
    else:
        assert answer.status in (400, 403, 404, 405), answer.body


@pytest.mark.parametrize(
    "model",
    [
        "FAST",
        "fast ",
        " fast",
        "fast\n",
        "mock/fast",
        "mock/gpt-4o",
        "mock/mock/fast",
        "gpt-4o",
        "fast\u0000",
        "fasT",
        "*",
        "",
    ],
)
async def test_a_key_for_one_name_has_no_other(stand: Stand, model: str) -> None:
    thief = await stand.thief(models=["fast"])
    for path in ("/v1/chat/completions", "/native/mock/v1/chat/completions", "/v1/unlisted"):
        answer = await thief.ask(path, {"model": model, "messages": MESSAGES})
        assert answer.status in (400, 403, 404), (path, answer.body)
    assert await thief.entries(0) == []


@pytest.mark.parametrize(
    "scope", [{"endpoints": ["embeddings"]}, {"providers": ["claude"]}, {"networks": ["10.0.0.0/8"]}]
)
async def test_scopes_have_no_gap(stand: Stand, scope: dict[str, Any]) -> None:
    thief = await stand.thief(known=False, **scope)
    url = "/v1/chat/completions"
    deadline = time.monotonic() + 5
    while (answer := await thief.ask(url, {"model": MODEL, "messages": MESSAGES})).code == "invalid_api_key":
        if "networks" in scope or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.05)
    assert answer.status in (401, 403)
    for path in ("/v1/chat/completions", "/v1/chat/%63ompletions", "/V1/chat/completions", "/openai/chat/completions"):
        for headers in ({}, {"x-forwarded-for": "10.0.0.1"}, {"forwarded": "for=10.0.0.1"}):
            answer = await thief.ask(path, {"model": MODEL, "messages": MESSAGES}, headers=headers)
            assert answer.status in (400, 401, 403, 404), (path, answer.body)
    assert await thief.entries(0) == []


async def test_keys_do_not_open_other_doors(stand: Stand) -> None:
    thief = await stand.thief(usd=1)
    for method, path, body in (
        ("GET", "/admin/v1/accounts", None),
        ("POST", f"/admin/v1/accounts/{thief.ident}/credits", {"usd": 100}),
        ("POST", "/v1/../admin/v1/accounts", {"name": "x"}),
        ("GET", "/admin/v1/%2e/accounts", None),
    ):
        assert (await thief.ask(path, body, method=method)).status in (401, 403, 404), path
    admin = type(thief)(stand, thief.ident, "", ADMIN.replace(" ", "%20"))
    assert (await admin.chat()).status == 401
    admin.key = ADMIN
    assert (await admin.chat()).status == 401
    assert (await stand.balance(thief))["granted"] == "1.00"


@pytest.mark.parametrize(
    "usd", [-1, 0, "-0.01", "NaN", "Infinity", 1e300, "1e3", "0.0000001", "", None, True, [1], "１", 10**40]
)
async def test_absurd_amounts_move_nothing(stand: Stand, usd: object) -> None:
    thief = await stand.thief(usd=1)
    for path in ("credits", "refunds"):
        answer = await stand.admin("POST", f"/accounts/{thief.ident}/{path}", {"usd": usd})
        assert answer.status == 400, answer.body
    answer = await stand.admin("POST", "/vouchers", {"usd": usd})
    assert answer.status == 400, answer.body
    assert (await stand.balance(thief))["granted"] == "1.00"


async def test_credits_are_given_once_for_a_key(stand: Stand) -> None:
    thief = await stand.thief()
    path, same = f"/accounts/{thief.ident}/credits", {"idempotency_key": f"once-{time.monotonic_ns()}"}
    answers = await asyncio.gather(*(stand.admin("POST", path, {"usd": 1}, **same) for _ in range(20)))
    assert {answer.status for answer in answers} <= {200, 201, 409}
    assert (await stand.balance(thief))["granted"] == "1.00"
    assert (await stand.admin("POST", path, {"usd": 2}, **same)).status == 409


async def test_a_new_key_is_no_new_purse(stand: Stand) -> None:
    """Rotated, its limits and budgets are where they were; the old one is none beside it."""
    thief = await stand.thief(limits={"rpm": 3}, budgets=[{"usd": 1, "per": "total"}])
    assert (await thief.chat(max_tokens=5)).status == 200
    spent = await thief.spent(1)
    rotated = await stand.admin("POST", f"/keys/{thief.key_id}/rotate", {"overlap": 3600})
    assert rotated.status < 300, rotated.body
    old, thief.key = thief.key, rotated.document["key"]
    deadline = time.monotonic() + 5
    while (answer := await thief.chat(max_tokens=5)).status == 401:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    statuses = [answer.status]
    for key in (old, rotated.document["key"], old):
        thief.key = key
        answer = await thief.chat(max_tokens=5)
        statuses.append(answer.status)
    assert statuses == [200, 429, 429, 429], "the list of models, one before and one after the rotation"
    assert await thief.spent(2) == 2 * spent


async def test_the_dead_do_not_pay(stand: Stand) -> None:
    """Revoked, of a suspended account, expired: no request of theirs is sent, within a second."""
    revoked, suspended, expired = [await stand.thief() for _ in range(3)]
    soon = datetime.fromtimestamp(time.time() + 1, UTC).isoformat()
    for method, path, body in (
        ("POST", f"/keys/{revoked.key_id}/revoke", None),
        ("PATCH", f"/accounts/{suspended.ident}", {"status": "suspended"}),
        ("PATCH", f"/keys/{expired.key_id}", {"expires": soon}),
    ):
        done = await stand.admin(method, path, body)
        assert done.status < 300, done.body
    deadline = time.monotonic() + 3
    for thief in (revoked, suspended, expired):
        while (await thief.ask("/v1/models", method="GET")).status == 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    for thief in (revoked, suspended, expired):
        assert (await thief.chat()).status in (401, 403)
        assert await thief.entries(0) == []


async def test_the_things_of_others(stand: Stand) -> None:
    """Every place where an id may stand, in every spelling: 404, and the upstream hears nothing."""
    owner, thief = await stand.thief(), await stand.thief()
    ident = (await owner.ask("/v1/responses", {"model": MODEL, "input": "x"})).document["id"]
    conversation = (await owner.ask("/v1/conversations", {})).document["id"]
    before = len(stand.mock.requests())
    escaped = ident.replace("r", "%72", 1)
    for method, path in (
        ("GET", f"/v1/responses/{ident}"), ("DELETE", f"/v1/responses/{ident}"), ("GET", f"/v1/responses/{escaped}"),
        ("GET", f"/responses/{ident}/input_items"), ("POST", f"/v1/responses/{ident}/cancel"),
        ("GET", f"/openai/v1/responses/{ident}?stream=true"), ("GET", f"/native/mock/v1/responses/{ident}"),
        ("GET", f"/v1/conversations/{conversation}"), ("HEAD", f"/v1/conversations/{conversation}"),
        ("GET", f"/v1/x/../responses/{ident}"), ("GET", f"/V1/responses/{ident}"),
    ):  # fmt: skip
        answer = await thief.ask(path, method=method)
        assert answer.status in (400, 404, 405), (method, path, answer.body)
    for body in (
        {"previous_response_id": ident}, {"conversation": conversation}, {"conversation": {"id": conversation}},
        {"input": [{"type": "item_reference", "id": ident}]},
        {"tools": [{"type": "code_interpreter", "container": "cntr_of_others"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_of_others"]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-of-others"}]}]},
    ):  # fmt: skip
        for path in ("/v1/responses", "/native/mock/v1/responses"):
            answer = await thief.ask(path, {"model": MODEL, "input": "x", **body})
            assert answer.status == 404, (path, body, answer.body)
    raw = f'{{"model": "{MODEL}", "input": "x", "previous_respons\\u0065_id": "{ident}"}}'.encode()
    assert (await thief.ask("/v1/responses", raw=raw)).status == 404
    override = {"x-http-method-override": "DELETE", "x-http-method": "DELETE", "x-method-override": "DELETE"}
    await thief.ask("/v1/conversations", {}, headers=override)
    assert not {name for name, _ in stand.mock.requests(1)[0]["headers"] if "method" in name.lower()}
    assert len(stand.mock.requests()) == before + 1


async def test_unlisted_lies_cost(stand: Stand) -> None:
    """A path that is only passed on reports usage like any other."""
    thief = await stand.thief(usd=5)
    usage = {"prompt_tokens": 5, "completion_tokens": 40}
    answer = await thief.ask(
        "/native/lying/v1/new/thing/chat", {"model": MODEL, "messages": MESSAGES}, headers=lie(completion("x", usage))
    )
    assert answer.status == 200
    assert await thief.spent(1) == 5 * 10 + 40 * 20
