"""A scripted upstream for what the mock does not do: a test gives one coroutine that owns each connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Far."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Connection:
    """One accepted connection, numbered from 1."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: "Upstream"

    async def request(self) -> bytes:
        """Head and body of the next request; counts it. Raises ``IncompleteReadError`` when the peer leaves."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        body = b""
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                body = await self.reader.readexactly(int(line[15:]))
        self.upstream.requests.append(head + body)
        return head + body

    def plain(self, body: bytes = OK, head: bytes = b"") -> None:
        """An ordinary JSON answer with a correct length."""
        self.writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n" % (len(body), head)
            + body
        )

    def chunk(self, data: bytes) -> None:
        """One chunk."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    def reset(self) -> None:
        """RST."""
        self.writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


@dataclass
class Upstream:
    """Where it listens and what came."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Base URL for a provider."""
        return f"http://127.0.0.1:{self.port}/v1"


def abort(writer: asyncio.StreamWriter) -> None:
    """RST, unless the connection is closed already: CPython 3.11's ``abort`` fails on one that closed after a late flush, and its TLS
    transports know of no socket once they have closed."""
    try:
        socket = writer.get_extra_info("socket")
    except AttributeError:
        return
    if socket is not None and socket.fileno() != -1:
        writer.transport.abort()


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Upstream]:
    """Runs ``script`` for every connection, in the test's own loop."""
    upstream = Upstream()
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(connection: Connection) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(connection)
        finally:
            connection.writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Not a coroutine: a task that is cancelled before its first step would never have closed its writer."""
        upstream.connections += 1
        task = asyncio.create_task(serve(Connection(upstream.connections, reader, writer, upstream)))
        running[task] = writer

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await asyncio.sleep(0.01)  # what was accepted a moment ago reaches accept
        for task in running:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
        # What a client never read would keep its transport, and a socket, past the end of the loop.
        for writer in running.values():
            abort(writer)
        await asyncio.sleep(0)
    failures = [error for error in results if isinstance(error, Exception)]
    if failures:
        raise ExceptionGroup("a script failed", failures)


@asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """A port whose accept queue is full: connecting to it never ends. Yields the port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port: int = listener.getsockname()[1]
    fillers = []
    try:
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
            fillers.append(filler)
        yield port
    finally:
        for filler in fillers:
            filler.close()
        listener.close()
