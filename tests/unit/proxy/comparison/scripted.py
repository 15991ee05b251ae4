"""A gateway whose every answer is a function of the request: for runs that must meet what no mock does on its own."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct

from proxy.wire.values import JsonObject

PLACE = "p/{model}"


class Said(Struct, frozen=True, kw_only=True):
    """An answer. ``usage`` is (prompt, output) tokens."""

    text: str = "yes"
    status: int = 200
    headers: dict[str, str] = {}
    body: JsonObject | None = None
    usage: tuple[int, int] | None = (10, 5)


Script = Callable[[dict[str, Any], int], Said]
"""From a request's body, and how many requests its model had before, to what is said."""


class Scripted:
    """What was asked, and a script for what is answered."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self.lock = threading.Lock()

    def answer(self, body: dict[str, Any]) -> Said:
        with self.lock:
            before = sum(each["model"] == body["model"] for each in self.asked)
            self.asked.append(body)
        return self.script(body, before)


def yes(body: dict[str, Any], before: int) -> Said:
    return Said()


def _completion(said: Said, model: str) -> JsonObject:
    prompt, output = said.usage or (0, 0)
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said.text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": output} if said.usage is not None else None,
    }


@contextmanager
def scripted(script: Script = yes) -> Iterator[Scripted]:
    """Serves it on loopback."""
    own = Scripted(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = own.answer(body)
            model = str(body["model"])
            data = json.dumps(said.body if said.body is not None else _completion(said, model)).encode()
            self.send_response(said.status)
            given = {"x-tollway-provider": "p", "x-tollway-model": model, "content-type": "application/json"}
            for name, value in {**given, **said.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        own.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield own
        finally:
            server.shutdown()
            thread.join()
