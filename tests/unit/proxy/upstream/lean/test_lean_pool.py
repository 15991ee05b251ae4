"""Which connections are kept, and for how long; and that a TLS upstream is talked to like any other."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from proxy.context import Limits
from proxy.errors import UpstreamConnectTimeout, UpstreamTlsFailed
from proxy.protocols import UpstreamRequest
from proxy.upstream.lean import LeanTransport
from proxy.upstream.lean.connecting import Connector, trusting
from proxy.upstream.lean.connection import Connection
from proxy.upstream.lean.pool import Origin, Pool
from proxy.upstream.resolver import Addresses, Resolver
from proxy.upstream.session import SessionTransport
from tests.support.rawhttp import eventually

LIMITS = Limits(connect=2.0, first_byte=None, idle=60.0, total=600.0)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that answers every request with its body's size. Yields the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                await reader.readexactly(size)
                body = b"x" * size
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (size, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def opened(pool: Pool, origin: Origin) -> Connection:
    """One that has served a request and is idle."""
    connection = await pool.open(origin, 2.0, single=False)
    connection.expect(to_head=False)
    connection.begin(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", None, None)
    await connection.news()
    connection.rest()
    return connection


async def test_what_is_idle_at_two_looks_is_closed() -> None:
    async with serving() as port:
        pool = Pool("p", Connector("p", Resolver(), None), idle=0.01)
        origin = pool.origin("127.0.0.1", port, tls=False)
        idle, used = await opened(pool, origin), await opened(pool, origin)
        assert list(origin.idle) == [idle, used]
        taken = origin.latest()
        assert taken is used
        await eventually(lambda: idle.closed, every=0.002)
        assert not taken.closed
        taken.rest()
        await eventually(lambda: taken.closed, every=0.002)
        assert not origin.idle
        await pool.close()


async def test_only_so_many_are_kept() -> None:
    async with serving() as port:
        pool = Pool("p", Connector("p", Resolver(), None), most=1)
        origin = pool.origin("127.0.0.1", port, tls=False)
        kept, other = await opened(pool, origin), await opened(pool, origin)
        assert list(origin.idle) == [kept]
        assert other.closed
        await pool.close()
        assert kept.closed


async def test_after_closing_nothing_is_kept() -> None:
    async with serving() as port:
        pool = Pool("p", Connector("p", Resolver(), None))
        await pool.close()
        origin = pool.origin("127.0.0.1", port, tls=False)
        assert (await opened(pool, origin)).closed
        assert not origin.idle


def test_an_origin_is_scheme_host_and_port() -> None:
    pool = Pool("p", Connector("p", Resolver(), None))
    one = pool.origin("h", 443, tls=True)
    assert pool.origin("h", 443, tls=True) is one
    others = (pool.origin("h", 443, tls=False), pool.origin("h", 444, tls=True), pool.origin("i", 443, tls=True))
    assert one not in others


def upstream_tls(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


async def asked(transport: LeanTransport, url: str, body: bytes = b"") -> int:
    request = UpstreamRequest(method="POST", url=url, headers=[], body=body)
    exchange = await transport.send(request, LIMITS)
    size = 0
    while not exchange.ended:
        size += len(await exchange.read())
    exchange.release()
    return size


async def test_tls_with_an_authority_of_our_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(upstream_tls(authority, "localhost")) as port:
        trusted = LeanTransport("p", tls=trusting(str(tmp_path / "ca.pem")), session=SessionTransport("p"))
        assert await asked(trusted, f"https://localhost:{port}/", b"a" * 300_000) == 300_000
        assert await asked(trusted, f"https://localhost:{port}/") == 0
        with pytest.raises(UpstreamTlsFailed):
            await asked(trusted, f"https://127.0.0.1:{port}/")
        await trusted.close()
        strange = LeanTransport("p", session=SessionTransport("p"))
        with pytest.raises(UpstreamTlsFailed):
            await asked(strange, f"https://localhost:{port}/")
        await strange.close()


async def test_the_connect_limit_holds_for_the_handshake() -> None:
    """Somebody listens, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        pool = Pool("p", Connector("p", Resolver(), None))
        origin = pool.origin("127.0.0.1", mute.getsockname()[1], tls=True)
        with pytest.raises(UpstreamConnectTimeout):
            await pool.open(origin, 0.05, single=False)


async def test_an_address_that_answers_is_found_behind_one_that_refuses() -> None:
    async with serving() as port:

        def names(host: str, port: int) -> Addresses:
            # Nobody listens at the first of them.
            return [(2, 1, 6, "", ("127.0.0.2", 1)), (2, 1, 6, "", ("127.0.0.1", port))]

        transport = LeanTransport("p", session=SessionTransport("p"), resolver=Resolver(names))
        assert await asked(transport, f"http://h.test:{port}/", b"abc") == 3
        await transport.close()
