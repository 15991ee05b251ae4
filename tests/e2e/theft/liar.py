"""An upstream that answers whatever its client's ``x-lie`` header says: for figures that no honest provider reports."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Liar:
    """Where it listens (``url`` ends with ``/v1``), and what it was asked: (method, path, body)."""

    url: str
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)


@contextmanager
def liar() -> Iterator[Liar]:
    """One that runs in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            found.asked.append((self.command, self.path, self.rfile.read(length)))
            told = json.loads(base64.b64decode(self.headers.get("x-lie", "")) or b"{}")
            body = told.get("body", "{}").encode()
            body = body.replace(b"@PAD@", b"x" * int(told.get("pad", 0)))
            self.send_response(int(told.get("status", 200)))
            self.send_header("content-type", told.get("type", "application/json"))
            if told.get("encoding") == "gzip":
                body = gzip.compress(body)
            if "encoding" in told:
                self.send_header("content-encoding", told["encoding"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Liar(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def lie(body: object, **how: Any) -> dict[str, str]:
    """The header that makes it answer ``body`` (a document, or text). ``type``, ``status``, ``encoding``; ``pad``: bytes for ``@PAD@``."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {"x-lie": base64.b64encode(json.dumps({"body": text, **how}).encode()).decode()}


def events(*payloads: object, done: bool = True) -> str:
    """An event stream."""
    parts = [f"data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n" for payload in payloads]
    return "".join(parts) + ("data: [DONE]\n\n" if done else "")


def completion(text: str, usage: object = None) -> dict[str, Any]:
    """A chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    whole: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o", "choices": [choice]}
    return whole if usage is None else {**whole, "usage": usage}


def chunk(text: str | None = None, **members: Any) -> dict[str, Any]:
    """One chunk of a chat stream; without text the last one."""
    choice = (
        {"index": 0, "delta": {}, "finish_reason": "stop"}
        if text is None
        else {"index": 0, "delta": {"content": text}, "finish_reason": None}
    )
    return {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [choice], **members}
