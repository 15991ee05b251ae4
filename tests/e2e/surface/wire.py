"""A client that shows and sends exactly what is on the wire, and finds in the mock's journal what became of it."""

import base64
import json
import socket
import ssl
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import KEY, Mock

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"How long is the road?"}]}'
JSON = ("content-type", "application/json")
Pairs = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """A response as received: header names in their casing, the body without its chunk frames."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str, default: str | None = None) -> str | None:
        """The one value of ``name``; several are an error."""
        found = self.every(name)
        assert len(found) <= 1, (name, found)
        return found[0] if found else default

    def every(self, name: str) -> list[str]:
        """All values of ``name``, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object; all four keys must be there."""
        found: dict[str, Any] = self.json()["error"]
        assert set(found) == {"message", "type", "param", "code"}
        return found


def connect(origin: str, trust: ssl.SSLContext | None = None) -> socket.socket:
    """A connection to an origin such as ``http://127.0.0.1:80``."""
    at = urlsplit(origin)
    link = socket.create_connection((at.hostname, at.port), 10)
    link.settimeout(20)
    return trust.wrap_socket(link, server_hostname=at.hostname) if trust is not None else link


def head(method: str, target: str, headers: Iterable[tuple[str, str]], length: int | None) -> bytes:
    """A request's head with ``host`` and, for a body, ``content-length``."""
    lines = [f"{method} {target} HTTP/1.1"]
    pairs = list(headers)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("host", "gateway.example"))
    if length is not None:
        pairs.append(("content-length", str(length)))
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in pairs), "", ""]).encode("latin-1")


def ask(
    origin: str,
    method: str,
    target: str,
    *,
    headers: Pairs = (),
    body: bytes | None = None,
    key: str | None = KEY,
    trust: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own. ``target`` goes out as given; ``key`` as a bearer token unless ``None``."""
    auth = [("authorization", f"Bearer {key}")] if key is not None else []
    with connect(origin, trust) as link:
        link.sendall(head(method, target, [*headers, *auth], len(body) if body is not None else None) + (body or b""))
        return receive(link, method)


def chat(origin: str, body: bytes = CHAT, *, headers: Pairs = (), **options: Any) -> Answer:
    """A POST to ``/v1/chat/completions``."""
    return ask(origin, "POST", "/v1/chat/completions", headers=[JSON, *headers], body=body, **options)


def receive(link: socket.socket, method: str = "GET") -> Answer:
    """The next answer on ``link``. Raises ``ConnectionError`` when it ends early."""
    with link.makefile("rb") as reader:
        return _receive(reader, method)


def _receive(reader: Any, method: str) -> Answer:
    status_line = reader.readline()
    if not status_line:
        raise ConnectionError("closed without an answer")
    status = int(status_line.split()[1])
    headers = []
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").rstrip("\r\n").partition(":")
        headers.append((name, value.strip(" \t")))
    if 100 <= status < 200 and status != 101:
        return _receive(reader, method)
    fields = {name.lower(): value for name, value in headers}
    if method == "HEAD" or status in (101, 204, 304):
        return Answer(status, headers, b"")
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size_line = reader.readline()
            if not size_line:
                raise ConnectionError("the body broke off")
            size = int(size_line, 16)
            if not size:
                break
            body += _exactly(reader, size)
            assert reader.readline() == b"\r\n"
        reader.readline()
        return Answer(status, headers, body)
    if "content-length" in fields:
        return Answer(status, headers, _exactly(reader, int(fields["content-length"])))
    return Answer(status, headers, reader.read())


def _exactly(reader: Any, size: int) -> bytes:
    data: bytes = reader.read(size)
    if len(data) != size:
        raise ConnectionError("the body broke off")
    return data


def mark() -> tuple[str, str]:
    """A header that tells one request from all others in the journal."""
    return "x-test-mark", uuid.uuid4().hex


def received(mock: Mock, marked: tuple[str, str]) -> list[dict[str, Any]]:
    """What the upstream received with that mark, as the mock's journal shows it."""
    entries = ask(mock.origin, "GET", "/mock/requests?last=40", key=None).json()["data"]
    return [entry for entry in entries if list(marked) in entry["headers"]]


def one(mock: Mock, marked: tuple[str, str]) -> dict[str, Any]:
    """The only request with that mark."""
    (entry,) = received(mock, marked)
    return entry


def body_of(entry: dict[str, Any]) -> bytes:
    """The bytes of a journal entry (up to 64 KiB)."""
    return base64.b64decode(entry["body_base64"])


def values_of(entry: dict[str, Any], name: str) -> list[str]:
    """Header values of a journal entry, in order."""
    return [value for key, value in entry["headers"] if key.lower() == name]


def form(*parts: tuple[str, str | None, bytes], boundary: str = "frontier-7") -> tuple[tuple[str, str], bytes]:
    """A multipart body of (name, filename or ``None``, value) and its content type."""
    pieces = []
    for name, filename, value in parts:
        file = f'; filename="{filename}"\r\ncontent-type: application/octet-stream' if filename is not None else ""
        pieces.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
        )
    return ("content-type", f"multipart/form-data; boundary={boundary}"), b"".join(
        pieces
    ) + f"--{boundary}--\r\n".encode()
