"""What the gateway answers by itself."""

import asyncio

import orjson
import pytest

from proxy.context import RequestContext, TokenEstimate
from proxy.local.health import LIVE, METRICS, READY, Health, State
from proxy.local.tokens import TokensApp
from proxy.wire.chat import RequestView
from tests.support.asgi import Client, http_scope, scope_of
from tests.support.fakes import TARGET, FakeCounter


async def page() -> bytes:
    return b"tollway_test_total 1.0\n"


def health(*, key: str = "", **state: object) -> Health:
    return Health(State(**{"ready": True, **state}), metrics=page, key=key)  # type: ignore[arg-type]


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


async def test_metrics_and_their_absence() -> None:
    code, kind, body = await health().answer_to(METRICS, b"")
    assert code == 200
    assert kind.startswith(b"text/plain; version=0.0.4")
    assert b"tollway_test_total" in body
    assert (await Health(State(), metrics=None).answer_to(METRICS, b""))[0] == 404
    assert (await health().answer_to("/other", b""))[0] == 404


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (b"Bearer scrape-me", 200),
        (b"bearer  scrape-me ", 200),
        (b"Bearer scrape-m", 401),
        (b"Bearer ", 401),
        (b"Basic scrape-me", 401),
        (b"scrape-me", 401),
        (b"", 401),
        (b"Bearer \xff", 401),
    ],
)
async def test_metrics_behind_a_key(shown: bytes, status: int) -> None:
    guarded = health(key="scrape-me")
    code, _, body = await guarded.answer_to(METRICS, shown)
    assert (code, b"tollway_test_total" in body) == (status, status == 200)
    client = Client()
    await guarded(http_scope("GET", METRICS, headers=[(b"authorization", shown)]), client.receive, client.send)
    assert client.status == status
    assert (client.headers.get(b"www-authenticate") == b"Bearer") is (status == 401)
    assert (await guarded.answer_to("/readyz", b""))[0] == 200, "probes need none"


@pytest.mark.parametrize(
    ("sent", "status"), [(b"Authorization: Bearer scrape-me", b"200"), (b"X-Authorization: Bearer scrape-me", b"401")]
)
async def test_the_key_on_the_separate_listener(sent: bytes, status: bytes) -> None:
    server = await health(key="scrape-me").serve("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    writer.write(b"GET /metrics HTTP/1.1\r\nhost: x\r\n" + sent + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    server.close()
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert (b"www-authenticate: Bearer\r\n" in answer) is (status == b"401")


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
