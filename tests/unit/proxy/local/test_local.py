"""What the gateway answers by itself."""

import asyncio

import orjson
import pytest
from prometheus_client import CollectorRegistry, Counter

from proxy.context import RequestContext, TokenEstimate
from proxy.local.health import LIVE, METRICS, READY, Health, State
from proxy.local.tokens import TokensApp
from proxy.wire.chat import RequestView
from tests.support.asgi import Client, http_scope, scope_of
from tests.support.fakes import TARGET, FakeCounter


def health(**state: object) -> Health:
    registry = CollectorRegistry()
    Counter("tollway_test_total", "For the test.", registry=registry)
    return Health(State(**{"ready": True, **state}), registry=lambda: registry)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", LIVE)
def test_live_unless_the_loop_lags(path: str) -> None:
    assert health(draining=True, ready=False).answer(path)[0] == 200
    assert health(lagging=True).answer(path)[0] == 503


@pytest.mark.parametrize("path", READY)
@pytest.mark.parametrize(
    ("state", "status", "says"),
    [({}, 200, "ready"), ({"ready": False}, 503, "starting"), ({"draining": True}, 503, "draining")],
)
def test_ready(path: str, state: dict[str, bool], status: int, says: str) -> None:
    code, _, body = health(**state).answer(path)
    assert (code, orjson.loads(body)["status"]) == (status, says)


def test_a_refused_configuration_is_told_and_keeps_serving() -> None:
    code, _, body = health(config_error="bad").answer("/readyz")
    assert (code, orjson.loads(body)["config_error"]) == (200, "bad")


def test_metrics_and_their_absence() -> None:
    code, kind, body = health().answer(METRICS)
    assert code == 200
    assert kind.startswith(b"text/plain; version=0.0.4")
    assert b"tollway_test_total" in body
    assert Health(State(), registry=None).answer(METRICS)[0] == 404
    assert health().answer("/other")[0] == 404


@pytest.mark.parametrize(("method", "empty"), [("GET", False), ("HEAD", True)])
async def test_as_an_application(method: str, empty: bool) -> None:
    client = Client()
    await health()(http_scope(method, "/livez"), client.receive, client.send)
    assert (client.status, client.body == b"") == (200, empty)
    assert int(client.headers[b"content-length"]) > 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", b"200"),
        (b"GET /readyz?x=1 HTTP/1.1\r\n\r\n", b"200"),
        (b"HEAD /readyz HTTP/1.1\r\n\r\n", b"200"),
        (b"POST /livez HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /admin HTTP/1.1\r\n\r\n", b"404"),
        (b"GET\r\n\r\n", b"40"),
    ],
)
async def test_the_separate_listener(request_: bytes, status: bytes) -> None:
    server = await health().serve("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_)
    answer = await reader.read()
    writer.close()
    server.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert (body == b"") is request_.startswith(b"HEAD")


@pytest.mark.parametrize("junk", [b"x" * 20_000, b"GET /livez"])
async def test_the_listener_outlives_junk(junk: bytes) -> None:
    server = await health().serve("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(junk)
    writer.write_eof()
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    writer.close()
    server.close()


async def test_token_counts() -> None:
    client = Client()
    ctx = RequestContext(
        request_id="r", target=TARGET, body=b"{}", request=RequestView(model="fast"), estimate=TokenEstimate(5, 9, 0)
    )
    await TokensApp(FakeCounter())(scope_of(ctx), client.receive, client.send)
    assert orjson.loads(client.body) == {
        "object": "token_count",
        "model": "fast",
        "input_tokens": 7,
        "source": "counted",
        "encoding": "o200k_base",
        "parts": {"messages": 4, "tools": 3},
        "estimate": {"likely": 5, "bound": 9},
        "max_output_tokens": None,
    }
