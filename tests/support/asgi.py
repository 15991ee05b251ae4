"""ASGI by hand: scopes, and a client whose ``receive`` and ``send`` a test drives and inspects."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from proxy.context import SCOPE_KEY, Message, Receive, RequestContext, Scope, Send

HOST = (b"host", b"gateway.test")


def http_scope(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    *,
    headers: Iterable[tuple[bytes, bytes]] = (HOST,),
    query: bytes = b"",
    client: str = "192.0.2.7",
    raw_path: bytes | None = None,
) -> Scope:
    """What Granian hands over for one HTTP request. ``headers`` replace the default Host."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode() if raw_path is None else raw_path,
        "query_string": query,
        "headers": list(headers),
        "client": (client, "4711"),
        "server": ("127.0.0.1", "8080"),
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }


def socket_scope(
    path: str = "/v1/realtime", *, headers: Iterable[tuple[bytes, bytes]] = (HOST,), query: bytes = b""
) -> Scope:
    """The same for a WebSocket."""
    scope = http_scope("GET", path, headers=headers, query=query)
    del scope["method"]
    scope["type"] = "websocket"
    return scope


def scope_of(ctx: RequestContext) -> Scope:
    """A scope behind the edge: only the context matters there."""
    return {"type": "http", SCOPE_KEY: ctx}


class Client:
    """Both ends of one exchange. After its messages ``receive`` waits until ``leave`` is called."""

    def __init__(self, body: bytes | Iterable[bytes] = b"", *, truncated: bool = False) -> None:
        parts = [body] if isinstance(body, bytes) else list(body)
        self._messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": truncated or index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        self._gone = asyncio.Event()
        if truncated:
            self._gone.set()
        self.sent: list[Message] = []
        self.received = 0

    @classmethod
    def saying(cls, *messages: Message) -> "Client":
        """A client with ``messages`` as they are."""
        client = cls()
        client._messages = list(messages)
        return client

    async def receive(self) -> Message:
        """The next message; ``http.disconnect`` once it has left."""
        self.received += 1
        if self._messages:
            return self._messages.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keeps the message."""
        self.sent.append({**message})

    def leave(self) -> None:
        """The connection ends."""
        self._gone.set()

    # ---- what arrived -----------------------------------------------------------------------------------------------

    @property
    def starts(self) -> list[Message]:
        """Every ``http.response.start``."""
        return [message for message in self.sent if message["type"] == "http.response.start"]

    @property
    def status(self) -> int:
        """Of the one answer."""
        (start,) = self.starts
        status: int = start["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the one answer."""
        (start,) = self.starts
        return dict(start["headers"])

    @property
    def chunks(self) -> list[bytes]:
        """Body of every body message."""
        return [message.get("body", b"") for message in self.sent if message["type"] == "http.response.body"]

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.chunks)

    @property
    def ended(self) -> bool:
        """Was the last message a final one?"""
        return bool(self.sent) and self.sent[-1].get("more_body", False) is False and len(self.chunks) > 0

    @property
    def error(self) -> Mapping[str, Any]:
        """``error`` of the envelope in the body."""
        found: Mapping[str, Any] = orjson.loads(self.body)["error"]
        return found


async def ok_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The smallest application: 200 ``ok``."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


class Inner:
    """An application that notes that it was reached, and with what context."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
