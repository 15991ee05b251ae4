"""Getting to an upstream, or not: refused, silent, unknown, or not the one whose name it bears. One class of error for each."""

import asyncio
import datetime
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from proxy.context import Limits
from proxy.errors import UpstreamError
from proxy.protocols import Transport, UpstreamRequest
from tests.support.faults import black_hole
from tests.support.processes import free_port
from tests.support.raw_upstream import Peer, raw_upstream

from .exchanges import Answered, Failed, made, outcome

BOTH_LOOPS = True

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def to(url: str, body: bytes | None = b"{}") -> UpstreamRequest:
    """A request to anywhere."""
    return UpstreamRequest(method="POST", url=url, headers=[], body=body)


@pytest.fixture(scope="module")
def closed_port() -> int:
    """Nobody listens there; its socket stays, so it is made before any test counts."""
    return free_port()


async def test_a_port_where_nobody_listens(closed_port: int, transport: Transport) -> None:
    begun = time.monotonic()
    assert await outcome(transport, to(f"http://127.0.0.1:{closed_port}/")) == Failed("UpstreamUnavailable")
    assert time.monotonic() - begun < 0.5


async def test_a_black_hole_ends_at_the_connect_limit(transport: Transport) -> None:
    limits = Limits(connect=0.1, first_byte=None, idle=120.0, total=1800.0)
    async with black_hole() as port:
        begun = time.monotonic()
        with pytest.raises(UpstreamError) as raised:
            await transport.send(to(f"http://127.0.0.1:{port}/"), limits)
        assert type(raised.value).__name__ == "UpstreamConnectTimeout"
        assert 0.09 < time.monotonic() - begun < 0.35


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_NONAME, "secret"), socket.gaierror(socket.EAI_AGAIN, "secret")]
)
async def test_a_name_that_nobody_knows(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, error: socket.gaierror
) -> None:
    resolving(monkeypatch, error)
    with pytest.raises(UpstreamError) as raised:
        await transport.send(
            to("http://upstream.test/"), Limits(connect=2.0, first_byte=None, idle=120.0, total=1800.0)
        )
    assert type(raised.value).__name__ == "UpstreamUnavailable"
    assert "secret" not in raised.value.message + raised.value.detail


async def test_a_name_with_several_addresses_of_which_one_answers(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            assert (await peer.request()).header("host") == b"upstream.test:%d" % upstream.port
            await peer.say(HELLO)

    async with raw_upstream(script) as upstream:
        resolving(monkeypatch, ["127.0.0.9", "127.0.0.1"])
        for _ in range(2):
            assert isinstance(await outcome(transport, to(f"http://upstream.test:{upstream.port}/")), Answered)
        assert len(upstream.peers) == 1


def resolving(monkeypatch: pytest.MonkeyPatch, found: list[str] | socket.gaierror) -> None:
    """Names end with ``.test``, and are resolved to that, whoever asks: the loop, or a thread."""

    def addresses(host: object, port: object, *_: object, **__: object) -> list[tuple[object, ...]]:
        text = host.decode() if isinstance(host, bytes) else str(host)
        if isinstance(found, socket.gaierror):
            raise found
        each = found if text.endswith(".test") else [text]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(str(port or 0)))) for address in each]

    async def later(*args: object, **options: object) -> list[tuple[object, ...]]:
        await asyncio.sleep(0)
        return addresses(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", later)


# ---- TLS ------------------------------------------------------------------------------------------------------------

AUTHORITY = trustme.CA()
PAST = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


def served(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    """Our side: the tests' authority alone."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class Secure:
    """An upstream behind TLS that answers everything; it counts."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests = 0
        self.names: list[str | None] = []
        self.body = b"hello"
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                self.requests += 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(self.body) + self.body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def secure(certificate: trustme.LeafCert) -> AsyncIterator[Secure]:
    """One for a test."""
    upstream, context = Secure(), served(certificate)
    context.sni_callback = lambda _, name, __: upstream.names.append(name)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=context)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()


async def test_a_verified_upstream(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is sent, verified, and its connection used again; big answers pass whole through TLS."""
    transport = made(kind, trusting())
    async with secure(AUTHORITY.issue_cert("upstream.test")) as upstream:
        resolving(monkeypatch, ["127.0.0.1"])
        for size in (5, 5, 3_000_000):
            upstream.body = bytes(range(250)) * (size // 250 + 1)
            found = await outcome(transport, to(f"https://upstream.test:{upstream.port}/", b"x" * 100_000))
            assert isinstance(found, Answered)
            assert found.body == upstream.body
        assert (upstream.connections, upstream.requests) == (1, 3)
        assert upstream.names == ["upstream.test"]
        await transport.close()
        async with asyncio.timeout(1):
            await upstream.closed.wait()


UNTRUSTED: dict[str, Callable[[], trustme.LeafCert]] = {
    "expired": lambda: AUTHORITY.issue_cert("127.0.0.1", not_after=PAST),
    "of another host": lambda: AUTHORITY.issue_cert("elsewhere.test"),
    "of another address": lambda: AUTHORITY.issue_cert("127.0.0.2"),
    "of an authority that nobody knows": lambda: trustme.CA().issue_cert("127.0.0.1"),
}


@pytest.mark.parametrize("certificate", UNTRUSTED.values(), ids=UNTRUSTED)
async def test_a_certificate_that_proves_nothing(kind: str, certificate: Callable[[], trustme.LeafCert]) -> None:
    transport = made(kind, trusting())
    async with secure(certificate()) as upstream:
        assert await outcome(transport, to(f"https://127.0.0.1:{upstream.port}/")) == Failed("UpstreamTlsFailed")
        assert upstream.requests == 0, "told to whoever it was"
        await transport.close()


async def test_the_systems_authorities_do_not_know_ours(kind: str) -> None:
    transport = made(kind)
    async with secure(AUTHORITY.issue_cert("127.0.0.1")) as upstream:
        assert await outcome(transport, to(f"https://127.0.0.1:{upstream.port}/")) == Failed("UpstreamTlsFailed")
        await transport.close()


async def test_plain_http_where_tls_was_expected(kind: str) -> None:
    transport = made(kind, trusting())

    async def script(peer: Peer) -> None:
        await peer.until(lambda: len(peer.heard) > 0)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await peer.gone()
        assert b"POST" not in peer.heard, "sent in the clear"

    async with raw_upstream(script) as upstream:
        assert await outcome(transport, to(f"https://127.0.0.1:{upstream.port}/")) == Failed("UpstreamTlsFailed")
        await transport.close()


@pytest.mark.parametrize("end", ["fin", "reset"])
async def test_a_handshake_that_is_broken_off(kind: str, end: str) -> None:
    transport = made(kind, trusting())

    async def script(peer: Peer) -> None:
        await peer.until(lambda: len(peer.heard) > 0)
        await peer.end(end)

    async with raw_upstream(script) as upstream:
        found = await outcome(transport, to(f"https://127.0.0.1:{upstream.port}/"))
        assert isinstance(found, Failed)
        assert found.kind in ("UpstreamUnavailable", "UpstreamDropped", "UpstreamTlsFailed")
        await transport.close()


async def test_a_handshake_that_never_ends_is_a_connect_timeout(kind: str) -> None:
    transport = made(kind, trusting())
    limits = Limits(connect=0.1, first_byte=None, idle=120.0, total=1800.0)
    async with raw_upstream() as upstream:
        with pytest.raises(UpstreamError) as raised:
            await transport.send(to(f"https://127.0.0.1:{upstream.port}/"), limits)
        assert type(raised.value).__name__ == "UpstreamConnectTimeout"
        await (await upstream.peer()).gone()
        await transport.close()


@pytest.mark.parametrize("late", [False, True], ids=["at once", "in the handshake"])
async def test_a_caller_that_gives_up_in_the_handshake(kind: str, late: bool) -> None:
    transport = made(kind, trusting())
    async with raw_upstream() as upstream:
        task = asyncio.create_task(outcome(transport, to(f"https://127.0.0.1:{upstream.port}/")))
        peer = await upstream.peer()
        if late:
            await peer.until(lambda: len(peer.heard) > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await peer.gone(0.25)
        async with asyncio.timeout(1):
            await transport.close()


async def test_a_server_that_talks_plain_to_those_who_talk_plain_to_tls(transport: Transport) -> None:
    async with secure(AUTHORITY.issue_cert("127.0.0.1")) as upstream:
        found = await outcome(transport, to(f"http://127.0.0.1:{upstream.port}/"))
        assert isinstance(found, Failed)
        assert found.kind in ("UpstreamInvalid", "UpstreamDropped")
