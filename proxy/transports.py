"""The pools of one process, one a provider: kept across reloads where nothing changed, closed once nobody uses them."""

import ssl
from pathlib import Path

from .config.traffic import Provider
from .protocols import Clock
from .upstream.session import SessionTransport

AFTERWARDS = 60.0
"""Seconds after its end in which a request may still need a connection: its settlement, the beginning of a copy."""

Identity = tuple[str, str | None, str | None, bytes | None]


class TransportPool:
    """Transports by what they are made from: name, origin, proxy, own CA."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._live: dict[Identity, SessionTransport] = {}
        self._retired: list[tuple[float, SessionTransport]] = []

    def use(
        self, providers: dict[str, Provider], beside: dict[str, Provider] | None = None
    ) -> dict[str, SessionTransport]:
        """The transports of a new generation; those of the old one that it lacks are retired, but for what is in use ``beside`` it."""
        chosen: dict[Identity, SessionTransport] = {}
        named = {name: self._transport(name, provider, chosen) for name, provider in providers.items()}
        for name, provider in (beside or {}).items():
            self._transport(name, provider, chosen)
        for identity, transport in self._live.items():
            if identity not in chosen:
                self._retired.append((self._clock(), transport))
        self._live = chosen
        return named

    def _transport(self, name: str, provider: Provider, chosen: dict[Identity, SessionTransport]) -> SessionTransport:
        """The one that is there already, else a new one; noted in ``chosen``."""
        identity = _identity(name, provider)
        found = chosen.get(identity) or self._live.get(identity)
        if found is None:
            found = SessionTransport(name, proxy=identity[2], tls=_trust(provider))
        chosen[identity] = found
        return found

    async def sweep(self, oldest: float) -> None:
        """Closes what was retired before ``oldest``, the begin of the oldest request under way: any of those may come to need it."""
        due = min(oldest, self._clock() - AFTERWARDS)
        idle = [transport for at, transport in self._retired if at < due]
        self._retired = [pair for pair in self._retired if pair[0] >= due]
        for transport in idle:
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
