"""Foreign exceptions become ours, each with its meaning, and never with its text."""

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from proxy.errors import (
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)
from proxy.upstream.foreign import FOREIGN, of_body, of_request
from proxy.upstream.sendable import Unsendable

SECRET = "http://user:password@internal.test"
KEY = ConnectionKey(
    host="internal.test", port=443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)
OS = OSError(111, SECRET)

CASES: list[tuple[BaseException, type[UpstreamError]]] = [
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError(SECRET)), UpstreamTlsFailed),
    (aiohttp.ClientConnectorSSLError(KEY, OS), UpstreamTlsFailed),
    (aiohttp.ConnectionTimeoutError(SECRET), UpstreamConnectTimeout),
    (aiohttp.ClientConnectorDNSError(KEY, OS), UpstreamUnavailable),
    (aiohttp.ClientConnectorError(KEY, OS), UpstreamUnavailable),
    (aiohttp.ServerDisconnectedError(SECRET), UpstreamDropped),
    (aiohttp.ClientOSError(104, SECRET), UpstreamDropped),
    (ConnectionResetError(SECRET), UpstreamDropped),
    (aiohttp.SocketTimeoutError(SECRET), UpstreamTimeout),
    (TimeoutError(SECRET), UpstreamTimeout),
    (aiohttp.ClientPayloadError(SECRET), UpstreamInvalid),
    (aiohttp.InvalidURL(SECRET), UpstreamInvalid),
    (ValueError(SECRET), UpstreamInvalid),
    (Unsendable("a reason of ours"), UpstreamInvalid),
]


@pytest.mark.parametrize(("error", "kind"), CASES, ids=lambda value: getattr(value, "__name__", type(value).__name__))
def test_the_meaning_of_a_failed_request(error: BaseException, kind: type[UpstreamError]) -> None:
    assert isinstance(error, FOREIGN)
    ours = of_request(error, "local")
    assert type(ours) is kind
    assert "'local'" in ours.message
    assert "internal.test" not in ours.message + ours.detail
    assert ours.detail == type(error).__name__


@pytest.mark.parametrize("error", [case[0] for case in CASES], ids=lambda error: type(error).__name__)
def test_the_meaning_of_a_failed_body(error: BaseException) -> None:
    ours = of_body(error, "local")
    assert type(ours) is UpstreamCut
    assert not ours.retryable
    assert "internal.test" not in ours.message + ours.detail
