"""What a transport made of an answer, as values that can be compared."""

import asyncio
import ssl
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

from proxy.context import Limits
from proxy.errors import RawHeaders, UpstreamError
from proxy.protocols import Exchange, Transport, UpstreamRequest
from proxy.upstream.lean import LeanTransport
from proxy.upstream.session import SessionTransport
from tests.support.raw_upstream import PATIENCE, RawUpstream

LIMITS = Limits(connect=2.0, first_byte=None, idle=120.0, total=1800.0)


KINDS = ("lean", "session")


def made(kind: str, tls: ssl.SSLContext | None = None) -> Transport:
    """A transport of that kind, for a provider called ``local``."""
    session = SessionTransport("local", tls=tls)
    return session if kind == "session" else LeanTransport("local", tls=tls, session=session)


@dataclass(frozen=True)
class Answered:
    """A whole answer."""

    status: int
    headers: RawHeaders
    body: bytes = b""


@dataclass(frozen=True)
class Failed:
    """An error of ours: its class, and what of an answer had been handed out before it (status 0: no head)."""

    kind: str
    status: int = 0
    body: bytes = b""


Outcome = Answered | Failed


def asked(
    upstream: RawUpstream,
    path: str = "/v1/chat",
    *,
    method: str = "POST",
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),),
    body: bytes | AsyncIterable[bytes] | None = b"{}",
    length: int | None = None,
) -> UpstreamRequest:
    """An ordinary request; what matters is replaced."""
    return UpstreamRequest(method=method, url=upstream.origin + path, headers=list(headers), body=body, length=length)


async def rest_of(exchange: Exchange) -> Outcome:
    """Reads an answer to its end, and ends it as the relay does."""
    status, headers, parts = exchange.status, exchange.headers, list[bytes]()
    try:
        while not exchange.ended:
            parts.append(await exchange.read())
    except UpstreamError as error:
        exchange.abort()
        return Failed(type(error).__name__, status, b"".join(parts))
    except BaseException:
        exchange.abort()
        raise
    exchange.release()
    return Answered(status, headers, b"".join(parts))


async def outcome(
    transport: Transport, request: UpstreamRequest, *, fresh: bool = False, within: float = PATIENCE
) -> Outcome:
    """One exchange from end to end. A hang raises ``TimeoutError``; so does nothing else: only ``UpstreamError`` may come out."""
    async with asyncio.timeout(within):
        try:
            exchange = await transport.send(request, LIMITS, fresh=fresh)
        except UpstreamError as error:
            return Failed(type(error).__name__)
        return await rest_of(exchange)


async def told(
    transport: Transport,
    upstream: RawUpstream,
    *pieces: bytes,
    end: str = "",
    method: str = "POST",
    number: int | None = None,
) -> Outcome:
    """One request that is answered by ``pieces`` and then ``end`` (``fin``, ``half``, ``reset``)."""
    body = b"{}" if method in ("POST", "PUT") else None
    task = asyncio.create_task(outcome(transport, asked(upstream, method=method, body=body)))
    try:
        peer = await upstream.peer(number if number is not None else len(upstream.peers) + 1)
        await peer.request()
        try:
            await peer.say(*pieces)
        except ConnectionError:
            # It has heard enough.
            pass
        await peer.end(end)
        return await task
    finally:
        task.cancel()
