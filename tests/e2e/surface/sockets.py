"""A WebSocket client of raw frames, so that what is on the wire can be seen: handshake headers, frames, close codes."""

import base64
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from .wire import Answer, connect, head

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Socket:
    """An open WebSocket. ``handshake`` is the 101."""

    def __init__(self, link: socket.socket, handshake: Answer) -> None:
        self.link = link
        self.handshake = handshake

    def send(self, kind: int, data: bytes) -> None:
        """One whole frame, masked."""
        mask = os.urandom(4)
        size = len(data)
        length = (
            bytes([0x80 | size])
            if size < 126
            else struct.pack(">BH", 0xFE, size)
            if size < 65536
            else struct.pack(">BQ", 0xFF, size)
        )
        masked = (int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(
            size, "big"
        )
        self.link.sendall(bytes([0x80 | kind]) + length + mask + masked)

    def text(self, text: str) -> None:
        self.send(TEXT, text.encode())

    def close(self, code: int, reason: str = "") -> None:
        self.send(CLOSE, struct.pack(">H", code) + reason.encode())

    def receive(self) -> tuple[int, bytes]:
        """The next message: (kind, data), fragments joined."""
        kind, whole = 0, b""
        while True:
            first, second = self._exactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._exactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._exactly(8))
            kind = first & 0x0F or kind
            whole += self._exactly(size)
            if first & 0x80:
                return kind, whole

    def closing(self) -> tuple[int, str]:
        """Code and reason of the close frame that comes next, whatever other frames come before it."""
        while True:
            kind, data = self.receive()
            if kind == CLOSE:
                return (struct.unpack(">H", data[:2])[0] if data else 1005), data[2:].decode()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.link.recv(size - len(data))
            if not piece:
                raise ConnectionError("closed without a close frame")
            data += piece
        return bytes(data)

    def __enter__(self) -> "Socket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.link.close()


@contextmanager
def opened(origin: str, target: str, headers: Sequence[tuple[str, str]]) -> Iterator[Socket]:
    """A WebSocket at ``target``. Raises ``Refused``."""
    upgrade = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", base64.b64encode(os.urandom(16)).decode()),
        ("sec-websocket-version", "13"),
    ]
    with connect(origin) as link:
        link.sendall(head("GET", target, [*headers, *upgrade], None))
        reader = Socket(link, _handshake(link))
        yield reader


def _handshake(link: socket.socket) -> Answer:
    """The answer's head, read byte by byte so that no frame behind it is lost. Raises ``Refused``."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = link.recv(1)
        if not piece:
            raise ConnectionError("closed without an answer")
        data += piece
    lines = data.decode("latin-1").split("\r\n")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
    status = int(lines[0].split()[1])
    if status != 101:
        length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
        body = b""
        while len(body) < length and (piece := link.recv(65536)):
            body += piece
        raise Refused(Answer(status, pairs, body))
    return Answer(101, pairs, b"")
