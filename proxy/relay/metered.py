"""An exchange whose bytes a meter looks at on their way, unchanged."""

from ..errors import RawHeaders
from ..protocols import Exchange, Meter
from ..wire.headers import value_of
from .inflate import Inflater


class MeteredExchange:
    """An ``Exchange`` around another."""

    def __init__(self, inner: Exchange, meter: Meter) -> None:
        """Compressed bytes pass as they are; the meter sees what is in them."""
        self._inflater = Inflater.for_encoding(value_of(inner.headers, b"content-encoding"))
        self.status: int = inner.status
        self.headers: RawHeaders = inner.headers
        self.meter = meter
        self._inner = inner
        self._closed = False

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self._inner.ended

    async def read(self) -> bytes:
        """Whatever one socket read brought; ``b""`` is the end."""
        data = await self._inner.read()
        if data:
            self.meter.feed(data if self._inflater is None else self._inflater.feed(data))
        if self._inner.ended and not self._closed:
            self._closed = True
            self.meter.close()
        return data

    def release(self) -> None:
        """As the inner one."""
        self._inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self._inner.abort()
