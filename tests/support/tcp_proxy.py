"""A TCP proxy with faults, in the test's own loop: it delays, swallows, resets or refuses what passes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .processes import free_port


class TcpProxy:
    """Passes bytes to ``127.0.0.1:target``. Its faults apply at once, to open connections too."""

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls
        self.port = free_port()
        self.delay = 0.0
        """Seconds that every reply is late."""
        self.swallow = False
        """Half-open: connections stand, and nothing passes either way."""
        self.connections = 0
        """Accepted so far."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Of the server behind it, through it."""
        return f"redis://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Accepts connections (again)."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)

    async def refuse(self) -> None:
        """Connections are reset, and new ones refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        """Cuts the connections that are open now."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        """Ends everything."""
        await self.refuse()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        upstream = None
        try:
            there, upstream = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(upstream)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, upstream, late=False))
                both.create_task(self._pass(there, writer, late=True))
        except (OSError, ExceptionGroup):
            pass
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(1 << 16):
            if self.swallow:
                continue
            if late and self.delay:
                loop.call_later(self.delay, self._write, writer, data)
            else:
                self._write(writer, data)
        raise ConnectionResetError

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        with contextlib.suppress(OSError):
            if not writer.is_closing():
                writer.write(data)


@asynccontextmanager
async def tcp_proxy(target: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[TcpProxy]:
    """A proxy for one test; with ``tls`` it is what clients see of the server."""
    proxy = TcpProxy(target, tls)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
