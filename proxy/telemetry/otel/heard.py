"""An answer on its way, of which both ends are kept for a recorded try. Nothing of it waits, and nothing of it changes."""

from ...errors import RawHeaders
from ...protocols import Exchange
from .facts import LARGEST, SILENT, Told, told_by

_END = 4096
"""Bytes of either end of a stream that are kept."""


class Heard:
    """An ``Exchange`` around another. ``told`` once it has been read."""

    __slots__ = ("_head", "_inner", "_parts", "_readable", "_size", "_stream", "_tail", "headers", "status")

    def __init__(self, inner: Exchange) -> None:
        self.status: int = inner.status
        self.headers: RawHeaders = inner.headers
        self._inner = inner
        kind = encoding = b""
        for name, value in inner.headers:
            if name == b"content-type":
                kind = value.lower()
            elif name == b"content-encoding":
                encoding = value.lower()
        self._stream = kind.startswith(b"text/event-stream")
        self._readable = encoding in (b"", b"identity") and (self._stream or kind.startswith(b"application/json"))
        self._parts: list[bytes] = []
        self._size = 0
        self._head = self._tail = b""

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self._inner.ended

    async def read(self) -> bytes:
        """Whatever one socket read brings."""
        data = await self._inner.read()
        if self._readable and data:
            self._keep(data)
        return data

    def release(self) -> None:
        """As the inner one."""
        self._inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self._inner.abort()

    def _keep(self, data: bytes) -> None:
        if self._stream:
            if len(self._head) < _END:
                self._head += data[:_END]
            self._tail = data[-_END:] if len(data) >= _END else self._tail[-_END:] + data
        elif self._size <= LARGEST:
            self._size += len(data)
            self._parts.append(data)

    def told(self) -> Told:
        """What it says of itself."""
        if self._stream and self._head:
            return told_by((self._head, self._tail), stream=True)
        if self._parts and self._size <= LARGEST:
            return told_by(self._parts, stream=False)
        return SILENT
