"""From configuration to services: generation, pools, routes, counting, and the checks before the server starts."""

import os
import socket
from math import inf
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from proxy import accounts, generation, server
from proxy.config import Config, Secret
from proxy.config.server import Cors, Server
from proxy.config.traffic import Auth, Key, Model, Passthrough, Provider, Target, Timeouts
from proxy.context import Receive, Scope, Send
from proxy.counting import ChainCounter
from proxy.errors import AuthenticationFailed
from proxy.identity.callers import Callers
from proxy.identity.modes import Forwarder, Open
from proxy.identity.principals import Terms
from proxy.local.health import Health, State
from proxy.surface import Surface
from proxy.telemetry.shared import DIRECTORY, metrics_folder
from proxy.tokens.counter import TokenCounter
from proxy.transports import AFTERWARDS, TransportPool
from proxy.wire.endpoints import CHAT, MODELS, NATIVE, PASSTHROUGH, REALTIME, Endpoint
from tests.support.asgi import Client, http_scope
from tests.support.clock import FakeClock

LOCAL = Provider(use="openai", base_url="http://127.0.0.1:1/v1", api_key=Secret("k"))
CONFIG = Config(
    keys=(Key(name="app", key=Secret("sk-app"), models=("fast",)), Key(name="all", key=Secret("sk-all"))),
    providers={"local": LOCAL, "openai": Provider(use="openai", api_key=Secret("o"))},
    models={
        "fast": Model(targets=(Target(provider="local", model="small", timeouts=Timeouts(idle=7.0)),)),
        "*": Model(targets=(Target(provider="openai"),)),
    },
    passthrough=Passthrough(provider="openai"),
    timeouts=Timeouts(connect=2.0, idle=50.0, first_byte=9.0),
)

# ---- generation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "kind"), [("keys", Callers), ("forward", Forwarder), ("open", Open)])
def test_the_authenticator_of_each_mode(mode: str, kind: type) -> None:
    assert type(generation.authenticator(Config(auth=Auth(mode=mode)), FakeClock(), terms=Terms())) is kind  # type: ignore[arg-type]


def test_keys_become_principals() -> None:
    ring = generation.authenticator(CONFIG, FakeClock(), terms=Terms())
    limited, free = ring.identify([b"sk-app"], ""), ring.identify([b"sk-all"], "")
    assert (limited.name, limited.models, limited.passthrough) == ("app", ("fast",), False)
    assert (free.name, free.models, free.passthrough) == ("all", ("*",), True)
    with pytest.raises(AuthenticationFailed):
        ring.identify([b"sk-nobody"], "")


def test_targets_take_their_own_limits_then_the_shared_then_the_usual() -> None:
    found = generation.directory(CONFIG).resolve("fast")
    assert found is not None
    limits = found[1].limits
    assert (limits.connect, limits.first_byte, limits.idle, limits.total) == (2.0, 9.0, 7.0, 1800.0)


def test_the_catalogue_is_listed_behind_the_wildcard_only_for_real_addresses() -> None:
    entries = generation.directory(CONFIG).entries(
        generation.authenticator(CONFIG, FakeClock(), terms=Terms()).identify([b"sk-all"], "")
    )
    ids = [entry.id for entry in entries]
    assert ids[0] == "fast"
    assert len(ids) > 5
    assert not [name for name in ids if name.startswith("local/")]


async def test_providers_get_their_transport_and_key() -> None:
    pool = TransportPool(FakeClock())
    transports = pool.use(CONFIG.providers)
    built = accounts.providers(CONFIG, transports, {})
    assert set(built) == {"local", "openai"}
    assert built["local"][1] is transports["local"]
    assert not built["local"][0].forwards
    await pool.close()


def test_known_models_bound_the_labels() -> None:
    known = generation.known_models(CONFIG)
    assert "small" in known
    assert "*" not in known


def test_settings_come_from_the_configuration() -> None:
    config = Config(server=Server(max_body=5, max_upload=6, send_timeout=7.0, body_idle_timeout=8.0))
    assert generation.relay_settings(config).send_timeout == 7.0
    limits = generation.body_limits(config)
    assert (limits.body, limits.upload, limits.idle) == (5, 6, 8.0)


# ---- pools ----------------------------------------------------------------------------------------------------------


async def test_unchanged_providers_keep_their_pool() -> None:
    pool = TransportPool(FakeClock())
    first = pool.use({"a": LOCAL, "b": LOCAL})
    second = pool.use({"a": LOCAL, "b": Provider(use="openai", base_url="http://127.0.0.1:2/v1"), "c": LOCAL})
    assert second["a"] is first["a"]
    assert second["b"] is not first["b"]
    assert second["c"] is not second["a"]
    third = pool.use({"a": Provider(use="openai", base_url=LOCAL.base_url, api_key=Secret("another"))})
    assert third["a"] is first["a"], "a new key needs no new connections"
    await pool.close()


async def test_retired_pools_are_closed_once_no_request_can_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(1000.0)
    pool = TransportPool(clock)
    closed: list[str] = []

    def noting(name: str, providers: dict[str, Provider]) -> None:
        async def close() -> None:
            closed.append(name)

        monkeypatch.setattr(pool.use(providers)[name], "close", close)

    noting("a", {"a": LOCAL})
    noting("b", {"b": LOCAL})
    clock.advance(10)
    pool.use({})
    clock.advance(AFTERWARDS - 9)
    await pool.sweep(inf)
    assert closed == ["a"], "settlements of requests that have ended may still need the other"
    clock.advance(3600)
    await pool.sweep(1005.0)
    assert closed == ["a"], "a request that began before it was retired is under way"
    await pool.sweep(1011.0)
    assert closed == ["a", "b"]
    await pool.close()
    assert closed == ["a", "b"]


async def test_what_another_generation_uses_is_not_retired() -> None:
    clock = FakeClock()
    pool = TransportPool(clock)
    other = {"a": Provider(use="openai", base_url="http://127.0.0.1:2/v1"), "b": LOCAL}
    base = pool.use({"a": LOCAL}, other)
    tried = pool.use(other, {"a": LOCAL})
    assert base["a"] is not tried["a"]
    assert set(base) == {"a"}
    assert pool.use({"a": LOCAL}, other)["a"] is base["a"]
    clock.advance(3600)
    await pool.sweep(inf)
    assert pool.use(other)["a"] is tried["a"]
    await pool.close()


async def test_a_changed_authority_is_a_new_pool(tmp_path: Path) -> None:
    import trustme

    authority = tmp_path / "ca.pem"
    pool = TransportPool(FakeClock())
    seen = []
    for _ in range(2):
        trustme.CA().cert_pem.write_to_path(str(authority))
        provider = Provider(use="openai", base_url="https://127.0.0.1:1/v1", ca_file=str(authority))
        seen.append(pool.use({"a": provider})["a"])
    assert seen[0] is not seen[1]
    await pool.close()


# ---- routes ---------------------------------------------------------------------------------------------------------


class Routes:
    """A surface whose chains say who they are."""

    def __init__(self, cors: Cors | None = None) -> None:
        self.calls: list[tuple[Endpoint, str | None]] = []
        self.surface = Surface(self.build, Health(State(ready=True), metrics=None), cors or Cors())

    def build(self, endpoint: Endpoint, path: str | None) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            self.calls.append((endpoint, path))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return app

    async def ask(self, method: str, path: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Client:
        client = Client()
        await self.surface.app(
            http_scope(method, path, headers=[(b"host", b"x"), *headers]), client.receive, client.send
        )
        return client


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai", ""])
@pytest.mark.parametrize(
    ("method", "path", "endpoint", "fixed"),
    [
        ("POST", "/chat/completions", CHAT, "/chat/completions"),
        ("GET", "/models", MODELS, "/models"),
        ("GET", "/models/a/b", MODELS, None),
        ("GET", "/chat/completions", PASSTHROUGH, None),
        ("DELETE", "/models/x", PASSTHROUGH, None),
        ("POST", "/files", PASSTHROUGH, None),
        ("GET", "/anything/else", PASSTHROUGH, None),
    ],
)
async def test_one_surface_under_four_names(
    prefix: str, method: str, path: str, endpoint: Endpoint, fixed: str | None
) -> None:
    routes = Routes()
    await routes.ask(method, prefix + path)
    assert routes.calls == [(endpoint, fixed)]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "BREW"])
async def test_the_chain_sees_every_method(method: str) -> None:
    routes = Routes()
    await routes.ask(method, "/v1/chat/completions")
    assert routes.calls == [(PASSTHROUGH, None)]


async def test_probes_are_outside_the_chain() -> None:
    routes = Routes()
    assert (await routes.ask("GET", "/livez")).status == 200
    assert routes.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_may_get_a_listed_path_may_ask_for_its_head(method: str) -> None:
    routes = Routes()
    await routes.ask(method, "/anthropic/v1/models")
    assert routes.calls == [(MODELS, "/models")]
    assert (await routes.ask(method, "/readyz")).status == 200


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions/", "/v1/chat/completions\n", "/V1/chat/completions", "/livez/x"]
)
async def test_a_path_that_is_nearly_a_listed_one_is_not(path: str) -> None:
    routes = Routes()
    await routes.ask("POST", path)
    assert routes.calls == [(PASSTHROUGH, None)]


async def test_native_paths_have_their_chain() -> None:
    routes = Routes()
    for path in ("/native/openai/v1/files", "/native/openai"):
        await routes.ask("POST", path)
    assert routes.calls == [(NATIVE, None), (PASSTHROUGH, None)]


@pytest.mark.parametrize("path", ["/v1/realtime", "/responses", "/openai/live/x", "/nowhere"])
async def test_every_websocket_has_the_one_chain_for_them(path: str) -> None:
    routes, client = Routes(), Client()
    await routes.surface.app({**http_scope("GET", path), "type": "websocket"}, client.receive, client.send)
    assert routes.calls == [(REALTIME, None)]


async def test_a_rebuild_swaps_every_chain() -> None:
    routes, other = Routes(), Routes()
    routes.surface.rebuild(other.build)
    for path in ("/v1/chat/completions", "/openai/models/x", "/files"):
        await routes.ask("POST", path)
    assert routes.calls == []
    assert len(other.calls) == 3


async def test_cors_only_when_asked_for() -> None:
    origin = ((b"origin", b"https://app.test"),)
    assert b"access-control-allow-origin" not in (await Routes().ask("POST", "/v1/files", origin)).headers
    client = await Routes(Cors(origins=("https://app.test",))).ask("POST", "/v1/files", origin)
    assert client.headers[b"access-control-allow-origin"] == b"https://app.test"


# ---- counting -------------------------------------------------------------------------------------------------------


async def test_the_chains_view_of_the_counter() -> None:
    tokens = TokenCounter()
    counter = ChainCounter(tokens)
    body = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hello there"}]}'
    estimate = counter.estimate(body, 7)
    usage = await counter.usage(CHAT, "gpt-4o", body, "hello there")
    assert (usage.output, usage.input_source, usage.output_source) == (2, "counted", "counted")
    assert usage.input <= estimate.bound
    assert estimate.output == 7
    breakdown = await counter.breakdown("gpt-4o", body)
    assert breakdown["total"] == usage.input
    assert {"source", "encoding"} <= set(breakdown)
    tokens.close()


def test_words_that_name_no_attachment_spare_the_search_for_one() -> None:
    tokens = TokenCounter()
    counter = ChainCounter(tokens)
    data = "data:image/png;base64," + "A" * 4000
    body = b'{"messages":[{"content":[{"type":"image_url","image_url":{"url":"%b"}}]}]}' % data.encode()
    searched, plain = counter.estimate(body, 0), counter.estimate(body, 0, plain=True)
    assert searched != plain
    assert counter.estimate(body, 0, words=frozenset(("messages", "image_url"))) == searched
    assert counter.estimate(body, 0, words=frozenset(("messages", "tools"))) == plain
    tokens.close()


# ---- before the server starts ---------------------------------------------------------------------------------------


def test_a_taken_port_is_said_before_the_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(server.StartError, match=f"Port {port} on 127.0.0.1 is taken"):
            server.check_port("127.0.0.1", port)
    server.check_port("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 0), ("192.0.2.1", 9)])
def test_addresses_that_cannot_be_listened_on(host: str, port: int) -> None:
    with pytest.raises(server.StartError):
        server.check_port(host, port)


@pytest.mark.parametrize(
    ("found", "good"), [("2.8.6", False), ("2.7.99", False), ("2.8.7", True), ("2.10.0", True), ("3.0", True)]
)
def test_old_granians_are_refused(found: str, good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "version", lambda _: found)
    if good:
        server.check_granian()
    else:
        with pytest.raises(server.StartError, match=r"2\.8\.7"):
            server.check_granian()


def test_another_owner_of_our_packages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        server, "packages_distributions", lambda: {"proxy": ["tollway", "proxy.py"], "middleware": ["tollway"]}
    )
    with pytest.raises(server.StartError, match=r"proxy\.py"):
        server.check_packages()
    monkeypatch.setattr(server, "packages_distributions", lambda: {})
    server.check_packages()


def test_the_folder_of_shared_counters_lives_as_long_as_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    with metrics_folder(wanted=True):
        folder = Path(os.environ[DIRECTORY])
        assert folder.is_dir()
    assert not folder.exists()
    assert DIRECTORY not in os.environ
    with metrics_folder(wanted=False):
        assert DIRECTORY not in os.environ
