"""Exchanges around an exchange: one whose body was read beforehand, and one whose events are looked at before they leave."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ..errors import RawHeaders
from ..protocols import Exchange
from ..wire.headers import value_of
from ..wire.sse import Framer

LARGEST = 64 * 1024 * 1024
"""Bytes of a JSON answer that is held until the ids in it are claimed; of a larger one nobody comes to own anything."""

LARGEST_LIST = 16 * 1024 * 1024
"""Bytes of a list that is filtered."""


class Feeder(Protocol):
    """Decompresses a side copy; ``blind`` once the text cannot be known."""

    blind: bool

    def feed(self, data: bytes) -> bytes:
        """What ``data`` adds."""


Inflate = Callable[[bytes | None], Feeder | None]
"""A ``content-encoding`` to its decompressor; ``None`` where there is nothing to undo."""


class Replayed:
    """An answer whose first ``parts`` were read already; the rest, if any, comes from ``inner``."""

    def __init__(self, inner: Exchange, parts: Sequence[bytes], *, headers: RawHeaders | None = None) -> None:
        self.status: int = inner.status
        self.headers: RawHeaders = inner.headers if headers is None else headers
        self._inner = inner
        self._parts = list(parts)

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return not self._parts and self._inner.ended

    async def read(self) -> bytes:
        """The next part; then whatever one socket read brings."""
        return self._parts.pop(0) if self._parts else await self._inner.read()

    def release(self) -> None:
        """As the inner one."""
        self._inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self._inner.abort()


class Watched:
    """A stream of events: each one is shown to ``saw`` before the bytes that complete it are handed on."""

    def __init__(self, inner: Exchange, saw: Callable[[bytes], Awaitable[None]], inflate: Inflate) -> None:
        self.status: int = inner.status
        self.headers: RawHeaders = inner.headers
        self._inner = inner
        self._saw = saw
        self._framer = Framer()
        self._inflater = inflate(value_of(inner.headers, b"content-encoding"))

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self._inner.ended

    async def read(self) -> bytes:
        """Whatever one socket read brought."""
        data = await self._inner.read()
        for payload in self._framer.feed(data if self._inflater is None else self._inflater.feed(data)):
            await self._saw(payload)
        return data

    def release(self) -> None:
        """As the inner one."""
        self._inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self._inner.abort()


async def whole(exchange: Exchange, limit: int) -> list[bytes]:
    """The body's parts, read to its end or a little past ``limit`` bytes."""
    parts: list[bytes] = []
    size = 0
    while size <= limit and not exchange.ended:
        parts.append(await exchange.read())
        size += len(parts[-1])
    return parts


def plain(exchange: Exchange, body: bytes, inflate: Inflate) -> bytes | None:
    """``body`` decompressed; ``None`` when that cannot be done here."""
    inflater = inflate(value_of(exchange.headers, b"content-encoding"))
    if inflater is None:
        return body
    text = inflater.feed(body)
    return None if inflater.blind else text
