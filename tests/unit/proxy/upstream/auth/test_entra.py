"""Tokens from Entra ID, against a token endpoint on loopback."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.errors import UpstreamAuthFailed
from proxy.protocols import UpstreamRequest
from proxy.upstream.auth.entra import ASSERTION, SCOPE, Entra, scheme

REQUEST = UpstreamRequest(
    method="POST",
    url="https://r.openai.azure.com/openai/v1/responses",
    headers=[("x-a", "1"), ("api-key", "k")],
    body=b"{}",
)


class Endpoint:
    """A token endpoint that says what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        self.lifetime: object = 3600
        self.error: dict[str, str] = {}
        self.gate: asyncio.Event | None = None
        self._arrivals: asyncio.Queue[None] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        number = len(self.asked)
        self._arrivals.put_nowait(None)
        if self.gate is not None:
            await self.gate.wait()
        if self.status != 200:
            return web.json_response(self.error, status=self.status)
        return web.json_response(
            {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": f"token-{number}"}
        )

    async def asked_times(self, number: int) -> None:
        """Waits until it has been asked so often."""
        async with asyncio.timeout(5):
            for _ in range(number):
                await self._arrivals.get()
        for _ in range(number):
            self._arrivals.put_nowait(None)


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, dict[str, str]]]:
    told = Endpoint()
    app = web.Application()
    app.router.add_post("/{tail:.*}", told.answer)
    server = TestServer(app)
    await server.start_server()
    options = {
        "authority": str(server.make_url("")).rstrip("/"),
        "tenant_id": "t-1",
        "client_id": "c-1",
        "client_secret": "s3cret",
    }
    yield told, options
    await server.close()


Told = tuple[Endpoint, dict[str, str]]


class Now:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def token_of(entra: Entra) -> str:
    """The credential that a request leaves with."""
    sent = await entra.apply(REQUEST)
    assert [pair for pair in sent.headers if pair[0] != "authorization"] == [("x-a", "1")]
    return dict(sent.headers)["authorization"]


async def test_a_client_secret(endpoint: Told) -> None:
    told, options = endpoint
    sent = await scheme(options).apply(REQUEST)
    assert sent.headers == [("x-a", "1"), ("authorization", "Bearer token-1")]
    assert (sent.url, sent.body, sent.method) == (REQUEST.url, REQUEST.body, REQUEST.method)
    assert told.paths == ["/t-1/oauth2/v2.0/token"]
    assert told.asked == [
        {"grant_type": "client_credentials", "client_id": "c-1", "client_secret": "s3cret", "scope": SCOPE}
    ]


async def test_a_ready_token_asks_nobody(endpoint: Told) -> None:
    told, options = endpoint
    assert await token_of(Entra({**options, "token": "ready"})) == "Bearer ready"
    assert told.asked == []


async def test_a_workload_s_token_is_read_anew(endpoint: Told, tmp_path: Path) -> None:
    told, options = endpoint
    file = tmp_path / "federated"
    file.write_text("one\n", encoding="utf-8")
    del options["client_secret"]
    now = Now()
    entra = Entra({**options, "token_file": str(file), "scope": "https://ai.azure.com/.default"}, clock=now)
    await token_of(entra)
    file.write_text("two", encoding="utf-8")
    now.seconds += 4000
    await token_of(entra)
    assert [asked["client_assertion"] for asked in told.asked] == ["one", "two"]
    assert told.asked[0]["client_assertion_type"] == ASSERTION
    assert told.asked[0]["scope"] == "https://ai.azure.com/.default"


async def test_a_token_is_kept_and_renewed_ahead_of_its_end(endpoint: Told) -> None:
    _, options = endpoint
    now = Now()
    entra = Entra(options, clock=now)
    assert await token_of(entra) == "Bearer token-1"
    now.seconds += 3299
    assert await token_of(entra) == "Bearer token-1"
    now.seconds += 1
    assert await token_of(entra) == "Bearer token-2"


@pytest.mark.parametrize(("lifetime", "kept"), [("100", 49), (60, 29), (None, 3299), ("soon", 3299)])
async def test_short_lives_and_lives_in_digits(endpoint: Told, lifetime: object, kept: int) -> None:
    told, options = endpoint
    told.lifetime = lifetime
    now = Now()
    entra = Entra(options, clock=now)
    await token_of(entra)
    now.seconds += kept
    assert await token_of(entra) == "Bearer token-1"
    now.seconds += 1
    assert await token_of(entra) == "Bearer token-2"


async def test_one_fetches_for_all(endpoint: Told) -> None:
    told, options = endpoint
    told.gate = asyncio.Event()
    entra = Entra(options)
    waiting = [asyncio.create_task(token_of(entra)) for _ in range(20)]
    await told.asked_times(1)
    told.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"Bearer token-1"}
    assert len(told.asked) == 1


async def test_the_old_token_serves_while_a_new_one_is_fetched(endpoint: Told) -> None:
    told, options = endpoint
    now = Now()
    entra = Entra(options, clock=now)
    await token_of(entra)
    told.gate = asyncio.Event()
    now.seconds += 3400
    renewing = asyncio.create_task(token_of(entra))
    await told.asked_times(2)
    assert await token_of(entra) == "Bearer token-1"
    told.gate.set()
    assert await renewing == "Bearer token-2"


async def test_one_that_gives_up_does_not_stop_the_others(endpoint: Told) -> None:
    told, options = endpoint
    told.gate = asyncio.Event()
    entra = Entra(options)
    first, second = (asyncio.create_task(token_of(entra)) for _ in range(2))
    await told.asked_times(1)
    first.cancel()
    await told.asked_times(2)
    told.gate.set()
    assert await second == "Bearer token-2"


async def test_a_renewal_that_fails_is_tried_again_and_the_old_token_used_to_its_end(endpoint: Told) -> None:
    told, options = endpoint
    now = Now()
    entra = Entra(options, clock=now)
    await token_of(entra)
    told.status = 503
    now.seconds += 3400
    assert await token_of(entra) == "Bearer token-1"
    assert await token_of(entra) == "Bearer token-1"
    assert len(told.asked) == 2
    now.seconds += 3
    assert await token_of(entra) == "Bearer token-1"
    assert len(told.asked) == 3
    now.seconds += 200
    with pytest.raises(UpstreamAuthFailed):
        await token_of(entra)
    told.status = 200
    now.seconds += 3
    assert await token_of(entra) == "Bearer token-5"


async def test_after_a_failure_nobody_asks_for_a_moment(endpoint: Told) -> None:
    told, options = endpoint
    told.status, told.error = (
        401,
        {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."},
    )
    now = Now()
    entra = Entra(options, clock=now)
    found = await asyncio.gather(*(token_of(entra) for _ in range(5)), return_exceptions=True)
    assert {str(error) for error in found} == {
        "No token for Azure: Entra answered AADSTS7000215; options.client_secret is wrong: it must be the secret's value, "
        "not its id."
    }
    assert len(told.asked) == 1
    told.status = 200
    now.seconds += 1
    with pytest.raises(UpstreamAuthFailed):
        await token_of(entra)
    now.seconds += 1
    assert await token_of(entra) == "Bearer token-2"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"error": "unauthorized_client", "error_description": "AADSTS700016: Application 'x'."}, "options.client_id"),
        ({"error": "invalid_request", "error_description": "AADSTS90002: Tenant."}, "options.tenant_id"),
        ({"error": "temporarily_unavailable"}, "temporarily_unavailable"),
        ({}, "status 400"),
    ],
)
async def test_refusals_name_the_fix_and_no_secret(endpoint: Told, error: dict[str, str], words: str) -> None:
    told, options = endpoint
    told.status, told.error = 400, error
    with pytest.raises(UpstreamAuthFailed) as refused:
        await token_of(Entra(options))
    assert words in refused.value.message
    assert "options." in refused.value.message
    assert "s3cret" not in refused.value.message + refused.value.detail


async def test_a_success_without_a_token_is_none(endpoint: Told) -> None:
    told, options = endpoint
    told.status = 201
    with pytest.raises(UpstreamAuthFailed):
        await token_of(Entra(options))


async def test_nobody_at_the_authority() -> None:
    options = {"authority": "http://127.0.0.1:1", "tenant_id": "t", "client_id": "c", "client_secret": "s3cret"}
    with pytest.raises(UpstreamAuthFailed, match=r"could not be reached; check options\.authority"):
        await token_of(Entra(options))


async def test_no_credential_to_show(endpoint: Told, tmp_path: Path) -> None:
    told, options = endpoint
    del options["client_secret"]
    for missing in ({}, {"token_file": str(tmp_path / "gone")}):
        with pytest.raises(UpstreamAuthFailed, match="AZURE_FEDERATED_TOKEN_FILE"):
            await token_of(Entra({**options, **missing}))
    assert told.asked == []
