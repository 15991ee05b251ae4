"""Which headers travel, in both directions. Everything not named here passes with its value unchanged."""

import re
from collections.abc import Iterable

from ..errors import InvalidRequest, RawHeaders, UpstreamInvalid

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""RFC 9110 7.6.1 and the ``proxy-`` pair; they describe one connection."""

CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where clients put their key, in the order it is looked for."""

_ACCOUNT = (b"openai-organization", b"openai-project")
"""They name an account of the client's own key, so they travel only with that key."""

_ABOUT_THE_CLIENT = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-real-ip",
    b"x-envoy-external-address",
)
"""Statements of an earlier hop about the connection that ends here; a provider has no use for a client's address."""

_DROPPED_UP = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"cookie",
    b"expect",
    *CREDENTIALS,
    *_ABOUT_THE_CLIENT,
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-extensions",
    b"sec-websocket-protocol",
    b"sec-websocket-accept",
}
_DROPPED_UP_OURS = _DROPPED_UP | set(_ACCOUNT)
_DROPPED_DOWN = HOP_BY_HOP | {b"set-cookie"}

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def upstream_headers(headers: Iterable[tuple[bytes, bytes]], *, forwards: bool) -> list[tuple[str, str]]:
    """The client's headers as they travel upstream, credentials left out. Raises ``InvalidRequest`` on bytes no client library can carry."""
    dropped = _DROPPED_UP if forwards else _DROPPED_UP_OURS
    kept = [(name, value) for name, value in headers if name not in dropped and not name.startswith(b"x-tollway-")]
    named = next((value for name, value in headers if name == b"connection"), b"")
    if named and named.lower() not in (b"keep-alive", b"close"):
        options = {option.strip() for option in named.lower().split(b",")}
        kept = [(name, value) for name, value in kept if name not in options]
    try:
        return [(name.decode("ascii"), value.decode()) for name, value in kept]
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            "A request header is not valid UTF-8; send ASCII header values.", code="invalid_header"
        ) from error


def client_headers(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The upstream's headers as they travel to the client."""
    kept = [pair for pair in raw if pair[0] not in _DROPPED_DOWN]
    for name, value in raw:
        if name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
            options = {option.strip() for option in value.lower().split(b",")}
            return [pair for pair in kept if pair[0] not in options]
    return kept


def check_response(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises ``UpstreamInvalid`` for a name or value that must not reach a client's parser."""
    for name, value in headers:
        if _CONTROL.search(value) is not None or _NAME.fullmatch(name) is None:
            raise UpstreamInvalid("The provider's answer has an invalid header.", detail=f"header {name!r}")


def value_of(raw: RawHeaders, name: bytes) -> bytes | None:
    """First value of ``name`` (lower case), ``None`` when absent."""
    for key, value in raw:
        if key == name:
            return value
    return None
