"""Two small servers for the tests: an HTTP proxy that notes what it is asked, and a TLS door in front of a plain server."""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType

from tests.support.faults import abort

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Server:
    """An asyncio server in a thread of its own, on a free port of loopback."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.port = 0

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        await asyncio.sleep(0.01)  # what was accepted a moment ago reaches _accept
        tasks = dict(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in tasks.values():
            abort(writer)
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Not a coroutine: a task that is cancelled before its first step would never have closed its writer."""
        task = asyncio.create_task(self._connection(reader, writer))
        self._under_way[task] = writer
        task.add_done_callback(self._under_way.pop)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self.handle(reader, writer)
        finally:
            await _closed(writer)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        raise NotImplementedError

    def __enter__(self) -> "_Server":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Closes, and waits until it is done."""
    writer.close()
    try:
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1)
    finally:
        abort(writer)


async def _join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Bytes both ways until either side ends."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    tasks = [asyncio.create_task(pump(one[0], other[1])), asyncio.create_task(pump(other[0], one[1]))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _closed(other[1])


class Door(_Server):
    """TLS outside, a plain server inside."""

    def __init__(self, tls: ssl.SSLContext, port: int) -> None:
        super().__init__(tls)
        self._inside = port

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join((reader, writer), await asyncio.open_connection("127.0.0.1", self._inside))


class Proxy(_Server):
    """CONNECT tunnels and absolute-form requests, whatever their host, to ``port``; notes each request line and credential."""

    def __init__(self, port: int, *, credential: str | None = None) -> None:
        super().__init__()
        self._target = port
        self._credential = credential
        self.asked: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.asked.append(lines[0])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if self._credential is not None:
            wanted = "Basic " + base64.b64encode(self._credential.encode()).decode()
            if fields.get("proxy-authorization") != wanted:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
                return
        upstream = await asyncio.open_connection("127.0.0.1", self._target)
        if lines[0].startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            upstream[1].write(head)
        await _join((reader, writer), upstream)


@contextlib.contextmanager
def door(tls: ssl.SSLContext, port: int) -> Iterator[Door]:
    """A ``Door`` that is open."""
    with (made := Door(tls, port)):
        yield made


@contextlib.contextmanager
def proxy(port: int, *, credential: str | None = None) -> Iterator[Proxy]:
    """A ``Proxy`` that listens."""
    with (made := Proxy(port, credential=credential)):
        yield made
