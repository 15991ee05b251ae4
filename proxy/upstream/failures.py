"""Foreign exceptions stop here: aiohttp's and the socket's become ``UpstreamError`` with text of our own."""

import asyncio

import aiohttp

from ..errors import (
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)

FOREIGN = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError)
"""What aiohttp's client may raise for a request that is well-formed on our side."""


FOREIGN_BODY = (*FOREIGN, RuntimeError)
"""The same while a body is read: after a malformed chunk aiohttp says ``RuntimeError: Connection closed``."""


def of_request(error: BaseException, provider: str) -> UpstreamError:
    """The meaning of ``error`` while a request was sent or its head awaited."""
    detail = type(error).__name__
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return UpstreamTlsFailed(f"Provider {provider!r} did not pass TLS verification.", detail=detail)
        case aiohttp.ConnectionTimeoutError():
            return UpstreamConnectTimeout(f"Provider {provider!r} could not be connected to in time.", detail=detail)
        case aiohttp.ClientConnectorDNSError():
            return UpstreamUnavailable(f"The host of provider {provider!r} could not be resolved.", detail=detail)
        case aiohttp.ClientConnectorError():
            return UpstreamUnavailable(f"Provider {provider!r} could not be connected to.", detail=detail)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionResetError():
            return UpstreamDropped(f"Provider {provider!r} closed the connection without an answer.", detail=detail)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return UpstreamTimeout(f"Provider {provider!r} did not answer in time.", detail=detail)
        case _:
            return UpstreamInvalid(f"Provider {provider!r} did not answer in valid HTTP.", detail=detail)


def of_body(error: BaseException, provider: str) -> UpstreamError:
    """The meaning of ``error`` while an answer's body was read."""
    return UpstreamCut(f"Provider {provider!r} broke off its answer.", detail=type(error).__name__)
