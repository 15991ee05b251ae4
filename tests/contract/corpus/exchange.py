"""One exchange with a provider as it goes over the wire, and what a careful reader expects OpenAI's form of it to say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

JSON = "application/json"
EVENTS = "text/event-stream"
FRAMES = "application/vnd.amazon.eventstream"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the client must read. ``usage``: (prompt, completion, cached, cache write, reasoning), ``None`` when none is reported.

    ``error``: members ``status``, ``type``, ``code``, ``says`` (part of the message), ``retry_after``; those listed are compared.
    """

    text: str = ""
    reasoning: str = ""
    tools: tuple[tuple[str, Any], ...] = ()
    finish: str | None = None
    usage: tuple[int, int, int, int, int] | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """``stream``: did the client ask for one? ``exact``: must the client get the provider's very bytes? ``flavour``: how
    genai-prices names the usage (provider, API)."""

    name: str
    provider: str
    model: str
    body: bytes
    said: Said
    stream: bool = False
    status: int = 200
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    exact: bool = False
    flavour: tuple[str, str] | None = None

    @property
    def label(self) -> str:
        """How a failing test names it."""
        return f"{self.provider}-{self.name}{'-stream' if self.stream else ''}"


FUNCTION = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TOOLS = {"tools": [FUNCTION]}


def usage(
    prompt: int, output: int, cached: int = 0, written: int = 0, reasoning: int = 0
) -> tuple[int, int, int, int, int]:
    """The figures in the order of ``Said.usage``."""
    return (prompt, output, cached, written, reasoning)


def dump(value: Any) -> bytes:
    """Compact JSON, non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(*events: Any, end: str = "\n\n", done: bool = False, named: bool = False) -> bytes:
    """An event stream. Objects become data, named by their ``type`` if ``named``; text goes in as it is, with a blank line."""
    line = "\r\n" if end.startswith("\r") else "\n"
    found = []
    for event in events:
        if isinstance(event, str):
            found.append(event.encode() + end.encode())
            continue
        head = f"event: {event['type']}{line}" if named else ""
        found.append(head.encode() + b"data: " + dump(event) + end.encode())
    return b"".join(found) + (b"data: [DONE]" + end.encode() if done else b"")


def frame(event: str, payload: Any, *, kind: str = "event") -> bytes:
    """One message of AWS's event stream."""
    names = {"event": ":event-type", "exception": ":exception-type"}
    fields = {":message-type": kind, names[kind]: event, ":content-type": "application/json"}
    head = b""
    for name, value in fields.items():
        head += bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()
    body = payload if isinstance(payload, bytes) else dump(payload)
    prelude = (len(head) + len(body) + 16).to_bytes(4, "big") + len(head).to_bytes(4, "big")
    message = prelude + crc32(prelude).to_bytes(4, "big") + head + body
    return message + crc32(message).to_bytes(4, "big")
