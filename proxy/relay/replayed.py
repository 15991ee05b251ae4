"""An answer of which a part was read already, for those who look at it before it leaves."""

from ..errors import RawHeaders
from ..protocols import Exchange


class Kept:
    """``inner``, whose bytes are kept as they are read."""

    __slots__ = ("headers", "inner", "parts", "status")

    def __init__(self, inner: Exchange) -> None:
        self.status: int = inner.status
        self.headers: RawHeaders = inner.headers
        self.inner = inner
        self.parts: list[bytes] = []

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self.inner.ended

    async def read(self) -> bytes:
        """Whatever one socket read brings."""
        data = await self.inner.read()
        self.parts.append(data)
        return data

    def release(self) -> None:
        """As the inner one."""
        self.inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self.inner.abort()


class Replayed:
    """An ``Exchange`` that begins with ``data`` and goes on with the rest of ``inner``."""

    __slots__ = ("_data", "_inner", "headers", "status")

    def __init__(self, inner: Exchange, data: bytes) -> None:
        self.status: int = inner.status
        self.headers: RawHeaders = inner.headers
        self._inner = inner
        self._data: bytes | None = data

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self._data is None and self._inner.ended

    async def read(self) -> bytes:
        """What was read, then whatever one socket read brings."""
        data, self._data = self._data, None
        return await self._inner.read() if data is None else data

    def release(self) -> None:
        """As the inner one."""
        self._inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self._inner.abort()
