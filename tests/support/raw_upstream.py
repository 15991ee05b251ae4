"""An upstream on bare sockets: it says exactly the bytes it is told to, in exactly those pieces, and keeps every byte it hears.

A test drives each connection itself, step by step, or gives a script that owns it.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Literal

from .strict_request import Request, next_request

PATIENCE = 10.0
"""Seconds after which something that should have happened has not."""


async def breath(turns: int = 3) -> None:
    """Lets the loop poll its sockets: what was sent before has then been read by whoever reads."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Peer:
    """One accepted connection, numbered from 1.

    ``heard`` is all that came, ``left`` how the other side ended it, ``closed`` whether this one has.
    """

    def __init__(self, link: socket.socket, number: int) -> None:
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.heard = bytearray()
        self.requests: list[Request] = []
        self.left: Literal["", "fin", "reset"] = ""
        self.closed = False
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._taken = 0
        self._hearing: asyncio.Task[None] | None = None
        self.hear()

    # ---- hearing ----------------------------------------------------------------------------------------------------

    def hear(self) -> None:
        """Reads whatever comes, from now on (again)."""
        if self._hearing is None and not self.left and not self.closed:
            self._hearing = asyncio.create_task(self._hear())

    async def deafen(self) -> None:
        """Reads nothing more: the other side's window fills up."""
        task, self._hearing = self._hearing, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _hear(self) -> None:
        try:
            while data := await self._loop.sock_recv(self._link, 1 << 18):
                self.heard += data
                self._tell()
            self.left = "fin"
        except OSError:
            self.left = "reset"
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def until(self, check: Callable[[], bool], within: float = PATIENCE) -> None:
        """Waits until ``check`` holds; it is asked again whenever bytes, or the end, have come. Raises ``TimeoutError``."""
        async with asyncio.timeout(within):
            while not check():
                if self.left:
                    raise ConnectionError(f"{self.left} after {bytes(self.heard[-300:])!r}")
                await self._news.wait()

    async def request(self, within: float = PATIENCE) -> Request:
        """The next whole request, which must be well-formed. Raises ``ConnectionError`` when the other side leaves before."""
        found: list[Request] = []

        def whole() -> bool:
            parsed = next_request(bytes(self.heard), self._taken)
            if parsed is not None:
                found.append(parsed)
            return parsed is not None

        await self.until(whole, within)
        self._taken = found[0].end
        self.requests.append(found[0])
        return found[0]

    async def head(self, within: float = PATIENCE) -> None:
        """Waits for the head of the next request, whose body may still be under way."""
        await self.until(lambda: b"\r\n\r\n" in self.heard[self._taken :], within)

    @property
    def more(self) -> bytes:
        """What came after the last whole request."""
        return bytes(self.heard[self._taken :])

    async def gone(self, within: float = PATIENCE) -> str:
        """Waits until the other side has closed; how. Raises ``TimeoutError``."""
        assert self.left or not self.closed, "nobody hears it any more"
        self.hear()
        async with asyncio.timeout(within):
            while not self.left:
                await self._news.wait()
        return self.left

    # ---- speaking ---------------------------------------------------------------------------------------------------

    async def say(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own, read by the other side before the next is sent. Raises ``ConnectionError``."""
        for piece in pieces:
            await self._loop.sock_sendall(self._link, piece)
            await breath()

    async def flood(self, data: bytes) -> None:
        """Sends without a pause for the reader. Raises ``ConnectionError`` when the other side closes."""
        await self._loop.sock_sendall(self._link, data)

    def half_close(self) -> None:
        """FIN; goes on hearing."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)

    async def reset(self) -> None:
        """RST."""
        await self.deafen()
        with suppress(OSError):
            self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    async def close(self) -> None:
        """FIN, and deaf from then on (what comes later is answered by the kernel with RST)."""
        await self.deafen()
        self._close()

    def _close(self) -> None:
        self.closed = True
        self._link.close()

    async def end(self, how: str) -> None:
        """``fin``, ``half``, ``reset``, or nothing for ``""``."""
        match how:
            case "fin":
                await self.close()
            case "half":
                self.half_close()
            case "reset":
                await self.reset()
            case _:
                assert how == ""


Script = Callable[[Peer], Awaitable[None]]


class RawUpstream:
    """Listens on 127.0.0.1. ``peers`` are all connections so far."""

    def __init__(self, script: Script | None, *, port: int = 0, receive_buffer: int = 0) -> None:
        self.peers: list[Peer] = []
        self._script = script
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(1024)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._accepting = asyncio.create_task(self._accept())

    @property
    def origin(self) -> str:
        """``http://`` and the address."""
        return f"http://127.0.0.1:{self.port}"

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            link, _ = await loop.sock_accept(self._listener)
            peer = Peer(link, len(self.peers) + 1)
            self.peers.append(peer)
            if self._script is not None:
                task = asyncio.create_task(self._run(self._script, peer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            news, self._news = self._news, asyncio.Event()
            news.set()

    async def _run(self, script: Script, peer: Peer) -> None:
        try:
            await script(peer)
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - told when the upstream closes, by the test that owns it
            self._failures.append(error)
        finally:
            if peer.left:
                await peer.close()

    async def peer(self, number: int | None = None, within: float = PATIENCE) -> Peer:
        """The connection with that number, the first that nobody asked for by default, once it is accepted."""
        wanted = number if number is not None else 1
        async with asyncio.timeout(within):
            while len(self.peers) < wanted:
                await self._news.wait()
        return self.peers[wanted - 1]

    @property
    def open(self) -> int:
        """Connections that the other side has not closed."""
        return sum(not peer.left for peer in self.peers)

    @property
    def requests(self) -> list[Request]:
        """Of all connections."""
        return [request for peer in self.peers for request in peer.requests]

    async def refuse(self) -> None:
        """Stops listening; what is connected stays."""
        self._accepting.cancel()
        with suppress(asyncio.CancelledError):
            await self._accepting
        self._listener.close()

    async def close(self) -> None:
        """Ends everything. Raises what a script raised."""
        await self.refuse()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            await peer.close()
        if self._failures:
            raise ExceptionGroup("a script failed", self._failures)


@asynccontextmanager
async def raw_upstream(
    script: Script | None = None, *, port: int = 0, receive_buffer: int = 0
) -> AsyncIterator[RawUpstream]:
    """One for a test. ``receive_buffer``: of the kernel, in bytes; 0 is its own choice, as it is for ``port``."""
    upstream = RawUpstream(script, port=port, receive_buffer=receive_buffer)
    try:
        yield upstream
    finally:
        await upstream.close()


def cuts(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    """``data`` in two pieces, at every offset."""
    for at in range(1, len(data)):
        yield data[:at], data[at:]
