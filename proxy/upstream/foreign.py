"""What aiohttp raises, in words of our own. Foreign exceptions stop here: their text never travels on."""

import asyncio

import aiohttp

from ..errors import UpstreamError, UpstreamTimeout
from .failures import connecting_late, cut, dropped, invalid, unreachable, unresolved, unsendable, untrusted
from .sendable import Unsendable

FOREIGN = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError)
"""What aiohttp's client may raise for a request that is well-formed on our side."""


FOREIGN_BODY = (*FOREIGN, RuntimeError)
"""The same while a body is read: after a malformed chunk aiohttp says ``RuntimeError: Connection closed``."""


def of_request(error: BaseException, provider: str) -> UpstreamError:
    """The meaning of ``error`` while a request was sent or its head awaited."""
    detail = type(error).__name__
    match error:
        case Unsendable():
            return unsendable(provider, error)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return untrusted(provider, detail)
        case aiohttp.ConnectionTimeoutError():
            return connecting_late(provider, detail)
        case aiohttp.ClientConnectorDNSError():
            return unresolved(provider, detail)
        case aiohttp.ClientConnectorError():
            return unreachable(provider, detail)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionResetError():
            return dropped(provider, detail)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return UpstreamTimeout(f"Provider {provider!r} did not answer in time.", detail=detail)
        case _:
            return invalid(provider, detail)


def of_body(error: BaseException, provider: str) -> UpstreamError:
    """The meaning of ``error`` while an answer's body was read."""
    return cut(provider, type(error).__name__)
