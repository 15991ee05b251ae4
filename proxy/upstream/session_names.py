"""Names to addresses in aiohttp's words: its connector asks the resolver that everybody asks."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from .resolver import Resolver


class SessionNames(AbstractResolver):
    """The resolver for aiohttp's connector."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Where ``host`` is, in aiohttp's words. Raises ``Unresolved``."""
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=str(place[0]), port=port, family=found, proto=proto, flags=flags)
            for found, _, proto, _, place in await self._resolver.resolve(host, port)
            if family in (socket.AF_UNSPEC, found)
        ]

    async def close(self) -> None:
        """Nothing is held."""
