"""What can go wrong on the way to a provider, in words of our own."""

from ..errors import (
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)
from .sendable import Unsendable


def unresolved(provider: str, detail: str) -> UpstreamError:
    """Its host has no address."""
    return UpstreamUnavailable(f"The host of provider {provider!r} could not be resolved.", detail=detail)


def unreachable(provider: str, detail: str) -> UpstreamError:
    """No connection came about."""
    return UpstreamUnavailable(f"Provider {provider!r} could not be connected to.", detail=detail)


def connecting_late(provider: str, detail: str) -> UpstreamError:
    """No connection came about within the connect limit."""
    return UpstreamConnectTimeout(f"Provider {provider!r} could not be connected to in time.", detail=detail)


def untrusted(provider: str, detail: str) -> UpstreamError:
    """The TLS handshake failed, or the certificate is not to be trusted."""
    return UpstreamTlsFailed(f"Provider {provider!r} did not pass TLS verification.", detail=detail)


def dropped(provider: str, detail: str) -> UpstreamError:
    """The connection ended before a whole head had come."""
    return UpstreamDropped(f"Provider {provider!r} closed the connection without an answer.", detail=detail)


def invalid(provider: str, detail: str) -> UpstreamError:
    """What came is no HTTP answer."""
    return UpstreamInvalid(f"Provider {provider!r} did not answer in valid HTTP.", detail=detail)


def cut(provider: str, detail: str) -> UpstreamError:
    """The body ended before its end, or is none."""
    return UpstreamCut(f"Provider {provider!r} broke off its answer.", detail=detail)


def unsendable(provider: str, error: Unsendable) -> UpstreamError:
    """Nothing was sent, because it cannot be."""
    return UpstreamInvalid(
        f"The request to provider {provider!r} cannot be sent: {error}.", detail=type(error).__name__
    )
