"""A raw HTTP/1.1 client: sends exactly the bytes it is given and tells exactly how an answer ended on the wire."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .processes import KEY

Ending = Literal["whole", "cut", "reset"]
"""``whole``: every byte that the framing promised; ``cut``: FIN before that (curl's exit 18); ``reset``: RST before that."""

MESSAGES = [{"role": "user", "content": "How long is the road?"}]


@dataclass
class Answer:
    """One response. ``body`` is without its framing, ``closed`` tells that the server closed behind it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    ending: Ending = "whole"
    interim: list[int] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """First value of ``name``."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, after a check that the envelope is OpenAI's."""
        found = self.json
        assert list(found) == ["error"], found
        error: dict[str, Any] = found["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str)
        assert error["message"]
        return error

    @property
    def data(self) -> list[str]:
        """Payloads of the events of a stream, in order."""
        text = self.body.replace(b"\r\n", b"\n").decode()
        return [line[6:] for block in text.split("\n\n") for line in block.split("\n") if line.startswith("data: ")]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Error objects among the events of a stream."""
        found = [json.loads(text) for text in self.data if text.startswith('{"error"')]
        return [event["error"] for event in found]


class Client:
    """One connection. Nothing is read unless asked for."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._end: Ending | None = None

    @classmethod
    async def open(cls, port: int, *, receive_buffer: int | None = None) -> "Client":
        """Connects to 127.0.0.1."""
        link = socket.socket()
        if receive_buffer is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        link.setblocking(False)
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
        except BaseException:
            link.close()
            raise
        return cls(link)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    async def send(self, data: bytes, timeout: float = 20.0) -> None:
        """Writes ``data``; a server that closed meanwhile is not an error here."""
        async with asyncio.timeout(timeout):
            try:
                await self._loop.sock_sendall(self._link, data)
            except (BrokenPipeError, ConnectionResetError):
                return

    async def fill(self, timeout: float = 5.0) -> bool:
        """One read into the buffer; False at the end of the connection."""
        if self._end is not None:
            return False
        try:
            async with asyncio.timeout(timeout):
                data = await self._loop.sock_recv(self._link, 262_144)
        except ConnectionResetError:
            self._end = "reset"
            return False
        if not data:
            self._end = "cut"
            return False
        self._rest += data
        return True

    async def until(self, mark: bytes, timeout: float = 5.0) -> bytes:
        """Reads until ``mark`` is in the buffer and returns the buffer, which stays. Raises ``ConnectionError`` at the end."""
        while mark not in self._rest:
            if not await self.fill(timeout):
                raise ConnectionError(f"{self._end} before {mark!r}: {self._rest[-300:]!r}")
        return self._rest

    async def line(self, timeout: float = 5.0) -> bytes:
        """The next line without its end."""
        await self.until(b"\r\n", timeout)
        found, _, self._rest = self._rest.partition(b"\r\n")
        return found

    async def head(self, timeout: float = 5.0) -> Answer:
        """The next response head, interim ones skipped and noted."""
        interim = []
        while True:
            await self.until(b"\r\n\r\n", timeout)
            raw, _, self._rest = self._rest.partition(b"\r\n\r\n")
            first, *lines = raw.decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if 100 <= status < 200 and status != 101:
                interim.append(status)
                continue
            headers = []
            for line in lines:
                name, _, value = line.partition(":")
                headers.append((name.lower(), value.strip()))
            return Answer(status, headers, interim=interim)

    async def answer(self, timeout: float = 10.0, *, method: str = "POST") -> Answer:
        """The next response, whole or as far as it came. ``timeout`` bounds each read."""
        answer = await self.head(timeout)
        await self.body_of(answer, timeout, method=method)
        return answer

    async def body_of(self, answer: Answer, timeout: float = 10.0, *, method: str = "POST") -> None:
        """Reads the body that belongs to ``answer``."""
        length = answer.header("content-length")
        parts: list[bytes] = []
        try:
            if method == "HEAD" or answer.status in (204, 304):
                pass
            elif (answer.header("transfer-encoding") or "") == "chunked":
                while size := int(await self.line(timeout), 16):
                    parts.append(await self._exactly(size, parts, timeout))
                    assert await self.line(timeout) == b""
                while await self.line(timeout):
                    pass
            elif length is not None:
                parts.append(await self._exactly(int(length), parts, timeout))
            else:
                while await self.fill(timeout):
                    pass
                parts.append(self._rest)
                self._rest = b""
                if self._end == "reset":
                    answer.ending = "reset"
        except ConnectionError:
            assert self._end is not None
            answer.ending = self._end
        answer.body = b"".join(parts)

    async def _exactly(self, size: int, parts: list[bytes], timeout: float) -> bytes:
        while len(self._rest) < size:
            if not await self.fill(timeout):
                parts.append(self._rest)
                self._rest = b""
                raise ConnectionError
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    async def closed(self, timeout: float = 5.0) -> bool:
        """Does the server close within ``timeout`` seconds, without another byte?"""
        assert not self._rest, self._rest[:300]
        try:
            return not await self.fill(timeout)
        except TimeoutError:
            return False

    def half_close(self) -> None:
        """FIN, with the reading half left open."""
        self._link.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST."""
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._link.close()

    def close(self) -> None:
        """FIN (RST when bytes are unread, as the kernel does it)."""
        self._link.close()


def request(
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    key: str | None = KEY,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> bytes:
    """The bytes of an ordinary request."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if body is not None:
        lines += [f"content-type: {content_type}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chat(
    *, stream: bool = False, key: str | None = KEY, headers: Mapping[str, str] | None = None, **fields: Any
) -> bytes:
    """The bytes of a chat request; ``headers`` carry the mock's controls."""
    body: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES}
    if stream:
        body["stream"] = True
    return request("POST", "/v1/chat/completions", json.dumps({**body, **fields}).encode(), key=key, headers=headers)


async def ask(port: int, data: bytes, *, timeout: float = 10.0) -> Answer:
    """One request on a connection of its own."""
    async with await Client.open(port) as client:
        await client.send(data)
        return await client.answer(timeout, method=data.split(b" ", 1)[0].decode("latin-1"))


async def eventually(check: Any, timeout: float = 5.0, *, every: float = 0.02) -> Any:
    """Calls ``check`` until it returns something true, and returns that; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become true within {timeout:g} s: {check}")
        await asyncio.sleep(every)
