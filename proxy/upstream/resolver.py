"""Names to addresses, off the loop and in threads of their own, so that a name server that hangs holds up nobody else.

An answer serves ``FRESH`` seconds. When the next look-up fails or takes too long, the last good one serves on, up to ``LAST_GOOD``.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from time import monotonic

Address = tuple[int, int, int, str, tuple[str | int | bytes, ...]]
"""As ``socket.getaddrinfo`` gives it."""

Addresses = list[Address]

Lookup = Callable[[str, int], Addresses]

FRESH = 10.0
LAST_GOOD = 600.0
PATIENCE = 2.0
"""Seconds for which a request waits for a look-up."""

_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="dns")


def _getaddrinfo(host: str, port: int) -> Addresses:
    return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)]


def _literal(host: str, port: int) -> Address | None:
    """A host that is an address already."""
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
    # One with a zone has a number that only the system knows.
    found = (host, port, 0, 0)
    return None if "%" in host else (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", found)


class Unresolved(OSError):
    """No address is known, and none was found. The text is the kind of failure."""


class Resolver:
    """One for all providers of a loop. Of a name, one look-up at a time is under way."""

    def __init__(
        self, lookup: Lookup = _getaddrinfo, *, clock: Callable[[], float] = monotonic, patience: float = PATIENCE
    ) -> None:
        """``patience``: seconds for which a request waits for a look-up."""
        self._lookup = lookup
        self._clock = clock
        self._patience = patience
        self._known: dict[tuple[str, int], tuple[Addresses, float, float]] = {}
        """Addresses, when they were found, and until when they serve without another look."""
        self._asked: dict[tuple[str, int], asyncio.Future[Addresses]] = {}

    async def resolve(self, host: str, port: int) -> Addresses:
        """Where ``host`` is. Raises ``Unresolved``."""
        if (literal := _literal(host, port)) is not None:
            return [literal]
        key, now = (host, port), self._clock()
        known = self._known.get(key)
        if known is not None and now < known[2]:
            return known[0]
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.get_running_loop().run_in_executor(_THREADS, self._lookup, host, port)
            asked.add_done_callback(lambda done: self._learn(key, done))
        try:
            return await asyncio.wait_for(asyncio.shield(asked), self._patience)
        except (OSError, UnicodeError) as error:
            if known is None or now - known[1] > LAST_GOOD:
                raise Unresolved(type(error).__name__) from error
            addresses, found, _ = known
            self._known[key] = addresses, found, now + FRESH
            return addresses

    def _learn(self, key: tuple[str, int], done: "asyncio.Future[Addresses]") -> None:
        del self._asked[key]
        if not done.cancelled() and done.exception() is None:
            now = self._clock()
            self._known[key] = done.result(), now, now + FRESH
