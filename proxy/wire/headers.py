"""Which headers travel, in both directions. Everything not named here passes with its value unchanged."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec

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

USUAL_CONNECTION = (b"keep-alive", b"close")
"""Values of ``connection`` that say nothing of other headers."""

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

_OTHER_METHODS = (b"x-http-method", b"x-http-method-override", b"x-method-override")
"""With them some hosts do something else than the method that was allowed, counted and charged here."""

UPSTREAM_ALWAYS_DROPPED = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"cookie",
    b"expect",
    *CREDENTIALS,
    *_ABOUT_THE_CLIENT,
    *_OTHER_METHODS,
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-extensions",
    b"sec-websocket-protocol",
    b"sec-websocket-accept",
}
"""Request headers that no provider gets as the client wrote them."""

_DROPPED_UP_OURS = UPSTREAM_ALWAYS_DROPPED | set(_ACCOUNT)
DROPPED_DOWN = HOP_BY_HOP | {b"set-cookie"}
"""Response headers that no client gets."""

TIME_LEFT = b"x-tollway-timeout-ms"
"""The one header of ours that travels on: a client's own limit, of which the relay passes on what is left."""

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_CONTROL = frozenset((*range(0x09), *range(0x0A, 0x20), 0x7F))
_SPOILT = bytes(0xFF - byte if byte in _CONTROL else byte for byte in range(256))
"""A table that changes every control byte but the tab: three times as quick as looking for them."""

_CODINGS = frozenset(("", "identity", "gzip", "x-gzip", "deflate", *(("br",) if find_spec("brotli") else ())))
"""What ``relay.inflate`` can read; brotli with its extra."""

_REMEMBERED = 2048
"""Header names whose fate is kept in a table; clients send few different ones."""

_passed: tuple[dict[bytes, str | None], dict[bytes, str | None]] = ({}, {})
"""Name to its text, or ``None`` for one that is dropped; without and with the client's own credentials. Names whose values are looked
at are not in it."""

_sound: set[bytes] = set()
"""Response header names that were found valid."""


def _fate(name: bytes, *, forwards: bool) -> str | None:
    """How a request header's name travels; ``None``: not at all."""
    table = _passed[forwards]
    dropped = UPSTREAM_ALWAYS_DROPPED if forwards else _DROPPED_UP_OURS
    ours = name.startswith(b"x-tollway-") and name != TIME_LEFT
    text = None if name in dropped or ours else name.decode("ascii")
    if len(table) < _REMEMBERED:
        table[name] = text
    return text


def upstream_headers(headers: Iterable[tuple[bytes, bytes]], *, forwards: bool) -> list[tuple[str, str]]:
    """The client's headers as they travel upstream, credentials left out. Raises ``InvalidRequest`` on bytes no client library can carry."""
    fate = _passed[forwards].get
    kept: list[tuple[str, str]] = []
    options = b""
    try:
        for name, value in headers:
            text = fate(name, "")
            if text:
                kept.append((text, value.decode()))
            elif name == b"connection":
                options = value
            elif name == b"accept-encoding":
                kept.append(("accept-encoding", _readable(value.decode())))
            elif text is not None:
                text = _fate(name, forwards=forwards)
                if text is not None:
                    kept.append((text, value.decode()))
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            "A request header is not valid UTF-8; send ASCII header values.", code="invalid_header"
        ) from error
    if options and options.lower() not in USUAL_CONNECTION:
        named = {option.strip().decode("latin-1") for option in options.lower().split(b",")}
        return [pair for pair in kept if pair[0] not in named]
    return kept


@lru_cache(256)
def _readable(accepted: str) -> str:
    """``accept-encoding`` without codings in which an answer would pass unread, and so unmetered."""
    codings = [coding.strip() for coding in accepted.split(",")]
    kept = [coding for coding in codings if coding.partition(";")[0].strip().lower() in _CODINGS]
    return accepted if len(kept) == len(codings) else ", ".join(kept) or "identity"


def client_headers(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The upstream's headers as they travel to the client."""
    kept = [pair for pair in raw if pair[0] not in DROPPED_DOWN]
    if len(kept) == len(raw):
        return kept
    for name, value in raw:
        if name == b"connection" and value.lower() not in USUAL_CONNECTION:
            options = {option.strip() for option in value.lower().split(b",")}
            return [pair for pair in kept if pair[0] not in options]
    return kept


RATES = b"x-ratelimit-"


def limited(ours: Iterable[tuple[bytes, bytes]]) -> bool:
    """Does a limit of ours apply to the answer with these headers of ours?"""
    for name, _ in ours:
        if name.startswith(RATES):
            return True
    return False


def aside(name: bytes) -> bytes:
    """The name of one of the provider's headers beside limits of ours."""
    return b"x-tollway-upstream-" + name[2:] if name.startswith(RATES) else name


def moved_aside(theirs: list[tuple[bytes, bytes]], ours: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The provider's headers; where a limit of ours applies its ``x-ratelimit-*`` become ``x-tollway-upstream-ratelimit-*``."""
    return [(aside(name), value) for name, value in theirs] if limited(ours) else theirs


def check_response(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raises ``UpstreamInvalid`` for a name or value that must not reach a client's parser."""
    check_names([name for name, _ in headers])
    check_values(headers)


def check_names(names: Iterable[bytes]) -> None:
    """The same for names alone."""
    for name in names:
        if name not in _sound:
            if _NAME.fullmatch(name) is None:
                raise UpstreamInvalid("The provider's answer has an invalid header.", detail=f"header {name!r}")
            if len(_sound) < _REMEMBERED:
                _sound.add(name)


def check_values(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """The same for values alone."""
    check_texts([value for _, value in headers])


def check_texts(values: Iterable[bytes]) -> None:
    """The same for values without their names."""
    text = b"".join(values)
    if text.translate(_SPOILT) != text:
        raise UpstreamInvalid("The provider's answer has an invalid header.", detail="control byte in a value")


def value_of(raw: RawHeaders, name: bytes) -> bytes | None:
    """First value of ``name`` (lower case), ``None`` when absent."""
    for key, value in raw:
        if key == name:
            return value
    return None
