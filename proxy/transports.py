"""The pools of one process, one a provider: kept across reloads where nothing changed, closed once nobody uses them."""

import ssl
from pathlib import Path

from .config.traffic import Provider
from .protocols import Clock, Transport
from .upstream.late import LateSession
from .upstream.lean import LeanTransport
from .upstream.lean.connecting import trusting
from .upstream.resolver import Resolver

AFTERWARDS = 60.0
"""Seconds after its end in which a request may still need a connection: its settlement, the beginning of a copy."""

Identity = tuple[str, str | None, str | None, bytes | None, str]


class TransportPool:
    """Transports by what they are made from: name, origin, proxy, own CA, kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._resolver = Resolver()
        self._live: dict[Identity, Transport] = {}
        self._retired: list[tuple[float, Transport]] = []

    def use(self, providers: dict[str, Provider], beside: dict[str, Provider] | None = None) -> dict[str, Transport]:
        """The transports of a new generation; those of the old one that it lacks are retired, but for what is in use ``beside`` it."""
        chosen: dict[Identity, Transport] = {}
        named = {name: self._transport(name, provider, chosen) for name, provider in providers.items()}
        for name, provider in (beside or {}).items():
            self._transport(name, provider, chosen)
        for identity, transport in self._live.items():
            if identity not in chosen:
                self._retired.append((self._clock(), transport))
        self._live = chosen
        return named

    def _transport(self, name: str, provider: Provider, chosen: dict[Identity, Transport]) -> Transport:
        """The one that is there already, else a new one; noted in ``chosen``."""
        identity = _identity(name, provider)
        found = chosen.get(identity) or self._live.get(identity)
        if found is None:
            found = self._made(name, provider)
        chosen[identity] = found
        return found

    def _made(self, name: str, provider: Provider) -> Transport:
        """The kind that is configured; a proxy on the way is the session's business."""
        proxy, tls = _proxy(provider), _trust(provider)
        session = LateSession(name, proxy=proxy, tls=tls, resolver=self._resolver)
        if proxy or provider.transport == "session":
            return session.load()
        return LeanTransport(name, tls=tls, session=session, resolver=self._resolver)

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
    authority = Path(provider.ca_file).read_bytes() if provider.ca_file else None
    return name, provider.base_url, _proxy(provider), authority, provider.transport


def _proxy(provider: Provider) -> str | None:
    return (provider.proxy.reveal() if provider.proxy else None) or None


def _trust(provider: Provider) -> ssl.SSLContext | None:
    """The system's authorities and the provider's own; ``None`` for the system's alone."""
    return None if provider.ca_file is None else trusting(provider.ca_file)
