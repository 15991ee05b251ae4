"""A mock in process, and a raw client that shows what is on the wire."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import orjson
import pytest

from proxy.mock.server import Running, Settings, start

CHAT = {"model": "small", "messages": [{"role": "user", "content": "How long is the road?"}]}


@pytest.fixture
async def mock() -> AsyncIterator[Running]:
    """A mock without defaults."""
    running = await start(settings=Settings())
    yield running
    await running.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


Raw = Callable[..., Awaitable[tuple[bytes, str]]]


@pytest.fixture
def raw(mock: Running) -> Raw:
    """Send a chat request with controls on a plain socket; return all bytes until the end, and how it ended."""

    async def ask(
        controls: dict[str, str], *, stream: bool = False, wait: float = 5.0, **fields: object
    ) -> tuple[bytes, str]:
        body = orjson.dumps({**CHAT, **({"stream": True} if stream else {}), **fields})
        headers = "".join(f"x-mock-{name}: {value}\r\n" for name, value in controls.items())
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\n{headers}connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        loop = asyncio.get_running_loop()
        link = socket.create_connection(("127.0.0.1", mock.port))
        link.setblocking(False)
        got = b""
        try:
            await loop.sock_sendall(link, head.encode() + body)
            async with asyncio.timeout(wait):
                while data := await loop.sock_recv(link, 65536):
                    got += data
        except ConnectionResetError:
            return got, "reset"
        except TimeoutError:
            return got, "open"
        finally:
            link.close()
        return got, "fin"

    return ask
