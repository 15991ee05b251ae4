"""The pools of one process, one a provider: kept across reloads where nothing changed, closed once nobody uses them."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from .config.traffic import Provider
from .upstream.session import SessionTransport

Identity = tuple[str, str | None, str | None, bytes | None]


class TransportPool:
    """Transports by what they are made from: name, origin, proxy, own CA."""

    def __init__(self) -> None:
        self._live: dict[Identity, SessionTransport] = {}
        self._retired: list[tuple[str, SessionTransport]] = []

    def use(self, providers: dict[str, Provider]) -> dict[str, SessionTransport]:
        """The transports of a new generation; those of the old one that it lacks are retired."""
        chosen: dict[Identity, SessionTransport] = {}
        named: dict[str, SessionTransport] = {}
        for name, provider in providers.items():
            identity = _identity(name, provider)
            transport = self._live.get(identity)
            if transport is None:
                transport = SessionTransport(name, proxy=identity[2], tls=_trust(provider))
            chosen[identity] = named[name] = transport
        for identity, transport in self._live.items():
            if identity not in chosen:
                self._retired.append((identity[0], transport))
        self._live = chosen
        return named

    async def sweep(self, in_use: Iterable[str]) -> None:
        """Closes retired transports of providers that no request is using."""
        busy = set(in_use)
        idle = [pair for pair in self._retired if pair[0] not in busy]
        self._retired = [pair for pair in self._retired if pair[0] in busy]
        for _, transport in idle:
            await transport.close()

    async def close(self) -> None:
        """Closes every pool."""
        for transport in (*self._live.values(), *(transport for _, transport in self._retired)):
            await transport.close()


def _identity(name: str, provider: Provider) -> Identity:
    proxy = provider.proxy.reveal() if provider.proxy else None
    authority = Path(provider.ca_file).read_bytes() if provider.ca_file else None
    return name, provider.base_url, proxy or None, authority


def _trust(provider: Provider) -> ssl.SSLContext | None:
    """The system's authorities and the provider's own; ``None`` for the system's alone."""
    if provider.ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=provider.ca_file)
    return context
