"""A gateway of two accounts in this process: the real surface and chains, before an upstream that answers everything with 200."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

import middleware
from proxy import accounts, generation
from proxy.config import Config, Secret
from proxy.config.traffic import Key, Model, Passthrough, Provider, Target
from proxy.context import Limits, Principal
from proxy.errors import RawHeaders
from proxy.identity.authorisation import authorise
from proxy.local.health import Health, State
from proxy.ownership.memory import MemoryOwners
from proxy.protocols import Exchange, Owners, UpstreamRequest, UpstreamSocket
from proxy.services import Services
from proxy.steering import Steering
from proxy.surface import Surface
from proxy.telemetry.metrics import Metrics
from proxy.wire.endpoints import Endpoint
from tests.support.asgi import HOST, Client, http_scope, socket_scope
from tests.support.fakes import (
    FakeAdmission,
    FakeCounter,
    FakeExchange,
    FakeSettlement,
    FakeSocket,
    FakeTasks,
    FakeTelemetry,
)

A, B = "acme", "blue"
"""The two accounts; their keys are ``sk-acme`` and ``sk-blue``."""

CONFIG = Config(
    keys=(Key(name=A, key=Secret("sk-acme")), Key(name=B, key=Secret("sk-blue"))),
    providers={
        "up": Provider(use="openai", base_url="http://upstream.test/v1", api_key=Secret("sk-operator")),
        "google": Provider(use="gemini", api_key=Secret("g-operator")),
        "claude": Provider(use="anthropic", api_key=Secret("a-operator")),
    },
    models={"*": Model(targets=(Target(provider="up"),))},
    passthrough=Passthrough(provider="up"),
)

Answer = Callable[[UpstreamRequest], Exchange]


async def owning(owners: Owners, idents: Sequence[str]) -> list[str | None]:
    """The account of each id."""
    return [found.account if found is not None else None for found in await owners.owners(idents)]


def json_answer(document: object, *, status: int = 200, headers: RawHeaders = ()) -> FakeExchange:
    """A whole JSON answer."""
    return FakeExchange(
        orjson.dumps(document), status=status, headers=((b"content-type", b"application/json"), *headers)
    )


class Upstream:
    """Answers by ``routes`` ((method, path below /v1) to a document or a function), everything else with 200 ``{"ok": true}``."""

    def __init__(self) -> None:
        self.opened = 0
        """Requests begun, those that broke off in their body too."""
        self.requests: list[UpstreamRequest] = []
        self.bodies: list[bytes] = []
        self.routes: dict[tuple[str, str], Any] = {}
        self.socket = FakeSocket()

    @property
    def asked(self) -> list[str]:
        """Method and URL of every request so far."""
        return [f"{request.method} {request.url}" for request in self.requests]

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        self.opened += 1
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([chunk async for chunk in body])
        self.requests.append(request)
        self.bodies.append(body or b"")
        path = request.url.partition("?")[0].partition("/v1")[2]
        found = self.routes.get((request.method, path), {"ok": True})
        if callable(found):
            exchange: Exchange = found(request)
            return exchange
        return json_answer(found)

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        self.requests.append(request)
        return self.socket

    async def close(self) -> None:
        """Nothing to close."""


class TwoKeys:
    """``sk-<name>`` is the account of that name."""

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        name = presented[0].decode().removeprefix("sk-")
        return Principal(name=name, tenant=name, account=name)


class Stand:
    """The application, its upstream and its owners."""

    def __init__(self, owners: Owners | None = None, *, config: Config = CONFIG) -> None:
        self.upstream = Upstream()
        self.owners: Owners = owners if owners is not None else MemoryOwners(enforced=lambda: True, wall=time.time)
        self.admission = FakeAdmission()
        self.telemetry = FakeTelemetry()
        transports = dict.fromkeys(config.providers, self.upstream)
        directory = generation.directory(config)
        metrics = Metrics(CollectorRegistry(), known_models=lambda _: True)
        steered = Steering(config, metrics, clock=time.monotonic, wall=time.time).made(config, directory)
        self.services = Services(
            config=config,
            authenticator=TwoKeys(),
            authorise=authorise,
            directory=directory,
            router=steered.router,
            courses=steered.courses,
            explain=steered.explainer,
            providers=accounts.providers(config, transports, {}),
            counter=FakeCounter(),
            telemetry=self.telemetry,
            settlement=FakeSettlement(),
            admission=self.admission,
            owners=self.owners,
            tasks=FakeTasks(),
            relay=generation.relay_settings(config),
            body_limits=generation.body_limits(config),
            clock=time.monotonic,
            wall=time.time,
        )
        self.app: ASGIApp = Surface(self._chain, Health(State(), metrics=None), config.server.cors).app

    def _chain(self, endpoint: Endpoint, path: str | None) -> ASGIApp:
        return middleware.build_chain(endpoint, path, self.services)

    async def ask(
        self,
        account: str,
        method: str,
        path: str,
        body: object = None,
        *,
        query: str = "",
        content_type: str = "application/json",
        headers: Mapping[str, str] = {},
    ) -> Client:
        """One request of ``account``; ``body`` is JSON unless it is bytes. ``path`` is sent as it is written."""
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        sent = [HOST, (b"authorization", b"Bearer sk-" + account.encode())]
        if data:
            sent += [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(data))]
        sent += [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = http_scope(method, unquote(path), headers=sent, query=query.encode(), raw_path=path.encode())
        client = Client(data)
        await self.app(scope, client.receive, client.send)
        assert not self.telemetry.bugs, self.telemetry.bugs
        return client

    async def socket(self, account: str, path: str, *frames: str, query: str = "") -> Client:
        """A WebSocket whose client sends ``frames`` and then stays until the provider closes."""
        messages = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "text": frame} for frame in frames)]
        client = Client.saying(*messages)
        headers = (HOST, (b"authorization", b"Bearer sk-" + account.encode()))
        await self.app(socket_scope(path, headers=headers, query=query.encode()), client.receive, client.send)
        assert not self.telemetry.bugs, self.telemetry.bugs
        return client
