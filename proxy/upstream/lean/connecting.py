"""A connection to an origin: its addresses tried as happy eyeballs does (RFC 8305), then TLS, all within the connect limit."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable

from aiohappyeyeballs import start_connection

from ..failures import connecting_late, unreachable, unresolved, untrusted
from ..resolver import Resolver, Unresolved
from .connection import Connection

HEAD_START = 0.25
"""Seconds that an address has before the next one is tried beside it."""

NO_TRUST = (ssl.SSLError, ssl.CertificateError)


@functools.cache
def system_trust() -> ssl.SSLContext:
    """The system's authorities. Made once, because reading them takes some ten milliseconds."""
    return trusting(None)


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Verifies hosts against the system's authorities, and those in ``ca_file``."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


class Connector:
    """Opens connections for one provider, to the hosts of its own URLs and to no others."""

    def __init__(self, provider: str, resolver: Resolver, trust: ssl.SSLContext | None) -> None:
        """``trust``: ``None`` for the system's authorities."""
        self._provider = provider
        self._resolver = resolver
        self._trust = trust

    async def connect(
        self, host: str, port: int, make: Callable[[], Connection], *, tls: bool, limit: float
    ) -> Connection:
        """A connection within ``limit`` seconds. Raises ``UpstreamError``."""
        provider = self._provider
        try:
            async with asyncio.timeout(limit) as timer:
                return await self._connect(host, port, make, self._context() if tls else None)
        except Unresolved as error:
            raise unresolved(provider, str(error)) from error
        except NO_TRUST as error:
            raise untrusted(provider, type(error).__name__) from error
        except OSError as error:
            detail = type(error).__name__
            raise (connecting_late if timer.expired() else unreachable)(provider, detail) from error

    def _context(self) -> ssl.SSLContext:
        return self._trust if self._trust is not None else system_trust()

    async def _connect(
        self, host: str, port: int, make: Callable[[], Connection], context: ssl.SSLContext | None
    ) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = await self._resolver.resolve(host, port)
        opened = await start_connection(addresses, happy_eyeballs_delay=HEAD_START, interleave=1, loop=loop)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        name = host.rstrip(".") if context is not None else None
        # The descriptor is the loop's from here on, which closes it if this fails or is cancelled.
        _, connection = await loop.create_connection(make, sock=opened, ssl=context, server_hostname=name)
        return connection
